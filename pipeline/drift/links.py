"""Dependence between features: pairs whose link changed. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.eyes import unbiased
from pipeline.drift.laws import log_normal
from pipeline.drift.sides import Side, fisher
from pipeline.profile import Profile
from pipeline.profile.joint import correlations

Floats = NDArray[np.float64]
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


def compare(base: Side, seen: Profile, judged: Set[str]) -> Pairs | None:
    """Each pair's correlation of scores on both sides, by Fisher's z; None where there is nothing to compare.

    Only pairs of ``judged`` features that vary in the batch can be surprising.
    """
    grid, ties, joint = base.profile.grid, base.ties, seen.joint
    if ties is None or joint is None or len(grid.linked) < 2:
        return None
    covariance = joint.moments(seen.rows)[1]
    first, second = ties.first, ties.second
    r, s = ties.correlations[first, second], correlations(covariance)[first, second]
    n, m = float(max(seen.rows, 4)), float(max(base.profile.rows, 4))
    variance = ties.bonds * ((1 + 10 / n) / (n - 3) + 1 / (m - 3))
    log_p = np.minimum(log_normal(np.abs(fisher(s) - ties.z) / np.sqrt(variance)) + np.log(2.0), 0.0)
    varies = (np.diag(covariance) > 0.05) & np.array([name in judged for name in grid.linked], bool)
    trusted = (min(n, m) >= np.maximum(ties.needed, _LEAST_ROWS)) & varies[first] & varies[second]
    effect = unbiased(np.abs(s - r), variance * (1 - r * r) ** 2)
    return Pairs(first, second, r, s, np.where(trusted, log_p, 0.0), effect, grid.linked)
