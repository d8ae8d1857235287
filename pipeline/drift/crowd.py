"""The means of all linked features against their joint law: many small moves at once, and one that the rest belies.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.eyes import at_most, unbiased
from pipeline.drift.laws import log_chi2, log_peaked, log_skewed, pool
from pipeline.drift.sides import Side, Ties, effective
from pipeline.profile import Profile

Floats = NDArray[np.float64]
_LEAST = 50  # rows of a batch
_DIRECTIONS = np.array([0.3, 0.5, 0.1, 0.1])  # weights of all directions at once, and of the main axes


class Alone(NamedTuple):
    """One feature against where the others put it."""

    log_p: float
    effect: float  # in its own standard deviations
    gap: float  # how far its mean lies off, in the same
    spread: float  # how many times as wide as in the reference it scatters around that place
    shifted: bool  # the gap surprises more than the spread


@dataclass(frozen=True)
class Moves:
    """How far the mean scores of the linked features of a batch moved; arrays over those that vary.

    Attributes
    ----------
    names
        The features.
    gaps, errors
        In standard deviations of the reference, and their standard errors with the reference's own wobble.
    use
        Their places among the linked features.
    """

    ties: Ties
    names: tuple[str, ...]
    gaps: Floats
    errors: Floats
    squares: Floats  # (features, features), mean products of distances from the reference's means
    use: NDArray[np.intp]
    n: float
    m: float

    def together(self, judged: Set[str]) -> tuple[float, float]:
        """Hotelling's T-squared of the features that may speak, and their means along the main axes.

        Other people differ in what many features have in common. That shows along the axes on which the features vary
        most together (the first principal components) long before it shows in all directions at once.

        Returns
        -------
        tuple of float
            Log p-value, and the most the effect may be, Mahalanobis' distance of the means without its small-sample
            bias, or the distance along one axis if that is more: the upper end of its one-sided 95% interval. (0, 0)
            where there is too little to compare.
        """
        here = np.array([name in judged for name in self.names], bool)
        size = int(here.sum())
        if size < 2:
            return 0.0, 0.0
        ties, use = self.ties, self.use[here]
        inverse, axes = (ties.inverse, ties.axes) if here.all() else (ties.inverted(use), ties.axes_of(use))
        z = (self.gaps / self.errors)[here]
        plain = max(float((inverse * z).sum(axis=1) @ z), 0.0)
        statistic = (self.m - size - 1) * float(np.log1p(plain / self.m))  # the covariance is an estimate too (Wilks)
        noise = np.float64(1 / self.n + 1 / self.m)
        effect = np.sqrt(max(statistic - size, 0.0) * noise)
        along = unbiased(np.abs(axes @ self.gaps[here]), noise)
        log_p = log_chi2(np.r_[statistic, (axes @ z) ** 2], np.r_[float(size), np.ones(len(axes))])
        weights = _DIRECTIONS[: len(log_p)] / _DIRECTIONS[: len(log_p)].sum()
        return float(pool(log_p, weights)), float(at_most(np.maximum(effect, along.max()), noise))

    def alone(self, without: Set[str] = frozenset()) -> dict[str, Alone]:
        """Each feature against where the others put it: does it lie off that place, does it scatter wider around it?

        Parameters
        ----------
        without : set of str
            Features that are not asked: they drift themselves and would bear false witness.

        Notes
        -----
        What the others leave unexplained of a feature varies less than the feature itself: what moves it and nothing
        else shows sooner, and a broken link makes it scatter. The law of its mean is by three or four moments, the more
        cautious; that of its square is a chi-square with the same variance. What a single row off the line can do is
        taken off.
        """
        here = np.array([name not in without for name in self.names], bool)
        if here.sum() < 2:
            return {}
        whole, ties, use = bool(here.all()), self.ties, self.use[here]
        inverse = ties.inverse if whole else ties.inverted(use)
        left = ties.left if whole else ties.left_by(inverse, use)
        own = np.diag(inverse)
        stray = ties.reach[use] * np.maximum(
            own / np.sqrt(left) - 1, 0.0
        )  # of one row at the most, standard deviations
        skew, peak = ties.rests[use].T
        off = self._off(inverse, here, left, stray, skew, peak)
        wide, ratio = self._wide(inverse, here, left, stray, peak)
        log_p = np.minimum(np.minimum(off, wide) + np.log(2.0), 0.0)
        gap = (inverse * self.gaps[here]).sum(axis=1) / own
        noise = self.errors[here] ** 2
        moved = unbiased(np.abs(gap), left / own**2 * noise)
        beyond = ratio - 1 - np.sqrt((peak - 1) * noise)
        effect = np.where(off < wide, moved, np.sqrt(np.maximum(beyond * left, 0.0)) / own)
        columns = (log_p, effect, gap, np.sqrt(ratio), off < wide)
        lines = zip(*(column.tolist() for column in columns), strict=True)
        names = (name for name, asked in zip(self.names, here, strict=True) if asked)
        return {name: Alone(*line) for name, line in zip(names, lines, strict=True)}

    def _off(
        self, inverse: Floats, here: NDArray[np.bool_], left: Floats, stray: Floats, skew: Floats, peak: Floats
    ) -> Floats:
        """Log p-values of the means of what the others leave unexplained."""
        errors = self.errors[here]
        z = (inverse * (self.gaps[here] / errors)).sum(axis=1) / np.sqrt(left)
        far = np.maximum(np.abs(z) - stray / (self.n * errors), 0.0)
        lean = skew * np.sign(z) * (1 / self.n**2 - 1 / self.m**2) / (1 / self.n + 1 / self.m) ** 1.5
        tail = np.maximum(log_skewed(far, lean), log_peaked(far, np.maximum(peak - 3, 0.0) / min(self.n, self.m)))
        return np.minimum(tail + np.log(2.0), 0.0)

    def _wide(
        self, inverse: Floats, here: NDArray[np.bool_], left: Floats, stray: Floats, peak: Floats
    ) -> tuple[Floats, Floats]:
        """Log p-values of the mean squares of what the others leave unexplained, and these over the reference's."""
        squares = self.squares[np.ix_(here, here)]
        others = here.sum() - 1  # a place that was fitted to the reference's rows fits them better than any others
        fitted = (self.m + others) / (self.m - others)
        ratio = np.maximum(((inverse @ squares) * inverse).sum(axis=1), 0.0) / left / fitted
        sd = np.sqrt(np.maximum(peak - 1, 0.5)) * self.errors[here]
        return log_skewed((ratio - stray**2 / self.n - 1) / sd, 2 * sd), ratio  # chi-square's skewness is twice its sd


def moves(base: Side, seen: Profile) -> Moves | None:
    """How far the linked features of a batch moved; None where there is too little to compare."""
    ties, joint = base.ties, seen.joint
    n, m = float(seen.rows), float(base.profile.rows)
    if ties is None or joint is None or n < _LEAST or m < 10 * len(ties.means) + _LEAST or len(ties.varying) < 2:
        return None
    use = ties.varying
    gaps = (joint.firsts[use] / n - ties.means[use]) / ties.spreads[use]
    alone_n, alone_m = effective(np.full(len(use), n), np.full(len(use), m), ties.wobble[use])
    errors = np.sqrt(1 / alone_n + 1 / alone_m)
    linked = base.profile.grid.linked
    products = joint.moments(seen.rows)[1][np.ix_(use, use)]
    squares = products / np.outer(ties.spreads[use], ties.spreads[use]) + np.outer(gaps, gaps)
    return Moves(ties, tuple(linked[at] for at in use.tolist()), gaps, errors, squares, use, n, m)
