"""A batch under a rival policy: what its rule asks for is fitted and becomes the champion. In memory."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models
from pipeline.backtest.rivals import RIVALS, Seen
from pipeline.backtest.score import REFERENCE
from pipeline.backtest.state import Replay
from pipeline.models import Predictions
from pipeline.retrain import Rival
from storage.errors import Refused
from storage.records import DriftReport


def by_rule(
    replay: Replay, at: int, rows: pa.Table, said: Predictions, number: int, report: DriftReport | None
) -> bool:
    """A rival policy's training, if it is due; False if not, or if its rows cannot be learned from."""
    tables = [replay.reference.table, *(b.table for b in replay.batches)]
    total = sum(table.num_rows for table in tables)
    replay.errors = np.concatenate([replay.errors, _errors(replay, rows, said)])
    seen = Seen(tables[0].num_rows, total, number, at, report, replay.errors)
    newest = RIVALS[replay.policy].due(seen)
    replay.errors = seen.errors
    if not newest:
        return False
    began = time.perf_counter()
    whole = pa.concat_tables(tables)
    whole = whole.slice(max(0, total - newest))
    try:
        model = models.fit(replay.estimator, whole, replay.schema, replay.seed)
    except Refused:
        return False
    replay.train_seconds += time.perf_counter() - began
    replay.versions += 1
    replay.promotions += 1
    words = "all history" if whole.num_rows == total else f"last {whole.num_rows:,} rows"
    ids = [REFERENCE, *(b.batch_id for b in replay.batches)]
    kept = np.cumsum([table.num_rows for table in tables]) > total - newest
    replay.champion = Rival(
        replay.versions, model, tuple(i for i, k in zip(ids, kept, strict=True) if k), words, whole.num_rows
    )
    return True


def _errors(replay: Replay, rows: pa.Table, said: Predictions) -> NDArray[np.float64]:
    """Loss of each labelled row between 0 and 1: wrong or right, or the absolute error over four deviations."""
    labels = models.target(rows, replay.schema)
    if replay.schema.task == "classification":
        known = np.not_equal(labels, None)
        return (labels[known].astype(str) != said.values[known].astype(str)).astype(np.float64)
    known = np.isfinite(labels)
    spread = float(np.nanstd(models.target(replay.reference.table, replay.schema))) or 1.0
    return np.minimum(np.abs(labels[known] - said.values[known]) / (4 * spread), 1.0)
