"""Many small moves at once: the means of all linked features against their joint law.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from pipeline.drift.laws import log_chi2
from pipeline.drift.sides import Side
from pipeline.profile import Profile

_LEAST = 50  # rows of a batch


def compare(base: Side, seen: Profile, judged: Set[str]) -> tuple[float, float]:
    """Hotelling's T-squared of the mean scores of all linked features.

    Parameters
    ----------
    base : Side
        Reference.
    seen : Profile
        Batch.
    judged : set of str
        Features that may speak.

    Returns
    -------
    tuple of float
        Log p-value, and the effect: Mahalanobis' distance of the means without its small-sample bias. (0, 0) where
        there is too little to compare.
    """
    ties, joint = base.ties, seen.joint
    n, m = float(seen.rows), float(base.profile.rows)
    if ties is None or joint is None or n < _LEAST or m < 10 * len(ties.means) + _LEAST:
        return 0.0, 0.0
    linked = base.profile.grid.linked
    use = ties.varying
    inverse = ties.inverse
    if not judged.issuperset(linked):
        use = np.array([at for at in use if linked[at] in judged], np.intp)
        inverse = ties.inverted(use)
    if len(use) < 2:
        return 0.0, 0.0
    spread = ties.spreads[use] * np.sqrt((1 + n * ties.wobble[use]) / n + 1 / m)
    z = (joint.firsts[use] / n - ties.means[use]) / spread
    plain = max(float((inverse * z).sum(axis=1) @ z), 0.0)
    statistic = (m - len(use) - 1) * float(np.log1p(plain / m))  # the covariance is an estimate too (Wilks)
    log_p = float(log_chi2(np.float64(statistic), np.float64(len(use))))
    return log_p, float(np.sqrt(max(statistic - len(use), 0.0) * (1 / n + 1 / m)))
