"""Dependence between features: pairs whose link changed. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.eyes import unbiased
from pipeline.drift.laws import log_normal
from pipeline.profile import Profile

Floats = NDArray[np.float64]
_LEAST_ROWS = 50
_SPREAD = 1.3  # variance of Fisher's z over that of normal data: scores are bounded, but not normal


@dataclass(frozen=True)
class Pairs:
    """All pairs of linked features, one line each."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    reference: Floats
    batch: Floats
    log_p: Floats
    effect: Floats
    names: tuple[str, ...]


def compare(reference: Profile, batch: Profile) -> Pairs | None:
    """Each pair's correlation of scores in both profiles, by Fisher's z; None where there is nothing to compare."""
    names = reference.grid.linked
    if reference.joint is None or batch.joint is None or len(names) < 2:
        return None
    before, m = reference.joint.correlations()
    after, n = batch.joint.correlations()
    first, second = np.triu_indices(len(names), 1)
    r, s = before[first, second], after[first, second]
    m, n = m[first, second].astype(np.float64), n[first, second].astype(np.float64)
    variance = _SPREAD * (1 / np.maximum(n - 3, 1) + 1 / np.maximum(m - 3, 1))
    gap = np.abs(np.arctanh(np.clip(s, -0.999, 0.999)) - np.arctanh(np.clip(r, -0.999, 0.999)))
    log_p = np.minimum(log_normal(gap / np.sqrt(variance)) + np.log(2.0), 0.0)
    varies = np.diag(after) > 0.5
    log_p = np.where((n >= _LEAST_ROWS) & (m >= _LEAST_ROWS) & varies[first] & varies[second], log_p, 0.0)
    return Pairs(first, second, r, s, log_p, unbiased(np.abs(s - r), variance * (1 - r * r) ** 2), names)
