"""Questions about the rows themselves: for a look, for learning and for judging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from sqlite_utils import Database


def rows_of(db: Database, batch_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """Rows of a batch in file order: key, data (dictionary), label, prediction, probabilities."""
    query = "SELECT key, data, label, prediction, probabilities FROM rows WHERE batch_id = ? ORDER BY position LIMIT ?"
    return [
        {
            **row,
            "data": orjson.loads(row["data"]),
            "probabilities": orjson.loads(row["probabilities"]) if row["probabilities"] else None,
        }
        for row in db.query(query, [batch_id, -1 if limit is None else limit])
    ]


# A label that came apart from its row, or replaced one that came with it, lies in ``labels`` with what it replaced.
_LABEL_THEN = (
    "CASE WHEN EXISTS (SELECT 1 FROM labels l JOIN batches b ON b.id = :batch WHERE l.key = rows.key "
    "AND l.monitor_id = b.monitor_id) THEN (SELECT value FROM labels l JOIN batches b ON b.id = :batch "
    "WHERE l.key = rows.key AND l.monitor_id = b.monitor_id AND l.id <= :until ORDER BY l.id DESC LIMIT 1) "
    "ELSE label END"
)


def newest_label(db: Database, monitor_id: int) -> int:
    """A mark of the labels that have come so far, to ask for them later as they are known now; 0 if none came apart."""
    found = db.conn.execute("SELECT max(id) FROM labels WHERE monitor_id = ?", [monitor_id]).fetchone()[0]
    return max(found or 0, 0)


def row_texts(db: Database, batch_id: int, labelled: bool = False, until: int | None = None) -> Rows:
    """Rows of a batch as columns, for learning and judging: quick, nothing is parsed.

    Parameters
    ----------
    db : Database
    batch_id : int
    labelled : bool
        Only rows that have a label.
    until : int, optional
        Labels as they were known at this mark of ``newest_label``.
    """
    condition = " WHERE label IS NOT NULL" if labelled else ""
    label = "label" if until is None else _LABEL_THEN
    query = (
        f"SELECT * FROM (SELECT key, data, {label} AS label, prediction, probabilities, position FROM rows "  # nosec B608
        f"WHERE batch_id = :batch){condition} ORDER BY position"
    )
    cells = db.conn.execute(query, {"batch": batch_id, "until": until}).fetchall()
    return Rows(batch_id, *(zip(*cells, strict=True) if cells else ((),) * 6))


@dataclass(frozen=True)
class Rows:
    """Rows of one batch as columns; ``data`` and ``probabilities`` are JSON texts."""

    batch_id: int
    keys: tuple[str | None, ...]
    data: tuple[str, ...]
    labels: tuple[Any, ...]
    predictions: tuple[Any, ...]
    probabilities: tuple[str | None, ...]
    positions: tuple[int, ...]
