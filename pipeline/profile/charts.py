"""Profiles as figures for people: shares over bins that can be drawn, quantiles.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.profile.counted import FeatureProfile, Profile
from pipeline.profile.grid import FeatureGrid
from storage.records import Distribution

_BARS = 32  # drawn within the reference's range
_NAMED = 30  # levels drawn by name
_WIDEST = 1e150  # larger numbers are drawn as this large: differences and slopes stay finite
_QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def summary(feature: str, seen: Profile) -> dict:
    """A feature in a few figures.

    Returns
    -------
    dict
        Numeric and date (seconds since 1970): ``q05 q25 q50 q75 q95 mean null_rate``; quantiles are read off the
        cells. Categorical: ``shares`` of all rows by level, ``null_rate``.
    """
    grid, one = seen.grid.by_name[feature], seen.features[feature]
    null_rate = one.nulls / seen.rows if seen.rows else 0.0
    if grid.kind == "categorical":
        rows = max(seen.rows, 1)
        shares = {name: int(n) / rows for name, n in zip(grid.levels, one.counts[:-1], strict=True) if n}
        if one.counts[-1]:
            shares["other"] = int(one.counts[-1]) / rows
        shares |= {name: n / rows for name, n in (one.new or {}).items()}
        return {"shares": shares, "null_rate": null_rate}
    stats = _stats(grid, one)
    return {name: stats[name] for name in (*_QUANTILES, "mean")} | {"null_rate": null_rate}


def quantiles(grid: FeatureGrid, one: FeatureProfile, ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles read off the cells, straight lines within each; the ends are the lowest and highest value."""
    low, high = _range_of(one)
    if not one.present:
        return np.zeros(len(ranks))
    edges = np.clip(np.r_[low, grid.bounds, high], low, high)
    below = np.r_[0, np.cumsum(one.cells[: len(edges) - 1])] / one.present
    keep = np.r_[True, np.diff(below) > 0] | np.r_[np.diff(below) > 0, True]
    return np.interp(ranks, below[keep], edges[keep])


def _range_of(one: FeatureProfile) -> tuple[float, float]:
    """Lowest and highest value, as wide as can be drawn; zeros without a value."""
    low, high = (min(max(end or 0.0, -_WIDEST), _WIDEST) for end in (one.low, one.high))
    return low, high


def _stats(grid: FeatureGrid, one: FeatureProfile) -> dict[str, float]:
    mean, sd = one.moments(grid)
    found = dict(zip(_QUANTILES, quantiles(grid, one, np.array(list(_QUANTILES.values()))).tolist(), strict=True))
    low, high = _range_of(one)
    stats = {"mean": mean, "sd": sd, "min": low, **found, "max": high}
    unit = 1e6 if grid.kind == "date" else 1.0
    return {name: value / unit for name, value in stats.items()}


def distribution(feature: str, base: Profile, batch: Profile) -> Distribution:
    """One feature in two profiles over shared bins, at most about 40, ready to be drawn.

    Parameters
    ----------
    feature : str
    base, batch : Profile
        Over the same grid; ``base`` is drawn as the reference.

    Returns
    -------
    Distribution
        Shares of all rows. What lies below or above the first profile's range has bins of its own at the ends; edges of
        dates are in seconds since 1970.
    """
    grid = base.grid.by_name[feature]
    first, second = base.features[feature], batch.features[feature]
    rows = (max(base.rows, 1), max(batch.rows, 1))
    draw = _levels if grid.kind == "categorical" else _bars
    labels, edges, shares, new = draw(grid, first, second, rows)
    levels = grid.kind == "categorical"
    return Distribution(
        feature=feature, kind=grid.kind, labels=tuple(labels), edges=tuple(edges), reference=tuple(shares[0]),
        batch=tuple(shares[1]), new=tuple(new), reference_null=first.nulls / rows[0], batch_null=second.nulls / rows[1],
        reference_rows=base.rows, batch_rows=batch.rows, reference_stats={} if levels else _stats(grid, first),
        batch_stats={} if levels else _stats(grid, second),
    )  # fmt: skip


def _levels(grid: FeatureGrid, first: FeatureProfile, second: FeatureProfile, rows: tuple[int, int]) -> tuple:
    """Levels by frequency, the rest pooled, new ones last by name."""
    drawn = min(len(grid.levels), _NAMED)
    labels = list(grid.levels[:drawn])
    fresh = {name for one in (first, second) for name in one.new or {}}
    fresh = sorted(fresh, key=lambda name: -max((one.new or {}).get(name, 0) for one in (first, second)))[:9]
    shares = []
    for one, total in zip((first, second), rows, strict=True):
        named = [(one.new or {}).get(name, 0) for name in fresh]
        pooled = int(one.counts[drawn:].sum()) + one.new_rows - sum(named)
        shares.append([*(one.counts[:drawn] / total).tolist(), pooled / total, *(n / total for n in named)])
    labels += ["other", *fresh]
    new = [False] * (drawn + 1) + [not (first.new or {}).get(name) for name in fresh]
    if not shares[0][drawn] and not shares[1][drawn]:
        for line in (labels, new, *shares):
            del line[drawn]
    return labels, [], shares, new


def _bars(grid: FeatureGrid, first: FeatureProfile, second: FeatureProfile, rows: tuple[int, int]) -> tuple:
    """Equal steps between the first profile's outer quantiles; mass of a cell is spread evenly over it."""
    low, high = quantiles(grid, first, np.array([0.005, 0.995])) if first.present else (0.0, 1.0)
    low, high = (low, high) if high > low else (low - 0.5, low + 0.5)
    edges = np.linspace(low, high, _BARS + 1)
    ends = [_range_of(one) for one in (first, second) if one.present]
    lowest = min([end[0] for end in ends] + [low])
    highest = max([end[1] for end in ends] + [high])
    step = edges[1] - edges[0]
    edges = np.r_[min(lowest, low - step), edges, max(highest, high + step)]
    shares = []
    for one, total in zip((first, second), rows, strict=True):
        below = _below(grid, one, edges)
        below[-1] = one.present
        shares.append((np.diff(below) / total).tolist())
    unit = 1e6 if grid.kind == "date" else 1.0
    labels = [_range(grid, a, b) for a, b in pairwise(edges)]
    labels[0], labels[-1] = f"below {_number(grid, edges[1])}", f"above {_number(grid, edges[-2])}"
    return labels, (edges / unit).tolist(), shares, [False] * len(labels)


def _below(grid: FeatureGrid, one: FeatureProfile, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows below each place; the lowest place has none below."""
    if not one.present:
        return np.zeros(len(at))
    low, high = _range_of(one)
    edges = np.clip(np.r_[low, grid.bounds, high], low, high)
    total = np.r_[0, np.cumsum(one.cells[: len(edges) - 1])].astype(np.float64)
    keep = np.r_[np.diff(edges) > 0, True]
    found = np.interp(at, edges[keep], total[keep])
    found[at <= low] = 0.0
    return found


def _range(grid: FeatureGrid, a: float, b: float) -> str:
    return f"{_number(grid, a)} to {_number(grid, b)}"


def _number(grid: FeatureGrid, value: float) -> str:
    """A number or day in few characters."""
    if grid.kind == "date":
        return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=float(value))).date())
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
