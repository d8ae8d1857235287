"""How much a feature moves in healthy times, from the reference's own consecutive chunks.

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
from pipeline.profile.grid import FeatureGrid

_CHUNKS = (20, 60)  # what moves by the week and what moves by the day
_LEAST, _MOST = 50, 1_000  # rows of a chunk
_GROUPS = 10
_SURE = 1e-3  # chance that rows in no order at all show any wobble, over all features and contrasts of a table
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
    Twenty, and sixty, consecutive chunks of ``c`` rows are compared in about ten bins: in the share of each, and for
    numbers in the mean and the spread. The dispersion ``D`` between chunks is 1 for independent rows; if a chunk moves
    as a whole it is ``1 + c w``, where ``w`` is the variance of what a chunk has in common over that of one row (the
    intraclass correlation), and a batch of ``n`` rows varies ``1 + n w`` times. The largest ``w`` counts; one that
    chance explains is 0, and one above 0.1 too: such rows are sorted by the feature, not in order of time.
    """
    found = dict.fromkeys((grid.name for grid in grids), 0.0)
    sure = NormalDist().inv_cdf(1 - _SURE / max(len(grids) * len(_CHUNKS) * (_GROUPS + 2), 1))
    for many in _CHUNKS:
        rows = min(table.num_rows // many, _MOST)
        if rows < _LEAST:
            continue
        starts = np.linspace(0, table.num_rows - rows, many).astype(int)
        chunks = pa.concat_tables([table.slice(int(start), rows) for start in starts])
        for grid in grids:
            if grid.name in table.column_names:
                own = _of(groups(chunks, grid), many, grid.kind == "numeric", sure)
                found[grid.name] = max(found[grid.name], own)
    return tuple(replace(grid, wobble=found[grid.name]) for grid in grids)


def groups(table: pa.Table, grid: FeatureGrid) -> NDArray[np.intp]:
    """About ten bins of a feature: the bin of each row, -1 where missing; all -1 for dates, which always pass."""
    if grid.kind == "date":
        return np.full(table.num_rows, -1)
    if grid.kind == "categorical":
        codes, names = coded(table.column(grid.name))
        places = np.array([min(grid.places.get(name, _GROUPS - 1), _GROUPS - 1) for name in names] + [-1], np.intp)
        return places[codes]
    values = numbers(table.column(grid.name))
    inner = (
        np.unique(np.quantile(values[~np.isnan(values)], np.arange(1, _GROUPS) / _GROUPS)) if len(values) else values
    )
    return np.where(np.isnan(values), -1, np.searchsorted(inner, values, side="right"))


def _of(group: NDArray[np.intp], many: int, ordered: bool, sure: float) -> float:
    """The wobble from the bin of each row of consecutive chunks: of the contrast between bins that moves most."""
    here = group >= 0
    chunk = np.repeat(np.arange(many), len(group) // many)[here]
    counts = np.bincount(chunk * _GROUPS + group[here], minlength=many * _GROUPS).reshape(many, _GROUPS)
    size = counts.sum(axis=1)
    if size.min() < _LEAST / 2:
        return 0.0
    contrasts = np.eye(_GROUPS)[counts.sum(axis=0) >= 5 * many]
    if ordered:
        line = np.linspace(-1, 1, _GROUPS)
        contrasts = np.vstack([contrasts, line, line**2])
    overall = counts.sum(axis=0) / counts.sum()
    gaps = (counts / size[:, None] - overall) @ contrasts.T
    variance = contrasts**2 @ overall - (contrasts @ overall) ** 2
    between = (size[:, None] * gaps**2).sum(axis=0) / (many - 1)
    dispersion = float(np.divide(between, variance, out=np.ones_like(between), where=variance > 1e-9).max(initial=1.0))
    found = (dispersion - 1) / float(size.mean())
    freedom = 2 / 9 / (many - 1)
    surprise = (np.cbrt(dispersion) - (1 - freedom)) / np.sqrt(
        freedom
    )  # chi-square as normal (Wilson and Hilferty 1931)
    return found if surprise > sure and found < _SORTED else 0.0
