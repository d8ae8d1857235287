"""What a challenger must not do, however well it did. Each gate gives a sentence of doubt, or nothing.

Pure but for two clocks: how long predictions take is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline import models, performance
from pipeline.models import Model, Predictions
from pipeline.performance import Measure, segments
from pipeline.retrain.field import LEAST_TRUSTED, Field
from pipeline.retrain.order import Order

CLASS_FALL = 0.05  # recall that a class may lose
CLASS_ROWS = 20  # rows of a class below which nothing is said about it
HOLDOUT_FALL = 0.05  # of the level on the trusted rows, where no loss was measured; a share of an error
TIMED_ROWS = 1000
NO_TIME = 0.002  # seconds for so many rows: what takes less is not slow, whatever the champion takes
NO_SIZE = 1_000_000  # bytes: what is smaller is not large


@dataclass(frozen=True)
class Trial:
    """The challenger as it was judged, and all that gates look at."""

    order: Order
    field: Field
    model: Model
    said: Predictions  # of the challenger on the jury
    base: Predictions  # of the champion
    details: dict[str, Any] = field(default_factory=dict)  # what the gates measured
    artefact: bytes | None = None  # of the final fit, where there is one

    @property
    def loss_measured(self) -> bool:
        """Whether the champion's fall was measured, so that the world is known to have changed."""
        return self.order.trigger == "performance"


def challenger(trial: Trial) -> list[str]:
    """Doubts about a challenger as it was judged, as sentences."""
    return [doubt for gate in GATES.values() if (doubt := gate(trial))]


def winner(trial: Trial) -> list[str]:
    """Doubts about a challenger after its last fit: ``model`` and ``artefact`` are what would be promoted."""
    return [doubt for gate in LAST_GATES.values() if (doubt := gate(trial))]


def _sane(trial: Trial) -> str:
    """Predictions are finite, and no class that came has been lost."""
    said = trial.said
    if not _finite(said):
        return "Some of its predictions are not finite."
    if trial.order.schema.task == "regression":
        return "It says the same for every row." if len(said.values) > 1 and np.ptp(said.values) == 0 else ""
    labels = trial.field.labels[trial.field.jury :].astype(str)
    for name in trial.order.schema.classes:
        came = int(np.sum(labels == name))
        if came >= CLASS_ROWS and name not in said.values and name in trial.base.values:
            return f"It never says {name!r}, which came {came} times."
    return ""


def _finite(said: Predictions) -> bool:
    figures = said.probabilities if said.probabilities is not None else said.values
    return figures.dtype == object or bool(np.isfinite(figures.astype(np.float64)).all())


def _classes(trial: Trial) -> str:
    """No class pays for the others.

    Its recall may fall only where a loss was measured and the weakest class is better off all the same.
    """
    if trial.order.schema.task == "regression":
        return ""
    schema, labels = trial.order.schema, trial.field.labels[trial.field.jury :]
    old, new = (performance.said(labels, s.values, s.probabilities, schema) for s in (trial.base, trial.said))
    falls, before, after = [], [], []
    for number, name in enumerate(schema.classes):
        rows = old.truth == number
        n = int(rows.sum())
        if n < CLASS_ROWS:
            continue
        was, now = old.guess[rows] == number, new.guess[rows] == number
        before.append(float(was.mean()))
        after.append(float(now.mean()))
        lost = was.astype(float) - now
        if lost.mean() > CLASS_FALL and lost.mean() > 1.64 * float(lost.std()) / math.sqrt(n):
            falls.append((float(lost.mean()), f"Recall of {name!r} falls from {was.mean():.2f} to {now.mean():.2f} "
                          f"on {n} rows."))  # fmt: skip
    if not falls or (trial.loss_measured and min(after) > min(before)):
        return ""
    return max(falls)[1]


def _segments(trial: Trial) -> str:
    """No part of the rows pays for the others, by the same rule as for classes."""
    order, asked = trial.order, trial.order.settings.segments
    cuts = order.champion.details.get("cuts") or {}
    jury = trial.field.table.slice(trial.field.jury)
    wanted = [f for f in order.schema.watched if f.name in cuts and (not asked.features or f.name in asked.features)]
    columns = {feature.name: models.column(jury, feature) for feature in wanted}
    labels = trial.field.labels[trial.field.jury :]
    old, new = (performance.said(labels, s.values, s.probabilities, order.schema) for s in (trial.base, trial.said))
    found = segments.falls(
        columns, old, new, order.schema, cuts, order.settings.retrain.metric, asked.min_rows, asked.fall
    )
    trial.details["segments"] = [
        {"part": part, "champion": before, "challenger": after, "rows": rows} for part, before, after, rows, _ in found
    ]
    for part, before, after, rows, weakest_gains in found:
        if not (trial.loss_measured and weakest_gains):
            row = segments.by_rows(order.schema, order.settings.retrain.metric)
            verb = "falls" if row.higher else "rises"
            return f"Where {part}, {row.label} {verb} from {before:.3f} to {after:.3f} on {rows} rows."
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
    if trial.loss_measured:
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


def _last_fit(trial: Trial) -> str:
    """The last fit predicts finite figures, and can still say every class that is rare rather than gone."""
    said = models.predict(trial.model, trial.field.table.slice(trial.field.jury))
    if not _finite(said):
        return "After the last fit some of its predictions are not finite."
    champion = trial.order.champion.model
    known = set(champion.classes) if isinstance(champion, Model) else set()
    labels = trial.field.labels.astype(str) if known else np.empty(0)
    for name in sorted(known - set(trial.model.classes)):
        share = float(np.mean(labels == name)) if len(labels) else 0.0
        if share * (trial.field.rows - trial.field.fresh) < CLASS_ROWS:
            return f"Its rows do not hold {name!r}, which is rare: it could never say it."
    return ""


def _speed(trial: Trial) -> str:
    """Predictions do not take many times as long."""
    champion, asked = trial.order.champion.model, trial.order.settings.retrain
    rows = trial.field.table.slice(max(0, trial.field.rows - TIMED_ROWS))
    if not isinstance(champion, Model) or not rows.num_rows:
        return ""
    now, then = math.inf, math.inf
    for _ in range(3):  # the quickest of three, in turn, so that a busy machine slows both alike
        now, then = min(now, _seconds(trial.model, rows)), min(then, _seconds(champion, rows))
        if now <= asked.slower * max(then, NO_TIME) and asked.max_ms is None:
            break
    each = 1000 * now * TIMED_ROWS / rows.num_rows
    trial.details["speed"] = {"ms": round(each, 3), "times": round(now / max(then, 1e-9), 2)}
    if asked.max_ms is not None and each > asked.max_ms:
        return f"1,000 predictions take {each:.0f} ms; {asked.max_ms:g} are allowed."
    if now <= asked.slower * max(then, NO_TIME):
        return ""
    return f"It predicts {now / max(then, NO_TIME):.0f} times as slowly as the champion ({each:.0f} ms for 1,000 rows)."


def _seconds(model: Model, rows: Any) -> float:
    began = time.perf_counter()
    models.predict(model, rows)
    return time.perf_counter() - began


def _size(trial: Trial) -> str:
    """The model is not many times as large."""
    asked, then = trial.order.settings.retrain, trial.order.champion.size
    if trial.artefact is None:
        return ""
    now = len(trial.artefact)
    if asked.max_bytes is not None and now > asked.max_bytes:
        return f"Its {now:,} bytes are more than the {asked.max_bytes:,} allowed."
    if not then or now <= asked.larger * max(then, NO_SIZE):
        return ""
    return f"It has {now / 1e6:.1f} MB, {now / then:.0f} times as much as the champion."


Gate = Callable[[Trial], str]
GATES: dict[str, Gate] = {"sane": _sane, "classes": _classes, "segments": _segments, "holdout": _holdout}
LAST_GATES: dict[str, Gate] = {"last fit": _last_fit, "speed": _speed, "size": _size}
