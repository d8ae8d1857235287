"""Questions about batches: which there are, and how far each has come."""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database

from storage.history.ask import first, records
from storage.records import Batch, BatchKind


def batches(
    db: Database,
    monitor_id: int,
    kinds: Sequence[BatchKind] = ("rows",),
    *,
    last: int | None = None,
    before: int | None = None,
) -> list[Batch]:
    """Batches in order of arrival; with ``last``, only the newest so many (with ids below ``before``, if given)."""
    marks = ", ".join("?" * len(kinds))
    query = (
        f"SELECT * FROM (SELECT * FROM batches WHERE monitor_id = ? AND kind IN ({marks}) AND id < ? "  # nosec B608
        "ORDER BY id DESC LIMIT ?) ORDER BY id"
    )
    return records(db, Batch, query, [monitor_id, *kinds, before or 1 << 62, -1 if last is None else last])


def batch(db: Database, batch_id: int) -> Batch:
    """One batch. Raises Missing."""
    return first(records(db, Batch, "SELECT * FROM batches WHERE id = ?", [batch_id]), f"batch #{batch_id}")


def batch_by_hash(db: Database, monitor_id: int, sha256: str) -> Batch | None:
    """The batch with these bytes, if there is one."""
    query = "SELECT * FROM batches WHERE monitor_id = ? AND sha256 = ?"
    return next(iter(records(db, Batch, query, [monitor_id, sha256])), None)


def unfinished(db: Database, monitor_id: int | None = None) -> list[Batch]:
    """Batches that are still on their way, oldest first."""
    query = (
        "SELECT * FROM batches WHERE state NOT IN ('done', 'quarantined') AND (? IS NULL OR monitor_id = ?) ORDER BY id"
    )
    return records(db, Batch, query, [monitor_id, monitor_id])


def quarantined(db: Database, monitor_id: int | None = None) -> list[Batch]:
    """Deliveries set aside, newest first."""
    query = "SELECT * FROM batches WHERE state = 'quarantined' AND (? IS NULL OR monitor_id = ?) ORDER BY id DESC"
    return records(db, Batch, query, [monitor_id, monitor_id])


def doubtful(db: Database, monitor_id: int) -> list[Batch]:
    """Scored batches that are not to be learned from, newest first: their labels are doubted."""
    query = "SELECT * FROM batches WHERE monitor_id = ? AND NOT learnable AND state <> 'quarantined' ORDER BY id DESC"
    return records(db, Batch, query, [monitor_id])


def count_batches(db: Database, monitor_id: int) -> int:
    """Scored batches of rows."""
    query = (
        "SELECT count(*) FROM batches b JOIN reports r ON r.batch_id = b.id WHERE b.monitor_id = ? AND b.kind = 'rows'"
    )
    return int(db.conn.execute(query, [monitor_id]).fetchone()[0])


def labelled_since(db: Database, monitor_id: int, batch_id: int) -> int:
    """Labelled rows in a batch and those after it."""
    query = "SELECT coalesce(sum(labelled), 0) FROM batches WHERE monitor_id = ? AND kind = 'rows' AND id >= ?"
    return int(db.conn.execute(query, [monitor_id, batch_id]).fetchone()[0])


def batches_of_delivery(db: Database, delivery_id: int) -> list[int]:
    """The batches whose rows a delivery of labels speaks of."""
    query = (
        "SELECT DISTINCT rows.batch_id FROM labels JOIN rows ON rows.key = labels.key JOIN batches ON "
        "batches.id = rows.batch_id WHERE labels.delivery_id = ? AND batches.monitor_id = labels.monitor_id ORDER BY 1"
    )
    return [row[0] for row in db.conn.execute(query, [delivery_id])]


def learnable_rows(db: Database, monitor_id: int, after: int = 0) -> int:
    """Labelled rows that may be learned from, in batches that came after one."""
    query = (
        "SELECT coalesce(sum(labelled), 0) FROM batches WHERE monitor_id = ? AND learnable AND kind <> 'labels' "
        "AND id > ?"
    )
    return int(db.conn.execute(query, [monitor_id, after]).fetchone()[0])


def dated(db: Database, monitor_id: int, start: int, stop: int) -> list[Batch]:
    """Predicted batches with rows from between two moments of the data's own time; without one, of their arrival."""
    query = (
        "SELECT * FROM batches WHERE monitor_id = ? AND kind = 'rows' AND version_id IS NOT NULL "
        "AND coalesce(starts_at, received_at) < ? AND coalesce(ends_at, received_at) >= ? ORDER BY id"
    )
    return records(db, Batch, query, [monitor_id, stop, start])


def has_bytes(db: Database, sha256: str) -> bool:
    """Whether any delivery came with these bytes."""
    return db.conn.execute("SELECT 1 FROM batches WHERE sha256 = ? LIMIT 1", [sha256]).fetchone() is not None


def batches_judged_by(db: Database, version_id: int) -> int:
    """Batches of rows that a version predicted as champion."""
    query = "SELECT count(*) FROM batches WHERE version_id = ? AND kind = 'rows'"
    return int(db.conn.execute(query, [version_id]).fetchone()[0])
