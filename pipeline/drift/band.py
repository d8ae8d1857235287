"""Between which scores healthy batches lie. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

import numpy as np

from pipeline.drift.verdict import FEATURES
from pipeline.profile import Profile
from storage.settings import Settings


def healthy_band(reference: Profile, rows: int, settings: Settings) -> tuple[float, float]:
    """The 5% and 95% points of the batch score of healthy batches of so many rows.

    The score of a batch is led by its most surprising feature; the largest of ``k`` healthy surprises has a known law.
    """
    size = max(sum(settings.of(name).watch for name in reference.features), 1)
    line = np.log(settings.drift.budget * FEATURES / size)
    low, high = (float(np.log(-np.expm1(np.log(rank) / size)) / line) for rank in (0.05, 0.95))
    if rows < settings.drift.min_rows:
        return 0.0, 0.0
    return max(low, 0.0), min(high, 0.99)
