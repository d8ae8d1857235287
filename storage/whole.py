"""What must be true of a data folder before it is written to: nothing is missing.

SQLite makes a new database where one is gone, and goes on without a write-ahead log that was deleted; either would be a
silent loss, so both are looked for before it is asked.
"""

from __future__ import annotations

import os
from pathlib import Path

from storage.connection import way_back
from storage.errors import Damaged

_OPEN = ".open"  # beside the database from the first write until it is closed


def look_before(path: Path) -> None:
    """Refuse a folder whose database, or its write-ahead log, was taken away.

    Raises
    ------
    Damaged
        Saying what is gone and what to do.
    """
    if not path.exists():
        kept = next((file for area in ("models", "spool") for file in (path.parent / "vault" / area).glob("*")), None)
        if kept is not None:
            raise Damaged(
                f"The database {path} is gone, but files that it told of are still there. {way_back(path.parent)} "
                "To begin anew, choose an empty folder with --data-dir."
            )
        return
    mark, log = _mark(path), path.with_name(f"{path.name}-wal")
    if mark.exists() and not (log.exists() and log.stat().st_size):  # a reader may have made an empty one anew
        raise Damaged(
            f"The write-ahead log {log} is gone although the program was not stopped properly, so the newest changes "
            f"are missing. {way_back(path.parent)} To go on with what is there, delete {mark}."
        )


def mark_open(path: Path) -> None:
    """From now on a missing write-ahead log is a loss."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        _mark(path).touch()
        sync_folder(path.parent)


def mark_closed(path: Path) -> None:
    """The write-ahead log is about to be emptied and removed, as it should be."""
    _mark(path).unlink(missing_ok=True)


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}{_OPEN}")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
