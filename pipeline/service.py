"""Every verb one may ask for. Pages, the command line and the jobs act through this one object.

A verb checks, then makes one transaction of the store; alerts go out after the commit.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from pipeline import alerts, backtest, chores, dossier, found, periods, route, sources
from pipeline.desk import Desk, wall_clock
from pipeline.views import Views
from storage import history, upkeep
from storage.errors import Conflict, Missing, ProductError, Refused, Unhealthy
from storage.records import Batch, Decision, Grain, Job, Monitor, SettingsRow, Training
from storage.settings import Settings, changed

BACKTESTS = "/backtests"  # the turn and the job of backtests; no monitor can have such a name
_STUCK_SECONDS = 1200  # a training has its own limit, which is lower unless a person raised it
_QUIET_SECONDS = 30  # a job that goes well is written down this often


@dataclass(frozen=True)
class Receipt:
    """The acknowledgement of a delivery: from here on it is not lost."""

    batch: Batch
    duplicate: bool


class Service(Views):
    """The program over one data folder; the only one that writes there.

    Parameters
    ----------
    folder : Path
        The data folder; made if it is not there.
    clock : callable
        Returns the time in microseconds since 1970, UTC.
    point : callable
        Called with the name of each moment around a commit, a file's writing or a file's taking (fault tests).
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], int] = wall_clock,
        point: Callable[[str], None] = lambda name: None,
    ) -> None:
        super().__init__(Desk(Path(folder), clock, point))
        self._point = point
        self.stopping = False  # no step is begun any more; what is under way goes on at the next start
        self.wake: Callable[[str], None] = lambda monitor: None
        self.access_token = ""  # nosec B105 # none is given out yet
        self.inbox = self.desk.folder / "inbox"
        self.inbox.mkdir(exist_ok=True)
        self._looks: sources.Looks = sources.Looks()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._merging = threading.Lock()  # a page and the job would work out the same days
        self.findings: tuple[int, tuple[upkeep.Finding, ...]] | None = None  # when, and what the doctor found
        self._pulse: dict[str, Any] = {"last": None, "running": {}}
        self._jobs: dict[str, Job] = {job.name: job for job in history.jobs(self.db)}
        self.desk.vault.sweep()
        sources.recover(self.inbox)

    @property
    def db(self) -> Database:
        """This thread's connection for reading."""
        return self.desk.db

    @property
    def store(self) -> Any:
        """The writer."""
        return self.desk.store

    def close(self) -> None:
        """Stop the child process and let go of the data folder."""
        self.desk.close()

    # --- deliveries ------------------------------------------------------------------------------------------------

    def receive(self, monitor: str, name: str, data: bytes, source: str = "upload", author: str = "page") -> Receipt:
        """Acknowledge a delivery of rows or labels; it is routed at the monitor's next turn.

        Raises
        ------
        Missing
            For an unknown monitor.
        Refused
            For more bytes than the monitor's settings allow.
        """
        owner, name = self.the_monitor(monitor), sources.label(name)[:200]
        self._check_size(owner, name, len(data))
        sha256 = self.desk.vault.put("spool", data)
        now = self.desk.now()
        batch = Batch(
            id=0, monitor_id=owner.id, kind="rows", name=name, sha256=sha256, size=len(data), source=source,
            state="received", attempts=0, reason="", warnings=(), rows=0, labelled=0, starts_at=None, ends_at=None,
            version_id=None, learnable=True, received_at=now, done_at=None,
        )  # fmt: skip
        event = self.desk.event(owner, "received", f"{name} arrived by {source}.", author=author)
        batch_id, duplicate = self.store.receive(batch, event)
        self.wake(owner.name)
        return Receipt(history.batch(self.db, batch_id), duplicate)

    def look_into_inbox(self) -> int:
        """Take what has finished arriving in the inbox folders; returns how many files were taken."""
        taken = 0
        self._looks, arrivals = sources.look(self.inbox, self._looks)
        for arrival in arrivals:
            try:
                taken += self._take(arrival)
            except (Missing, Refused, OSError) as error:
                self._tell_once(f"inbox/{arrival.monitor}/{arrival.name}", str(error))
        return taken

    def _take(self, arrival: sources.Arrival) -> int:
        """Receive one file of the inbox; it leaves its place only once its bytes are kept."""
        self._check_size(self.the_monitor(arrival.monitor), arrival.name, arrival.size)
        try:
            claimed = sources.claim(arrival.path)
        except FileNotFoundError:
            return 0  # taken away between the look and now
        self._point("inbox:claimed")
        try:
            self.receive(arrival.monitor, arrival.name, claimed.read_bytes(), "inbox", "schedule")
        except BaseException:
            sources.release(claimed)
            raise
        self._point("inbox:received")
        sources.acknowledge(claimed)
        self._point("inbox:acknowledged")
        return 1

    def _check_size(self, owner: Monitor, name: str, size: int) -> None:
        limit = self.settings(owner.id).read.max_bytes
        if size > limit:
            raise Refused(
                f"{size:,} bytes are more than the {limit:,} allowed.",
                file=name,
                remedy="Split the file, or raise read.max_bytes.",
            )

    def _tell_once(self, where: str, text: str) -> None:
        message = f"{where}: {text}"
        if not history.events(self.db, kinds=("inbox",), text=message, last=1):
            self.store.add_event(self.desk.event(None, "inbox", message, level="warning"))

    def work(self, monitor: str) -> int:
        """Move every unfinished batch and training of a monitor to its end; returns how many moved.

        Normal work and recovery after a kill are the same call. Batches go in order of arrival: one that is held up by
        the machine (disk full, lock) holds up those after it, and the error is raised for the job to record.
        """
        with self._turns[monitor]:
            owner = chores.sound_champion(self.desk, self.the_monitor(monitor))
            moved = 0
            while not self.stopping:
                queue = history.unfinished(self.db, owner.id)
                if queue:
                    outcome = route.advance(self.desk, queue[0])
                else:
                    waiting = history.trainings(self.db, owner.id, open_only=True)
                    if not waiting:
                        return moved
                    outcome = route.train(self.desk, owner, waiting[-1])
                self._alert(owner, outcome)
                moved += 1
            return moved

    def ingest(self, monitor: str, name: str, data: bytes, source: str = "command", author: str = "command") -> Receipt:
        """Receive a delivery and route it to its end before returning."""
        receipt = self.receive(monitor, name, data, source, author)
        self.work(monitor)
        return Receipt(history.batch(self.db, receipt.batch.id), receipt.duplicate)

    def retry(self, batch_id: int, note: str = "", author: str = "page") -> Batch:
        """Send a quarantined delivery on its way again, from the beginning."""
        batch = self._quarantined(batch_id)
        if batch.removed_at is not None:
            raise Conflict(f"The file of batch #{batch_id} was let go or forgotten, so it cannot be read again.")
        owner = history.monitor_by_id(self.db, batch.monitor_id)
        text = f"{batch.name} is tried again. {note}".strip()
        event = self.desk.event(owner, "retry", text, batch_id=batch_id, author=author)
        again = replace(batch, state="received", reason="", warnings=(), learnable=True)
        self.store.reopened(again, event)
        self.wake(owner.name)
        return history.batch(self.db, batch_id)

    def accept(self, batch_id: int, note: str = "", author: str = "page") -> Batch:
        """Say that a batch quarantined for a fault is right: it counts and may be learned from."""
        batch = history.batch(self.db, batch_id)
        owner = history.monitor_by_id(self.db, batch.monitor_id)
        if batch.state != "quarantined" and not batch.learnable:
            text = f"{batch.name}: a person says the labels are right. {note}".strip()
            event = self.desk.event(owner, "accept", text, batch_id=batch_id, author=author)
            self.store.trusted(batch_id, True, dossier.ACCEPTED, event)
            return history.batch(self.db, batch_id)
        batch = self._quarantined(batch_id)
        if batch.rows == 0 or batch.version_id is None:
            raise Conflict(
                f"Batch #{batch_id} could not be read, so there is nothing to accept. Mend the file and retry."
            )
        message = f"{batch.name}: a person says the data are right. {note}".strip()
        event = self.desk.event(owner, "accept", message, batch_id=batch_id, author=author)
        self.store.reopened(replace(batch, state="decided", reason=dossier.ACCEPTED, learnable=True), event)
        self.wake(owner.name)
        return history.batch(self.db, batch_id)

    def discard(self, batch_id: int, note: str = "", author: str = "page") -> Batch:
        """Leave a quarantined delivery for good; its bytes stay, it asks for nobody any more."""
        batch = history.batch(self.db, batch_id)
        owner = history.monitor_by_id(self.db, batch.monitor_id)
        if batch.state != "quarantined" and not batch.learnable:
            text = f"{batch.name}: a person leaves its labels aside. {note}".strip()
            event = self.desk.event(owner, "discard", text, batch_id=batch_id, author=author)
            self.store.trusted(batch_id, False, f"{dossier.DISCARDED} {batch.reason}", event)
            return history.batch(self.db, batch_id)
        batch = self._quarantined(batch_id)
        message = f"{batch.name} is left in quarantine for good. {note}".strip()
        event = self.desk.event(owner, "discard", message, batch_id=batch_id, author=author)
        self.store.quarantined(replace(batch, reason=f"{dossier.DISCARDED} {batch.reason}"), event)
        return history.batch(self.db, batch_id)

    def _quarantined(self, batch_id: int) -> Batch:
        batch = history.batch(self.db, batch_id)
        if batch.state != "quarantined":
            raise Conflict(f"Batch #{batch_id} is {batch.state}, not quarantined.")
        return batch

    # --- versions --------------------------------------------------------------------------------------------------

    def promote(self, monitor: str, number: int, note: str = "", author: str = "page") -> None:
        """Make a version the champion: confirms a held one, or brings any other back. Its bytes are checked first."""
        owner = self.the_monitor(monitor)
        version = history.version_numbered(self.db, owner.id, number)
        if version.id == owner.champion:
            raise Conflict(f"v{number} is the champion already.")
        self._crown(owner, version.id, "promote", f"A person made v{number} the champion.", note, author)

    def rollback(self, monitor: str, note: str = "", author: str = "page") -> int:
        """Bring back the champion before this one; returns its number. Takes effect for the very next prediction."""
        owner = self.the_monitor(monitor)
        before = dossier.predecessor(self.db, owner)
        if before is None:
            raise Conflict("There is no earlier champion to go back to.")
        self._crown(owner, before.id, "rollback", f"A person rolled back to v{before.number}.", note, author)
        return before.number

    def _crown(self, owner: Monitor, version_id: int, action: str, reason: str, note: str, author: str) -> None:
        self.desk.model(version_id)  # raises before anything changes if its bytes are not whole
        text = f"{reason} {note}".strip()
        decision = self._decision(owner, action, text, author, challenger_id=version_id)
        health = dossier.state_of(self.desk, owner, without_held=version_id, answered=True)
        event = self.desk.event(owner, action, text, author=author, details={"version": version_id})
        self.store.crowned(version_id, decision, health, event)
        self._send(owner, action, text)

    def refuse(self, monitor: str, number: int, note: str = "", author: str = "page") -> None:
        """Refuse a held version."""
        owner = self.the_monitor(monitor)
        version = history.version_numbered(self.db, owner.id, number)
        if version.state != "held":
            raise Conflict(f"v{number} is {version.state}, not held.")
        text = f"A person refused v{number}. {note}".strip()
        decision = self._decision(owner, "reject", text, author, challenger_id=version.id)
        health = dossier.state_of(self.desk, owner, without_held=version.id)
        self.store.refused(version.id, decision, health, self.desk.event(owner, "reject", text, author=author))

    def pin(self, monitor: str, number: int, pinned: bool, note: str = "", author: str = "page") -> None:
        """Keep a version for good, or no longer."""
        owner = self.the_monitor(monitor)
        version = history.version_numbered(self.db, owner.id, number)
        text = f"v{number} is {'pinned' if pinned else 'no longer pinned'}. {note}".strip()
        self.store.pinned(version.id, pinned, self.desk.event(owner, "pin", text, author=author))

    def retrain(self, monitor: str, note: str = "", author: str = "page") -> None:
        """Ask for a contest now, whatever the triggers say."""
        owner = self.the_monitor(monitor)
        if history.trainings(self.db, owner.id, open_only=True):
            raise Conflict("A training is under way already.")
        text = f"A person asked for a training. {note}".strip()
        now = self.desk.now()
        training = Training(0, owner.id, None, "queued", "person", text, 0, {}, now, None, None)
        event = self.desk.event(owner, "training", text, author=author)
        decision = self._decision(owner, "train", text, author)
        self.store.add_training(training, decision, event, ("learning", text))
        self.wake(owner.name)

    def _decision(
        self, owner: Monitor, action: Any, reason: str, author: str, challenger_id: int | None = None
    ) -> Decision:
        settings_id = history.settings_row(self.db, owner.id).id
        return Decision(
            0, owner.id, None, action, "person", reason, {}, owner.champion, challenger_id, settings_id, author,
            self.desk.now(),
        )  # fmt: skip

    # --- backtests -------------------------------------------------------------------------------------------------

    def backtest(self, monitor: str | None, runs: Sequence[Mapping[str, Any]] = (), **options: Any) -> int:
        """Ask for policies to be replayed over a monitor's history or a file; returns the backtest's id.

        Parameters and errors are those of ``pipeline.backtest.ask``; the state, progress and result are read with
        ``history.backtest``, whose ``result`` ``pipeline.backtest.compared`` describes.
        """
        asked = backtest.ask(self.desk, self.the_monitor(monitor) if monitor else None, runs, **options)
        self.wake(BACKTESTS)
        return asked

    def remove_backtest(self, backtest_id: int, author: str = "page") -> None:
        """Forget a backtest; one that runs ends unheard."""
        backtest.remove(self.desk, backtest_id, author)

    def work_backtests(self) -> int:
        """Run every backtest that waits; returns how many ended. Never at once with itself."""
        with self._turns[BACKTESTS]:
            return backtest.work(self.desk)

    # --- monitors and settings -------------------------------------------------------------------------------------

    def init(
        self,
        name: str,
        filename: str,
        data: bytes,
        target: str,
        *,
        id_column: str | None = None,
        time_column: str | None = None,
        features: list[str] | None = None,
        kinds: dict[str, Any] | None = None,
        task: str | None = None,
        estimator: str | None = None,
        settings: dict[str, Any] | None = None,
        author: str = "command",
        demo: bool = False,
    ) -> Monitor:
        """Make a monitor from a table: kinds inferred, reference profiled, first version trained."""
        if any(monitor.name == name for monitor in history.monitors(self.db)):
            raise Conflict(f"A monitor named {name!r} is already there. Choose another name.")
        wish = found.Wish(
            name=name, filename=filename, target=target, id_column=id_column, time_column=time_column,
            features=features, kinds=kinds, task=task, estimator=estimator,
            settings=changed(Settings(), settings or {}), author=author, demo=demo,
        )  # fmt: skip
        monitor = found.found(self.desk, wish, data)
        (self.inbox / name).mkdir(exist_ok=True)
        return monitor

    def describe(self, filename: str, data: bytes) -> dict[str, Any]:
        """What a table looks like before a monitor is made of it."""
        return found.describe(filename, data, Settings().read)

    def change_settings(
        self, monitor: str, assignments: dict[str, Any], note: str = "", author: str = "page"
    ) -> Settings:
        """Change some settings; stored history is scored again if a drift threshold moved."""
        owner = self.the_monitor(monitor)
        before = self.settings(owner.id)
        after = changed(before, assignments)
        unknown = sorted(set(after.features) - {feature.name for feature in owner.schema.features})
        if unknown:
            raise Refused(f"There is no feature {unknown[0]!r} in {monitor}.")
        if after == before:
            return after
        now = self.desk.now()
        row = SettingsRow(0, owner.id, after.model_dump(mode="json"), author, note, now)
        shown = alerts.masked_settings(assignments)
        text = "Settings changed: " + ", ".join(f"{key} = {value}" for key, value in shown.items()) + "."
        event = self.desk.event(owner, "settings", f"{text} {note}".strip(), author=author, details=shown)
        settings_id = self.store.change_settings(row, event)
        if (after.drift, after.features, after.faults) != (before.drift, before.features, before.faults):
            self.store.rescored(route.rescored(self.desk, owner, after), settings_id, now)
        return after

    def forget(self, monitor: str, batch_id: int | None, keys: list[str], author: str = "command") -> str:
        """Remove a batch, or rows by their ids, from database, spool and backups; says which models learned from them.

        Copies of backups that were taken elsewhere cannot be reached.
        """
        owner = self.the_monitor(monitor)
        if batch_id is None and not keys:
            raise Refused("Say what to forget: --batch BATCH or --id ID.")
        with self._turns[monitor]:
            event = self.desk.event(owner, "forget", "", author=author)
            done = self.store.forget(owner.id, batch_id, keys, event, chores.strip_names(self.desk, owner))
            for sha256 in set(done.files) - upkeep.named(self.db, "spool"):
                self.desk.vault.remove("spool", sha256)
            told = chores.forget_in_backups(self.desk, owner.id, batch_id, keys)
        return done.message + told

    # --- jobs ------------------------------------------------------------------------------------------------------

    def merge_periods(self, monitor: str | None = None, grain: Grain | None = None, most: int = periods.PARTS) -> int:
        """Judge days and weeks that are due, so that charts over long histories find them ready; returns what is left.

        The newest come first; at most ``most`` stored profiles of features are read.
        """
        owners = history.monitors(self.db) if monitor is None else [self.the_monitor(monitor)]
        with self._merging:
            return sum(
                periods.work(self.desk, owner, one, most)
                for owner in owners
                for one in ((grain,) if grain else ("day", "week"))
                if owner.champion
            )

    def upkeep(self) -> None:
        """The hourly chores: empty the write-ahead log, let go of what is old."""
        chores.tidy(self.desk)

    def back_up(self, hours: float) -> None:
        """Make a backup if the newest is older than so many hours."""
        chores.back_up(self.desk, hours)

    def doctor(self) -> None:
        """Check every promise, keep the findings for the page, and fail where one is broken."""
        found = tuple(chores.doctor(self.desk.folder))
        self.findings = (self.desk.now(), found)
        broken = [finding.text for finding in found if not finding.ok]
        if broken:
            raise Unhealthy(" ".join(broken))

    @contextmanager
    def recorded_job(self, name: str, seconds: float) -> Iterator[None]:
        """The top of a job that runs every so many seconds: what goes wrong is recorded, shown, and tried again."""
        started = self.desk.now()
        next_run = started + int(seconds * 1e6)
        self._pulse["last"] = started
        self._pulse["running"][name] = started
        before = self._jobs.get(name) or Job(name, None, None, 0, "", None)
        try:
            yield
        except Exception as error:
            text = str(error) if isinstance(error, ProductError) else f"{type(error).__name__}: {error}"
            route.log.exception("job %s failed", name)
            after = Job(name, started, before.last_ok, before.failures + 1, text, next_run)
            event = None
            if before.error != text:
                event = self.desk.event(None, "job_failed", f"The job {name!r} failed: {text}", level="error")
            self._write_job(after, event)
        else:
            after = Job(name, started, self.desk.now(), 0, "", next_run)
            if before.failures or started - (before.last_run or 0) > _QUIET_SECONDS * 1_000_000:
                self._write_job(after, None)
        finally:
            self._pulse["running"].pop(name, None)

    def _write_job(self, job: Job, event: Any) -> None:
        self._jobs[job.name] = job
        try:
            self.store.job_ran(job, event)
        except Exception:
            route.log.exception("the state of job %s could not be stored", job.name)

    def heartbeat(self) -> dict[str, Any]:
        """When a job last ran in this process, and which run now (name to start, microseconds)."""
        return {"last_tick": self._pulse["last"], "running": dict(self._pulse["running"])}

    def stuck(self) -> dict[str, float]:
        """Jobs that have run for longer than any step should take, and for how many seconds."""
        now = self.desk.now()
        running = {name: (now - since) / 1e6 for name, since in self.heartbeat()["running"].items()}
        return {name: seconds for name, seconds in running.items() if seconds > _STUCK_SECONDS}

    # --- alerts ----------------------------------------------------------------------------------------------------

    def test_alert(self, monitor: str, channel: str, options: Mapping[str, Any], author: str = "page") -> None:
        """Send a test by a channel, so that a person sees it arrive before it is needed.

        Raises
        ------
        Refused
            If there is no such channel, or its options cannot work.
        Unhealthy
            If the other side does not take it.
        """
        owner = self.the_monitor(monitor)
        text = f"A test of the alerts of {owner.name}: nothing has happened."
        alerts.send(alerts.Message(owner.name, "test", text), channel, options)
        self.store.add_event(self.desk.event(owner, "alert_test", f"A test was sent by {channel}.", author=author))

    def _alert(self, owner: Monitor, outcome: route.Outcome) -> None:
        for kind, text in outcome.alerts:
            self._send(owner, kind, text)

    def _send(self, owner: Monitor, kind: str, text: str) -> None:
        for row in self.settings(owner.id).alerts:
            if kind not in row.on:
                continue
            try:
                alerts.send(alerts.Message(owner.name, kind, text), row.channel, row.options)
            except ProductError as error:
                message = f"The alert by {row.channel} was not sent: {error}"
                self.store.add_event(self.desk.event(owner, "alert_failed", message, level="error"))
