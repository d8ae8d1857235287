"""Cells over the values of one column of numbers. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.profile.grid import CELLS, FeatureGrid
from storage.records import Feature

_RANKS = np.unique(np.r_[0.001, 0.005, 0.01, np.arange(1, 64) / 64, 0.99, 0.995, 0.999])
_STEPS = np.r_[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 128.0, 1024.0]  # spans beyond
_SHRINKS = np.r_[0.9, 0.75, 0.5, 0.35, 0.2, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0]  # of a positive lowest value

_BESIDE, _FAR_WIDER, _MOST_GAPS = 20, 5.0, 8  # rows on each side of a gap; times their span; gaps with a cell


def cells_of(feature: Feature, values: NDArray[np.float64]) -> FeatureGrid:
    """The cells of a feature over its values; NaN is missing."""
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return FeatureGrid(feature.name, feature.kind, scores=(0.0,) * CELLS)
    with np.errstate(over="ignore"):
        edges = edges_of(values)
    low, high = float(values[0]), float(values[-1])
    quarter, middle, three = values[((len(values) - 1) * np.array([0.25, 0.5, 0.75])).astype(int)]
    sizes = (three - quarter, 0.1 * (high - low), abs(middle))  # the widest floats have no finite range
    spread = next((float(size) for size in sizes if 0 < size < np.inf), 1.0)
    counts = np.zeros(CELLS)
    counts[: len(edges) + 1] = np.diff(np.r_[0, np.searchsorted(values, edges), len(values)])
    return FeatureGrid(
        feature.name, feature.kind, tuple(edges.tolist()), low, high, float(middle), spread,
        scores=tuple(normal_scores(counts)),
    )  # fmt: skip


def edges_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of cells over sorted values: quantiles, repeated values alone, geometric steps beyond the range."""
    ranks = values[np.minimum((_RANKS * len(values)).astype(int), len(values) - 1)]
    found, times = np.unique(ranks, return_counts=True)
    repeated = found[times > 1][:30]
    above_high = np.nextafter(values[-1], np.inf)
    core = np.unique(np.r_[values[0], found, np.nextafter(repeated, np.inf), above_high, _gaps(values)])
    low, high = values[0], values[-1]
    span = float(values[int(0.995 * (len(values) - 1))] - values[int(0.005 * (len(values) - 1))])
    span = span or float(high - low) or abs(float(high)) or 1.0
    beyond = high + span * _STEPS
    below = low - span * _STEPS
    if low >= 0:  # a wrong unit leaves positive numbers positive: look closely between zero and the lowest value
        below = np.r_[low * _SHRINKS if low > 0 else [], below[[4, 8, 13]]]
    edges = np.unique(np.r_[below, core, beyond])
    return edges[np.isfinite(edges)][: CELLS - 1]


def _gaps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends of the widest gaps within sorted values, that a row there may be seen to lie where no row lay.

    A gap is far wider than so many values beside it span together, and so many lie on either side of it: chance leaves
    no such gap in values that a smooth law made, however heavy its tails.
    """
    beside = _BESIDE + 1
    inner = np.arange(_BESIDE, len(values) - beside)
    low, high = values[inner], values[inner + 1]
    span = np.minimum(low - values[inner - _BESIDE], values[inner + beside] - high)
    wide = inner[high - low > _FAR_WIDER * span]
    wide = wide[np.argsort(values[wide] - values[wide + 1], kind="stable")[:_MOST_GAPS]]
    return np.r_[np.nextafter(values[wide], np.inf), values[wide + 1]]


def normal_scores(counts: NDArray[np.float64]) -> list[float]:
    """The normal quantile of the middle rank of each cell, centred and scaled over the counts."""
    total = counts.sum()
    if not total:
        return [0.0] * len(counts)
    ranks = (np.cumsum(counts) - counts / 2 + 0.5) / (total + 1)
    place = NormalDist().inv_cdf
    scores = np.array([place(float(rank)) for rank in np.clip(ranks, 1e-4, 1 - 1e-4)])
    weights = counts / total
    scores -= scores @ weights
    return (scores / (np.sqrt(weights @ scores**2) or 1.0)).tolist()
