"""The first version of a monitor: fitted on the reference, measured on rows that models had not seen. Pure."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.hands import ONE, Hands
from pipeline.models import Model, Predictions
from pipeline.performance import segments
from pipeline.retrain.curve import curve
from pipeline.retrain.entries import joined
from pipeline.retrain.field import apart, known, trust
from pipeline.retrain.fits import learn
from pipeline.retrain.order import Outcome
from pipeline.retrain.refit import calibrated, ranked
from storage.errors import Refused
from storage.records import LabelledRows, Metric, Schema
from storage.settings import Settings

FOLDS = 4  # of a small table, for the learning curve
MEASURED = 8  # of a small table, for what is measured: models of nearly all its rows, so that the level is not too low
LEAST_CURVE = 200  # rows below which a learning curve says nothing
SMALL = 5_000  # rows up to which the first training is cross-fitted
APART, MOST_APART = 0.2, 2_000  # of more rows, what it is measured on


def train_first(
    reference: LabelledRows,
    schema: Schema,
    estimator: str,
    settings: Settings,
    seed: int = 0,
    dump: bool = True,
    hands: Hands = ONE,
) -> Outcome:
    """The first version of a monitor: fitted on the reference but its frozen rows, measured on rows it had not seen.

    Parameters
    ----------
    reference : LabelledRows
        The first training table, in time order where there is one.
    schema, estimator, settings, seed
    dump : bool
        False leaves the model as an object.
    hands : Hands, optional
        What does the fits.

    Returns
    -------
    Outcome
        ``promote``; ``metrics`` come from a part kept apart, or for small tables from eight-fold cross-fitting.

    Raises
    ------
    Refused
        If there is nothing to learn from.
    """
    began = time.perf_counter()
    trusted = trust(reference.table.num_rows, settings.retrain.holdout)
    table, holdout = apart(reference, schema, trusted)
    if not trusted.frozen:
        table = known(reference, schema)
    labels = models.target(table, schema)
    model = models.fit(estimator, table, schema, seed)
    folds = _folds(table, schema, estimator, seed, hands)
    at, said = np.concatenate([fold.outside for fold in folds]), functools.reduce(joined, [fold.said for fold in folds])
    metrics, details = performance.measure(
        labels[at], said.values, said.probabilities, schema, settings.retrain.metric)  # fmt: skip
    model, details["calibration"] = calibrated(model, table.take(at), labels[at], said, seed, hands)
    columns = {feature.name: models.column(table, feature) for feature in schema.watched}
    details["cuts"] = segments.cut(columns, schema)
    details["trusted"] = trusted.as_details()
    level = _level(model, holdout, settings) if trusted.frozen else metrics.get(details["primary"])
    details["holdout"] = _as_holdout(level)
    details |= _first_doubling(table, labels, schema, estimator, settings, seed, hands)
    importance: dict[str, float] = {}
    if dump:
        last = folds[-1]
        importance = ranked(last.model, table.take(last.outside), labels[last.outside], schema, settings, seed)
    first = metrics.get(details["primary"])
    told = f"First version, from {len(labels)} labelled rows"
    if trusted.frozen:
        told += f" ({holdout.num_rows} more are trusted rows that no version learns)"
    shown = f"; {details['primary'].replace('_', ' ')} {first.value:.3f} on rows it had not seen." if first else "."
    return Outcome(
        "promote",
        told + shown,
        recipe="all history",
        artefact=models.dump(model, table) if dump else None,
        model=None if dump else model,
        trained_on=(reference.batch_id,),
        rows=len(labels),
        metrics=metrics,
        judged_on=(reference.batch_id,),
        importance=importance,
        details=details,
        environment=models.environment(),
        fitted=2,
        seconds=time.perf_counter() - began,
    )


def _level(model: Model, holdout: pa.Table, settings: Settings) -> Metric:
    """The deciding metric of a model on the trusted rows."""
    row = performance.primary(model.schema, settings.retrain.metric)
    said = models.predict(model, holdout)
    labels = models.target(holdout, model.schema)
    return performance.with_interval(row, performance.said(labels, said.values, said.probabilities, model.schema))


def _as_holdout(level: Metric | None) -> dict[str, Any] | None:
    """The level that later versions are held to on the trusted rows."""
    return None if level is None else {"value": level.value, "low": level.low, "high": level.high, "rows": level.rows}


@dataclass(frozen=True)
class _Fold:
    """Rows that were learned, the others, and what the model says of these."""

    inside: NDArray[np.intp]
    outside: NDArray[np.intp]
    model: Model
    said: Predictions


def _folds(table: pa.Table, schema: Schema, estimator: str, seed: int, hands: Hands) -> list[_Fold]:
    """Models of parts of the rows, each with what it says of the others."""
    n = table.num_rows
    if n > SMALL or n < 2 * MEASURED:
        every = max(round(1 / APART), -(-n // MOST_APART))
        kept = np.arange(n) % every == every - 1
        parts = [(np.flatnonzero(~kept), np.flatnonzero(kept) if kept.any() else np.arange(n))]
    else:
        turn = np.arange(n) % MEASURED
        parts = [(np.flatnonzero(turn != k), np.flatnonzero(turn == k)) for k in range(MEASURED)]
    given = [(estimator, table.take(inside), schema, seed, table.take(outside)) for inside, outside in parts]
    folds = [
        _Fold(inside, outside, fit.model, fit.said)
        for (inside, outside), fit in zip(parts, hands.map(learn, given), strict=True)
        if fit.model is not None and fit.said is not None
    ]
    if not folds:
        raise Refused(f"There are too few labelled rows ({n}) to measure a model on rows it has not seen.")
    return folds


def _first_doubling(
    table: pa.Table, labels: NDArray[Any], schema: Schema, estimator: str, settings: Settings, seed: int, hands: Hands
) -> dict[str, float]:
    """As ``doubling``, for a first training: three quarters of the rows against a quarter of these, over all folds."""
    n = table.num_rows
    if n < LEAST_CURVE:
        return {}
    turn = np.arange(n) % FOLDS
    folds = [(np.flatnonzero(turn != k), np.flatnonzero(turn == k)) for k in range(FOLDS if n <= SMALL else 1)]
    given = [
        (estimator, table.take(rows), schema, seed, table.take(outside))
        for k, (inside, outside) in enumerate(folds)
        for rows in (inside, inside[k % 4 :: 4])
    ]
    said = [fit.said for fit in hands.map(learn, given) if fit.said is not None]
    if len(said) < len(given):
        return {}
    whole, quarter = (functools.reduce(joined, said[at::2]) for at in (0, 1))
    against = performance.compare(
        labels[np.concatenate([outside for _, outside in folds])], (quarter.values, quarter.probabilities),
        (whole.values, whole.probabilities), schema, settings.retrain.metric, settings.retrain.confidence,
    )  # fmt: skip
    return curve(against)
