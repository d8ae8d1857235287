"""Dates beside the date that passes: how each grows with the rows, and the time between the two.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile.cells import cells_of
from pipeline.profile.columns import numbers
from pipeline.profile.grid import FeatureGrid
from storage.records import Feature

_PASSES = 0.5  # rank correlation with the place of the row, above which a date passes


def measured(table: pa.Table, grids: Sequence[FeatureGrid]) -> list[FeatureGrid]:
    """The same grids, dates with their trend and the cells of their lag.

    Parameters
    ----------
    table : Table
        The reference, in order of time where it has one.
    grids : sequence of FeatureGrid
    """
    values = {
        grid.name: numbers(table.column(grid.name))
        for grid in grids
        if grid.kind == "date" and grid.name in table.column_names
    }
    if not values:
        return list(grids)
    trends = {name: trend(moments) for name, moments in values.items()}
    passing = max(values, key=lambda name: _passes(values[name], trends[name]))
    made = []
    for grid in grids:
        if grid.name in values:
            grid = replace(grid, trend=trends[grid.name])
            if grid.name != passing:
                lag = cells_of(Feature(grid.name, "numeric"), values[grid.name] - values[passing])
                grid = replace(grid, since=passing, lag=lag if lag.edges else None)
        made.append(grid)
    return made


def _passes(values: NDArray[np.float64], trend: float) -> tuple[bool, float]:
    """How likely a date is the moment its row was written: it grows with the rows, or else it spreads least."""
    values = values[~np.isnan(values)]
    if abs(trend) >= _PASSES or not len(values):
        return len(values) > 0, abs(trend)
    low, high = np.quantile(values, [0.25, 0.75])
    return False, -round(float(np.log1p(high - low)), 1)


def trend(values: NDArray[np.float64]) -> float:
    """Spearman's rank correlation of values with their place; 0 where nothing varies. NaN is left out."""
    values = values[~np.isnan(values)]
    if len(values) < 3:
        return 0.0
    _, at, rows = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(rows) - rows / 2)[at]  # equal values share the middle of their ranks
    ranks -= ranks.mean()
    places = np.arange(len(values)) - (len(values) - 1) / 2
    scale = np.sqrt((ranks @ ranks) * (places @ places))
    return round(float(ranks @ places / scale), 4) if scale > 0 else 0.0
