"""Questions for stored profiles, of batches and of what versions were trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlite_utils import Database

from storage import codec
from storage.errors import Missing
from storage.history.deliveries import batch


def profile_parts(db: Database, batch_id: int, feature: str | None = None) -> tuple[int, dict[str, bytes]]:
    """Rows and stored profile of a batch, whole or of one feature. Raises Missing."""
    query, asked = _asked("SELECT feature, data FROM profiles WHERE batch_id = ?", "feature", feature)
    parts = {row["feature"]: row["data"] for row in db.query(query, [batch_id, *asked])}
    if not parts:
        raise Missing(f"Batch #{batch_id} has no profile{f' of {feature!r}' if feature else ''}.")
    return batch(db, batch_id).rows, parts


def profile_parts_of(
    db: Database, batch_ids: Iterable[int], feature: str | None = None
) -> Iterator[tuple[int, int, dict[str, bytes]]]:
    """(batch id, rows, stored profile) of many batches, in order; those without a profile are left out."""
    query, asked = _asked(
        "SELECT p.batch_id, b.rows, p.feature, p.data FROM profiles p JOIN batches b ON b.id = p.batch_id WHERE "
        "p.batch_id IN (SELECT value FROM json_each(?))",
        "p.feature",
        feature,
    )
    query += " ORDER BY p.batch_id"
    current, rows, parts = 0, 0, {}
    for batch_id, count, name, data in db.conn.execute(query, [codec.to_json(list(batch_ids)), *asked]):
        if batch_id != current and parts:
            yield current, rows, parts
            parts = {}
        current, rows = batch_id, count
        parts[name] = data
    if parts:
        yield current, rows, parts


def reference_parts(db: Database, version_id: int, feature: str | None = None) -> tuple[int, dict[str, bytes]]:
    """Rows and profile of what a version was trained on. Raises Missing."""
    query, asked = _asked(
        "SELECT feature, rows, data FROM references_of_versions WHERE version_id = ?", "feature", feature
    )
    cells = db.conn.execute(query, [version_id, *asked]).fetchall()
    if not cells:
        raise Missing(f"Version {version_id} has no reference profile{f' of {feature!r}' if feature else ''}.")
    return int(cells[0][1]), {name: data for name, _, data in cells}


def _asked(query: str, column: str, feature: str | None) -> tuple[str, list[str]]:
    """A query, narrowed to one feature if one is asked for: an "or" in SQL would read those of all."""
    return (query, []) if feature is None else (f"{query} AND {column} = ?", [feature])
