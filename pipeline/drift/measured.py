"""The distances people know, of every feature. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.distances import DISTANCES
from pipeline.drift.sides import Side, places
from pipeline.profile.layout import grouped

Floats = NDArray[np.float64]


def distances(base: Side, seen: Side) -> dict[str, dict[str, float]]:
    """Feature to distance to value; 0 where a side has no value."""
    found: dict[str, dict[str, float]] = {}
    if base.numeric:
        coarse = [_shares(base.groups), _shares(grouped(seen.numbers.cells, base.lens.group_of))]
        fine = [base.numbers.shares, seen.numbers.shares]
        _fill(found, base.numeric, "numeric", fine, coarse, base.positions)
    if base.categorical:
        both = [_shares(np.column_stack((one.levels.counts, one.levels.new))) for one in (base, seen)]
        _fill(found, base.categorical, "categorical", both, both, both[0])
    for name in base.dates:
        grid = base.profile.grid.by_name[name]
        both = [_shares(one.profile.features[name].cells[None].astype(np.float64)) for one in (base, seen)]
        _fill(found, (name,), "date", both, both, places(grid)[None])
    return found


def _shares(counts: Floats) -> Floats:
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)


def _fill(
    found: dict[str, dict[str, float]],
    names: Sequence[str],
    kind: str,
    fine: list[Floats],
    coarse: list[Floats],
    at: Floats,
) -> None:
    """Measure all distances of one kind of feature; (features, bins) each."""
    rows = [row for row in DISTANCES.values() if kind in row.kinds]
    values = np.empty((len(names), len(rows)))
    for at_row, row in enumerate(rows):
        p, q = fine if row.bins == "fine" else coarse
        values[:, at_row] = row.measure(p, q, at if row.bins == "fine" else p)
    values[(fine[0].sum(axis=1) == 0) | (fine[1].sum(axis=1) == 0)] = 0.0
    keys = [row.name for row in rows]
    found |= zip(names, (dict(zip(keys, line, strict=True)) for line in values.tolist()), strict=True)
