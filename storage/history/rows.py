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


def row_texts(db: Database, batch_id: int, labelled: bool = False) -> Rows:
    """Rows of a batch as columns, for learning and judging: quick, nothing is parsed.

    Parameters
    ----------
    db : Database
    batch_id : int
    labelled : bool
        Only rows that have a label.
    """
    condition = " AND label IS NOT NULL" if labelled else ""
    query = (
        "SELECT key, data, label, prediction, probabilities, position FROM rows "
        f"WHERE batch_id = ?{condition} ORDER BY position"  # nosec B608
    )
    cells = db.conn.execute(query, [batch_id]).fetchall()
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
