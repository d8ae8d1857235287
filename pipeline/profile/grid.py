"""The cells that values are counted in, laid once over a reference. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile.columns import Source, coded, numbers, pieces
from storage.records import Feature, Kind

FORMAT = 1
CELLS = 128  # of a numeric feature or a date; unused ones stay empty, so that features lie in one matrix
MOST_NAMED = 500  # levels counted by name; rarer ones share the cell "other"
MOST_KNOWN = 20_000  # rarer levels whose names are kept, to tell a rare level from a new one
_FITTED_ON = 200_000  # rows the cells are laid over
_RANKS = np.unique(np.r_[0.001, 0.005, 0.01, np.arange(1, 64) / 64, 0.99, 0.995, 0.999])
_STEPS = np.r_[0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 128.0, 1024.0]  # spans beyond
_SHRINKS = np.r_[0.9, 0.75, 0.5, 0.35, 0.2, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0]  # of a positive lowest value


@dataclass(frozen=True)
class FeatureGrid:
    """The cells of one feature.

    Attributes
    ----------
    name, kind
        Of the feature.
    edges : tuple of float
        Numeric and date (microseconds): cell ``i`` holds ``edges[i - 1] <= value < edges[i]``; ends are open.
    low, high : float
        Lowest and highest value of the reference.
    middle, spread : float
        Median and scale that the exact moments are counted in.
    levels : tuple of str
        Categorical: counted by name, most frequent first.
    rare : tuple of str
        Known, but counted together.
    scores : tuple of float
        One a cell or level: its place on a normal scale in the reference.
    wobble : float
        How far consecutive chunks of the reference moved beyond chance: variance of a chunk's share
        relative to that of one row, so that a batch of ``n`` rows varies ``1 + n * wobble`` times.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    middle: float = 0.0
    spread: float = 1.0
    levels: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    wobble: float = 0.0

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """The edges as an array."""
        return np.array(self.edges, dtype=np.float64)

    @cached_property
    def places(self) -> dict[str, int]:
        """Level to cell; rare ones share the last."""
        other = len(self.levels)
        return {name: other for name in self.rare} | {name: at for at, name in enumerate(self.levels)}

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.levels) + 1 if self.kind == "categorical" else CELLS


@dataclass(frozen=True)
class Grid:
    """The cells of all watched features of a monitor."""

    features: tuple[FeatureGrid, ...]
    linked: tuple[str, ...] = field(default=())  # features whose dependence is counted

    @cached_property
    def by_name(self) -> dict[str, FeatureGrid]:
        """Feature name to its cells."""
        return {feature.name: feature for feature in self.features}

    def to_json(self) -> str:
        """The grid as text; ``from_json`` gives back an equal grid."""
        features = [
            {key: value for key, value in vars(feature).items() if not key.startswith("_") and key in _KEYS}
            for feature in self.features
        ]
        return json.dumps({"format": FORMAT, "features": features, "linked": self.linked}, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Grid:
        """A grid from its text."""
        data = json.loads(text)
        return Grid(tuple(_feature_grid(item) for item in data["features"]), tuple(data["linked"]))


_KEYS = tuple(FeatureGrid.__dataclass_fields__)


def _feature_grid(item: dict[str, Any]) -> FeatureGrid:
    return FeatureGrid(**{key: tuple(value) if isinstance(value, list) else value for key, value in item.items()})


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
    return Grid(tuple(grids), tuple(grid.name for grid in grids if grid.kind == "numeric")[:64])


# --- numbers and dates --------------------------------------------------------------------------------------------------


def _cells_of(feature: Feature, column: pa.ChunkedArray) -> FeatureGrid:
    values = numbers(column)
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return FeatureGrid(feature.name, feature.kind, scores=(0.0,) * CELLS)
    edges = edges_of(values)
    low, high = float(values[0]), float(values[-1])
    quarter, middle, three = values[((len(values) - 1) * np.array([0.25, 0.5, 0.75])).astype(int)]
    spread = float(three - quarter) or float(values.std()) or abs(float(middle)) or 1.0
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


# --- levels -------------------------------------------------------------------------------------------------------------


def _levels_of(feature: Feature, column: pa.ChunkedArray) -> FeatureGrid:
    codes, names = coded(column)
    totals: dict[str, int] = {}
    for name, count in zip(names, np.bincount(codes[codes >= 0], minlength=len(names)).tolist(), strict=True):
        if count:
            totals[name] = totals.get(name, 0) + count
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    named, rare = ordered[:MOST_NAMED], ordered[MOST_NAMED : MOST_NAMED + MOST_KNOWN]
    return FeatureGrid(feature.name, feature.kind, levels=tuple(named), rare=tuple(rare), scores=(0.0,) * (len(named) + 1))
