"""Questions about drift: scores, reports and episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from storage import codec
from storage.errors import Missing
from storage.history.ask import records
from storage.records import DriftReport, Episode, FeatureDrift


@dataclass(frozen=True)
class Timeline:
    """One entry a scored batch, in order: arrays of equal length."""

    batch: NDArray[np.int64]
    at: NDArray[np.int64]  # microseconds; end of the batch's own time, else its arrival
    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    verdict: tuple[str, ...]
    state: tuple[str, ...]
    version: tuple[int | None, ...]
    faults: tuple[bool, ...]
    names: tuple[str, ...]


def timeline(db: Database, monitor_id: int, last: int | None = None) -> Timeline:
    """The drift score of every scored batch (or of the newest so many)."""
    query = (
        "SELECT * FROM (SELECT b.id, coalesce(b.ends_at, b.received_at) AS at, b.rows, r.score, r.verdict, b.state, "
        "b.version_id, r.faults <> '[]' AS faults, b.name FROM batches b JOIN reports r ON r.batch_id = b.id "
        "WHERE b.monitor_id = ? AND b.kind = 'rows' ORDER BY b.id DESC LIMIT ?) ORDER BY id"
    )
    cells = db.conn.execute(query, [monitor_id, -1 if last is None else last]).fetchall()
    columns = list(zip(*cells, strict=True)) if cells else [()] * 9
    return Timeline(
        batch=np.array(columns[0], dtype=np.int64),
        at=np.array(columns[1], dtype=np.int64),
        rows=np.array(columns[2], dtype=np.int64),
        score=np.array(columns[3], dtype=np.float64),
        verdict=columns[4],
        state=columns[5],
        version=columns[6],
        faults=tuple(bool(fault) for fault in columns[7]),
        names=columns[8],
    )


@dataclass(frozen=True)
class Heatmap:
    """Scores of features against batches; NaN where a feature was not scored."""

    batch: tuple[int, ...]
    features: tuple[str, ...]
    score: NDArray[np.float64]  # (features, batches)
    drift: NDArray[np.bool_]  # (features, batches)
    verdict: NDArray[np.str_]  # (features, batches); empty where not scored


def heatmap(db: Database, batch_ids: Sequence[int]) -> Heatmap:
    """Scores of all features for some batches, features by name."""
    if not batch_ids:
        empty = np.empty((0, 0))
        return Heatmap((), (), empty, empty.astype(bool), empty.astype(str))
    query = (
        "SELECT batch_id, name, score, drift, verdict FROM scores WHERE batch_id IN (SELECT value FROM json_each(?))"
    )
    cells = db.conn.execute(query, [codec.to_json(list(batch_ids))]).fetchall()
    features = tuple(sorted({cell[1] for cell in cells}))
    column = {batch_id: at for at, batch_id in enumerate(batch_ids)}
    line = {name: at for at, name in enumerate(features)}
    score = np.full((len(features), len(batch_ids)), np.nan)
    drift = np.zeros(score.shape, dtype=bool)
    verdict = np.full(score.shape, "", dtype="U12")
    for batch_id, name, value, hit, word in cells:
        score[line[name], column[batch_id]] = value
        drift[line[name], column[batch_id]] = bool(hit)
        verdict[line[name], column[batch_id]] = word
    return Heatmap(tuple(batch_ids), features, score, drift, verdict)


def report(db: Database, batch_id: int) -> DriftReport:
    """The whole drift report of a batch, worst feature first. Raises Missing."""
    found = reports(db, [batch_id])
    if not found:
        raise Missing(f"Batch #{batch_id} has no drift report.")
    return found[0][1]


def reports(db: Database, batch_ids: Sequence[int]) -> list[tuple[int, DriftReport]]:
    """The drift reports of some batches, in order of their ids."""
    chosen = [codec.to_json(list(batch_ids))]
    features: dict[int, list[FeatureDrift]] = {}
    query = "SELECT * FROM scores WHERE batch_id IN (SELECT value FROM json_each(?)) ORDER BY score DESC, name"
    for row in db.query(query, chosen):
        features.setdefault(row["batch_id"], []).append(codec.from_row(FeatureDrift, row))
    query = "SELECT * FROM reports WHERE batch_id IN (SELECT value FROM json_each(?)) ORDER BY batch_id"
    return [
        (
            row["batch_id"],
            codec.from_row(DriftReport, {**row, "features": "[]"}).with_features(features.get(row["batch_id"], ())),
        )
        for row in db.query(query, chosen)
    ]


def feature_scores(
    db: Database, monitor_id: int, feature: str, last: int | None = None
) -> list[tuple[int, FeatureDrift]]:
    """One feature over time: (batch id, its drift), in order."""
    query = (
        "SELECT * FROM (SELECT s.* FROM scores s JOIN batches b ON b.id = s.batch_id WHERE b.monitor_id = ? AND "
        "s.name = ? ORDER BY s.batch_id DESC LIMIT ?) ORDER BY batch_id"
    )
    cells = db.query(query, [monitor_id, feature, -1 if last is None else last])
    return [(row["batch_id"], codec.from_row(FeatureDrift, row)) for row in cells]


def episodes(db: Database, monitor_id: int, open_only: bool = False) -> list[Episode]:
    """Episodes in order of their onset."""
    query = "SELECT * FROM episodes WHERE monitor_id = ? AND (? = 0 OR end_batch IS NULL) ORDER BY onset_batch, id"
    return records(db, Episode, query, [monitor_id, int(open_only)])


def reference_of(db: Database, batch_id: int) -> int:
    """The version whose training data a batch was compared with. Raises Missing."""
    cell = db.conn.execute("SELECT reference_id FROM reports WHERE batch_id = ?", [batch_id]).fetchone()
    if cell is None:
        raise Missing(f"Batch #{batch_id} has no drift report.")
    return int(cell[0])


def references_used(db: Database, batch_ids: Sequence[int]) -> dict[int, int]:
    """For scored batches, the version whose training data each was compared with."""
    query = "SELECT batch_id, reference_id FROM reports WHERE batch_id IN (SELECT value FROM json_each(?))"
    return dict(db.conn.execute(query, [codec.to_json(list(batch_ids))]).fetchall())
