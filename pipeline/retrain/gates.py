"""What a challenger must not do, however well it did. Each gate gives a sentence of doubt, or nothing. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline import models, performance
from pipeline.models import Model, Predictions
from pipeline.performance import Measure
from pipeline.retrain.field import LEAST_TRUSTED, Field
from pipeline.retrain.order import Order

CLASS_FALL = 0.05  # recall that a class may lose
CLASS_ROWS = 20  # rows of a class below which nothing is said about it
HOLDOUT_FALL = 0.05  # of the level on the trusted holdout, where no loss was measured; a share of an error


@dataclass(frozen=True)
class Trial:
    """The challenger as it was judged, and all that gates look at."""

    order: Order
    field: Field
    model: Model
    said: Predictions  # of the challenger on the jury
    base: Predictions  # of the champion
    details: dict[str, Any] = field(default_factory=dict)  # what the gates measured


def challenger(trial: Trial) -> list[str]:
    """Doubts about a challenger, as sentences."""
    return [doubt for gate in GATES.values() if (doubt := gate(trial))]


def _sane(trial: Trial) -> str:
    """Predictions are finite, and no class that came has been lost."""
    said = trial.said
    figures = said.probabilities if said.probabilities is not None else said.values
    if figures.dtype != object and not np.isfinite(figures.astype(np.float64)).all():
        return "Some of its predictions are not finite."
    if trial.order.schema.task == "regression":
        return "It says the same for every row." if len(said.values) > 1 and np.ptp(said.values) == 0 else ""
    labels = trial.field.labels[trial.field.jury :].astype(str)
    for name in trial.order.schema.classes:
        came = int(np.sum(labels == name))
        if came >= CLASS_ROWS and name not in said.values and name in trial.base.values:
            return f"It never says {name!r}, which came {came} times."
    return ""


def _classes(trial: Trial) -> str:
    """No class pays for the others: its recall may fall only where the balance of all classes gains."""
    if trial.order.schema.task == "regression":
        return ""
    schema, labels = trial.order.schema, trial.field.labels[trial.field.jury :]
    old, new = (performance.said(labels, s.values, s.probabilities, schema) for s in (trial.base, trial.said))
    balance = performance.METRICS["balanced_accuracy"]
    if balance.value(new) > balance.value(old):
        return ""
    for number, name in enumerate(schema.classes):
        rows = old.truth == number
        n = int(rows.sum())
        if n < CLASS_ROWS:
            continue
        before, after = float(np.mean(old.guess[rows] == number)), float(np.mean(new.guess[rows] == number))
        if before - after > CLASS_FALL + 1.64 * math.sqrt(max(before * (1 - before), 0.02) / n):
            return f"Recall of {name!r} falls from {before:.2f} to {after:.2f} on {n} rows."
    return ""


def _holdout(trial: Trial) -> str:
    """Where no loss was measured the world is not known to have changed: the trusted rows must still be right."""
    order, held = trial.order, trial.field.holdout
    if held.num_rows < LEAST_TRUSTED:
        return ""
    row = performance.primary(order.schema, order.settings.retrain.metric)
    labels = trial.field.held_labels
    said = models.predict(trial.model, held)
    now = performance.with_interval(row, performance.said(labels, said.values, said.probabilities, order.schema))
    trial.details["holdout"] = {"value": now.value, "low": now.low, "high": now.high, "rows": now.rows}
    if order.trigger == "performance":
        return ""
    name = row.name.replace("_", " ")
    if trial.field.trusted.frozen and isinstance(order.champion.model, Model):
        champion = models.predict(order.champion.model, held)
        against = performance.compare(
            labels, (champion.values, champion.probabilities), (said.values, said.probabilities), order.schema,
            order.settings.retrain.metric,
        )  # fmt: skip
        fell = -against.gain.value > _allowed(row, against.first.value) / 2 and against.p_worse < 0.05
        told = f"On the {held.num_rows} trusted rows that no version has learned, {name} falls from "
        return f"{told}{against.first.value:.3f} to {now.value:.3f} (p = {against.p_worse:.1g})." if fell else ""
    then = order.champion.details.get("holdout")
    if then is None:
        return ""
    fall = row.gain(now.value, then["value"])
    if fall < _allowed(row, then["value"]) + (now.high - now.low) / 2:
        return ""
    return f"On the trusted rows {name} falls from {then['value']:.3f} to {now.value:.3f}."


def _allowed(row: Measure, level: float) -> float:
    return HOLDOUT_FALL * (1.0 if row.task == "classification" else abs(level))


GATES: dict[str, Callable[[Trial], str]] = {"sane": _sane, "classes": _classes, "holdout": _holdout}
