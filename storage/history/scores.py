"""Questions about drift: scores, reports and episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlite_utils import Database

from storage import codec, lines
from storage.errors import Missing
from storage.history.ask import records
from storage.records import DriftReport, Episode, FeatureDrift, Grain, Period


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
    received: NDArray[np.int64]


def timeline(db: Database, monitor_id: int, last: int | None = None) -> Timeline:
    """The drift score of every scored batch (or of the newest so many)."""
    query = (
        "SELECT * FROM (SELECT b.id, coalesce(b.ends_at, b.received_at) AS at, b.rows, r.score, r.verdict, b.state, "
        "b.version_id, r.faults <> '[]' AS faults, b.name, b.received_at FROM batches b "
        "JOIN reports r ON r.batch_id = b.id WHERE b.monitor_id = ? "
        "AND b.kind = 'rows' ORDER BY b.id DESC LIMIT ?) ORDER BY id"
    )
    cells = db.conn.execute(query, [monitor_id, -1 if last is None else last]).fetchall()
    columns = list(zip(*cells, strict=True)) if cells else [()] * 10
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
        received=np.array(columns[9], dtype=np.int64),
    )


@dataclass(frozen=True)
class Heatmap:
    """Scores of features against batches; NaN where a feature was not scored."""

    batch: tuple[int, ...]
    features: tuple[str, ...]
    score: NDArray[np.float32]  # (features, batches)
    code: NDArray[np.uint8]  # (features, batches); the verdict's place in lines.VERDICTS

    @property
    def drift(self) -> NDArray[np.bool_]:
        """Whether a feature drifts in a batch, (features, batches)."""
        return self.code == lines.VERDICTS.index("drift")

    @property
    def few(self) -> NDArray[np.bool_]:
        """Whether a feature has too few rows in a batch to say, (features, batches)."""
        return self.code == lines.VERDICTS.index("too_few_rows")


def heatmap(db: Database, batch_ids: Sequence[int]) -> Heatmap:
    """Scores of all features for some batches, features by name."""
    query = (
        "SELECT batch_id, names_id, data FROM score_lines WHERE batch_id IN (SELECT value FROM json_each(?)) "
        "ORDER BY batch_id"
    )
    cells = db.conn.execute(query, [codec.to_json(list(batch_ids))]).fetchall()
    return _heatmap(db, tuple(batch_ids), cells)


def _heatmap(db: Database, keys: tuple[int, ...], cells: Sequence[tuple[int, int, bytes]]) -> Heatmap:
    """Lines of scores side by side: one column a key, one cell (key, names, line) a line."""
    groups: dict[int, list[tuple[int, bytes]]] = {}
    for key, names_id, data in cells:
        groups.setdefault(names_id, []).append((key, data))
    names = {one: _names(db, one) for one in groups}
    if len(groups) == 1 and len(cells) == len(keys):  # every batch has the same features: nothing to put in place
        ((names_id, lines_),) = groups.items()
        values, codes = lines.unpack([data for _, data in lines_], len(names[names_id]))
        return Heatmap(keys, tuple(names[names_id]), np.ascontiguousarray(values.T), codes.T)
    features = tuple(sorted({name for some in names.values() for name in some}))
    row, column = ({key: at for at, key in enumerate(order)} for order in (features, keys))
    score = np.full((len(features), len(keys)), np.nan, np.float32)
    code = np.full(score.shape, lines.NOT_SCORED, np.uint8)
    for names_id, found in groups.items():
        values, codes = lines.unpack([data for _, data in found], len(names[names_id]))
        at = np.ix_([row[name] for name in names[names_id]], [column[key] for key, _ in found])
        score[at], code[at] = values.T, codes.T
    return Heatmap(keys, features, score, code)


def _names(db: Database, names_id: int) -> list[str]:
    return orjson.loads(db.conn.execute("SELECT names FROM score_names WHERE id = ?", [names_id]).fetchone()[0])


def periods(db: Database, monitor_id: int, grain: Grain) -> dict[int, Period]:
    """The days or weeks that were merged and judged so far, by their start."""
    query = "SELECT * FROM periods WHERE monitor_id = ? AND grain = ? ORDER BY starts_at"
    cells = db.conn.execute(query, [monitor_id, grain]).fetchall()
    return {cell[2]: Period(*cell) for cell in cells}


def heatmap_of_periods(db: Database, found: Sequence[Period]) -> Heatmap:
    """Scores of all features for some merged days or weeks; ``batch`` holds their starts."""
    return _heatmap(
        db, tuple(one.starts_at for one in found), [(one.starts_at, one.names_id, one.data) for one in found]
    )


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
