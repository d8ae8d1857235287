"""Connections to SQLite that speak in our own errors.

What the machine does to a database (damage, a full disk, a lock) becomes ``Damaged`` or ``Blocked`` here, in one place,
whoever asks. Mistakes in a statement stay SQLite's own errors: they are ours, and nobody's disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.errors import Blocked, Damaged, Unhealthy

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BLOCKED = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
)
BACKUPS = "backups"
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=10000",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "secure_delete=ON",
    "journal_size_limit=67108864",
)


class Cursor(sqlite3.Cursor):
    """A cursor whose errors are translated."""

    def execute(self, *arguments: Any) -> Cursor:
        """As in ``sqlite3``."""
        return self._call(super().execute, *arguments)

    def executemany(self, *arguments: Any) -> Cursor:
        """As in ``sqlite3``."""
        return self._call(super().executemany, *arguments)

    def fetchone(self) -> Any:
        """As in ``sqlite3``."""
        return self._call(super().fetchone)

    def fetchmany(self, *arguments: Any) -> list[Any]:
        """As in ``sqlite3``."""
        return self._call(super().fetchmany, *arguments)

    def fetchall(self) -> list[Any]:
        """As in ``sqlite3``."""
        return self._call(super().fetchall)

    def __next__(self) -> Any:
        return self._call(super().__next__)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except sqlite3.DatabaseError as error:
            raise translated(error, self.connection.path) from error


class Connection(sqlite3.Connection):
    """A connection that remembers its file."""

    path = Path()

    def cursor(self, factory: Any = Cursor) -> Any:
        """As in ``sqlite3``, with errors translated."""
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        """As in ``sqlite3``; its own would not ask for our cursor."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """As in ``sqlite3``."""
        return self.cursor().executemany(*arguments)


def open_database(path: Path, *, read_only: bool = False, seconds: float = 10) -> Connection:
    """Connect to a database file.

    Parameters
    ----------
    path : Path
    read_only : bool
        Whether the file may be written at all.
    seconds : float
        How long a statement waits for a lock.

    Raises
    ------
    Blocked, Damaged
        If the file cannot be opened.
    """
    with told(path):
        where = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(
            where, uri=True, isolation_level=None, timeout=seconds, check_same_thread=read_only, factory=Connection
        )
    connection.path = path
    return connection


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Translate SQLite's errors about a file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise translated(error, path) from error


def translated(error: sqlite3.DatabaseError, path: Path) -> Exception:
    """The error a person may meet, or the same one if it is no fault of the machine."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _DAMAGE or str(error).startswith("Could not decode to UTF-8"):
        return Damaged(f"The database {path} is damaged ({error}). {way_back(path.parent)}")
    if primary in _BLOCKED:
        return Blocked(f"The database cannot be used now: {error}.")
    return error


def way_back(folder: Path) -> str:
    """What to do about a damaged database: the newest backup of its folder, by name."""
    kept = sorted((folder / BACKUPS).glob("*.tar"))
    if not kept:
        return (
            f"There is no backup in {folder / BACKUPS}. The file is left as it is; what can be read is shown by: "
            "run.py status, run.py export."
        )
    return f"The file is left as it is. Bring the newest backup back with: run.py restore {kept[-1]} --data-dir NEW."


def open_for_writing(path: Path) -> Connection:
    """The writing connection, after a look at the whole file: SQLite reports damage as an answer, not as an error."""
    _make_private(path)
    connection = open_database(path)
    try:
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise Damaged(f"The database {path} is damaged ({' '.join(answer.split())}). {way_back(path.parent)}")
    except sqlite3.DatabaseError as error:
        raise Damaged(f"The database {path} is damaged ({error}). {way_back(path.parent)}") from error
    except BaseException:
        connection.close()
        raise
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _make_private(path: Path) -> None:
    """The database is this user's alone: people's rows and hashes of passwords are in it. (Its log follows suit.)"""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise Unhealthy(f"The database {path} cannot be opened for writing: {error.strerror or error}.") from error
