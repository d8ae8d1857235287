"""The winner of a contest fitted once more on all it may use, and everything that is kept with a version.

Pure given the order: no I/O, seeded fits.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.hands import ONE, Hands
from pipeline.models import Model, Predictions
from pipeline.retrain import gates
from pipeline.retrain.curve import doubling, quarter
from pipeline.retrain.entries import Entry, change, part
from pipeline.retrain.field import Field, unify
from pipeline.retrain.fits import learn
from pipeline.retrain.order import Order, Outcome
from storage.records import Metric, Schema
from storage.settings import Settings


def finished(order: Order, field_: Field, best: Entry, outcome: Outcome, hands: Hands = ONE) -> Outcome:
    """The outcome with the winner's artefact and everything that is kept with a version."""
    assert best.rows is not None
    chosen = best.rows.chosen(field_.rows)
    own = best.own(field_)
    tables, unseen = (_usable(field_, chosen), quarter(field_, best)), field_.table.slice(own)
    fit, few = hands.map(learn, [(order.estimator, rows, order.schema, order.seed, unseen) for rows in tables])
    if fit.model is None:
        raise fit.refused
    labels, judged = field_.labels[own:], field_.table.slice(own)
    said = part(best.said, slice(own - field_.jury, None))
    winner, calibration = calibrated(fit.model, judged, labels, said, order.seed, hands)
    details = {
        **outcome.details,
        "learned": {**asdict(best.rows), "stop": field_.rows, "batches": field_.batches(0, field_.rows)},
        "trusted": field_.trusted.as_details(),
        "cuts": order.champion.details.get("cuts") or {},
        "confusion": _confusion(order, labels, said),
        **doubling(order, field_, best, few.said),
        "change_at": change(order),
        "calibration": calibration,
    }
    importance: dict[str, float] = {}
    if order.dump:
        last = field_.table.slice(field_.middle)
        importance = ranked(best.model, last, field_.labels[field_.middle :], order.schema, order.settings, order.seed)
    artefact = models.dump(winner, field_.table) if order.dump else None
    outcome = _gated(outcome, gates.Trial(order, field_, winner, best.said, best.said, details, artefact))
    return replace(
        outcome,
        artefact=artefact,
        model=None if order.dump else winner,
        trained_on=field_.touched(chosen),
        rows=len(chosen) + (field_.holdout.num_rows if _whole(field_, chosen) else 0),
        importance=importance,
        details=details,
        environment=models.environment(),
        fitted=outcome.fitted + 2,
    )


def calibrated(
    model: Model, table: pa.Table, labels: NDArray[Any], said: Predictions, seed: int, hands: Hands = ONE
) -> tuple[Model, dict[str, Any]]:
    """A model that knows how far off it is, and its calibration: by what was said of rows that were not learned.

    Parameters
    ----------
    model : Model
    table : pyarrow.Table of n rows
    labels : ndarray of shape (n,)
    said : Predictions
        Of models like this one that had not learned the rows they speak of.
    seed : int
    hands : Hands, optional
    """
    figures = labels, said.values, said.probabilities
    calibration = performance.calibrate(*figures, model.schema)
    if not calibration:
        return model, {}
    misses = performance.misses(*figures, calibration, model.schema)
    return models.with_errors(model, table, misses, seed, hands), calibration


def metrics_of(order: Order, field_: Field, entry: Entry) -> dict[str, Metric]:
    """All metrics of a candidate on those rows of the jury that it judged itself."""
    own = entry.own(field_)
    said = part(entry.said, slice(own - field_.jury, None))
    return performance.measure(
        field_.labels[own:], said.values, said.probabilities, order.schema, order.settings.retrain.metric
    )[0]


def _usable(field_: Field, rows: NDArray[np.intp]) -> pa.Table:
    """Everything a recipe may use: jury included; trusted rows only where they are not frozen."""
    learn = field_.rows_of(rows)
    return unify([field_.holdout, learn]) if _whole(field_, rows) else learn


def _whole(field_: Field, rows: NDArray[np.intp]) -> bool:
    """Whether these rows are all there are, so that trusted rows that are not frozen belong to them too."""
    return len(rows) == field_.rows and field_.holdout.num_rows > 0 and not field_.trusted.frozen


def _gated(outcome: Outcome, trial: gates.Trial) -> Outcome:
    """The outcome after the gates that look at the last fit."""
    doubts = gates.winner(trial)
    if not doubts:
        return outcome
    told = " ".join([*outcome.doubts, *doubts])
    reason = f"{outcome.reason.split(', but: ')[0].rstrip('.')}, but: {told} A person has to confirm."
    return replace(outcome, action="hold", reason=reason, doubts=(*outcome.doubts, *doubts))


def _confusion(order: Order, labels: NDArray[Any], said: Predictions) -> list[list[int]]:
    """Truth against prediction on the jury; empty for regression."""
    if order.schema.task == "regression":
        return []
    return performance.confusion(performance.said(labels, said.values, None, order.schema)).tolist()


def ranked(
    model: Model, table: pa.Table, labels: NDArray[Any], schema: Schema, settings: Settings, seed: int
) -> dict[str, float]:
    """Importance of each feature by permutation, in units of the deciding metric, on at most 1,000 rows."""
    row = performance.primary(schema, settings.retrain.metric)
    rows, labels = table.slice(0, 1000), labels[:1000]

    def loss(said: Predictions) -> float:
        value = row.value(performance.said(labels, said.values, said.probabilities, schema))
        return -value if row.higher else value

    return models.importance(model, rows, loss, np.random.default_rng(seed), 2 if len(schema.watched) <= 50 else 1)
