"""Questions about how well versions do, measured and estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlite_utils import Database

from storage.history.ask import records, stored_metrics
from storage.records import Metric, Performance


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


def newest_metrics(db: Database, monitor_id: int) -> tuple[str, tuple[str, ...]]:
    """The metric that decides, and all that were measured or estimated last; empty before anything is known."""
    query = (
        'SELECT p."primary", p.metrics FROM batches b JOIN performance p ON p.batch_id = b.id WHERE b.monitor_id = ? '
        "AND b.kind = 'rows' AND p.basis = ? ORDER BY b.id DESC, p.id DESC LIMIT 1"
    )
    found = [db.conn.execute(query, [monitor_id, basis]).fetchone() for basis in ("measured", "estimated")]
    cells = [cell for cell in found if cell]
    return (cells[0][0] if cells else ""), tuple(
        dict.fromkeys(name for cell in cells for name in orjson.loads(cell[1]))
    )


@dataclass(frozen=True)
class Told:
    """One metric over batches, measured or estimated: arrays of equal length, in order of batches."""

    batch: NDArray[np.int64]
    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    labelled: NDArray[np.int64]
    rows: NDArray[np.int64]

    def but(self, last: int) -> Told:
        """Without the newest so many batches."""
        cut = slice(0, max(0, len(self.batch) - last))
        return Told(*(part[cut] for part in (self.batch, self.value, self.low, self.high, self.labelled, self.rows)))


_NEWEST = (  # the newest word on each of the newest so many batches between two, on one basis
    "FROM performance p WHERE p.id IN (SELECT max(q.id) FROM batches b JOIN performance q ON q.batch_id = b.id "
    "WHERE b.monitor_id = ? AND b.kind = 'rows' AND b.id BETWEEN ? AND ? AND q.basis = ? "
    "GROUP BY b.id ORDER BY b.id DESC LIMIT ?) ORDER BY p.batch_id"  # by b.id: older batches are not even looked at
)


def metric_line(db: Database, monitor_id: int, metric: str, basis: str, first: int, last: int) -> Told:
    """The newest word on one metric for every batch between two ids; batches without it are left out."""
    query = f"SELECT p.batch_id, json_extract(p.metrics, ?), p.labelled, p.rows {_NEWEST}"
    cells = db.conn.execute(query, [f'$."{metric}"', monitor_id, first, last, basis, -1]).fetchall()
    found = [(batch, orjson.loads(text), labelled, rows) for batch, text, labelled, rows in cells if text]
    values = np.array(
        [[one[key] if one[key] is not None else np.nan for key in ("value", "low", "high")] for _, one, _, _ in found],
        dtype=np.float64,
    ).reshape(-1, 3)
    batch, labelled, rows = (np.array([one[at] for one in found], dtype=np.int64) for at in (0, 2, 3))
    return Told(batch, values[:, 0], values[:, 1], values[:, 2], labelled, rows)


@dataclass(frozen=True)
class Measured:
    """What was measured on one batch: all metrics and their details (confusion, calibration, ...)."""

    batch_id: int
    version_id: int
    labelled: int
    metrics: dict[str, Metric]
    details: dict[str, Any]


def measured(db: Database, monitor_id: int, first: int, last: int, most: int) -> list[Measured]:
    """The newest word on the newest ``most`` labelled batches between two ids, in order of batches."""
    query = f"SELECT p.batch_id, p.version_id, p.labelled, p.metrics, p.details {_NEWEST}"
    cells = db.conn.execute(query, [monitor_id, first, last, "measured", most])
    return [
        Measured(batch, version, labelled, stored_metrics(metrics), orjson.loads(details))
        for batch, version, labelled, metrics, details in cells
    ]
