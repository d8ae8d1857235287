"""Dates: time passes, and that alone is no drift. Judged are the hours and weekdays, impossible past, and nulls.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.drift import eyes
from pipeline.drift.pair import Pair
from pipeline.profile import FeatureProfile

EYES = {"hours": 0.25, "weekdays": 0.25, "past": 0.25, "nulls": 0.25}
_DAY = 86_400_000_000  # microseconds


def look(pair: Pair, looked: Callable[..., Any]) -> Any | None:
    """What the eyes see of all date features; None if there are none."""
    if not pair.dates:
        return None
    lines = [_one(pair, name) for name in pair.dates]
    log_p, effect = np.array([line[0] for line in lines]), np.array([line[1] for line in lines])
    few = np.array([line[2] for line in lines])
    log_p[few, :-1] = 0.0
    weights = np.array(list(EYES.values()))
    return looked(pair.dates, tuple(EYES), weights, log_p, effect, np.zeros(len(lines), np.intp))


def _one(pair: Pair, name: str) -> tuple[list[float], list[float], bool]:
    base, seen = pair.reference.features[name], pair.batch.features[name]
    present = np.array([float(seen.present)]), np.array([float(base.present)])
    n, m = pair.effective((name,), *present)
    few = not bool(pair.enough(*present)[0])
    hour_p, hour_effect = eyes.shape(_by(seen, 24, n), _by(base, 24, m), n, m)
    week_p, week_effect = eyes.shape(_by(seen, 7, n), _by(base, 7, m), n, m)
    whole_days, whole_weeks = (min(_span(seen), _span(base)) >= days * _DAY for days in (2, 28))
    earlier = _earlier(pair, name)
    past_p, past_effect = eyes.counted(earlier * n / max(seen.present, 1), n, np.zeros(1), m)
    null_p, null_effect = pair.nulls((name,), np.array([float(seen.nulls)]), np.array([float(base.nulls)]))
    log_p = [float(hour_p[0]) * whole_days, float(week_p[0]) * whole_weeks, float(past_p[0]) * (earlier > 0), float(null_p[0])]
    return log_p, [float(one[0]) for one in (hour_effect, week_effect, past_effect, null_effect)], few


def _by(one: FeatureProfile, parts: int, rows: np.ndarray) -> np.ndarray:
    """Rows by hour of the day or by day of the week, scaled to effective rows."""
    table = one.hours.reshape(7, 24)
    counts = table.sum(axis=0 if parts == 24 else 1).astype(np.float64)
    return (counts * rows / max(one.present, 1))[None]


def _span(one: FeatureProfile) -> float:
    return one.high - one.low if one.low is not None and one.high is not None else 0.0


def _earlier(pair: Pair, name: str) -> float:
    """Rows from before the reference's first moment."""
    base, seen = pair.reference.features[name], pair.batch.features[name]
    if base.low is None:
        return 0.0
    ends = np.r_[pair.reference.grid.by_name[name].bounds, np.inf]
    return float(seen.cells[: len(ends)][ends <= base.low].sum())
