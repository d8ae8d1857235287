"""Dependence between features: pairs whose link changed. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.eyes import at_most, unbiased
from pipeline.drift.laws import log_peaked
from pipeline.drift.sides import Side, effective, fisher
from pipeline.profile import Profile
from pipeline.profile.joint import correlations

Floats = NDArray[np.float64]
_CLOSE = 0.02  # of 1 - r^2: the correlation of nearly equal columns is not known more closely
_LEAST_ROWS = 80  # below, the far tail of a correlation is not to be trusted


@dataclass(frozen=True)
class Pairs:
    """All pairs of linked features, one line each."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    reference: Floats
    batch: Floats
    log_p: Floats
    most: Floats  # the most that the correlation may have moved: upper end of its one-sided 95% interval
    names: tuple[str, ...]


def compare(base: Side, seen: Profile, judged: Set[str]) -> Pairs | None:
    """Correlations of the scores of each pair on both sides, by Fisher's z; None where there is nothing to compare.

    The law is Student's with the kurtosis of the correlation's influence, and what a single row can do is taken off:
    one gross error breaks the link of nearly equal columns, and every large table has some.

    Only pairs of ``judged`` features that vary in the batch can be surprising.
    """
    grid, ties, joint = base.profile.grid, base.ties, seen.joint
    if ties is None or joint is None or len(grid.linked) < 2:
        return None
    covariance = joint.moments(seen.rows)[1]
    first, second = ties.first, ties.second
    r, s = ties.correlations[first, second], correlations(covariance)[first, second]
    rows = np.full((2, len(first)), [[seen.rows], [base.profile.rows]], float)
    n, m = np.maximum(effective(*rows, ties.pair_wobble), 4.0)
    variance = ties.bonds * ((1 + 10 / n) / (n - 3) + 1 / (m - 3))
    one_row = np.abs(r) * np.maximum(ties.reach[first], ties.reach[second]) ** 2 / 2 / np.maximum(1 - r * r, _CLOSE) / n
    z = np.maximum(np.abs(fisher(s) - ties.z) - one_row, 0.0) / np.sqrt(variance)
    log_p = np.minimum(log_peaked(z, ties.knots / np.minimum(n, m)) + np.log(2.0), 0.0)
    varies = (np.diag(covariance) > 0.05) & np.array([name in judged for name in grid.linked], bool)
    trusted = (np.minimum(n, m) >= np.maximum(ties.needed, _LEAST_ROWS)) & varies[first] & varies[second]
    noise = variance * (1 - r * r) ** 2
    most = at_most(unbiased(np.abs(s - r), noise), noise)
    return Pairs(first, second, r, s, np.where(trusted, log_p, 0.0), most, grid.linked)
