"""Questions about how well versions do, measured and estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from sqlite_utils import Database

from storage.history.ask import records
from storage.records import Performance


@dataclass(frozen=True)
class Standing:
    """One scored batch as decisions see it, with the newest word on its deciding metric."""

    batch: int
    rows: int
    labelled: int
    verdict: str
    score: float
    faults: str  # JSON
    p_value: float
    drifted: tuple[tuple[str, float, float, float, str], ...]  # name, score, p-value, effect, explanation; worst first
    version: int | None
    quarantined: bool
    received_at: int
    measured: str | None  # JSON of a Metric
    measured_version: int | None
    estimated: str | None


def standings(db: Database, monitor_id: int, metric: str, last: int) -> list[Standing]:
    """The newest scored batches in order, quarantined ones included."""
    query = """
        WITH chosen AS (
            SELECT b.*, r.verdict, r.score, r.p_value, r.faults FROM batches b JOIN reports r ON r.batch_id = b.id
            WHERE b.monitor_id = :monitor AND b.kind = 'rows'
            ORDER BY b.id DESC LIMIT :last),
        newest AS (
            SELECT p.batch_id, p.basis, p.version_id, json_extract(p.metrics, :path) AS metric FROM performance p
            JOIN chosen ON chosen.id = p.batch_id
            WHERE p.id IN (SELECT max(q.id) FROM performance q JOIN chosen ON chosen.id = q.batch_id
                GROUP BY q.batch_id, q.basis))
        SELECT c.id, c.rows, c.labelled, c.verdict, c.score, c.faults, c.version_id, c.state = 'quarantined',
            c.received_at, m.metric, m.version_id, e.metric,
            (SELECT json_group_array(json_array(name, score, p_value, effect, explanation)) FROM
                (SELECT * FROM scores s WHERE s.batch_id = c.id AND s.drift ORDER BY s.score DESC)), c.p_value
        FROM chosen c LEFT JOIN newest m ON m.batch_id = c.id AND m.basis = 'measured'
        LEFT JOIN newest e ON e.batch_id = c.id AND e.basis = 'estimated' ORDER BY c.id"""
    arguments = {"monitor": monitor_id, "path": f'$."{metric}"', "last": last}
    return [
        Standing(
            batch=row[0],
            rows=row[1],
            labelled=row[2],
            verdict=row[3],
            score=row[4],
            faults=row[5],
            p_value=row[13],
            drifted=tuple(tuple(item) for item in orjson.loads(row[12])),
            version=row[6],
            quarantined=bool(row[7]),
            received_at=row[8],
            measured=row[9],
            measured_version=row[10],
            estimated=row[11],
        )
        for row in db.conn.execute(query, arguments)
    ]


def performance(db: Database, monitor_id: int, last: int | None = None) -> list[Performance]:
    """The newest word on each batch and basis (measured, estimated), in order of batches."""
    query = (
        "SELECT * FROM (SELECT p.* FROM performance p JOIN (SELECT max(p.id) AS id FROM performance p JOIN batches b "
        "ON b.id = p.batch_id WHERE b.monitor_id = ? GROUP BY p.batch_id, p.basis) newest ON newest.id = p.id "
        "ORDER BY p.batch_id DESC LIMIT ?) ORDER BY batch_id, id"
    )
    return records(db, Performance, query, [monitor_id, -1 if last is None else last])


def performance_of(db: Database, batch_id: int) -> list[Performance]:
    """All that was ever said of the performance on one batch, oldest first."""
    return records(db, Performance, "SELECT * FROM performance WHERE batch_id = ? ORDER BY id", [batch_id])


def parts(db: Database, monitor_id: int, last: int, before: int) -> list[dict[str, Any]]:
    """Sums over parts of the rows, by the newest word on each: of the newest so many batches with ids below one."""
    query = (
        "WITH chosen AS (SELECT id FROM batches WHERE monitor_id = ? AND kind = 'rows' AND version_id IS NOT NULL "
        "AND state != 'quarantined' AND id < ? ORDER BY id DESC LIMIT ?) "
        "SELECT parts.data FROM parts JOIN performance p ON p.id = parts.performance_id WHERE p.id IN "
        "(SELECT max(q.id) FROM performance q JOIN chosen ON chosen.id = q.batch_id WHERE q.basis = 'measured' "
        "GROUP BY q.batch_id) ORDER BY p.batch_id"
    )
    return [orjson.loads(data) for (data,) in db.conn.execute(query, [monitor_id, before, last])]
