"""Laying the cells of a grid over a reference. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile import lags, ties, wobble
from pipeline.profile.cells import cells_of
from pipeline.profile.columns import Source, coded, numbers, pieces
from pipeline.profile.grid import FeatureGrid, Grid
from storage.records import Feature

MOST_NAMED = 500  # levels counted by name; rarer ones share the cell "other"
MOST_KNOWN = 20_000  # rarer levels whose names are kept, to tell a rare level from a new one
_FITTED_ON = 200_000  # rows the cells are laid over


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
    return Grid(*ties.tie(table, wobble.measured(table, lags.measured(table, grids))))


# --- numbers and dates ------------------------------------------------------------------------------------------------


def _cells_of(feature: Feature, column: pa.ChunkedArray) -> FeatureGrid:
    return cells_of(feature, numbers(column))


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
    due = _due(np.array([totals[name] for name in ordered])) if rare else ()
    return FeatureGrid(feature.name, feature.kind, levels=tuple(named), rare=tuple(rare), scores=scores, due=due)


def _due(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """See ``FeatureGrid.due``; counts of all levels, falling, more than are named.

    Levels are called rare because this table happened to have few of them; other rows have more. A level seen ``r``
    times is due ``(r + 1) N(r + 1) / N(r)`` times in as many rows (Good 1953), where ``N`` says how many levels were
    seen so often.
    """
    rows, rare = counts.sum(), counts[MOST_NAMED:]
    often = np.bincount(counts, minlength=int(rare[0]) + 2).astype(np.float64)
    most = int(rare[0])
    share = (rare == most).sum() / often[most]
    next_up = np.arange(2, most + 2) * often[2 : most + 2]
    next_up[-1] *= share
    due = max(float(next_up.sum()), float(rare.sum()))
    return float(often[1] / rows), float(2 * often[2] / rows), float(due / rows)
