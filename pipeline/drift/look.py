"""What the eyes see of every feature: logarithms of p-values and effects, a matrix a kind of feature.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift import dates, eyes
from pipeline.drift.laws import LEAST, log_more, pool
from pipeline.drift.sides import Side
from pipeline.profile.layout import grouped

Floats = NDArray[np.float64]
NUMERIC_EYES = {
    "location": 0.18, "scale": 0.12, "upper end": 0.09, "lower end": 0.09, "cumulative": 0.02, "shape": 0.12,
    "single value": 0.14, "tails": 0.10, "nulls": 0.14,
}  # fmt: skip
LEVEL_EYES = {"shape": 0.35, "single level": 0.25, "new levels": 0.25, "nulls": 0.15}
_CHUNKS = 20.0  # consecutive parts that a reference averages over
_SURE = float(np.log(0.05))  # an effect counts when its own eye would not call it chance
_WEIGHTS = {"numeric": NUMERIC_EYES, "categorical": LEVEL_EYES, "date": dates.EYES}


@dataclass(frozen=True)
class Sight:
    """What was seen of each feature; arrays of shape (features,).

    Attributes
    ----------
    names
        Numeric, categorical, date features.
    log_p
        Logarithm of the p-value over all eyes.
    effect
        The largest effect among eyes that do not call it chance.
    eyes
        The eye that was most surprised.
    cells
        The single value or level that changed most.
    """

    names: tuple[str, ...]
    log_p: Floats
    effect: Floats
    eyes: tuple[str, ...]
    cells: NDArray[np.intp]


def look(base: Side, seen: Side, least_rows: int) -> Sight:
    """All eyes over all features.

    Parameters
    ----------
    base, seen : Side
        Reference and batch over the same features.
    least_rows : int
        With fewer values on either side only the null rate of a feature is looked at.
    """
    parts = []
    if base.numeric:
        parts.append(_pooled("numeric", *_numbers(base, seen, least_rows)))
    if base.categorical:
        parts.append(_pooled("categorical", *_levels(base, seen, least_rows)))
    if base.dates:
        parts.append(_pooled("date", *_dates(base, seen, least_rows)))
    if not parts:
        return Sight((), np.zeros(0), np.zeros(0), (), np.zeros(0, np.intp))
    log_p, effect, cells = (np.concatenate([part[at] for part in parts]) for at in (0, 1, 3))
    return Sight(base.names, log_p, effect, tuple(eye for part in parts for eye in part[2]), cells)


def _pooled(
    kind: str, log_p: Floats, effect: Floats, cells: NDArray[np.intp]
) -> tuple[Floats, Floats, list[str], NDArray]:
    """One p-value, effect and leading eye a feature, from (features, eyes)."""
    names, weights = list(_WEIGHTS[kind]), np.array(list(_WEIGHTS[kind].values()))
    log_p = np.maximum(log_p, 10 * LEAST)
    largest = np.where(log_p < _SURE, effect, 0.0).max(axis=1)
    leading = (log_p - np.log(weights)).argmin(axis=1)
    return pool(log_p, weights), largest, [names[at] for at in leading], cells


def _effective(n: Floats, m: Floats, wobble: Floats) -> tuple[Floats, Floats]:
    """Rows of batch and reference after the reference's own wobble; at least 1."""
    n, m = np.maximum(n, 1.0), np.maximum(m, 1.0)
    return np.maximum(n / (1 + n * wobble), 1.0), np.maximum(m / (1 + m * wobble / _CHUNKS), 1.0)


def _numbers(base: Side, seen: Side, least_rows: int) -> tuple[Floats, Floats, NDArray[np.intp]]:
    one, two, lens = base.numbers, seen.numbers, base.lens
    wobble = base.wobble[: len(base.numeric)]
    n, m = _effective(two.present, one.present, wobble)
    all_n, all_m = _effective(np.full(len(n), float(two.rows)), np.full(len(n), float(one.rows)), wobble)
    by_n, by_m = n / np.maximum(two.present, 1), m / np.maximum(one.present, 1)
    cells, many = eyes.moved(two.shards * by_n[:, None], n, one.shards * by_m[:, None], m)
    single = [np.take_along_axis(side.shards, cells, 1) * by[:, None] for side, by in ((two, by_n), (one, by_m))]
    tails = [np.einsum("tfc,fc->ft", lens.lower, side.cells) * by[:, None] for side, by in ((two, by_n), (one, by_m))]
    nulls = [np.array(two.nulls * all_n / max(two.rows, 1)), np.array(one.nulls * all_m / max(one.rows, 1))]
    x, y = (np.column_stack((single[at], tails[at], nulls[at])) for at in (0, 1))
    wide_n, wide_m = (np.column_stack(((a,) * (x.shape[1] - 1)) + (b,)) for a, b in ((n, all_n), (m, all_m)))
    log_p, effect = eyes.counted(x, wide_n, y, wide_m)
    edge = cells.shape[1]
    best, outer = log_p[:, :edge].argmin(axis=1), log_p[:, edge:-1].argmin(axis=1) + edge
    at = np.arange(len(n))
    rows = (
        *_shifts(lens.scores, one.shares, two.shares, n, m),
        eyes.gap(one.shares, two.shares, n, m),
        eyes.shape(grouped(two.cells, lens.group_of) * by_n[:, None], base.groups * by_m[:, None], n, m),
        (np.minimum(log_p[at, best] + np.log(many), 0.0), effect[at, best]),
        (pool(log_p[:, edge:-1], np.full(4, 0.25)), effect[at, outer]),
        (log_p[:, -1], effect[:, -1]),
    )
    few = np.minimum(two.present, one.present) < least_rows
    return *_side_by_side(rows, few), cells[at, best]


def _shifts(scores: Floats, p: Floats, q: Floats, n: Floats, m: Floats) -> list[eyes.Seen]:
    """Differences of the means of several scores, (scores, features, cells), at once."""
    many = len(scores)
    flat = scores.reshape(-1, scores.shape[2])
    log_p, effect = eyes.shift(flat, np.tile(p, (many, 1)), np.tile(q, (many, 1)), np.tile(n, many), np.tile(m, many))
    return list(zip(log_p.reshape(many, -1), effect.reshape(many, -1), strict=True))


def _levels(base: Side, seen: Side, least_rows: int) -> tuple[Floats, Floats, NDArray[np.intp]]:
    one, two = base.levels, seen.levels
    wobble = base.wobble[len(base.numeric) : len(base.numeric) + len(base.categorical)]
    n, m = _effective(two.present, one.present, wobble)
    all_n, all_m = _effective(np.full(len(n), float(two.rows)), np.full(len(n), float(one.rows)), wobble)
    by_n, by_m = n / np.maximum(two.present, 1), m / np.maximum(one.present, 1)
    x, y = two.counts * by_n[:, None], one.counts * by_m[:, None]
    cells, many = eyes.moved(x, n, y, m)
    fresh, top = (part * by_n for part in _fresh(base, seen))
    marked = [np.take_along_axis(side, cells, 1) for side in (x, y)]
    nulls = [two.nulls * all_n / max(two.rows, 1), one.nulls * all_m / max(one.rows, 1)]
    once = base.lens.once * by_m
    clump = 1 + base.lens.again * n / m  # an unseen level that comes at all comes more than once in a large batch
    left = np.column_stack((marked[0], fresh / clump, nulls[0]))
    right = np.column_stack((marked[1], once / clump, nulls[1]))
    wide_n, wide_m = (np.column_stack((a, a, np.maximum(a / clump, 1.0), b)) for a, b in ((n, all_n), (m, all_m)))
    log_p, effect = eyes.counted(left, wide_n, right, wide_m)
    best, at = log_p[:, : cells.shape[1]].argmin(axis=1), np.arange(len(n))
    one_name = log_more(top, n, np.zeros_like(m), m) + np.log1p(base.lens.once)
    new = np.minimum(np.minimum(np.where(fresh * m > once * n, log_p[:, -2], 0.0), one_name) + np.log(2.0), 0.0)
    rows = (
        eyes.shape(x, y, n, m, two.new * by_n, one.new * by_m),
        (np.minimum(log_p[at, best] + np.log(many), 0.0), effect[at, best]),
        (np.where(fresh > 0, new, 0.0), effect[:, -2]),
        (log_p[:, -1], effect[:, -1]),
    )
    few = np.minimum(two.present, one.present) < least_rows
    return *_side_by_side(rows, few), cells[at, best]


def _fresh(base: Side, seen: Side) -> tuple[Floats, Floats]:
    """Rows of levels that the reference lacks: all of them, and those of the most frequent such level.

    How many are to be expected shows in the levels that the reference saw once (Good and Turing), ``Lens.once``.
    """
    all_of, top = np.zeros(len(base.categorical)), np.zeros(len(base.categorical))
    for at, name in enumerate(base.categorical):
        new = seen.profile.features[name].new
        if new:
            known = base.profile.features[name].new or {}
            rows = [count for level, count in new.items() if level not in known]
            unnamed = seen.profile.features[name].new_rows - sum(new.values())
            all_of[at], top[at] = float(sum(rows) + unnamed), float(max(rows, default=0))
    return all_of, top


def _dates(base: Side, seen: Side, least_rows: int) -> tuple[Floats, Floats, NDArray[np.intp]]:
    first = len(base.numeric) + len(base.categorical)
    lines = []
    few = np.zeros(len(base.dates), bool)
    for at, name in enumerate(base.dates):
        one, two = base.profile.features[name], seen.profile.features[name]
        wobble = base.wobble[first + at : first + at + 1]
        n, m = _effective(np.array([float(two.present)]), np.array([float(one.present)]), wobble)
        rows = _effective(np.array([float(seen.profile.rows)]), np.array([float(base.profile.rows)]), wobble)
        few[at] = min(two.present, one.present) < least_rows
        nulls = eyes.counted(
            two.nulls / max(seen.profile.rows, 1) * rows[0],
            rows[0],
            one.nulls / max(base.profile.rows, 1) * rows[1],
            rows[1],
        )
        lines.append((*dates.look(one, two, base.profile.grid.by_name[name], n, m), nulls))
    rows_of = tuple(
        (np.concatenate([line[eye][0] for line in lines]), np.concatenate([line[eye][1] for line in lines]))
        for eye in range(len(dates.EYES))
    )
    return *_side_by_side(rows_of, few), np.zeros(len(lines), np.intp)


def _side_by_side(rows: tuple[eyes.Seen, ...], few: NDArray[np.bool_]) -> eyes.Seen:
    """Eyes as columns; where values are few only the last, the nulls, is open."""
    log_p = np.stack([row[0] for row in rows], axis=1)
    log_p[few, :-1] = 0.0
    return log_p, np.stack([row[1] for row in rows], axis=1)
