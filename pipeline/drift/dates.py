"""Dates: time passes, and that alone is no drift.

A date that passes, as of an order, is judged by its hours and weekdays, by moments that cannot be, and by the time
between it and the other dates of its row. One that stands, as of a birth, is judged as a number.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.drift import eyes
from pipeline.drift.sides import Board
from pipeline.profile import FeatureGrid, FeatureProfile

Floats = NDArray[np.float64]
EYES = {"hours": 0.2, "weekdays": 0.2, "past": 0.1, "future": 0.1, "values": 0.15, "lag": 0.15, "nulls": 0.1}
_DAY = 86_400_000_000  # microseconds
_SHOWN = {24: 2, 7: 28}  # days that both sides must span before hours, and weekdays, are compared
_ROWS_A_DAY = 20  # the most rows of one day that count for weekdays: rows of one day come and stay away together
_PASSES = 0.1  # rank correlation of a date with its place in the reference, above which it passes
_ORDERS = 0.5  # the same, above which the rows of the reference lie in order of time
_BEYOND, _EDGE = 0.4, 0.01  # share of a batch later than all of the reference, above which time has passed
_THIN = 0.15  # of the way from the middle to the last hundredth of the reference, which takes its upper tail
_NARROW = 0.6  # range of a batch against that of the reference, below which it is a slice of time
_AHEAD = 4.0  # spans of the reference behind the batch's middle: nothing that passes gets there


def stands(base: Board, seen: Board, batches: int) -> NDArray[np.bool_]:
    """Which dates are judged as numbers; (lines,), those of so many batches.

    Notes
    -----
    A date stands if it does not grow with the rows of the reference, while another date does: then the rows lie in
    order of time. Where no date tells the order, the batch must not look like a slice of passing time: much narrower
    than the reference, or beyond its end. Where many rows of the reference lie close to its end, as those of a date
    that ends today do, no date of the batch may look so; a thin upper tail, as of births, is none that time pushes on.
    """
    trend = np.array([grid.trend for grid in base.grids])
    pairs = zip(base.parts, seen.parts, base.grids, strict=True)
    beyond = np.array([rows_after(two, grid, one.high) / max(two.present, 1) for one, two, grid in pairs])
    low, high, middle, last, end = base.outline.T
    thin = end - last >= _THIN * (last - middle)
    wide = seen.outline[:, 1] - seen.outline[:, 0] >= _NARROW * (high - low)
    passed = (~wide | (beyond > _EDGE)).reshape(batches, -1).any(axis=1).repeat(len(trend) // batches)
    still = wide & np.where(thin, beyond <= _BEYOND, ~passed)
    return (np.abs(trend) <= _PASSES) & ((np.abs(trend) >= _ORDERS).any() | still)


def follows(base: Board) -> NDArray[np.bool_]:
    """Which dates hang on the one that passes: the time between the two spreads less than half of their own.

    The time to any other date grows as time passes, so that of a date that stands is not judged.
    """
    return np.array([grid.lag is not None and grid.lag.spread < grid.spread / 2 for grid in base.grids], bool)


def look(base: Board, seen: Board, n: Floats, m: Floats) -> tuple[eyes.Seen, eyes.Seen, eyes.Seen, eyes.Seen]:
    """What the eyes for hours, weekdays, the past and the future see; arrays of shape (lines,)."""
    pairs = list(zip(base.parts, seen.parts, base.grids, strict=True))
    odd = np.array([(rows_before(*pair), rows_ahead(*pair)) for pair in pairs]).T
    present = np.array([max(two.present, 1) for _, two, _ in pairs], np.float64)
    log_p, effect = eyes.counted(odd * n / present, n, np.zeros_like(odd), m)
    past, future = zip(np.where(odd > 0, log_p, 0.0), effect, strict=True)
    return _by(base, seen, 24, n, m), _by(base, seen, 7, n, m), past, future


def _by(base: Board, seen: Board, parts: int, n: Floats, m: Floats) -> eyes.Seen:
    """Shares of the hours of the day (24) or the days of the week (7); silent where a side spans too little.

    The reference is weighed by the calendar of the batch: a month has some days of the week five times.
    """
    spans = np.array([[_span(one) for one in board.parts] for board in (base, seen)])
    axis = 1 if parts == 24 else 2
    x, y = (np.array([one.hours for one in board.parts], np.float64).reshape(-1, 7, 24).sum(axis=axis)
            for board in (seen, base))  # fmt: skip
    if parts == 7:
        y = y * np.array([_weekdays(two) / _weekdays(one) for one, two in zip(base.parts, seen.parts, strict=True)])
        n, m = (np.minimum(size, _ROWS_A_DAY * (span / _DAY + 1)) for size, span in ((n, spans[1]), (m, spans[0])))
    by_x, by_y = (size / np.maximum(side.sum(axis=1), 1) for size, side in ((n, x), (m, y)))
    log_p, effect = eyes.shape(x * by_x[:, None], y * by_y[:, None], n, m)
    shown = spans.min(axis=0) >= _SHOWN[parts] * _DAY
    return np.where(shown, log_p, 0.0), np.where(shown, effect, 0.0)


def _weekdays(one: FeatureProfile) -> Floats:
    """How often each day of the week comes between the first and the last moment, at least once; Monday first."""
    first, last = (int((end or 0.0) // _DAY) + 3 for end in (one.low, one.high))
    return np.array([max((last - day) // 7 - (first - 1 - day) // 7, 1) for day in range(7)], np.float64)


def _span(one: FeatureProfile) -> float:
    return one.high - one.low if one.low is not None and one.high is not None else 0.0


def rows_before(base: FeatureProfile, seen: FeatureProfile, grid: FeatureGrid) -> float:
    """Rows of the batch from before the reference's first moment."""
    if base.low is None:
        return 0.0
    ends = np.r_[grid.bounds, np.inf]
    return float(seen.cells[: len(ends)][ends <= base.low].sum())


def rows_after(seen: FeatureProfile, grid: FeatureGrid, moment: float | None) -> float:
    """Rows of the batch in cells behind a moment."""
    if moment is None:
        return 0.0
    begins = np.r_[-np.inf, grid.bounds]
    return float(seen.cells[: len(begins)][begins > moment].sum())


def rows_ahead(base: FeatureProfile, seen: FeatureProfile, grid: FeatureGrid) -> float:
    """Rows of the batch far later than the reference and than the rest of the batch: 2099 among days of this year."""
    if base.high is None or not seen.present or not len(grid.bounds):
        return 0.0
    ends = np.r_[grid.bounds, np.inf]
    middle = int(np.searchsorted(np.cumsum(seen.cells[: len(ends)]), seen.present / 2))
    last = max(base.high, float(ends[min(middle, len(ends) - 1)]))
    return rows_after(seen, grid, last + _AHEAD * max(_span(base), _DAY))
