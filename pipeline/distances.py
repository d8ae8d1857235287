"""Distances between two distributions over shared bins: a function and a row each.

Pure: no I/O, no clock, no randomness. ``measure(p, q, at)`` takes shares of the reference ``p`` and of the batch ``q``
in bins whose positions are ``at`` (used by distances that know how far apart bins lie), any number of pairs at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.records import Kind

Floats = NDArray[np.float64]
FLOOR = 1e-4  # least share of a bin for PSI, whose logarithms know no zero
NUMBERS: tuple[Kind, ...] = ("numeric", "date")
ANY: tuple[Kind, ...] = ("numeric", "categorical", "date")


@dataclass(frozen=True)
class Distance:
    """One row of ``DISTANCES``.

    Attributes
    ----------
    name, label : str
        In settings and on pages.
    measure : callable
        ``(p, q, at) -> distance``; shapes (..., bins), (..., bins), (..., bins) to (...).
    kinds : tuple of Kind
        Features it is defined for.
    bins : {"fine", "coarse"}
        Which cells of a profile it is computed on: those about as likely as 1 in 64, or about 1 in 10, as house rules
        for PSI have it. Levels are always taken as they are.
    bounded, symmetric : bool
        Whether it is at most 1; whether the two sides may be swapped.
    usual_threshold : float
        Above which people commonly alarm.
    description : str
        One sentence.
    """

    name: str
    label: str
    measure: Callable[[Floats, Floats, Floats], Floats]
    kinds: tuple[Kind, ...]
    bins: str
    bounded: bool
    symmetric: bool
    usual_threshold: float
    description: str


def ks(p: Floats, q: Floats, at: Floats) -> Floats:
    """Largest gap between the cumulative shares (Kolmogorov-Smirnov).

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch, in the order of the values.
    at : ndarray of shape (..., n_bins)
        Bin positions; not used here.

    Returns
    -------
    ndarray of shape (...,)
        Between 0 and 1. On bins it is at most the distance on raw values, and at most one bin's share short of it.
    """
    return np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1)


def psi(p: Floats, q: Floats, at: Floats) -> Floats:
    """Population stability index: the sum of ``(q - p) log(q / p)``, shares floored at 1e-4.

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch.
    at : ndarray of shape (..., n_bins)
        Bin positions; not used here.

    Returns
    -------
    ndarray of shape (...,)
        0 for equal shares, unbounded above. Grows as batches get smaller: about ``(n_bins - 1) (1/n + 1/m)`` without
        any drift (Yurdakul 2018), which is why a fixed threshold fits no batch size but one.
    """
    p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    return ((q - p) * np.log(q / p)).sum(axis=-1)


def js(p: Floats, q: Floats, at: Floats) -> Floats:
    """Jensen-Shannon distance: square root of the divergence with logarithms to the base 2.

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch.
    at : ndarray of shape (..., n_bins)
        Bin positions; not used here.

    Returns
    -------
    ndarray of shape (...,)
        Between 0 and 1.
    """
    middle = (p + q) / 2
    return np.sqrt(np.maximum((_relative(p, middle) + _relative(q, middle)) / 2, 0.0))


def _relative(p: Floats, q: Floats) -> Floats:
    """Relative entropy in bits; empty bins of ``p`` count nothing."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=(p > 0) & (q > 0))
    return (p * np.log2(ratio)).sum(axis=-1)


def hellinger(p: Floats, q: Floats, at: Floats) -> Floats:
    """Euclidean distance of the square roots of the shares, over the square root of 2.

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch.
    at : ndarray of shape (..., n_bins)
        Bin positions; not used here.

    Returns
    -------
    ndarray of shape (...,)
        Between 0 and 1.
    """
    return np.sqrt(np.maximum(((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1) / 2, 0.0))


def total_variation(p: Floats, q: Floats, at: Floats) -> Floats:
    """Half the summed absolute difference of two share vectors.

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch; each sums to 1.
    at : ndarray of shape (..., n_bins)
        Bin positions; not used here.

    Returns
    -------
    ndarray of shape (...,)
        Between 0 (same shares) and 1 (no common bin).
    """
    return np.abs(p - q).sum(axis=-1) / 2


def wasserstein(p: Floats, q: Floats, at: Floats) -> Floats:
    """Mean distance that mass must travel, in standard deviations of the reference's bins (normed Wasserstein-1).

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch.
    at : ndarray of shape (..., n_bins)
        Bin positions, growing.

    Returns
    -------
    ndarray of shape (...,)
        0 for equal shares, unbounded above; 0 where the reference does not vary. Shifting all of a batch by one
        standard deviation gives 1.
    """
    travelled = earth_moved(p, q, at)
    mean = (p * at).sum(axis=-1, keepdims=True)
    spread = np.sqrt((p * (at - mean) ** 2).sum(axis=-1))
    return np.divide(travelled, spread, out=np.zeros_like(travelled), where=spread > 0)


def earth_moved(p: Floats, q: Floats, at: Floats) -> Floats:
    """Wasserstein-1 distance in the unit of the feature; shapes (..., bins) to (...)."""
    return (np.abs(np.cumsum(p - q, axis=-1))[..., :-1] * np.diff(at, axis=-1)).sum(axis=-1)


def chi2(p: Floats, q: Floats, at: Floats) -> Floats:
    """Chi-square distance: half the sum of ``(p - q)^2 / (p + q)`` (the probabilistic symmetric form).

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch.
    at : ndarray of shape (..., n_bins)
        Bin positions; not used here.

    Returns
    -------
    ndarray of shape (...,)
        Between 0 and 1. Times ``4 n m / (n + m)`` over 2 it is the two-sample chi-square statistic when ``n = m``.
    """
    total = p + q
    return np.divide((p - q) ** 2, total, out=np.zeros_like(total), where=total > 0).sum(axis=-1) / 2


def cramers_v(p: Floats, q: Floats, at: Floats) -> Floats:
    """Cramér's V of the table "which side" by "which bin", both sides weighing the same.

    Parameters
    ----------
    p, q : ndarray of shape (..., n_bins)
        Shares of reference and batch.
    at : ndarray of shape (..., n_bins)
        Bin positions; not used here.

    Returns
    -------
    ndarray of shape (...,)
        Between 0 and 1; the square root of ``chi2``.
    """
    return np.sqrt(chi2(p, q, at))


DISTANCES: dict[str, Distance] = {
    row.name: row
    for row in (
        Distance("ks", "Kolmogorov-Smirnov", ks, NUMBERS, "fine", True, True, 0.1,
                 "The largest gap between the two cumulative distributions."),
        Distance("psi", "PSI", psi, ANY, "coarse", False, True, 0.2,
                 "Population stability index over ten bins or the levels."),
        Distance("js", "Jensen-Shannon", js, ANY, "coarse", True, True, 0.1,
                 "How well a row's bin tells which side it came from, in bits, square-rooted."),
        Distance("hellinger", "Hellinger", hellinger, ANY, "coarse", True, True, 0.1,
                 "Distance between the square roots of the shares."),
        Distance("tv", "Total variation", total_variation, ANY, "coarse", True, True, 0.1,
                 "Share of rows that would have to change their bin."),
        Distance("wasserstein", "Wasserstein (normed)", wasserstein, NUMBERS, "fine", False, False, 0.1,
                 "How far values moved on average, in standard deviations of the reference."),
        Distance("chi2", "Chi-square", chi2, ANY, "coarse", True, True, 0.01,
                 "Squared differences of shares, each over the sum of both."),
        Distance("cramers_v", "Cramér's V", cramers_v, ANY, "coarse", True, True, 0.1,
                 "Strength of the link between side and bin."),
    )
}  # fmt: skip
