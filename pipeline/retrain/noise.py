"""Is a loss explained by anything? Rows that fell are learned anew, beside the champion's own answers. Pure.

If the world changed, a model of the new rows knows better than the champion where it now errs. If labels were shuffled
or turned round by lot, nothing does: the champion, recalibrated, stays the best there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.models import Predictions
from pipeline.retrain.field import unify
from storage.errors import Refused
from storage.records import Feature, Schema

FOLDS = 4
EXPLAINS = 2.0  # standard errors by which a model of the rows must beat the recalibrated champion
KEPT = 0.7  # share of what labels are expected to carry above which nothing is missing
_QUICK = {"early_stopping": False, "max_leaf_nodes": 8, "min_samples_leaf": 10, "learning_rate": 0.15}
_OWN = "\x00said "  # name of a column with the champion's answer; no column of a file can be called so


@dataclass(frozen=True)
class Noise:
    """What was found about a loss."""

    z: float  # by how many standard errors a model of these rows beats the recalibrated champion
    kept: float  # what the labels still carry, as a share of what they should

    @property
    def doubtful(self) -> bool:
        """Whether the loss is explained by nothing."""
        return self.z < EXPLAINS and self.kept < KEPT


def noise(
    table: pa.Table,
    y: NDArray,
    said: Predictions,
    schema: Schema,
    expected: float,
    beside: Sequence[tuple[pa.Table, Predictions]] = (),
) -> Noise | None:
    """How far the features of these rows explain where the champion errs.

    Parameters
    ----------
    table : pyarrow.Table of n rows
    y : array of shape (n,)
        Labels.
    said : Predictions
        Of the champion.
    schema : Schema
    expected : float
        What sound labels would carry: ROC AUC over one half, times two; or the correlation.
    beside : sequence of (table, predictions)
        Other rows that fell. They are learned from, so that a small batch of a new world is understood with the help of
        its neighbours, and never judged on: rows spoilt by lot help nobody.

    Returns
    -------
    Noise or None
        None where nothing can be fitted.
    """
    wide, own = _with_answers(table, said, schema.classes)
    more = unify([_with_answers(*other, schema.classes)[0] for other in beside]) if beside else None
    few = max(20, 60 // max(1, len(schema.classes) - 1))
    alone, full = replace(schema, features=own), replace(schema, features=(*schema.watched, *own))
    again = _cross_fitted("linear", wide, alone, {}, more)
    anew = [
        _cross_fitted("boosting", wide, full, {**_QUICK, "max_iter": few}, more),
        _cross_fitted("linear", wide, full, {}, more),
    ]
    if again is None or None in anew:
        return None
    before = _losses(y, again, schema)
    z = max(_errors_better(before - _losses(y, model, schema)) for model in anew)
    carried = max(_carried(y, model, schema) for model in (again, *anew))
    return Noise(z, carried / expected if expected > 0.02 else 1.0)


def _errors_better(difference: NDArray[np.float64]) -> float:
    """By how many standard errors the mean lies above zero."""
    return float(difference.mean()) / max(float(difference.std()) / math.sqrt(len(difference)), 1e-12)


def _with_answers(table: pa.Table, said: Predictions, classes: Sequence[str]) -> tuple[pa.Table, tuple[Feature, ...]]:
    """The rows with the champion's answers as further columns, and what these are."""
    names = []
    for i, values in enumerate(_answers(said, classes)):
        names.append(f"{_OWN}{i}")
        table = table.append_column(names[-1], pa.array(values))
    return table, tuple(Feature(name, "numeric") for name in names)


def _answers(said: Predictions, classes: Sequence[str]) -> list[NDArray[np.float64]]:
    """What the champion says, as columns of numbers."""
    if said.probabilities is not None:
        logs = np.log(np.clip(said.probabilities, 1e-3, 1.0))
        return list(logs.T[1:] - logs.T[0])
    if said.values.dtype == object:
        return [(said.values == name).astype(np.float64) for name in classes]
    return [np.asarray(said.values, dtype=np.float64)]


def _cross_fitted(
    estimator: str, table: pa.Table, schema: Schema, params: dict, more: pa.Table | None
) -> Predictions | None:
    """What models of the other folds, and of more rows, say of each row."""
    n = table.num_rows
    turn = np.arange(n) % FOLDS
    values = np.empty(n, dtype=object if schema.classes else np.float64)
    chances = np.zeros((n, len(schema.classes))) if schema.classes else None
    for k in range(FOLDS):
        keep = np.flatnonzero(turn == k)
        try:
            others = table.take(np.flatnonzero(turn != k))
            rows = others if more is None else unify([others, more])
            model = models.fit(estimator, rows, schema, 0, params=params)
        except Refused:
            return None
        said = models.predict(model, table.take(keep))
        values[keep] = said.values
        if chances is not None:
            chances[keep] = said.probabilities
    return Predictions(values, chances)


def _losses(y: NDArray, said: Predictions, schema: Schema) -> NDArray[np.float64]:
    """Brier's score, or the absolute error, of each row."""
    if not schema.classes:
        return np.abs(y - said.values)
    row = performance.METRICS["brier"].rows
    assert row is not None
    return row(performance.said(y, said.values, said.probabilities, schema))


def _carried(y: NDArray, said: Predictions, schema: Schema) -> float:
    """What these predictions tell about the labels: ROC AUC over one half, times two; or the correlation."""
    if not schema.classes:
        return float(np.corrcoef(y, said.values)[0, 1]) if np.std(said.values) and np.std(y) else 0.0
    number = performance.said(y, said.values, None, schema).truth
    area = performance.mean_area(number, said.probabilities)
    return 2 * (area - 0.5) if np.isfinite(area) else 0.0
