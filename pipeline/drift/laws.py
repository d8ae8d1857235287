"""Null laws: logarithms of tail probabilities, for whole arrays at once, down to any smallness.

Pure: no I/O, no clock, no randomness. SciPy has them all but takes a second to import; the tests hold these against it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Chebyshev coefficients of erfc, Numerical Recipes 3rd ed. 6.2.2: relative error below 1.2e-7 everywhere
_ERFC = (0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
         -1.26551223)  # fmt: skip
_TINY, _CALM = -15.0, float(np.log(0.9))
LEAST = -700.0  # of a logarithm that is shown: e**-700 is about the least a float holds


def log_normal(z: Floats) -> Floats:
    """Logarithm of the upper tail of the standard normal.

    Parameters
    ----------
    z : ndarray

    Returns
    -------
    ndarray
        Of the same shape; relative error of the probability below 2e-7.
    """
    x = np.abs(z) / np.sqrt(2.0)
    t = 2.0 / (2.0 + x)
    power = np.full_like(t, _ERFC[0])
    for coefficient in _ERFC[1:]:
        power = power * t + coefficient
    log_tail = np.log(t / 2) - x * x + power
    return np.where(z >= 0, log_tail, np.log1p(-np.minimum(np.exp(log_tail), 0.5)))


def log_skewed(z: Floats, skewness: Floats) -> Floats:
    """Logarithm of the upper tail of a standardised statistic with the given skewness.

    Pearson's type III law through the cube root of Wilson and Hilferty (1931); the normal law at skewness 0. Negative
    skewness, whose upper tail is lighter, is taken as none.
    """
    skew = np.maximum(skewness, 1e-3)
    freedom = 8.0 / skew**2
    x = np.maximum(1.0 + z * np.sqrt(2.0 / freedom), 1e-12)
    return log_normal((np.cbrt(x) - (1 - 2 / (9 * freedom))) * np.sqrt(9 * freedom / 2))


def log_peaked(z: Floats, peak: Floats) -> Floats:
    """Logarithm of the upper tail of a standardised statistic with the given excess kurtosis.

    Student's law with as many degrees of freedom as have that kurtosis, through Wallace's (1959) normal approximation;
    the normal law at 0.
    """
    freedom = 4 + 6 / np.maximum(peak, 1e-6)
    t = z * np.sqrt(freedom / (freedom - 2))
    return log_normal((8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(t * t / freedom)) * np.sign(z))


def log_chi2(x: Floats, freedom: Floats) -> Floats:
    """Logarithm of the upper tail of chi-square with any positive degrees of freedom.

    The series of the incomplete gamma function up to three standard deviations above its mean, where nearly all healthy
    values lie and the continued fraction (modified Lentz) takes long, and that beyond; 0 where there is no degree of
    freedom.
    """
    x, freedom = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(freedom, np.float64))
    a, x = np.maximum(freedom, 1e-9).ravel() / 2, np.maximum(x, 0.0).ravel() / 2
    front = a * np.log(np.maximum(x, 1e-300)) - x - log_gamma(a)
    far = x >= a + 1 + 3 * np.sqrt(a)
    tail = np.empty_like(a)
    tail[far] = front[far] + _fraction(x[far], a[far])
    lower = np.exp(front[~far]) * _series(x[~far], a[~far])
    tail[~far] = np.log1p(-np.minimum(lower, 1 - 1e-12))
    return np.where(freedom > 0, np.minimum(tail, 0.0).reshape(freedom.shape), 0.0)


def _fraction(x: Floats, a: Floats) -> Floats:
    """Logarithm of the continued fraction, for ``x >= a + 1``, where every denominator is above ``i``."""
    if not len(a):
        return a
    b = x + 1 - a
    c = np.full_like(b, np.inf)
    d = 1 / b
    h = d.copy()
    for i in range(1, 60):
        an = i * (a - i)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        step = d * c
        h *= step
        if np.abs(step - 1).max() < 1e-5:
            break
    return np.log(h)


def _series(x: Floats, a: Floats) -> Floats:
    """The series of the lower tail without its front factor, for all other ``x``: all its terms at once."""
    if not len(a):
        return a
    terms = np.arange(1, 25 + int(12 * np.sqrt(a.max())))
    return (1 + np.cumprod(x[:, None] / (a[:, None] + terms), axis=1).sum(axis=1)) / a


def log_gamma(x: Floats) -> Floats:
    """Logarithm of the gamma function for positive numbers below 1e30: Stirling's series behind a shift by 8."""
    x = np.asarray(x, np.float64)
    square = x * (x + 7)
    product = square * (square + 6) * (square + 10) * (square + 12)
    y = x + 8
    inverse = 1 / (y * y)
    tail = (1 / 12 - inverse * (1 / 360 - inverse / 1260)) / y
    return (y - 0.5) * np.log(y) - y + 0.9189385332046727 + tail - np.log(product)


def log_more(x: Floats, n: Floats, y: Floats, m: Floats) -> Floats:
    """Logarithm of the chance that at least ``x`` of the ``x + y`` marked rows lie among ``n`` of ``n + m`` rows.

    The hypergeometric tail of Fisher's exact test, one-sided, of which ``x`` itself counts half (mid-p, Lancaster 1961:
    on average over tables neither bold nor shy). The tail is bounded from above by a geometric series: the ratio of
    successive terms falls, so ``tail <= first / (1 - ratio)``, which is close where it matters, far out. Rows need not
    be whole numbers (a design effect divides them).

    Parameters
    ----------
    x, n : ndarray
        Marked rows and rows of the batch.
    y, m : ndarray
        Marked rows and rows of the reference.

    Returns
    -------
    ndarray
        At most 0.
    """
    x, n, y, m = np.broadcast_arrays(*(np.asarray(one, np.float64) for one in (x, n, y, m)))
    total, rest = x + y, n + m - x - y
    logs = log_gamma(np.array([total, rest, n, m, x, y, n - x, m - y, n + m]) + 1)
    first = logs[:4].sum(axis=0) - logs[4:].sum(axis=0)
    ratio = y * (n - x) / ((x + 1) * (m - y + 1))
    tail = first + np.log(1 / np.maximum(1 - ratio, 1e-3) - 0.5)
    return np.where((x * m > y * n) & (ratio < 0.999), np.minimum(tail, 0.0), 0.0)


def pool(logs: Floats, weights: Floats) -> Floats:
    """One log p-value from several: the Cauchy combination (Liu and Xie 2020).

    Right at small values under any dependence, and at all values where the eyes are independent. For small values it is
    the weighted harmonic mean. Values above 0.9 count as 0.9, so that one calm eye does not hush the rest.

    Parameters
    ----------
    logs : ndarray of shape (..., eyes)
        Logarithms of p-values.
    weights : ndarray of shape (eyes,) or (..., eyes)
        Adding to 1.

    Returns
    -------
    ndarray of shape (...,)
    """
    logs = np.minimum(logs, _CALM)
    least = logs.min(axis=-1, keepdims=True)
    tiny = logs < _TINY
    p = np.exp(np.where(tiny, _TINY, logs))
    terms = np.where(tiny, np.exp(least - logs) / np.pi, np.exp(np.maximum(least, LEAST)) / np.tan(np.pi * p))
    total, least = (weights * terms).sum(axis=-1), least[..., 0]
    far = least - np.log(np.pi * np.maximum(total, 1e-300))
    near = np.log(np.maximum(0.5 - np.arctan(total * np.exp(-np.maximum(least, _TINY))) / np.pi, 1e-300))
    return np.minimum(np.where(least < _TINY, far, near), 0.0)
