"""Dates: time passes, and that alone is no drift. Judged are the hours and weekdays, an impossible past, and nulls.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.drift import eyes
from pipeline.profile import FeatureGrid, FeatureProfile

Floats = NDArray[np.float64]
EYES = {"hours": 0.25, "weekdays": 0.25, "past": 0.25, "nulls": 0.25}
_DAY = 86_400_000_000  # microseconds
_SHOWN = {24: 2, 7: 28}  # days that both sides must span before hours, and weekdays, are compared


def look(
    base: FeatureProfile, seen: FeatureProfile, grid: FeatureGrid, n: Floats, m: Floats
) -> tuple[eyes.Seen, eyes.Seen, eyes.Seen]:
    """What the eyes for hours, weekdays and the past see of one date feature; each array has shape (1,)."""
    earlier = np.array([rows_before(base, seen, grid)])
    log_p, effect = eyes.counted(earlier * n / max(seen.present, 1), n, np.zeros(1), m)
    past = np.where(earlier > 0, log_p, 0.0), effect
    return _by(base, seen, 24, n, m), _by(base, seen, 7, n, m), past


def _by(base: FeatureProfile, seen: FeatureProfile, parts: int, n: Floats, m: Floats) -> eyes.Seen:
    """Shares of the hours of the day (24) or the days of the week (7)."""
    if min(_span(base), _span(seen)) < _SHOWN[parts] * _DAY:
        return np.zeros(1), np.zeros(1)
    x, y = (one.hours.reshape(7, 24).sum(axis=0 if parts == 24 else 1).astype(np.float64)[None] for one in (seen, base))
    return eyes.shape(x * n / max(seen.present, 1), y * m / max(base.present, 1), n, m)


def _span(one: FeatureProfile) -> float:
    return one.high - one.low if one.low is not None and one.high is not None else 0.0


def rows_before(base: FeatureProfile, seen: FeatureProfile, grid: FeatureGrid) -> float:
    """Rows of the batch from before the reference's first moment."""
    if base.low is None:
        return 0.0
    ends = np.r_[grid.bounds, np.inf]
    return float(seen.cells[: len(ends)][ends <= base.low].sum())
