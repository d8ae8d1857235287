"""Reports in words a colleague understands. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

import numpy as np

from pipeline.drift.crowd import Alone
from pipeline.drift.look import REST
from pipeline.profile import FeatureGrid, FeatureProfile, Profile, summary
from storage.records import DriftReport, Link

CALM = "As in the reference."
FEW = "Too few values to say."
_TOLD = 3  # features and faults told in the summary of a batch
_NEW = 20  # new levels in a report


def feature(
    reference: Profile, batch: Profile, name: str, eye: str, cell: int, log_p: float, rest: Alone | None = None
) -> str:
    """One sentence about a drifting feature.

    Parameters
    ----------
    eye : str
        The eye that was most surprised.
    cell : int
        The single value or level that changed most.
    log_p : float
        Of such a surprise in any feature of a healthy batch.
    rest : Alone, optional
        The feature against where the others put it.
    """
    grid = reference.grid.by_name[name]
    base, seen = reference.features[name], batch.features[name]
    said: list[str] = []
    if grid.kind == "numeric" and seen.present and base.present:
        said = _number(grid, base, seen, eye, cell)
    elif grid.kind == "categorical":
        said = _levels(reference, batch, name)
    elif grid.kind == "date":
        said = _date(grid, base, seen, eye)
    if rest is not None and eye == REST:
        said.append(_alone(rest))
    before, now = base.nulls / max(reference.rows, 1), seen.nulls / max(batch.rows, 1)
    if eye == "nulls" or abs(now - before) > 0.05:
        said.append(f"missing values went from {percent(before)} to {percent(now)}")
    return f"{name} {_joined(said or [f'changed its {eye}'])}; {chance(log_p, batch.rows)}."


def _alone(rest: Alone) -> str:
    """Where a feature lies, or how it scatters, seen from the others."""
    if rest.shifted:
        way = "above" if rest.gap > 0 else "below"
        return f"lies {abs(rest.gap):.2g} standard deviations {way} where the other features put it"
    return f"scatters {rest.spread:.2g} times as wide around where the other features put it"


def _joined(said: list[str]) -> str:
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _number(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile, eye: str, cell: int) -> list[str]:
    (mean, sd), (new_mean, new_sd) = base.moments(grid), seen.moments(grid)
    said = []
    moved = (new_mean - mean) / sd if sd else 0.0
    if abs(moved) >= 0.1 or (eye == "location" and moved):
        size = f"{abs(new_mean - mean):,.3g}" if abs(new_mean - mean) < 1000 else f"{abs(new_mean - mean):,.0f}"
        said.append(f"{'rose' if moved > 0 else 'fell'} by {size} ({abs(moved):.2g} standard deviations)")
    if sd and new_sd and not 0.85 < new_sd / sd < 1.15:
        said.append(f"spreads {new_sd / sd:.2g} times as wide")
    lows, highs = np.r_[-np.inf, grid.bounds], np.r_[grid.bounds, np.inf]
    cells = seen.cells[: len(lows)]
    for share, where in (
        (cells[lows > (base.high or 0.0)].sum() / seen.present, "above"),
        (cells[highs <= (base.low or 0.0)].sum() / seen.present, "below"),
    ):
        if share >= 0.005:
            said.append(f"has {percent(float(share))} of rows {where} anything seen in the reference")
    if eye == "single value":
        said.append(_pile(grid, base, seen, cell))
    if eye == "narrow range":
        said.append(_crowd(grid, base, seen))
    if eye == "unseen values":
        fresh = seen.counts[base.counts == 0].sum() / seen.present
        said.append(f"has {percent(float(fresh))} of rows at values the reference does not know")
    return said


def _date(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile, eye: str) -> list[str]:
    if eye in ("hours", "weekdays"):
        return [f"has other {eye} than the reference"]
    if eye == "past":
        return ["has moments before the first one of the reference"]
    if eye == "future":
        return ["has moments far later than the rest of the batch and all of the reference"]
    if eye == "values" and seen.present and base.present:
        away = seen.moments(grid)[0] - base.moments(grid)[0]
        moved = f" ({span(away)} {'later' if away > 0 else 'earlier'} on average)"
        return [f"is spread over time otherwise than in the reference{moved}"]
    if eye == "lag" and grid.lag is not None and base.lag is not None and seen.lag is not None:
        before, now = base.lag.moments(grid.lag)[0], seen.lag.moments(grid.lag)[0]
        return [f"lies {_side(now)} {grid.since} on average where it lay {_side(before)}"]
    return []


def _side(lag: float) -> str:
    return f"{span(lag)} {'after' if lag >= 0 else 'before'}"


def span(microseconds: float) -> str:
    """A length of time in the largest unit that fits, whatever its sign."""
    size = abs(microseconds) / 1e6
    for unit, seconds in (("years", 365.25 * 86_400), ("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if size >= 2 * seconds:
            return f"{size / seconds:,.3g} {unit}"
    return f"{size:,.3g} seconds"


def _pile(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile, cell: int) -> str:
    """One value, or a narrow range, whose share changed."""
    at = cell // seen.counts.shape[1]
    edges = np.r_[-np.inf, grid.bounds, np.inf]
    low, high = float(edges[min(at, len(edges) - 2)]), float(edges[min(at + 1, len(edges) - 1)])
    if not np.isfinite(low) or not np.isfinite(high):
        where = f"beyond {high if np.isfinite(high) else low:,.4g}"
    elif high <= np.nextafter(low, np.inf) or f"{low:,.4g}" == f"{high:,.4g}":
        where = f"at {low:,.4g}"
    else:
        where = f"at one value between {low:,.4g} and {high:,.4g}"
    before, now = base.counts.flat[cell] / base.present, seen.counts.flat[cell] / seen.present
    return f"has {percent(float(now))} of rows {where} where {percent(float(before))} were"


def _crowd(grid: FeatureGrid, base: FeatureProfile, seen: FeatureProfile) -> str:
    """The narrow range whose share changed most for its size."""
    before, now = ((side.cells[:-1] + side.cells[1:]) / side.present for side in (base, seen))
    at = int((np.abs(now - before) / np.sqrt(before + now + 1e-9)).argmax())
    edges = np.r_[base.low or 0.0, grid.bounds, base.high or 0.0]
    low, high = float(edges[min(at, len(edges) - 2)]), float(edges[min(at + 2, len(edges) - 1)])
    here, usual = percent(float(now[at])), percent(float(before[at]))
    return f"has {here} of rows between {low:,.4g} and {high:,.4g} where {usual} were"


def _levels(reference: Profile, batch: Profile, name: str) -> list[str]:
    before, now = (summary(name, one)["shares"] for one in (reference, batch))
    fresh = new_levels(reference.features[name], batch.features[name])
    said = []
    if fresh:
        more = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
        said.append(f'has the new level "{fresh[0]}" in {percent(now.get(fresh[0], 0.0))} of rows{more}')
    moves = sorted(
        ((now.get(level, 0.0) - share, level) for level, share in before.items()), key=lambda one: -abs(one[0])
    )
    told = [
        f'"{level}" went from {percent(before[level])} to {percent(now.get(level, 0.0))}'
        for move, level in moves[:2]
        if abs(move) >= 0.01
    ]
    return said + ([f"changed its shares: {' and '.join(told)}"] if told else [])


def new_levels(base: FeatureProfile, seen: FeatureProfile) -> tuple[str, ...]:
    """Levels of the batch that the reference lacks, most frequent first; at most 20."""
    if not seen.new:
        return ()
    known = base.new or {}
    fresh = sorted((-count, level) for level, count in seen.new.items() if level not in known)
    return tuple(level for _, level in fresh[:_NEW])


def link(name: str, broken: Link) -> str:
    """One sentence about a feature whose link to another changed."""
    other = broken.b if name == broken.a else broken.a
    return (
        f"{name} itself is as in the reference, but its link with {other} went from {broken.reference:.2f} to "
        f"{broken.batch:.2f} (correlation)."
    )


def too_few(rows: int, reference_rows: int, least: int) -> str:
    """Why nothing is said."""
    whose, count = ("The batch", rows) if rows <= reference_rows else ("The reference", reference_rows)
    return f"Too few rows to say: {whose.lower()} has {count}, at least {least} are needed."


def batch(report: DriftReport, crowd: bool) -> str:
    """The report in a few sentences."""
    broken = " ".join(fault.explanation for fault in report.faults[:_TOLD])
    if report.verdict == "stable":
        return f"{broken} Otherwise as in the reference." if broken else CALM
    hits = [one for one in report.features if one.drift]
    if crowd:
        return f"{broken} Many features moved a little together, none enough by itself to be named.".strip()
    told = [one.explanation for one in hits[:_TOLD] if one.name not in {fault.feature for fault in report.faults}]
    rest = len(hits) - _TOLD
    if rest > 0:
        told.append(f"{rest} more {'feature drifts' if rest == 1 else 'features drift'}.")
    return " ".join([broken, *told]).strip()


def chance(log_p: float, rows: int) -> str:
    """How rare this is, in words."""
    p = float(np.exp(max(min(log_p, 0.0), -700.0)))
    if p < 1e-4:
        return f"the chance of this in a healthy batch of {rows:,} is under 1 in 10,000"
    if p > 0.2:
        return f"by itself no rare sight in a healthy batch of {rows:,}"
    return f"the chance of this in a healthy batch of {rows:,} is about 1 in {round(1 / p):,}"


def percent(share: float) -> str:
    """A share as text."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
