"""The one writer. Each name of the store is one transaction: its outputs and the new state, or nothing.

What a transaction writes is a function of ``storage.writes``; the store makes a method of it, so that none can be
forgotten open, and its list of methods is the list of all that may ever change.

SQLite before 3.51.3 can corrupt a write-ahead log when two connections write or checkpoint at once, so one connection
does all writes and all checkpoints, behind one lock; readers (``history.connect``) never write. A file lock on the
data folder keeps a second process out.
"""

from __future__ import annotations

import functools
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlite_utils import Database

from storage import oblivion, whole
from storage.connection import open_for_writing
from storage.errors import Blocked, Unhealthy
from storage.hold import Hold
from storage.oblivion import Forgotten
from storage.records import Event
from storage.schema import bring_up_to_date, outdated
from storage.writes import accounts, deliveries, ledger, models, monitors, put, scores
from storage.writes.models import Judged

__all__ = ["DATABASE", "Judged", "Store"]

DATABASE = "drift.db"
_WORTH = 32 << 20  # bytes of free pages that make a compaction worth it

P = ParamSpec("P")
R = TypeVar("R")


def _transaction(
    write: Callable[Concatenate[Database, P], R], quiet: bool = False
) -> Callable[Concatenate[Store, P], R]:
    """A write as a method of the store: one transaction, named as the write is."""

    @functools.wraps(write)
    def method(self: Store, *arguments: P.args, **named: P.kwargs) -> R:
        with self._begin(write.__name__, quiet) as db:
            return write(db, *arguments, **named)

    return method


def _quiet(write: Callable[Concatenate[Database, P], R]) -> Callable[Concatenate[Store, P], R]:
    """The same for what pages need not redraw for, unless the write says so itself."""
    return _transaction(write, quiet=True)


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
        put.changed(self._db)  # what changes nothing would write nothing
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
    def _begin(self, name: str, quiet: bool = False) -> Iterator[Database]:
        """A transaction that is committed when the block ends well, and leaves nothing when it does not."""
        with self._lock:
            connection = self._db.conn
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield self._db
                if not quiet:
                    put.changed(self._db)
                self._point(f"{name}:before")
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError) and "readonly" in str(error):
                    raise Blocked(f"The database cannot be written now: {error}.") from error
                raise
        self._point(f"{name}:after")

    # --- monitors and settings ---------------------------------------------------------------------------------------

    add_monitor = _transaction(monitors.add_monitor)
    change_settings = _transaction(monitors.change_settings)
    add_truths = _transaction(monitors.add_truths)

    # --- the way of a batch ------------------------------------------------------------------------------------------

    receive = _transaction(deliveries.receive)
    begin_attempt = _transaction(deliveries.begin_attempt)
    forgive_attempt = _transaction(deliveries.forgive_attempt)
    validated = _transaction(deliveries.validated)
    scored = _transaction(deliveries.scored)
    labels_applied = _transaction(deliveries.labels_applied)
    decided = _transaction(deliveries.decided)
    finished = _transaction(deliveries.finished)
    quarantined = _transaction(deliveries.quarantined)
    reopened = _transaction(deliveries.reopened)
    trusted = _transaction(deliveries.trusted)
    rescored = _transaction(scores.rescored)
    periods_scored = _quiet(scores.periods_scored)

    # --- learning ----------------------------------------------------------------------------------------------------

    add_training = _transaction(models.add_training)
    training_started = _transaction(models.training_started)
    training_progress = _transaction(models.training_progress)
    judged = _transaction(models.judged)
    crowned = _transaction(models.crowned)
    refused = _transaction(models.refused)
    pinned = _transaction(models.pinned)

    # --- the ledger, the jobs and the backtests ----------------------------------------------------------------------

    add_event = _transaction(ledger.add_event)
    job_ran = _quiet(ledger.job_ran)
    add_backtest = _transaction(ledger.add_backtest)
    backtest_moved = _quiet(ledger.backtest_moved)
    remove_backtest = _transaction(ledger.remove_backtest)

    # --- who may come in ---------------------------------------------------------------------------------------------

    add_user = _transaction(accounts.add_user)
    add_token = _transaction(accounts.add_token)
    remove_account = _transaction(accounts.remove_account)
    sign_in = _quiet(accounts.sign_in)
    sign_out = _quiet(accounts.sign_out)

    # --- letting go --------------------------------------------------------------------------------------------------

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
        with self._begin("forget") as db:
            done = oblivion.forget(db, monitor_id, batch_id, keys, event.created_at)
            strip(db, done)
            put.insert(db, "events", replace(event, message=done.message))
        self.empty_log()
        return done

    def let_go(self, batches: Sequence[int], versions: Sequence[int], event: Event) -> int:
        """Remove the rows of old batches and mark old versions; scores and profiles stay. Returns how many rows."""
        with self._begin("let_go") as db:
            removed = oblivion.let_go(db, batches, versions, event.created_at)
            put.insert(db, "events", event)
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
