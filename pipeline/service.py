"""Every verb one may ask for. Pages, the command line and the jobs act through this one object.

What is done is a function of ``pipeline.verbs``, or of the room it belongs to; here stand their names, the turns in
which monitors are worked on, and what the schedule calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pipeline import backtest, chores, found, periods, route
from pipeline.desk import Desk, at_desk, wall_clock
from pipeline.verbs import deliveries, herald, monitors, versions
from pipeline.verbs.deliveries import Receipt
from pipeline.verbs.inbox import Inbox
from pipeline.verbs.jobs import Jobs
from pipeline.views import Views
from storage import history, upkeep
from storage.errors import Conflict, Unhealthy
from storage.records import Grain, Monitor
from storage.settings import Settings, changed
from storage.store import Store

__all__ = ["BACKTESTS", "Receipt", "Service"]

BACKTESTS = "/backtests"  # the turn and the job of backtests; no monitor can have such a name
_PERIODS = "/periods"  # the turn of merging: a page and the job would work out the same days


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

    desk: Desk

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], int] = wall_clock,
        point: Callable[[str], None] = lambda name: None,
    ) -> None:
        super().__init__(Desk(Path(folder), clock, point))
        self.stopping = False  # no step is begun any more; what is under way goes on at the next start
        self.access_token = ""  # nosec B105 # none is given out yet
        self.findings: tuple[int, tuple[upkeep.Finding, ...]] | None = None  # when, and what the doctor found
        self._jobs = Jobs(self.desk)
        self.desk.vault.sweep()
        self._inbox = Inbox(self.desk, point)

    @property
    def store(self) -> Store:
        """The writer."""
        return self.desk.store

    @property
    def inbox(self) -> Path:
        """The folder with one inbox a monitor."""
        return self._inbox.folder

    def close(self) -> None:
        """Stop the child process and let go of the data folder."""
        self.desk.close()

    # --- deliveries --------------------------------------------------------------------------------------------------

    receive = at_desk(deliveries.receive)
    retry = at_desk(deliveries.retry)
    accept = at_desk(deliveries.accept)
    discard = at_desk(deliveries.discard)

    def look_into_inbox(self) -> int:
        """Take what has finished arriving in the inbox folders; returns how many files were taken."""
        return self._inbox.look()

    def work(self, monitor: str) -> int:
        """Move every unfinished batch and training of a monitor to its end; returns how many moved.

        Normal work and recovery after a kill are the same call. Batches go in order of arrival: one that is held up by
        the machine (disk full, lock) holds up those after it, and the error is raised for the job to record.
        """
        with self.desk.turns[monitor]:
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
                for kind, text in outcome.alerts:
                    herald.tell(self.desk, owner, kind, text)
                moved += 1
            return moved

    def ingest(self, monitor: str, name: str, data: bytes, source: str = "command", author: str = "command") -> Receipt:
        """Receive a delivery and route it to its end before returning."""
        receipt = self.receive(monitor, name, data, source, author)
        self.work(monitor)
        return Receipt(history.batch(self.db, receipt.batch.id), receipt.duplicate)

    # --- versions ----------------------------------------------------------------------------------------------------

    promote = at_desk(versions.promote)
    rollback = at_desk(versions.rollback)
    refuse = at_desk(versions.refuse)
    pin = at_desk(versions.pin)
    retrain = at_desk(versions.retrain)

    # --- monitors and settings ---------------------------------------------------------------------------------------

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

    change_settings = at_desk(monitors.change_settings)
    forget = at_desk(monitors.forget)
    test_alert = at_desk(herald.send_test)

    # --- backtests ---------------------------------------------------------------------------------------------------

    def backtest(self, monitor: str | None, runs: Sequence[Mapping[str, Any]] = (), **options: Any) -> int:
        """Ask for policies to be replayed over a monitor's history or a file; returns the backtest's id.

        Parameters and errors are those of ``pipeline.backtest.ask``; the state, progress and result are read with
        ``history.backtest``, whose ``result`` ``pipeline.backtest.compared`` describes.
        """
        asked = backtest.ask(self.desk, self.the_monitor(monitor) if monitor else None, runs, **options)
        self.desk.wake(BACKTESTS)
        return asked

    def remove_backtest(self, backtest_id: int, author: str = "page") -> None:
        """Forget a backtest; one that runs ends unheard."""
        backtest.remove(self.desk, backtest_id, author)

    def work_backtests(self) -> int:
        """Run every backtest that waits; returns how many ended. Never at once with itself."""
        with self.desk.turns[BACKTESTS]:
            return backtest.work(self.desk)

    # --- jobs --------------------------------------------------------------------------------------------------------

    def merge_periods(self, monitor: str | None = None, grain: Grain | None = None, most: int = periods.PARTS) -> int:
        """Judge days and weeks that are due, so that charts over long histories find them ready; returns what is left.

        The newest come first; at most ``most`` stored profiles of features are read.
        """
        owners = history.monitors(self.db) if monitor is None else [self.the_monitor(monitor)]
        with self.desk.turns[_PERIODS]:
            return sum(
                periods.work(self.desk, owner, one, most)
                for owner in owners
                for one in ((grain,) if grain else ("day", "week"))
                if owner.champion
            )

    upkeep = at_desk(chores.tidy)
    back_up = at_desk(chores.back_up)

    def doctor(self) -> None:
        """Check every promise, keep the findings for the page, and fail where one is broken."""
        found = tuple(chores.doctor(self.desk.folder))
        self.findings = (self.desk.now(), found)
        broken = [finding.text for finding in found if not finding.ok]
        if broken:
            raise Unhealthy(" ".join(broken))

    def recorded_job(self, name: str, seconds: float) -> AbstractContextManager[None]:
        """The top of a job that runs every so many seconds: what goes wrong is recorded, shown, and tried again."""
        return self._jobs.recorded(name, seconds)

    def heartbeat(self) -> dict[str, Any]:
        """When a job last ran in this process, and which run now (name to start, microseconds)."""
        return self._jobs.heartbeat()

    def stuck(self) -> dict[str, float]:
        """Jobs that have run for longer than any step should take, and for how many seconds."""
        return self._jobs.stuck()
