"""The one writer. Each public method is one named transaction: its outputs and the new state, or nothing.

SQLite before 3.51.3 can corrupt a write-ahead log when two connections write or checkpoint at once, so one connection
does all writes and all checkpoints, behind one lock; readers (``history.connect``) never write. A file lock on the
data folder keeps a second process out.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sqlite_utils import Database

from storage import codec, oblivion, whole, writes
from storage.connection import open_for_writing
from storage.errors import Blocked, Conflict, Missing, Unhealthy
from storage.hold import Hold
from storage.oblivion import Forgotten
from storage.records import (
    Action,
    Backtest,
    Batch,
    Decision,
    DriftReport,
    Episode,
    Event,
    FeatureDrift,
    Health,
    Job,
    Monitor,
    Performance,
    Period,
    Session,
    SettingsRow,
    Token,
    Training,
    Truth,
    User,
    Version,
)
from storage.schema import bring_up_to_date, outdated

DATABASE = "drift.db"
_WORTH = 32 << 20  # bytes of free pages that make a compaction worth it


@dataclass(frozen=True)
class Judged:
    """What came of a training."""

    verdict: Action
    version: Version | None = None  # new, not yet stored
    reference: tuple[int, Mapping[str, bytes]] | None = None  # rows and profile of what it was trained on
    recalled: int | None = None  # an earlier version that won
    suspect: Mapping[int, str] = field(default_factory=dict)  # batches not to be learned from until a person says so
    progress: Mapping[str, Any] = field(default_factory=dict)


class Store:
    """The writing side of a data folder.

    Parameters
    ----------
    folder : Path
        The data folder; made if it is not there.
    point : callable, optional
        Called with the name of each moment before and after a commit; fault tests kill the process there.
    save : callable, optional
        Copies the database of the folder before it is brought up to date, and returns the copy: ``saved``.
    """

    def __init__(
        self,
        folder: Path,
        point: Callable[[str], None] = lambda name: None,
        save: Callable[[Path], Path] | None = None,
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unhealthy(f"The data folder {folder} cannot be made: {error.strerror}.") from error
        self.folder = folder
        self.hold = Hold(folder)
        self.hold.take()
        self._point = point
        self._lock = threading.RLock()
        self._save = save
        self.saved: Path | None = None
        try:
            self._open(folder / DATABASE)
        except Exception:
            self.hold.release()
            raise

    def _open(self, path: Path) -> None:
        whole.look_before(path)
        if self._save is not None and outdated(path):
            self.saved = self._save(self.folder)
        self._db = Database(open_for_writing(path))
        self._point("migrate:before")
        bring_up_to_date(self._db)
        self._point("migrate:after")
        self._begin_log()

    def _begin_log(self) -> None:
        """From here on there is a write-ahead log, and its absence is a loss."""
        self._db.conn.execute("UPDATE changes SET number = number + 1")  # one that changes nothing writes nothing
        whole.mark_open(self.folder / DATABASE)

    def close(self) -> None:
        """Empty the write-ahead log and let go of the folder."""
        with self._lock:
            whole.mark_closed(self.folder / DATABASE)
            self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._db.conn.close()
        self.hold.release()

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database as far as readers allow."""
        with self._lock:
            self._db.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def empty_log(self) -> bool:
        """Move all of the write-ahead log into the database and empty it, unless a reader is in the way."""
        with self._lock:
            whole.mark_closed(self.folder / DATABASE)
            busy = self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._begin_log()
        return not busy

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """Do not wait for the disk: only for a history that can be made again from its seed."""
        with self._lock:
            self._db.conn.execute("PRAGMA synchronous=OFF")
        try:
            yield
        finally:
            with self._lock:
                self._db.conn.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def _transaction(self, name: str, quiet: bool = False) -> Iterator[Database]:
        with self._lock:
            connection = self._db.conn
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield self._db
                if not quiet:
                    connection.execute("UPDATE changes SET number = number + 1")
                self._point(f"{name}:before")
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and "readonly" in str(error):
                    raise Blocked(f"The database cannot be written now: {error}.") from error
                raise
        self._point(f"{name}:after")

    # --- monitors and settings -----------------------------------------------------------------------------------

    def add_monitor(
        self,
        monitor: Monitor,
        settings: SettingsRow,
        reference: Batch,
        rows: Iterable[Mapping[str, Any]],
        parts: Mapping[str, bytes],
        version: Version,
        event: Event,
    ) -> Monitor:
        """A whole monitor at once: settings, reference rows and profile, first version as champion."""
        with self._transaction("add_monitor") as db:
            if list(db.query("SELECT 1 FROM monitors WHERE name = ?", [monitor.name])):
                raise Conflict(f"A monitor named {monitor.name!r} is already there.")
            monitor_id = writes.insert(db, "monitors", replace(monitor, champion=None))
            settings_id = writes.insert(db, "settings", replace(settings, monitor_id=monitor_id))
            batch_id = writes.insert(db, "batches", replace(reference, monitor_id=monitor_id, version_id=None))
            writes.insert_rows(db, batch_id, rows)
            writes.insert_parts(db, batch_id, parts)
            version_id = self._insert_version(
                db,
                replace(
                    version, monitor_id=monitor_id, settings_id=settings_id, trained_on=(batch_id,), state="candidate"
                ),
                (reference.rows, parts),
            )
            writes.crown(db, monitor_id, version_id)
            decision = Decision(
                id=0,
                monitor_id=monitor_id,
                batch_id=batch_id,
                action="promote",
                trigger="init",
                reason=version.reason,
                details={},
                version_id=None,
                challenger_id=version_id,
                settings_id=settings_id,
                author=event.author,
                created_at=event.created_at,
            )
            writes.insert(db, "decisions", decision)
            writes.insert(db, "events", replace(event, monitor_id=monitor_id, batch_id=batch_id))
        return replace(monitor, id=monitor_id, champion=version_id)

    def change_settings(self, settings: SettingsRow, event: Event) -> int:
        """A new row of settings comes into force."""
        with self._transaction("change_settings") as db:
            settings_id = writes.insert(db, "settings", settings)
            writes.insert(db, "events", event)
        return settings_id

    def add_truths(self, truths: Sequence[Truth]) -> None:
        """What the simulator does to its world; known ones are left as they are."""
        with self._transaction("add_truths") as db:
            for truth in truths:
                db.table("truths").insert(codec.to_row(truth), ignore=True)

    # --- the way of a batch ----------------------------------------------------------------------------------------

    def receive(self, batch: Batch, event: Event) -> tuple[int, bool]:
        """Acknowledge a delivery whose bytes are in the vault. The same bytes twice are one batch.

        Returns
        -------
        (int, bool)
            The batch's id, and whether it was there already.
        """
        with self._transaction("receive") as db:
            query = "SELECT id FROM batches WHERE monitor_id = ? AND sha256 = ?"
            for row in db.query(query, [batch.monitor_id, batch.sha256]):
                message = f"{batch.name}: the same bytes as batch #{row['id']}; nothing was added."
                writes.insert(db, "events", replace(event, kind="duplicate", batch_id=row["id"], message=message))
                return row["id"], True
            batch_id = writes.insert(db, "batches", batch)
            writes.insert(db, "events", replace(event, batch_id=batch_id))
        return batch_id, False

    def begin_attempt(self, batch_id: int) -> int:
        """Count one more attempt at the batch's next step and return the number."""
        with self._transaction("begin_attempt") as db:
            db.execute("UPDATE batches SET attempts = attempts + 1 WHERE id = ?", [batch_id])
            return writes.one(db, "SELECT attempts FROM batches WHERE id = ?", [batch_id])

    def forgive_attempt(self, batch_id: int) -> None:
        """Take the last attempt back: it was not the batch that failed."""
        with self._transaction("forgive_attempt") as db:
            db.execute("UPDATE batches SET attempts = attempts - 1 WHERE id = ? AND attempts > 0", [batch_id])

    def validated(self, batch: Batch, rows: Iterable[Mapping[str, Any]]) -> None:
        """The rows (or, for a delivery of labels, the labels) of a checked file."""
        with self._transaction("validated") as db:
            writes.clear(db, batch.id)
            if batch.kind == "labels":
                db.table("labels").insert_all(
                    ({"monitor_id": batch.monitor_id, "delivery_id": batch.id, **row} for row in rows), batch_size=1000
                )
            else:
                writes.insert_rows(db, batch.id, rows)
                writes.adopt_labels(db, batch)
            writes.update_batch(db, replace(batch, state="validated"))

    def scored(
        self,
        batch: Batch,
        parts: Mapping[str, bytes],
        report: DriftReport,
        predictions: Iterable[tuple[Any, str | None]],
        reference_id: int,
        settings_id: int,
        now: int,
        performance: Sequence[Performance] = (),
    ) -> None:
        """Profile, drift report, predictions and estimated performance of a batch of rows."""
        with self._transaction("scored") as db:
            writes.insert_parts(db, batch.id, parts)
            writes.insert_report(db, batch.id, report, reference_id, settings_id, now)
            writes.insert_predictions(db, batch.id, predictions)
            for item in performance:
                writes.insert(db, "performance", item)
            writes.update_batch(db, replace(batch, state="scored"))

    def labels_applied(self, batch: Batch) -> list[int]:
        """Give rows their late labels and return the batches that were touched."""
        with self._transaction("labels_applied") as db:
            touched = writes.apply_labels(db, batch)
            matched = writes.one(
                db,
                "SELECT count(DISTINCT rows.key) FROM labels JOIN rows ON rows.key = labels.key "
                "JOIN batches ON batches.id = rows.batch_id "
                "WHERE labels.delivery_id = ? AND batches.monitor_id = labels.monitor_id",
                [batch.id],
            )
            writes.update_batch(db, replace(batch, state="scored", labelled=matched))
        return touched

    def decided(
        self,
        batch: Batch,
        decision: Decision,
        performance: Sequence[Performance],
        episodes: Sequence[Episode],
        health: tuple[Health, str],
        events: Sequence[Event],
        training: Training | None = None,
        parts: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> int:
        """What the batch means: revised performance, episodes, the decision, and a training if one is due.

        ``parts`` are sums over parts of the rows, by batch id, kept with that batch's performance.

        A decision to roll back names the version that comes back as its challenger.
        """
        with self._transaction("decided") as db:
            for item in performance:
                number = writes.insert(db, "performance", item)
                if parts and item.batch_id in parts:
                    db.execute("INSERT INTO parts VALUES (?, ?)", [number, codec.to_json(parts[item.batch_id])])
            writes.upsert_episodes(db, episodes)
            decision_id = writes.insert(db, "decisions", decision)
            if training is not None:
                writes.insert(db, "trainings", training)
            if decision.action == "rollback" and decision.challenger_id is not None:
                writes.crown(db, batch.monitor_id, decision.challenger_id, "rolled_back")
            writes.set_health(db, batch.monitor_id, health, decision.created_at)
            for event in events:
                writes.insert(db, "events", event)
            writes.update_batch(db, batch)
        return decision_id

    def finished(self, batch_id: int, now: int) -> None:
        """The last step of a batch."""
        with self._transaction("finished") as db:
            db.execute("UPDATE batches SET state = 'done', attempts = 0, done_at = ? WHERE id = ?", [now, batch_id])

    def quarantined(self, batch: Batch, event: Event, health: tuple[Health, str] | None = None) -> None:
        """Set a delivery aside with its reason; its bytes stay in the vault."""
        with self._transaction("quarantined") as db:
            done = replace(batch, state="quarantined", learnable=False, done_at=event.created_at)
            writes.update_batch(db, done)
            if health:
                writes.set_health(db, batch.monitor_id, health, event.created_at)
            writes.insert(db, "events", event)

    def reopened(self, batch: Batch, event: Event) -> None:
        """Send a quarantined delivery on its way again, from the state the batch is given with."""
        with self._transaction("reopened") as db:
            writes.update_batch(db, replace(batch, attempts=0, done_at=None))
            writes.insert(db, "events", event)

    def rescored(self, reports: Iterable[tuple[int, int, DriftReport]], settings_id: int, now: int) -> None:
        """New reports of stored profiles, after a threshold changed: (batch, reference, report)."""
        with self._transaction("rescored") as db:
            for batch_id, reference_id, report in reports:
                writes.insert_report(db, batch_id, report, reference_id, settings_id, now)

    def periods_scored(self, periods: Iterable[tuple[Period, Sequence[FeatureDrift]]]) -> None:
        """Days or weeks merged and judged. Worked out from what is stored, so no change that pages redraw for."""
        with self._transaction("periods_scored", quiet=True) as db:
            writes.insert_periods(db, periods)

    # --- learning --------------------------------------------------------------------------------------------------

    def add_training(self, training: Training, decision: Decision, event: Event, health: tuple[Health, str]) -> int:
        """A training that a person or the calendar asked for."""
        with self._transaction("add_training") as db:
            training_id = writes.insert(db, "trainings", training)
            writes.insert(db, "decisions", decision)
            writes.set_health(db, training.monitor_id, health, event.created_at)
            writes.insert(db, "events", event)
        return training_id

    def training_started(self, training_id: int, now: int) -> int:
        """Mark a training as running; returns the number of this attempt."""
        with self._transaction("training_started") as db:
            db.execute(
                "UPDATE trainings SET state = 'running', attempts = attempts + 1, started_at = ? WHERE id = ?",
                [now, training_id],
            )
            return writes.one(db, "SELECT attempts FROM trainings WHERE id = ?", [training_id])

    def training_progress(self, training_id: int, progress: Mapping[str, Any]) -> None:
        """What the child process says of its work."""
        with self._transaction("training_progress") as db:
            db.execute("UPDATE trainings SET progress = ? WHERE id = ?", [codec.to_json(progress), training_id])

    def judged(
        self,
        training: Training,
        decision: Decision,
        health: tuple[Health, str],
        events: Sequence[Event],
        result: Judged,
    ) -> int | None:
        """The end of a training: the version with its reference, the champion, the decision and the batch's state.

        Returns
        -------
        int or None
            The version that came of it, new or recalled.
        """
        with self._transaction("judged") as db:
            version_id = result.recalled
            if result.version is not None:
                version_id = self._insert_version(db, result.version, result.reference)
            if result.verdict == "promote" and version_id is not None:
                writes.crown(db, training.monitor_id, version_id)
            writes.insert(db, "decisions", replace(decision, challenger_id=version_id))
            state = "failed" if result.verdict == "fail" else "judged"
            db.execute(
                "UPDATE trainings SET state = ?, ended_at = ?, progress = ? WHERE id = ?",
                [state, decision.created_at, codec.to_json(result.progress), training.id],
            )
            for batch_id, doubt in result.suspect.items():
                db.execute("UPDATE batches SET learnable = 0, reason = ? WHERE id = ?", [doubt, batch_id])
            if training.batch_id is not None:
                db.execute("UPDATE batches SET state = 'judged', attempts = 0 WHERE id = ?", [training.batch_id])
            writes.set_health(db, training.monitor_id, health, decision.created_at)
            for event in events:
                writes.insert(db, "events", event)
        return version_id

    def crowned(self, version_id: int, decision: Decision, health: tuple[Health, str], event: Event) -> None:
        """Another version becomes champion: promoted by a person, confirmed after a hold, or rolled back to."""
        with self._transaction("crowned") as db:
            leaving = "rolled_back" if decision.action == "rollback" else "retired"
            writes.crown(db, decision.monitor_id, version_id, leaving)
            writes.insert(db, "decisions", decision)
            writes.set_health(db, decision.monitor_id, health, event.created_at)
            writes.insert(db, "events", event)

    def refused(self, version_id: int, decision: Decision, health: tuple[Health, str], event: Event) -> None:
        """A person refuses a held version."""
        with self._transaction("refused") as db:
            db.execute("UPDATE versions SET state = 'rejected' WHERE id = ?", [version_id])
            writes.insert(db, "decisions", decision)
            writes.set_health(db, decision.monitor_id, health, event.created_at)
            writes.insert(db, "events", event)

    def trusted(self, batch_id: int, learnable: bool, reason: str, event: Event) -> None:
        """A person's word on doubtful labels: learn from the batch, or never."""
        with self._transaction("trusted") as db:
            db.execute("UPDATE batches SET learnable = ?, reason = ? WHERE id = ?", [int(learnable), reason, batch_id])
            writes.insert(db, "events", event)

    def pinned(self, version_id: int, pinned: bool, event: Event) -> None:
        """Keep a version for good, or no longer."""
        with self._transaction("pinned") as db:
            db.execute("UPDATE versions SET pinned = ? WHERE id = ?", [int(pinned), version_id])
            writes.insert(db, "events", event)

    def forget(
        self,
        monitor_id: int,
        batch_id: int | None,
        keys: Sequence[str],
        event: Event,
        strip: Callable[[Database, Forgotten], None] = lambda db, done: None,
    ) -> Forgotten:
        """Remove a whole batch's rows, or rows by their keys; scores and profiles, which hold no row, are kept.

        ``strip`` takes the names of levels that only those rows had out of the profiles.
        """
        with self._transaction("forget") as db:
            done = oblivion.forget(db, monitor_id, batch_id, keys, event.created_at)
            strip(db, done)
            writes.insert(db, "events", replace(event, message=done.message))
        self.empty_log()
        return done

    def let_go(self, batches: Sequence[int], versions: Sequence[int], event: Event) -> int:
        """Remove the rows of old batches and mark old versions; scores and profiles stay. Returns how many rows."""
        with self._transaction("let_go") as db:
            removed = oblivion.let_go(db, batches, versions, event.created_at)
            writes.insert(db, "events", event)
        return removed

    def compact(self) -> bool:
        """Give the room of removed rows back to the disk, where it is worth a rewrite of the file."""
        with self._lock:
            connection = self._db.conn
            free, pages, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "page_size")
            )
            if free * size < _WORTH or free < pages / 4:
                return False
            connection.execute("VACUUM")
        self.empty_log()
        return True

    def _insert_version(self, db: Database, version: Version, reference: tuple[int, Mapping[str, bytes]] | None) -> int:
        number = writes.one(
            db, "SELECT coalesce(max(number), 0) + 1 FROM versions WHERE monitor_id = ?", [version.monitor_id]
        )
        version_id = writes.insert(db, "versions", replace(version, number=number))
        if reference is not None:
            rows, parts = reference
            db.table("references_of_versions").insert_all(
                {"version_id": version_id, "feature": feature, "rows": rows, "data": data}
                for feature, data in parts.items()
            )
        return version_id

    # --- backtests -------------------------------------------------------------------------------------------------

    def add_backtest(self, backtest: Backtest, event: Event) -> int:
        """A backtest that a person asked for."""
        with self._transaction("add_backtest") as db:
            writes.insert(db, "events", event)
            return writes.insert(db, "backtests", backtest)

    def backtest_moved(self, backtest: Backtest, event: Event | None = None) -> None:
        """Its state, progress and result. Progress alone is no change that pages redraw for."""
        with self._transaction("backtest_moved", quiet=event is None) as db:
            row = codec.to_row(backtest)
            db.table("backtests").update(row.pop("id"), row)
            if event is not None:
                writes.insert(db, "events", event)

    def remove_backtest(self, backtest_id: int, event: Event) -> None:
        """A backtest that is no longer wanted."""
        with self._transaction("remove_backtest") as db:
            db.execute("DELETE FROM backtests WHERE id = ?", [backtest_id])
            writes.insert(db, "events", event)

    # --- who may come in -------------------------------------------------------------------------------------------

    def add_user(self, user: User, event: Event) -> int:
        """A user, or the same user with another role or password; the sessions of before end."""
        with self._transaction("add_user") as db:
            db.execute("DELETE FROM users WHERE name = ?", [user.name])
            writes.insert(db, "events", event)
            return writes.insert(db, "users", user)

    def add_token(self, token: Token, event: Event) -> int:
        """A machine's token; a name is given once."""
        with self._transaction("add_token") as db:
            if list(db.query("SELECT 1 FROM tokens WHERE name = ?", [token.name])):
                raise Conflict(
                    f"A token named {token.name!r} is already there. Remove it first, or choose another name."
                )
            writes.insert(db, "events", event)
            return writes.insert(db, "tokens", token)

    def remove_account(self, table: Literal["users", "tokens"], name: str, event: Event) -> None:
        """Nobody comes in by it any more, from the next request on."""
        with self._transaction("remove_account") as db:
            if not db.execute(f"DELETE FROM {table} WHERE name = ?", [name]).rowcount:  # nosec B608 # one of two words
                raise Missing(f"There is no {table.removesuffix('s')} named {name!r}.")
            writes.insert(db, "events", event)

    def sign_in(self, session: Session, now: int) -> None:
        """A browser has proved whose it is; sessions that are over go."""
        with self._transaction("sign_in", quiet=True) as db:
            db.execute("DELETE FROM sessions WHERE ends_at <= ?", [now])
            writes.insert(db, "sessions", session)

    def sign_out(self, sha256: str) -> None:
        """A session ends."""
        with self._transaction("sign_out", quiet=True) as db:
            db.execute("DELETE FROM sessions WHERE sha256 = ?", [sha256])

    # --- the ledger and the jobs -----------------------------------------------------------------------------------

    def add_event(self, event: Event) -> int:
        """One line of the ledger."""
        with self._transaction("add_event") as db:
            return writes.insert(db, "events", event)

    def set_health(self, monitor_id: int, health: tuple[Health, str], now: int) -> None:
        """The state of a monitor in a word and a sentence."""
        with self._transaction("set_health") as db:
            writes.set_health(db, monitor_id, health, now)

    def job_ran(self, job: Job, event: Event | None = None) -> None:
        """How the last run of a scheduled job went. Not a change that pages redraw for, unless it is an event."""
        with self._transaction("job_ran", quiet=event is None) as db:
            db.table("jobs").upsert(codec.to_row(job), pk="name")
            if event is not None:
                writes.insert(db, "events", event)
