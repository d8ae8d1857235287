"""Signs that data is broken rather than changed: units, null bursts, constants, impossible values.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.laws import log_more
from pipeline.profile import FeatureGrid, FeatureProfile, Profile
from pipeline.profile.charts import quantiles
from storage.records import Fault
from storage.settings import Settings

Floats = NDArray[np.float64]
_SURE = float(np.log(1e-6))  # a fault stops learning from a batch: chance must be out of the question
_LIKELY = float(np.log(1e-3))  # how much less likely the best other story must be
_LEAST_SHARE = 0.02  # of rows that are displaced by a unit
_UNEXPLAINED = 0.12  # deviance a row that may be left over at most: a shift is no unit
_EXPLAINED = 0.85  # of the batch's distance from the reference that the wrong unit must account for
_APART = 0.6  # how well displaced rows must be told from right ones (total variation)
_FAR = 1.0  # widths of the reference's range beyond its ends
# factors people meet, most common first: what was multiplied, in words
FACTORS: dict[float, str] = {
    1000.0: "thousands, as between g and kg or m and km",
    100.0: "hundreds, as between cm and m or percent and share",
    10.0: "tens, as between mm and cm",
    4.184: "kcal and kJ",
    2.54: "inches and centimetres",
    2.20462: "kilograms and pounds",
    3.28084: "metres and feet",
    1.609344: "miles and kilometres",
    60.0: "minutes and hours or seconds and minutes",
    3600.0: "seconds and hours",
    24.0: "hours and days",
    18.0182: "mmol/L and mg/dL of glucose",
    38.67: "mmol/L and mg/dL of cholesterol",
    28.3495: "ounces and grams",
    1_000_000.0: "millions",
}


def find(reference: Profile, batch: Profile, suspects: Sequence[str], settings: Settings) -> tuple[Fault, ...]:
    """Faults of a batch.

    Parameters
    ----------
    reference, batch : Profile
    suspects : sequence of str
        Features whose values differ significantly; only these are looked at for units, constants and range.
    settings : Settings
        ``faults`` says how much is broken.

    Returns
    -------
    tuple of Fault
        Largest share first.
    """
    if not settings.faults.watch or not batch.rows or not reference.rows:
        return ()
    found = []
    for name, seen in batch.features.items():
        base, grid = reference.features.get(name), reference.grid.by_name[name]
        if base is None or not settings.of(name).watch:
            continue
        fault = _nulls(name, base, seen, reference.rows, batch.rows, settings)
        if fault is None and name in suspects and seen.present >= settings.drift.min_rows:
            fault = _constant(grid, base, seen)
            if fault is None and grid.kind == "numeric":
                fault = _unit(grid, base, seen) or _outside(grid, base, seen, settings)
            elif fault is None and grid.kind == "date":
                fault = _before(grid, base, seen, settings)
        if fault is not None:
            found.append(fault)
    return tuple(sorted(found, key=lambda fault: -fault.share))


def _more(x: float, n: float, y: float, m: float) -> float:
    return float(log_more(*(np.float64(one) for one in (x, n, y, m))))


def _nulls(name: str, base: FeatureProfile, seen: FeatureProfile, m: int, n: int, settings: Settings) -> Fault | None:
    """Many more missing values than the reference has."""
    before, now = base.nulls / m, seen.nulls / n
    if now - before < settings.faults.null_rise or _more(seen.nulls, n, base.nulls, m) > _SURE:
        return None
    text = f"{name} is missing in {_percent(now)} of rows, {_percent(before)} in the reference."
    return Fault(name, "nulls", now - before, text)


def _constant(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile) -> Fault | None:
    """A feature that used to vary and stands still now."""
    if grid.kind == "categorical":
        held = [*seen.counts.tolist(), *(seen.new or {}).values()]
        if max(held) < seen.present:
            return None
        at = int(np.argmax(held))
        value = grid.levels[at] if at < len(grid.levels) else next(iter(seen.new or {}), "other")
        common = base.counts[at] / max(base.present, 1) if at < len(base.counts) else 0.0
    else:
        if seen.low is None or seen.low != seen.high:
            return None
        value = f"{seen.low:,.6g}"
        common = base.counts[np.nonzero(seen.counts)].sum() / max(base.present, 1)
    if common > 0.5:
        return None
    text = f"{grid.name} is {value} in every row; it was so in at most {_percent(float(common))} of the reference."
    return Fault(grid.name, "constant", 1.0, text)


def _unit(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile) -> Fault | None:
    """Part of the rows multiplied by a factor that two units of one thing have between them."""
    if base.low is None or base.high is None or base.low == base.high:
        return None
    p = _smooth(base.cells, base.present)
    x = seen.cells.astype(np.float64)
    q = x / seen.present
    plain = _deviance(q, p)
    floor = 0.5 * (np.count_nonzero(x) - 1) / seen.present + min(plain * (1 - _EXPLAINED), _UNEXPLAINED)
    best: tuple[float, float, float] | None = None
    for size in FACTORS:
        for factor in (size, 1 / size):
            moved = _moved(grid, base, factor)
            if np.abs(moved - p).sum() / 2 < _APART:
                continue
            share = _mixed(x, p, moved)
            left = _deviance(q, (1 - share) * p + share * moved)
            if share >= _LEAST_SHARE and left <= floor and (best is None or left < best[0]):
                best = left, factor, share
    if best is None or (plain - best[0]) * seen.present < -_SURE:
        return None
    if (_as_a_whole(grid, base, seen, q) - best[0]) * seen.present < -_LIKELY:
        return None
    _, factor, share = best
    size = max(factor, 1 / factor)
    way = "large" if factor > 1 else "small"
    text = (
        f"{grid.name} is about {size:,.4g} times too {way} in {_percent(share)} of rows: looks like a wrong unit "
        f"({FACTORS[size] if size in FACTORS else _words(size)})."
    )
    return Fault(grid.name, "unit", share, text)


def _as_a_whole(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile, q: Floats) -> float:
    """The least deviance of a reference whose every value was moved or stretched: a world that changed, not a unit."""
    quarters = np.array([0.25, 0.5, 0.75])
    (low, middle, high), (low2, middle2, high2) = quantiles(grid, base, quarters), quantiles(grid, seen, quarters)
    with np.errstate(over="ignore", invalid="ignore"):  # the widest floats, or the narrowest range: such a way is none
        ways = [(1.0, middle2 - middle)]
        if middle * middle2 > 0:
            ways.append((middle2 / middle, 0.0))
        if high > low and high2 > low2:
            stretch = (high2 - low2) / (high - low)
            ways.append((stretch, middle2 - stretch * middle))
    ways = [(float(factor), float(shift)) for factor, shift in ways if np.isfinite(factor + shift) and factor > 0]
    return min((_deviance(q, _moved(grid, base, *way)) for way in ways), default=np.inf)


def _words(size: float) -> str:
    return FACTORS[min(FACTORS, key=lambda one: abs(one - size))]


def _smooth(cells: NDArray[np.int64], rows: int) -> Floats:
    """Shares of cells, none quite empty."""
    return (cells + 0.5 / len(cells)) / (rows + 0.5)


def _moved(grid: FeatureGrid, base: FeatureProfile, factor: float, shift: float = 0.0) -> Floats:
    """Shares of the cells if every value of the reference were multiplied by a factor, and then moved."""
    edges = np.clip(np.r_[base.low, grid.bounds, base.high], base.low, base.high)
    below = np.r_[0, np.cumsum(base.cells[: len(edges) - 1])] / base.present
    keep = np.r_[np.diff(edges) > 0, True]
    with np.errstate(over="ignore"):  # the widest floats: infinity lies beyond every edge, as it should
        bounds = (grid.bounds - shift) / factor
    at = np.interp(bounds, edges[keep], below[keep], left=0.0, right=1.0)
    shares = np.zeros(len(base.cells))
    shares[: len(at) + 1] = np.diff(np.r_[0.0, at, 1.0])
    return (shares * base.present + 0.5 / len(shares)) / (base.present + 0.5)


def _mixed(x: Floats, p: Floats, moved: Floats) -> float:
    """The share of moved rows that makes the counts most likely (expectation maximisation)."""
    share = 0.3
    for _ in range(30):
        belongs = share * moved / ((1 - share) * p + share * moved)
        share = min(max(float((x * belongs).sum() / x.sum()), 1e-6), 1 - 1e-6)
    return share


def _deviance(q: Floats, p: Floats) -> float:
    """Relative entropy of the batch's shares, natural units a row."""
    here = q > 0
    return float((q[here] * np.log(q[here] / p[here])).sum())


def _outside(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile, settings: Settings) -> Fault | None:
    """Rows further outside the reference's range than the range is wide."""
    if base.low is None or base.high is None or seen.low is None or seen.high is None:
        return None
    inner = quantiles(grid, base, np.array([0.005, 0.995]))
    width = float(inner[1] - inner[0]) or float(base.high - base.low) or 1.0
    lows = np.r_[-np.inf, grid.bounds]
    highs = np.r_[grid.bounds, np.inf]
    cells = seen.cells[: len(lows)]
    share = float(cells[(lows >= base.high + _FAR * width) | (highs <= base.low - _FAR * width)].sum()) / seen.present
    if share < settings.faults.outside:
        return None
    text = (
        f"{_percent(share)} of {grid.name} lie far outside the reference's range "
        f"({base.low:,.4g} to {base.high:,.4g}): between {seen.low:,.4g} and {seen.high:,.4g}."
    )
    return Fault(grid.name, "out_of_range", share, text)


def _before(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile, settings: Settings) -> Fault | None:
    """Dates from before the reference's first: time only passes the other way."""
    if base.low is None or seen.low is None or base.high is None:
        return None
    highs = np.r_[grid.bounds, np.inf]
    share = float(seen.cells[: len(highs)][highs <= base.low].sum()) / seen.present
    if share < settings.faults.outside:
        return None
    return Fault(
        grid.name, "out_of_range", share, f"{_percent(share)} of {grid.name} lie before the reference's first day."
    )


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
