"""Many small moves at once: the means of all linked features against their joint law.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from pipeline.drift.laws import log_chi2
from pipeline.profile import Profile

_LEAST = 50  # rows of a batch
_RIDGE = 0.02  # of the correlations: nearly equal columns do not count twice


def compare(reference: Profile, batch: Profile, judged: Set[str]) -> tuple[float, float]:
    """Hotelling's T-squared of the mean scores of all linked features.

    Parameters
    ----------
    reference, batch : Profile
    judged : set of str
        Features that may speak.

    Returns
    -------
    tuple of float
        Log p-value, and the effect: Mahalanobis' distance of the means without its small-sample bias. (0, 0) where
        there is too little to compare.
    """
    a, b = reference.joint, batch.joint
    n, m = float(batch.rows), float(reference.rows)
    if a is None or b is None or n < _LEAST or m < 10 * len(a.firsts) + _LEAST:
        return 0.0, 0.0
    before, covariance = a.moments(reference.rows)
    asked = np.array([name in judged for name in reference.grid.linked], bool)
    use = np.flatnonzero((np.diag(covariance) > 0.05) & asked)
    if len(use) < 2:
        return 0.0, 0.0
    sd = np.sqrt(np.diag(covariance)[use])
    names = [reference.grid.linked[at] for at in use]
    wobble = np.array([reference.grid.by_name[name].wobble for name in names])
    z = (b.firsts[use] / n - before[use]) / sd / np.sqrt((1 + n * wobble) / n + 1 / m)
    correlation = (1 - _RIDGE) * covariance[np.ix_(use, use)] / np.outer(sd, sd)
    np.fill_diagonal(correlation, 1.0)
    plain = max(float(z @ np.linalg.solve(correlation, z)), 0.0)
    statistic = (m - len(use) - 1) * float(np.log1p(plain / m))  # the covariance is an estimate too (Wilks)
    log_p = float(log_chi2(np.float64(statistic), np.float64(len(use))))
    return log_p, float(np.sqrt(max(statistic - len(use), 0.0) * (1 / n + 1 / m)))
