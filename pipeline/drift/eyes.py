"""The eyes: each looks at all features at once and gives the logarithm of a p-value and an effect size.

Pure: no I/O, no clock, no randomness. Arrays are (features,) unless said otherwise; ``n`` rows of the batch, ``m`` of
the reference, both divided by the design effect. Effects are standardised differences without their small-sample bias.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.laws import log_chi2, log_more, log_skewed

Floats = NDArray[np.float64]
Seen = tuple[Floats, Floats]  # log p-values, effects
_LN2 = float(np.log(2.0))
_ONE_SIDED = 1.645  # standard errors: 95% of a normal curve lie below
_EXPECTED = 4.0  # least expected rows of a bin; smaller ones are pooled


def shift(base: Floats, seen: Floats, n: Floats, m: Floats) -> Seen:
    """Difference of the mean of a score, two-sided: the permutation law by its first three moments.

    Parameters
    ----------
    base, seen : ndarray of shape (..., 3)
        Mean of the score, of its square and of its cube, of reference and batch.
    n, m : ndarray of shape (...)
    """
    gap = seen[..., 0] - base[..., 0]
    first, second, third = np.moveaxis((base * m[..., None] + seen * n[..., None]) / (n + m)[..., None], -1, 0)
    variance = np.maximum(second - first**2, 0.0)
    variance[variance < 1e-12] = 0.0
    third = third - 3 * first * second + 2 * first**3
    sd = np.sqrt(variance * (1 / n + 1 / m))
    z = np.divide(gap, sd, out=np.zeros_like(gap), where=sd > 1e-12)
    skew = np.divide(third * (1 / n**2 - 1 / m**2), sd**3, out=np.zeros_like(gap), where=sd > 1e-12)
    log_p = np.minimum(_LN2 + log_skewed(np.abs(z), skew * np.sign(z)), 0.0)
    spread = np.sqrt(np.maximum(base[..., 1] - base[..., 0] ** 2, 0.0))
    effect = np.divide(np.abs(gap), spread, out=np.zeros_like(gap), where=spread > 1e-6)
    return log_p, unbiased(effect, 1 / n + 1 / m)


def gap(p: Floats, q: Floats, n: Floats, m: Floats) -> Seen:
    """Largest gap of the cumulative shares: Massart's bound, conservative on bins.

    The effect is the gap in units of the shift of a normal curve that would make it (0.4 a standard deviation).
    """
    largest = np.abs(np.cumsum(q - p, axis=1)).max(axis=1)
    rows = n * m / (n + m)
    return np.minimum(_LN2 - 2 * rows * largest**2, 0.0), unbiased(2.5 * largest, 2.5**2 * 0.8 / rows)


def shape(
    x: Floats, y: Floats, n: Floats, m: Floats, x_rest: Floats | float = 0.0, y_rest: Floats | float = 0.0
) -> Seen:
    """Chi-square over bins, those with few expected rows pooled; gamma law with the permutation moments.

    Pearson's statistic is right in the middle of its law but bold far out, where one bin of few expected rows holds
    many; the likelihood ratio is bold in the middle but not there. The less surprised of the two speaks.

    Parameters
    ----------
    x, y : ndarray of shape (features, bins)
        Rows of batch and reference, divided by the design effect.
    x_rest, y_rest : ndarray of shape (features,), optional
        Rows of levels that have no bin; they join the pool of few, for a bin that exists because one side filled it
        would not be judged fairly.
    """
    total = x + y
    few = total * (np.minimum(n, m) / (n + m))[:, None] < _EXPECTED
    x_rest, rest = (x * few).sum(axis=1) + x_rest, (total * few).sum(axis=1) + x_rest + y_rest
    x = np.column_stack((np.where(few, 0.0, x), x_rest))
    total = np.column_stack((np.where(few, 0.0, total), rest))
    rows = (n + m)[:, None]
    expected = total * n[:, None] / rows
    parts = np.divide((x - expected) ** 2, expected, out=np.zeros_like(x), where=expected > 0)
    statistic = parts.sum(axis=1) * (n + m) / m
    bins = (total > 0).sum(axis=1)
    mean, variance = permuted_moments(total, n, m, bins)
    rate = np.divide(2 * mean, variance, out=np.ones_like(mean), where=variance > 0)
    both = log_chi2(np.array([statistic * rate, likelihood(x, total, n, m)]), np.array([mean * rate, bins - 1.0]))
    log_p = np.where(bins > 1, both.max(axis=0), 0.0)
    effective = n * m / (n + m)
    return log_p, unbiased(np.sqrt(statistic / effective), np.maximum(bins - 1, 0) / effective)


def likelihood(x: Floats, total: Floats, n: Floats, m: Floats) -> Floats:
    """The likelihood ratio G of 2 x bins tables; (features, bins) to (features,)."""
    statistic = np.zeros(len(x))
    for rows, size in ((x, n), (total - x, m)):
        expected = total * (size / (n + m))[:, None]
        ratio = np.divide(rows, expected, out=np.ones_like(rows), where=(rows > 0) & (expected > 0))
        statistic += 2 * (rows * np.log(ratio)).sum(axis=1)
    return np.maximum(statistic, 0.0)


def permuted_moments(total: Floats, n: Floats, m: Floats, bins: Floats) -> Seen:
    """Exact mean and variance of Pearson's chi-square of a 2 x bins table with fixed margins.

    Haldane (1940); in the form of Lewis, Saunders and Westcott (1984).
    """
    rows = np.maximum(n + m, 4.0)
    inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0).sum(axis=1)
    mean = rows * (bins - 1) / (rows - 1)
    v1, v2 = (rows - 2) / (rows - 1), (bins - 1) * (rows - bins) / (rows - 1)
    w1 = (rows**2 * (1 / n + 1 / m) / rows - 4) / (rows - 2)
    w2 = (rows * inverse - bins**2) / (rows - 2)
    variance = 2 * rows / (rows - 3) * (v1 - w1) * (v2 - w2) + rows**2 / (rows - 1) * w1 * w2
    return mean, np.maximum(variance, 1e-9)


def counted(x: Floats, n: Floats, y: Floats, m: Floats) -> Seen:
    """Share of marked rows, two-sided, by Fisher's exact law; any broadcastable shapes.

    The effect is the difference of the angles ``2 asin(sqrt(share))`` (Cohen's h).
    """
    more = x * m > y * n
    log_p = log_more(np.where(more, x, n - x), n, np.where(more, y, m - y), m)
    angle = 2 * (np.arcsin(np.sqrt(np.minimum(x / n, 1.0))) - np.arcsin(np.sqrt(np.minimum(y / m, 1.0))))
    return np.minimum(log_p + _LN2, 0.0), unbiased(np.abs(angle), 1 / n + 1 / m)


def moved(x: Floats, n: Floats, y: Floats, m: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cell that gained most and the one that lost most, by a quick measure, and the number of cells not empty.

    Parameters
    ----------
    x, y : ndarray of shape (features, cells)
        Rows of batch and reference.

    Returns
    -------
    ndarray of shape (features, 2), ndarray of shape (features,)
    """
    total = x + y
    expected = total * (n / (n + m)).astype(x.dtype)[:, None]
    pull = x - expected
    expected += x.dtype.type(0.1)
    pull /= np.sqrt(expected, out=expected)
    ends = np.array([pull.argmax(axis=1), pull.argmin(axis=1)]).T
    return ends, np.maximum(np.count_nonzero(total, axis=1), 1)


def unbiased(effect: Floats, variance: Floats) -> Floats:
    """An effect without what chance alone adds to its square."""
    return np.sqrt(np.maximum(effect**2 - variance, 0.0))


def at_most(effect: Floats, variance: Floats) -> Floats:
    """The upper end of the one-sided 95% interval of an effect; 0 where there is none."""
    return np.where(effect > 0, effect + _ONE_SIDED * np.sqrt(variance), 0.0)
