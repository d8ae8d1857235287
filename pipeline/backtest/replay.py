"""A recorded stream replayed in memory, batch by batch.

Each batch is predicted by the champion of its moment before anything is learned from it (prequential). Labels come with
their batch. Where a person would be asked, the recorded stream answers as a careful person would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import models, performance
from pipeline.backtest.automatic import automatic
from pipeline.backtest.fixed import by_rule
from pipeline.backtest.rivals import RIVALS
from pipeline.backtest.score import Score
from pipeline.backtest.situation import notice
from pipeline.backtest.state import Replay
from pipeline.models import Model, Predictions
from storage.records import LabelledRows, Metric


def step(replay: Replay, at: int, rows: pa.Table, number: int, score: Score | None) -> tuple[dict[str, Any], bool]:
    """One batch: predicted, measured, decided upon, perhaps learned.

    Parameters
    ----------
    replay : Replay
        Moves on.
    at : int
        Running number of the batch, from 1.
    rows : pyarrow.Table
        With the target; rows without a label are predicted only.
    number : int
        What stands behind the colon of the policy.
    score : callable or None

    Returns
    -------
    (dict, bool)
        Its line, and whether something was fitted.
    """
    live = replay.champion
    assert isinstance(live.model, Model)
    said = models.predict(live.model, rows)
    measured, estimated = _performance(replay, rows, said)
    report = score(at, rows, live.trained_on) if score is not None else None
    metric = performance.primary(replay.schema, replay.settings.retrain.metric).name
    line: dict[str, Any] = {
        "batch": at,
        "rows": rows.num_rows,
        "metric": metric,
        "value": measured.value if measured else float("nan"),
        "estimated": estimated.value if estimated else None,
        "drift": bool(report.drift) if report else None,
        "score": report.score if report else None,
        "decision": "keep",
        "version": live.version_id,
        "trained_on": {"window": live.recipe, "rows": live.rows},
    }
    replay.batches.append(LabelledRows(at, rows))
    if replay.policy != "auto":
        fitted = by_rule(replay, at, rows, said, number, report)
        line |= {"decision": "promote" if fitted else "keep", "reason": RIVALS[replay.policy].label}
        return line | {"trained": fitted}, fitted
    notice(replay, at, rows, said, report, (measured, estimated))
    decided, fitted = automatic(replay, at, rows, said)
    return line | decided | {"trained": fitted}, fitted


def _performance(replay: Replay, rows: pa.Table, said: Predictions) -> tuple[Metric | None, Metric | None]:
    """The deciding metric of the champion on a batch, measured and estimated."""
    schema = replay.schema
    row = performance.primary(schema, replay.settings.retrain.metric)
    labels = models.target(rows, schema)
    known = np.not_equal(labels, None) if schema.task == "classification" else np.isfinite(labels)
    figures = performance.said(
        labels[known],
        said.values[known],
        None if said.probabilities is None else said.probabilities[known],
        schema,
    )
    measured = performance.with_interval(row, figures) if known.any() else None
    calibration = replay.champion.details.get("calibration") or {}
    estimates = performance.estimate(said.values, said.probabilities, calibration, schema, said.losses)
    return measured if measured and np.isfinite(measured.value) else None, estimates.get(row.name)
