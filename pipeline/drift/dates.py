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
_PASSES = 0.1  # rank correlation of a date with its place in the reference, above which it passes
_ORDERS = 0.5  # the same, above which the rows of the reference lie in order of time
_BEYOND = 0.4  # share of a batch later than all of the reference, above which time has passed
_NARROW = 0.6  # middle half of a batch against that of the reference, below which it is a slice of time
_AHEAD = 4.0  # spans of the reference behind the batch's middle: nothing that passes gets there


def stands(base: Board, seen: Board) -> NDArray[np.bool_]:
    """Which dates are judged as numbers; (lines,).

    Notes
    -----
    A date stands if it does not grow with the rows of the reference, while another date does: then the rows lie in
    order of time. Where no date tells the order, the batch must not look like a slice of passing time: neither mostly
    later than the reference, nor much narrower.
    """
    trend = np.array([grid.trend for grid in base.grids])
    ordered = bool((np.abs(trend) >= _ORDERS).any())
    beyond = np.zeros(len(trend))
    for at, (one, two, grid) in enumerate(zip(base.parts, seen.parts, base.grids, strict=True)):
        beyond[at] = rows_after(two, grid, one.high) / max(two.present, 1)
    width = _middle_half(base.numbers.cells, base.positions)
    slim = _middle_half(seen.numbers.cells, base.positions) < _NARROW * width
    return (np.abs(trend) <= _PASSES) & (ordered | ((beyond <= _BEYOND) & ~slim))


def _middle_half(cells: Floats, positions: Floats) -> Floats:
    """Distance between the quartiles, as far as cells show it."""
    up_to = np.cumsum(cells, axis=1) / np.maximum(cells.sum(axis=1, keepdims=True), 1.0)
    at = np.arange(len(cells))
    return (
        positions[at, (up_to < 0.75).sum(axis=1).clip(max=cells.shape[1] - 1)]
        - (positions[at, (up_to < 0.25).sum(axis=1).clip(max=cells.shape[1] - 1)])
    )


def look(base: Board, seen: Board, n: Floats, m: Floats) -> tuple[eyes.Seen, eyes.Seen, eyes.Seen, eyes.Seen]:
    """What the eyes for hours, weekdays, the past and the future see; arrays of shape (lines,)."""
    pairs = list(zip(base.parts, seen.parts, base.grids, strict=True))
    odd = np.array([(rows_before(*pair), rows_ahead(*pair)) for pair in pairs]).T
    present = np.array([max(two.present, 1) for _, two, _ in pairs], np.float64)
    log_p, effect = eyes.counted(odd * n / present, n, np.zeros_like(odd), m)
    past, future = zip(np.where(odd > 0, log_p, 0.0), effect, strict=True)
    return _by(base, seen, 24, n, m), _by(base, seen, 7, n, m), past, future


def _by(base: Board, seen: Board, parts: int, n: Floats, m: Floats) -> eyes.Seen:
    """Shares of the hours of the day (24) or the days of the week (7); silent where a side spans too little."""
    spans = np.array([[_span(one) for one in board.parts] for board in (base, seen)]).min(axis=0)
    axis = 1 if parts == 24 else 2
    x, y = (np.array([one.hours for one in board.parts], np.float64).reshape(-1, 7, 24).sum(axis=axis)
            for board in (seen, base))  # fmt: skip
    by_x, by_y = (size / np.maximum(side.sum(axis=1), 1) for size, side in ((n, x), (m, y)))
    log_p, effect = eyes.shape(x * by_x[:, None], y * by_y[:, None], n, m)
    shown = spans >= _SHOWN[parts] * _DAY
    return np.where(shown, log_p, 0.0), np.where(shown, effect, 0.0)


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
