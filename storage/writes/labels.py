"""Labels that come apart from their rows: before them, after them, or to correct others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlite_utils import Database

from storage.records import Batch
from storage.writes import put


def insert(db: Database, delivery: Batch, rows: Iterable[Mapping[str, Any]]) -> None:
    """The labels of a delivery, each a key and a value."""
    db.table("labels").insert_all(
        ({"monitor_id": delivery.monitor_id, "delivery_id": delivery.id, **row} for row in rows), batch_size=1000
    )


def clear(db: Database, delivery_id: int) -> None:
    """Take the labels of a delivery away."""
    db.execute("DELETE FROM labels WHERE delivery_id = ?", [delivery_id])


def adopt(db: Database, batch: Batch) -> None:
    """Labels that came before their rows."""
    db.execute(
        "UPDATE rows SET label = (SELECT value FROM labels WHERE labels.monitor_id = ? AND labels.key = rows.key "
        "ORDER BY labels.id DESC LIMIT 1) WHERE batch_id = ? AND label IS NULL AND key IN "
        "(SELECT key FROM labels WHERE monitor_id = ?)",
        [batch.monitor_id, batch.id, batch.monitor_id],
    )


def apply(db: Database, delivery: Batch) -> list[int]:
    """Give rows their late labels and return the batches that were touched. The latest label wins; all are kept."""
    touched = [
        row["batch_id"]
        for row in db.query(
            "SELECT DISTINCT rows.batch_id FROM labels JOIN rows ON rows.key = labels.key JOIN batches "
            "ON batches.id = rows.batch_id WHERE labels.delivery_id = ? AND batches.monitor_id = ? ORDER BY 1",
            [delivery.id, delivery.monitor_id],
        )
    ]
    _keep_first(db, delivery, touched)
    for batch_id in touched:
        db.execute(
            "UPDATE rows SET label = (SELECT value FROM labels WHERE labels.delivery_id = ? AND labels.key = rows.key "
            "ORDER BY labels.id DESC LIMIT 1) WHERE batch_id = ? AND key IN "
            "(SELECT key FROM labels WHERE delivery_id = ?)",
            [delivery.id, batch_id, delivery.id],
        )
        db.execute(
            "UPDATE batches SET labelled = (SELECT count(label) FROM rows WHERE batch_id = ?) WHERE id = ?",
            [batch_id, batch_id],
        )
    return touched


def _keep_first(db: Database, delivery: Batch, touched: Sequence[int]) -> None:
    """Labels that came with their rows and are corrected now go into ``labels`` too, with numbers below all others."""
    for batch_id in touched:
        db.execute(
            "INSERT INTO labels (id, monitor_id, delivery_id, key, value) SELECT "
            "min(0, (SELECT min(id) FROM labels)) - row_number() OVER (), ?, batch_id, key, label FROM rows "
            "WHERE batch_id = ? AND label IS NOT NULL AND key IN (SELECT key FROM labels WHERE delivery_id = ?) "
            "AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.monitor_id = ? AND l.key = rows.key "
            "AND l.delivery_id != ?)",
            [delivery.monitor_id, batch_id, delivery.id, delivery.monitor_id, delivery.id],
        )


def matched(db: Database, delivery: Batch) -> int:
    """How many keys of a delivery have a row."""
    return put.one(
        db,
        "SELECT count(DISTINCT rows.key) FROM labels JOIN rows ON rows.key = labels.key "
        "JOIN batches ON batches.id = rows.batch_id "
        "WHERE labels.delivery_id = ? AND batches.monitor_id = labels.monitor_id",
        [delivery.id],
    )
