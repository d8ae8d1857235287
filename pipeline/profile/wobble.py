"""How much a feature moves in healthy times, from consecutive blocks of the reference's own rows.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile.columns import coded, numbers
from pipeline.profile.grid import BLOCKS, FeatureGrid

Floats = NDArray[np.float64]
_FEWEST, _MOST = 15, 600  # blocks of one size that are compared
_GROUPS = 10
_EXPECTED = 1.0  # least expected rows of a bin in a block
_SURE = 1e-3  # chance that rows in no order at all show any wobble, over all features, blocks and contrasts of a table
_LIKELY = 0.05  # the same for one feature of a table in which another surely does: rows hang together there
_GROWS = 1.645  # how surprising, in standard deviations, the largest blocks must be beside the smaller ones
_SORTED = 0.1  # wobble above which the rows are taken for sorted by the feature rather than in order of time


def measured(table: pa.Table, grids: Sequence[FeatureGrid]) -> tuple[FeatureGrid, ...]:
    """The same grids with their wobble.

    Parameters
    ----------
    table : Table
        The reference, in order of time where it has one.
    grids : sequence of FeatureGrid

    Notes
    -----
    Consecutive blocks of 10 to 1,000 rows are compared in about ten bins: in the share of each, and for numbers in the
    mean and the spread. The dispersion ``D`` between blocks of ``s`` rows is 1 for independent rows; its excess
    ``D - 1``, of the contrast that varies most, says how much more than independent rows ``s`` rows in a row vary.
    What chance explains is 0; of the rest the upper end counts, one standard error above: every batch that comes is
    judged by this one reading, and one that came out too low would alarm again and again.

    Rows that have something in common over less than the largest blocks do not vary more and more: there the excess
    stands still, and larger batches vary no more than that. Where the largest blocks vary clearly more than the smaller
    ones, whole blocks move (as days and weeks do), and the excess is taken to grow on with the rows: by ``wobble``
    each, the variance of what a block has in common over that of one row (the intraclass correlation). Where that is
    above 0.1, the rows are sorted by the feature, not in order of time, and nothing is known.
    """
    seen = {
        grid.name: _seen(groups(table, grid), grid.kind == "numeric")
        for grid in grids
        if grid.kind != "date" and grid.name in table.column_names
    }
    looks = len(BLOCKS) * (_GROUPS + 2)
    sure = _place(_SURE / max(len(seen) * looks, 1))
    if any(surprise > sure for found in seen.values() for _, _, surprise in found):
        sure = _place(_LIKELY / looks)
    return tuple(_with_wobble(grid, seen.get(grid.name, []), sure) for grid in grids)


def _place(chance: float) -> float:
    """Where the upper tail of a normal law has so much."""
    return NormalDist().inv_cdf(1 - chance)


def _seen(group: NDArray[np.intp], ordered: bool) -> list[tuple[float, float, float]]:
    """What ``_dispersion`` says of blocks of each size of which there are enough."""
    return [_dispersion(_blocks(group, rows), ordered) for rows in BLOCKS if len(group) >= _FEWEST * rows]


def _with_wobble(grid: FeatureGrid, seen: Sequence[tuple[float, float, float]], sure: float) -> FeatureGrid:
    """One feature's cells with its wobble, from the dispersion of blocks of each size."""
    known = [(dispersion, freedom) if surprise > sure else (1.0, np.inf) for dispersion, freedom, surprise in seen]
    excess = [_upper(dispersion, freedom) - 1 for dispersion, freedom in known]
    if not any(excess):
        return grid
    rows = BLOCKS[len(seen) - 1]
    if (known[-1][0] - 1) / rows > _SORTED:
        return grid
    smaller = max((dispersion for dispersion, _ in known[:-1]), default=1.0)
    largest, freedom, _ = seen[-1]
    grows = _surprise(largest / smaller, freedom) > _GROWS
    return replace(grid, wobble=excess[-1] / rows if grows else 0.0, alike=tuple(excess))


def _upper(dispersion: float, freedom: float) -> float:
    """A dispersion and one standard error more: that of a chi-square over its degrees of freedom."""
    return dispersion * (1 + (2 / freedom) ** 0.5)


def groups(table: pa.Table, grid: FeatureGrid) -> NDArray[np.intp]:
    """About ten bins of a feature: the bin of each row, -1 where missing."""
    if grid.kind == "categorical":
        codes, names = coded(table.column(grid.name))
        places = np.array([min(grid.places.get(name, _GROUPS - 1), _GROUPS - 1) for name in names] + [-1], np.intp)
        return places[codes]
    values = numbers(table.column(grid.name))
    there = values[~np.isnan(values)]
    inner = np.unique(np.quantile(there, np.arange(1, _GROUPS) / _GROUPS)) if len(there) else there
    return np.where(np.isnan(values), -1, np.searchsorted(inner, values, side="right"))


def _blocks(group: NDArray[np.intp], rows: int) -> Floats:
    """Rows of each bin in blocks of so many consecutive rows, at most 600 of them from all over; (blocks, bins)."""
    many = min(len(group) // rows, _MOST)
    starts = np.linspace(0, len(group) - rows, many).astype(np.intp)
    bins = group[starts[:, None] + np.arange(rows)]
    at = np.where(bins >= 0, bins + np.arange(many)[:, None] * _GROUPS, many * _GROUPS)
    return np.bincount(at.ravel(), minlength=many * _GROUPS + 1)[:-1].reshape(many, _GROUPS).astype(np.float64)


def _dispersion(counts: Floats, ordered: bool) -> tuple[float, float, float]:
    """Of the contrast between bins that surprises most over blocks: dispersion, its degrees of freedom, surprise.

    The variance of a block's share of a rare bin is itself less well known than that of a normal value, which takes
    degrees of freedom away.
    """
    size = counts.sum(axis=1)
    counts, size = counts[size > 0], size[size > 0]
    if len(size) < _FEWEST:
        return 1.0, 1.0, 0.0
    contrasts = np.eye(_GROUPS)[counts.mean(axis=0) >= _EXPECTED]
    if ordered:
        line = np.linspace(-1, 1, _GROUPS)
        contrasts = np.vstack([contrasts, line, line**2])
    overall = counts.sum(axis=0) / counts.sum()
    away = contrasts - (contrasts @ overall)[:, None]
    variance, fourth = away**2 @ overall, away**4 @ overall
    varies = variance > 1e-9
    if not varies.any():
        return 1.0, 1.0, 0.0
    away, variance, fourth = away[varies], variance[varies], fourth[varies]
    between = (size[:, None] * ((counts / size[:, None]) @ away.T) ** 2).sum(axis=0) / (len(size) - 1)
    peak = np.maximum(fourth / variance**2 - 3, 0.0) / size.mean()
    freedom = (len(size) - 1) / (1 + peak / 2)
    surprise = _surprise(between / variance, freedom)
    most = int(surprise.argmax())
    return max(float(between[most] / variance[most]), 1.0), float(freedom[most]), float(surprise[most])


def _surprise(dispersion: Floats, freedom: Floats) -> Floats:
    """A chi-square over its degrees of freedom in standard deviations of a normal law (Wilson and Hilferty 1931)."""
    spread = 2 / 9 / freedom
    return (np.cbrt(dispersion) - (1 - spread)) / np.sqrt(spread)
