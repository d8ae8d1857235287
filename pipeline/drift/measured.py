"""The distances people know, of every feature. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.distances import DISTANCES
from pipeline.drift.sides import Board, Side
from pipeline.profile.layout import grouped
from storage.records import Kind

Floats = NDArray[np.float64]
Distances = dict[str, dict[str, float]]  # of each feature, by name


def distances(base: Side, seen: Side) -> list[Distances]:
    """For each batch, feature to distance to value; 0 where a side has no value."""
    found: list[Distances] = [{} for _ in seen.profiles]
    if base.numeric:
        _numbers(found, base.numeric, "numeric", base.board, seen.board)
    if base.categorical:
        both = [_shares(np.column_stack((one.levels.counts, one.levels.new))) for one in (base, seen)]
        _fill(found, base.categorical, "categorical", both, both, both[0])
    if base.dates:
        _numbers(found, base.dates, "date", base.moments, seen.moments)
    return found


def _numbers(found: list[Distances], names: Sequence[str], kind: Kind, one: Board, two: Board) -> None:
    coarse = [_shares(one.groups), _shares(grouped(two.numbers.cells, one.lens.group_of))]
    _fill(found, names, kind, [one.numbers.shares, two.numbers.shares], coarse, one.positions)


def _shares(counts: Floats) -> Floats:
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)


def _fill(
    found: list[Distances],
    names: Sequence[str],
    kind: Kind,
    fine: list[Floats],
    coarse: list[Floats],
    at: Floats,
) -> None:
    """Measure all distances of one kind of feature; (lines, bins) each."""
    rows = [row for row in DISTANCES.values() if kind in row.kinds]
    values = np.empty((len(fine[0]), len(rows)))
    for at_row, row in enumerate(rows):
        p, q = fine if row.bins == "fine" else coarse
        values[:, at_row] = row.measure(p, q, at if row.bins == "fine" else p)
    values[(fine[0].sum(axis=1) == 0) | (fine[1].sum(axis=1) == 0)] = 0.0
    keys = [row.name for row in rows]
    lines = iter(values.tolist())
    for one in found:
        one |= {name: dict(zip(keys, next(lines), strict=True)) for name in names}
