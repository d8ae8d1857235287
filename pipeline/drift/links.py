"""Dependence between features: pairs whose link changed. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.eyes import unbiased
from pipeline.drift.laws import log_normal
from pipeline.profile import Profile
from pipeline.profile.joint import correlations

Floats = NDArray[np.float64]
_JOINT = 5.0  # rows that two rare marks must be expected to share before their link is judged
_LEAST_ROWS = 80  # below, the far tail of a correlation is not to be trusted


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


def compare(reference: Profile, batch: Profile, judged: Set[str]) -> Pairs | None:
    """Each pair's correlation of scores in both profiles, by Fisher's z; None where there is nothing to compare.

    Only pairs of ``judged`` features that vary in the batch can be surprising.
    """
    names = reference.grid.linked
    if reference.joint is None or batch.joint is None or len(names) < 2:
        return None
    before = correlations(reference.joint.moments(reference.rows)[1])
    covariance = batch.joint.moments(batch.rows)[1]
    first, second = np.triu_indices(len(names), 1)
    r, s = before[first, second], correlations(covariance)[first, second]
    n, m = float(max(batch.rows, 4)), float(max(reference.rows, 4))
    variance = np.array(reference.grid.bonds) * ((1 + 10 / n) / (n - 3) + 1 / (m - 3))
    gap = np.abs(np.arctanh(np.clip(s, -0.999, 0.999)) - np.arctanh(np.clip(r, -0.999, 0.999)))
    log_p = np.minimum(log_normal(gap / np.sqrt(variance)) + np.log(2.0), 0.0)
    peaks = np.array(reference.grid.peaks)
    log_p = np.where(min(n, m) >= _JOINT * peaks[first] * peaks[second], log_p, 0.0)
    varies = (np.diag(covariance) > 0.05) & np.array([name in judged for name in names], bool)
    log_p = np.where((min(n, m) >= _LEAST_ROWS) & varies[first] & varies[second], log_p, 0.0)
    return Pairs(first, second, r, s, log_p, unbiased(np.abs(s - r), variance * (1 - r * r) ** 2), names)
