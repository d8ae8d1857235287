"""A record into its table, one value out of it, and the number that tells pages to redraw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlite_utils import Database

from storage import codec


def insert(db: Database, table: str, record: Any) -> int:
    """Insert a record; id 0 asks for the next one."""
    row = codec.to_row(record)
    if row.get("id") == 0:
        row["id"] = None
    return int(db.table(table).insert(row).last_rowid or 0)


def update(db: Database, table: str, record: Any) -> None:
    """Write a record over the row that has its id."""
    row = codec.to_row(record)
    db.table(table).update(row.pop("id"), row)


def one(db: Database, sql: str, arguments: Sequence[Any]) -> Any:
    """The first value that a query finds."""
    return db.conn.execute(sql, arguments).fetchone()[0]


def changed(db: Database) -> None:
    """Pages that look at the number of changes redraw."""
    db.conn.execute("UPDATE changes SET number = number + 1")
