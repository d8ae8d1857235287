"""How much a feature moves in healthy times: the reference's own consecutive chunks. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile.columns import coded, numbers
from pipeline.profile.grid import FeatureGrid

_CHUNKS = 20
_LEAST, _MOST = 50, 1_000  # rows of a chunk
_GROUPS = 10
_SURE = 3.0  # standard deviations of the dispersion above 1
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
    Twenty consecutive chunks of ``c`` rows are compared by chi-square over about ten bins. Its dispersion ``D`` is 1 for
    independent rows. A chunk that moves as a whole has ``D = 1 + c w``: ``w`` is the variance of a chunk's share over
    that of one row (the intraclass correlation), and a batch of ``n`` rows then varies ``1 + n w`` times. A ``w`` that
    chance explains is 0.
    """
    rows = min(table.num_rows // _CHUNKS, _MOST)
    if rows < _LEAST:
        return tuple(grids)
    starts = np.linspace(0, table.num_rows - rows, _CHUNKS).astype(int)
    chunks = pa.concat_tables([table.slice(int(start), rows) for start in starts])
    return tuple(
        replace(grid, wobble=_of(groups(chunks, grid), rows)) if grid.name in table.column_names else grid
        for grid in grids
    )


def groups(table: pa.Table, grid: FeatureGrid) -> NDArray[np.intp]:
    """About ten bins of a feature: the bin of each row, -1 where missing. Dates are not judged by their passing: all -1."""
    if grid.kind == "date":
        return np.full(table.num_rows, -1)
    if grid.kind == "categorical":
        codes, names = coded(table.column(grid.name))
        places = np.array([min(grid.places.get(name, _GROUPS - 1), _GROUPS - 1) for name in names] + [-1], np.intp)
        return places[codes]
    values = numbers(table.column(grid.name))
    inner = np.unique(np.quantile(values[~np.isnan(values)], np.arange(1, _GROUPS) / _GROUPS)) if len(values) else values
    return np.where(np.isnan(values), -1, np.searchsorted(inner, values, side="right"))


def _of(group: NDArray[np.intp], rows: int) -> float:
    """The wobble from the bin of each row of consecutive chunks."""
    counts = np.zeros((_CHUNKS, _GROUPS + 1))
    chunk = np.repeat(np.arange(_CHUNKS), rows)
    here = group >= 0
    np.add.at(counts, (chunk[here], group[here]), 1.0)
    counts = counts[:, counts.sum(axis=0) >= 5 * _CHUNKS]
    if counts.shape[1] < 2 or (counts.sum(axis=1) == 0).any():
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    freedom = (_CHUNKS - 1) * (counts.shape[1] - 1)
    dispersion = float(((counts - expected) ** 2 / expected).sum()) / freedom
    found = (dispersion - 1) / rows
    return found if dispersion > 1 + _SURE * np.sqrt(2 / freedom) and found < _SORTED else 0.0
