"""What the eyes see of every feature: logarithms of p-values and effects, a matrix a kind of feature.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.drift import dates, eyes
from pipeline.drift.crowd import Alone
from pipeline.drift.laws import LEAST, log_more, pool
from pipeline.drift.sides import Board, Side, effective
from pipeline.profile.layout import grouped

Floats = NDArray[np.float64]
REST = "given the others"  # the eye that asks the other features
WEIGHT_OF_REST = 0.14
NUMERIC_EYES = {
    "location": 0.18, "scale": 0.06, "upper end": 0.06, "lower end": 0.06, "cumulative": 0.02, "shape": 0.08,
    "single value": 0.10, "narrow range": 0.05, "unseen values": 0.06, "tails": 0.07, REST: WEIGHT_OF_REST,
    "nulls": 0.12,
}  # fmt: skip
LEVEL_EYES = {"shape": 0.42, "single level": 0.22, "new levels": 0.12, REST: WEIGHT_OF_REST, "nulls": 0.10}
_SURE = float(np.log(0.05))  # an effect counts when its own eye would not call it chance
_WEIGHTS = {"numeric": NUMERIC_EYES, "categorical": LEVEL_EYES, "date": dates.EYES}


@dataclass(frozen=True)
class Sight:
    """What was seen of each feature of one batch; arrays of shape (features,).

    Attributes
    ----------
    names
        Numeric, categorical, date features.
    log_p
        Logarithm of the p-value over all eyes.
    own
        The same without the eye that asks the other features.
    effect
        The largest effect among eyes that do not call it chance.
    most
        The most that effect may be: the upper end of its one-sided 95% interval; 0 without an effect.
    eyes
        The eye that was most surprised.
    cells
        The single value or level that changed most.
    few
        Whether one of the sides has too few values.
    """

    names: tuple[str, ...]
    log_p: Floats
    own: Floats
    effect: Floats
    most: Floats
    eyes: tuple[str, ...]
    cells: NDArray[np.intp]
    few: NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """What the eyes see of one kind of feature: (lines, eyes), and (lines,) of the rest as in ``Sight``."""

    log_p: Floats
    effect: Floats
    cells: NDArray[np.intp]
    few: NDArray[np.bool_]
    noise: Floats  # variance of an effect
    idle: NDArray[np.bool_]  # (lines, eyes), where the reference has nothing that this eye could see


def look(base: Side, seen: Side, least_rows: int, rests: Sequence[Mapping[str, Alone]]) -> list[Sight]:
    """All eyes over all features of each batch.

    Parameters
    ----------
    base, seen : Side
        Reference, repeated for each batch, and batches over the same features.
    least_rows : int
        With fewer values on either side only the null rate of a feature is looked at.
    rests : sequence of mapping
        Of each batch, its features given the others (``crowd.Moves.alone``).
    """
    kinds = []
    if base.numeric:
        kinds.append(("numeric", numbers(base.board, seen.board, least_rows, _of(base.numeric, rests))))
    if base.categorical:
        kinds.append(("categorical", _levels(base, seen, least_rows, _of(base.categorical, rests))))
    if base.dates:
        kinds.append(("date", _dates(base, seen, least_rows)))
    many = len(seen.profiles)
    parts = [_pooled(_WEIGHTS[kind], found) for kind, found in kinds]
    if not parts:
        return [Sight((), *(np.zeros(0),) * 4, (), np.zeros(0, np.intp), np.zeros(0, bool))] * many
    wide = [np.concatenate([part[at].reshape(many, -1) for part in parts], axis=1) for at in range(7)]
    return [
        Sight(base.names, log_p, own, effect, most, tuple(leading.tolist()), cells, few)
        for log_p, own, effect, most, leading, cells, few in zip(*wide, strict=True)
    ]


def _pooled(eyes_of: Mapping[str, float], found: Found) -> tuple[NDArray, ...]:
    """One p-value, with and without the others, effect and leading eye a line, from (lines, eyes).

    An eye that is idle spends nothing in healthy times: its share of the budget goes to the others, and it keeps it.
    """
    names, weights = np.array(list(eyes_of)), np.array(list(eyes_of.values()))
    weights = weights / (1 - (weights * found.idle).sum(axis=1))[:, None]
    log_p = np.maximum(found.log_p, 10 * LEAST)
    largest = np.where(log_p < _SURE, found.effect, 0.0).max(axis=1)
    leading = (log_p - np.log(weights)).argmin(axis=1)
    own = np.where(names == REST, 0.0, log_p)
    both = pool(np.array((log_p, own)), weights)
    return *both, largest, eyes.at_most(largest, found.noise), names[leading], found.cells, found.few


def _of(names: tuple[str, ...], rests: Sequence[Mapping[str, Alone]]) -> eyes.Seen:
    """What is known of some features of each batch, a line each; nothing surprising where nothing is known."""
    lines = [rest[name][:2] if name in rest else (0.0, 0.0) for rest in rests for name in names]
    log_p, effect = np.array(lines).reshape(-1, 2).T
    return log_p, effect


def numbers(base: Board, seen: Board, least_rows: int, rest: eyes.Seen | None = None) -> Found:
    """What the eyes for numbers see, in the order of ``NUMERIC_EYES``."""
    one, two, lens = base.numbers, seen.numbers, base.lens
    n, m = effective(two.present, one.present, base.wobble)
    all_n, all_m = effective(two.rows, one.rows, base.wobble)
    by_n, by_m = n / np.maximum(two.present, 1), m / np.maximum(one.present, 1)
    marks, cells, many = _marked(base, seen, (n, by_n), (m, by_m))
    (scored, tail), (usual, usual_tail) = lens.means(two.shares), base.means
    nulls = [two.nulls * all_n / np.maximum(two.rows, 1), one.nulls * all_m / np.maximum(one.rows, 1)]
    x = np.column_stack((marks[0], tail * n[:, None], nulls[0]))
    y = np.column_stack((marks[1], usual_tail * m[:, None], nulls[1]))
    wide_n, wide_m = (np.column_stack((*(a,) * (x.shape[1] - 1), b)) for a, b in ((n, all_n), (m, all_m)))
    log_p, effect = eyes.counted(x, wide_n, y, wide_m)
    log_p[:, 4] = np.where(x[:, 4] * m > y[:, 4] * n, log_p[:, 4], 0.0)  # fewer unseen values surprise nobody
    at = np.arange(len(n))
    single, narrow, outer = (log_p[:, one:end].argmin(axis=1) + one for one, end in ((0, 2), (2, 4), (5, 9)))
    rows = (
        *_shifts(usual, scored, n, m),
        eyes.gap(one.shares, two.shares, n, m),
        eyes.shape(grouped(two.cells, lens.group_of) * by_n[:, None], base.groups * by_m[:, None], n, m),
        (np.minimum(log_p[at, single] + np.log(many[0]), 0.0), effect[at, single]),
        (np.minimum(log_p[at, narrow] + np.log(many[1]), 0.0), effect[at, narrow]),
        (log_p[:, 4], effect[:, 4]),
        (pool(log_p[:, 5:9], np.full(4, 0.25)), effect[at, outer]),
        rest or (np.zeros_like(n), np.zeros_like(n)),
        (log_p[:, -1], effect[:, -1]),
    )
    few = np.minimum(two.present, one.present) < least_rows
    idle = _idle(NUMERIC_EYES, nulls=one.nulls)
    return Found(*_side_by_side(rows, few), cells[at, single], few, 1 / n + 1 / m, idle)


def _marked(
    base: Board, seen: Board, batch: tuple[Floats, Floats], reference: tuple[Floats, Floats]
) -> tuple[list[Floats], NDArray[np.intp], tuple[Floats, Floats]]:
    """Rows of batch and of reference in the places that changed most, after the design effect.

    Parameters
    ----------
    batch, reference : tuple of ndarray
        Rows after the design effect, and what a row counts.

    Returns
    -------
    list of two ndarray of shape (lines, 5)
        The single values that gained and lost most, the ranges of two cells that did, values not seen before.
    ndarray of shape (lines, 2)
        Those single values.
    tuple of ndarray of shape (lines,)
        How many values, and how many ranges, there were to choose from.
    """
    (n, by_n), (m, by_m), one, two = batch, reference, base.numbers, seen.numbers
    cells, values = eyes.moved(_weighed(two.shards, by_n), n, _weighed(one.shards, by_m), m)
    pairs = [(side.cells[:, :-1] + side.cells[:, 1:]) * by[:, None] for side, by in ((two, by_n), (one, by_m))]
    ends, ranges = eyes.moved(pairs[0], n, pairs[1], m)
    unseen, once, again = base.lone
    clump = 1 + again * n / m  # an unseen value that comes at all comes more than once in a large batch
    fresh = [np.einsum("lc,lc->l", unseen, two.shards) * by_n / clump, once * by_m / clump]
    single = [_picked(side.shards, cells) * by[:, None] for side, by in ((two, by_n), (one, by_m))]
    narrow = [_picked(pair, ends) for pair in pairs]
    return [np.column_stack(parts) for parts in zip(single, narrow, fresh, strict=True)], cells, (values, ranges)


def _weighed(shards: NDArray[np.float32], by: Floats) -> NDArray[np.float32]:
    """Counts divided by the design effect; (lines, 1024)."""
    return shards if (by == 1.0).all() else shards * by.astype(np.float32)[:, None]


def _shifts(base: Floats, seen: Floats, n: Floats, m: Floats) -> list[eyes.Seen]:
    """Differences of the means of several scores at once; powers of scores have the shape (lines, scores, 3)."""
    many = base.shape[1]
    log_p, effect = eyes.shift(base, seen, np.tile(n[:, None], many), np.tile(m[:, None], many))
    return list(zip(log_p.T, effect.T, strict=True))


def _levels(base: Side, seen: Side, least_rows: int, rest: eyes.Seen) -> Found:
    one, two = base.levels, seen.levels
    (once, again), wobble = base.rare, base.wobble
    n, m = effective(two.present, one.present, wobble)
    all_n, all_m = effective(two.rows, one.rows, wobble)
    by_n, by_m = n / np.maximum(two.present, 1), m / np.maximum(one.present, 1)
    x, y = two.counts * by_n[:, None], base.due * by_m[:, None]
    cells, many = eyes.moved(x, n, y, m)
    fresh, top = (part * by_n for part in _fresh(base, seen))
    marked = [_picked(side, cells) for side in (x, y)]
    nulls = [two.nulls * all_n / np.maximum(two.rows, 1), one.nulls * all_m / np.maximum(one.rows, 1)]
    expected = once * by_m
    clump = 1 + again * n / m  # an unseen level that comes at all comes more than once in a large batch
    left = np.column_stack((marked[0], fresh / clump, nulls[0]))
    right = np.column_stack((marked[1], expected / clump, nulls[1]))
    wide_n, wide_m = (np.column_stack((a, a, np.maximum(a / clump, 1.0), b)) for a, b in ((n, all_n), (m, all_m)))
    log_p, effect = eyes.counted(left, wide_n, right, wide_m)
    best, at = log_p[:, : cells.shape[1]].argmin(axis=1), np.arange(len(n))
    one_name = log_more(top, n, np.zeros_like(m), m) + np.log1p(once)
    new = np.minimum(np.minimum(np.where(fresh * m > expected * n, log_p[:, -2], 0.0), one_name) + np.log(2.0), 0.0)
    rows = (
        eyes.shape(x, y, n, m, two.new * by_n, one.new * by_m),
        (np.minimum(log_p[at, best] + np.log(many), 0.0), effect[at, best]),
        (np.where(fresh > 0, new, 0.0), effect[:, -2]),
        rest,
        (log_p[:, -1], effect[:, -1]),
    )
    few = np.minimum(two.present, one.present) < least_rows
    idle = _idle(LEVEL_EYES, nulls=one.nulls, **{"new levels": once})
    return Found(*_side_by_side(rows, few), cells[at, best], few, 1 / n + 1 / m, idle)


def _fresh(base: Side, seen: Side) -> tuple[Floats, Floats]:
    """Rows of levels that the reference lacks: all of them, and those of the most frequent such level; (lines,) each.

    How many are to be expected shows in the levels that the reference saw once (Good and Turing), ``Side.rare``.
    """
    pairs = list(zip(base.parts(base.categorical), seen.parts(base.categorical), strict=True))
    all_of, top = np.zeros(len(pairs)), np.zeros(len(pairs))
    for at, (one, two) in enumerate(pairs):
        if two.new:
            known = one.new or {}
            rows = [count for level, count in two.new.items() if level not in known]
            unnamed = two.new_rows - sum(two.new.values())
            all_of[at], top[at] = float(sum(rows) + unnamed), float(max(rows, default=0))
    return all_of, top


def _dates(base: Side, seen: Side, least_rows: int) -> Found:
    """What the eyes for dates see, in the order of ``dates.EYES``: those for numbers lend theirs."""
    values, lags = numbers(base.moments, seen.moments, least_rows), numbers(base.lags, seen.lags, least_rows)
    own = values.log_p[:, -1], values.effect[:, -1]
    stands = dates.stands(base.moments, seen.moments, len(seen.profiles))
    follows = ~stands | dates.follows(base.moments)
    n, m = effective(seen.moments.numbers.present, base.moments.numbers.present, base.moments.wobble)
    rows = (
        *dates.look(base.moments, seen.moments, n, m),
        tuple(np.where(stands, part, 0.0) for part in _but_nulls(values)),
        tuple(np.where(follows, part, 0.0) for part in _but_nulls(lags)),
        own,
    )
    idle = _idle(dates.EYES, nulls=base.moments.numbers.nulls)
    return Found(*_side_by_side(rows, values.few), values.cells, values.few, values.noise, idle)


def _but_nulls(found: Found) -> eyes.Seen:
    """The eyes for numbers as one, without that for missing ones."""
    weights = np.array(list(NUMERIC_EYES.values()))[:-1]
    log_p, _, effect, *_ = _pooled(dict(enumerate(weights / weights.sum())), replace(
        found, log_p=found.log_p[:, :-1], effect=found.effect[:, :-1], idle=found.idle[:, :-1]))  # fmt: skip
    return np.where(found.few, 0.0, log_p), np.where(found.few, 0.0, effect)


def _idle(eyes_of: Mapping[str, float], **seen: Floats) -> NDArray[np.bool_]:
    """Of each line, the eyes whose marks the reference lacks altogether; (lines, eyes)."""
    found = np.zeros((len(next(iter(seen.values()))), len(eyes_of)), bool)
    for name, rows in seen.items():
        found[:, list(eyes_of).index(name)] = rows == 0
    return found


def _picked(rows: NDArray, columns: NDArray[np.intp]) -> NDArray:
    """Some columns of each line; a fifth of the time of ``np.take_along_axis``."""
    return rows[np.arange(len(rows))[:, None], columns]


def _side_by_side(rows: tuple[eyes.Seen, ...], few: NDArray[np.bool_]) -> eyes.Seen:
    """Eyes as columns; where values are few only the last, the nulls, is open."""
    log_p, effect = (np.array([row[at] for row in rows]).T.copy() for at in (0, 1))
    log_p[few, :-1] = 0.0
    return log_p, effect
