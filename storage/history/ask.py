"""The connection that cannot write, and how a question becomes records."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlite_utils import Database

from storage import codec
from storage.connection import open_database
from storage.errors import Damaged, Missing
from storage.records import Metric
from storage.schema import check_known

R = TypeVar("R")


def connect(path: Path) -> Database:
    """A connection that reads and cannot write. Use it in the thread that made it.

    Raises
    ------
    Missing
        If there is no database.
    Unhealthy
        If a newer version of the program has changed it.
    """
    if not path.exists():
        raise Missing(f"There is no data at {path.parent}. Start with: run.py init NAME --reference FILE --target COL")
    connection = open_database(path, read_only=True)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    db = Database(connection)
    with contextlib.suppress(Damaged, sqlite3.DatabaseError):  # damaged: the first question says so
        check_known(db)
    return db


def change_number(db: Database) -> int:
    """A number that grows with every write: pages redraw only when it moved."""
    return int(db.conn.execute("SELECT number FROM changes").fetchone()[0])


def records(db: Database, record: type[R], query: str, arguments: Sequence[Any] | Mapping[str, Any]) -> list[R]:
    """What a query finds, as records."""
    try:
        return [codec.from_row(record, row) for row in db.query(query, arguments)]
    except OverflowError:  # a number that no column can hold is the number of nothing
        return []


def first(found: list[R], what: str) -> R:
    """The first that was found. Raises Missing with what was asked for."""
    if not found:
        raise Missing(f"There is no {what}.")
    return found[0]


def stored_metrics(text: str) -> dict[str, Metric]:
    """Metrics as they were stored; what JSON could not hold (an unknown interval) is NaN."""
    return {
        name: Metric(**{key: float("nan") if value is None else value for key, value in one.items()})
        for name, one in orjson.loads(text).items()
    }
