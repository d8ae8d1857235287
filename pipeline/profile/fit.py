"""Laying the cells of a grid over a reference. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile import ties, wobble
from pipeline.profile.columns import Source, coded, numbers, pieces
from pipeline.profile.grid import CELLS, FeatureGrid, Grid
from storage.records import Feature

MOST_NAMED = 500  # levels counted by name; rarer ones share the cell "other"
MOST_KNOWN = 20_000  # rarer levels whose names are kept, to tell a rare level from a new one
_FITTED_ON = 200_000  # rows the cells are laid over
_RANKS = np.unique(np.r_[0.001, 0.005, 0.01, np.arange(1, 64) / 64, 0.99, 0.995, 0.999])
_STEPS = np.r_[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 128.0, 1024.0]  # spans beyond
_SHRINKS = np.r_[0.9, 0.75, 0.5, 0.35, 0.2, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0]  # of a positive lowest value


def fit_grid(source: Source, features: Sequence[Feature]) -> Grid:
    """Lay cells over a reference.

    Parameters
    ----------
    source : Table or iterable of Table or RecordBatch
        The reference; its first 200,000 rows decide where the cells lie.
    features : sequence of Feature
        Ignored ones get no cells.

    Returns
    -------
    Grid
        Numeric cells come from quantiles, with values that repeat in cells of their own and geometric cells
        beyond the range; levels by frequency.
    """
    parts, rows = [], 0
    names = [feature.name for feature in features if feature.kind != "ignored"]
    for piece in pieces(source):
        table = piece if isinstance(piece, pa.Table) else pa.Table.from_batches([piece])
        parts.append(table.select([name for name in names if name in table.column_names]))
        rows += table.num_rows
        if rows >= _FITTED_ON:
            break
    table = pa.concat_tables(parts, promote_options="permissive").slice(0, _FITTED_ON) if parts else pa.table({})
    grids = []
    for feature in features:
        if feature.kind == "ignored":
            continue
        column = table.column(feature.name) if feature.name in table.column_names else pa.chunked_array([], pa.null())
        fit = _levels_of if feature.kind == "categorical" else _cells_of
        grids.append(fit(feature, column))
    return Grid(*ties.tie(table, wobble.measured(table, grids)))


# --- numbers and dates ------------------------------------------------------------------------------------------------


def _cells_of(feature: Feature, column: pa.ChunkedArray) -> FeatureGrid:
    values = numbers(column)
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
    core = np.unique(np.r_[values[0], found, np.nextafter(repeated, np.inf), above_high])
    low, high = values[0], values[-1]
    span = float(values[int(0.995 * (len(values) - 1))] - values[int(0.005 * (len(values) - 1))])
    span = span or float(high - low) or abs(float(high)) or 1.0
    beyond = high + span * _STEPS
    below = low - span * _STEPS
    if low >= 0:  # a wrong unit leaves positive numbers positive: look closely between zero and the lowest value
        below = np.r_[low * _SHRINKS if low > 0 else [], below[[4, 8, 13]]]
    edges = np.unique(np.r_[below, core, beyond])
    return edges[np.isfinite(edges)][: CELLS - 1]


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


# --- levels -----------------------------------------------------------------------------------------------------------


def _levels_of(feature: Feature, column: pa.ChunkedArray) -> FeatureGrid:
    codes, names = coded(column)
    totals: dict[str, int] = {}
    for name, count in zip(names, np.bincount(codes[codes >= 0], minlength=len(names)).tolist(), strict=True):
        if count:
            totals[name] = totals.get(name, 0) + count
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    named, rare = ordered[:MOST_NAMED], ordered[MOST_NAMED : MOST_NAMED + MOST_KNOWN]
    scores = (0.0,) * (len(named) + 1)
    return FeatureGrid(feature.name, feature.kind, levels=tuple(named), rare=tuple(rare), scores=scores)
