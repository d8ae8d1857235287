"""Reports in words a colleague understands. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.drift.pair import Pair
from pipeline.profile import summary
from storage.records import DriftReport, Fault
from storage.settings import Settings

CALM = "As in the reference."


def feature(pair: Pair, name: str, eye: tuple[str, int], log_p: float, hit: bool) -> str:
    """One sentence or two about a feature."""
    if not hit:
        return CALM
    grid = pair.reference.grid.by_name[name]
    base, seen = pair.reference.features[name], pair.batch.features[name]
    said = []
    if grid.kind == "numeric":
        said += _number(pair, name)
    elif grid.kind == "categorical":
        said += _levels(pair, name)
    elif eye[0] in ("hours", "weekdays"):
        said.append(f"the {eye[0]} differ")
    before, now = base.nulls / max(pair.reference.rows, 1), seen.nulls / max(pair.batch.rows, 1)
    if eye[0] == "nulls" or abs(now - before) > 0.05:
        said.append(f"missing values went from {percent(before)} to {percent(now)}")
    if not said:
        said.append(f"its {eye[0]} changed")
    return f"{name}: {' and '.join(said)}; {chance(log_p, pair.batch.rows)}."


def _number(pair: Pair, name: str) -> list[str]:
    grid = pair.reference.grid.by_name[name]
    base, seen = pair.reference.features[name], pair.batch.features[name]
    if not seen.present or not base.present:
        return []
    (mean, sd), (new_mean, new_sd) = base.moments(grid), seen.moments(grid)
    said = []
    moved = (new_mean - mean) / sd if sd else 0.0
    if abs(moved) >= 0.05:
        said.append(f"{'rose' if moved > 0 else 'fell'} by {abs(new_mean - mean):,.3g} ({abs(moved):.1f} standard deviations)")
    if sd and new_sd and not 0.85 < new_sd / sd < 1.15:
        said.append(f"spreads {new_sd / sd:.1f} times as wide")
    lows, highs = np.r_[-np.inf, grid.bounds], np.r_[grid.bounds, np.inf]
    cells = seen.cells[: len(lows)]
    above, below = cells[lows > base.high].sum() / seen.present, cells[highs <= base.low].sum() / seen.present
    if above >= 0.005:
        said.append(f"{percent(above)} of rows lie above anything seen in the reference")
    if below >= 0.005:
        said.append(f"{percent(below)} of rows lie below anything seen in the reference")
    return said


def _levels(pair: Pair, name: str) -> list[str]:
    before, now = (summary(name, one)["shares"] for one in (pair.reference, pair.batch))
    known = pair.reference.features[name].new or {}
    fresh = [level for level in (pair.batch.features[name].new or {}) if level not in known]
    said = []
    if fresh:
        top = max(fresh, key=lambda level: now.get(level, 0.0))
        more = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
        said.append(f'the new level "{top}" has {percent(now.get(top, 0.0))} of rows{more}')
    moves = sorted(((now.get(level, 0.0) - share, level) for level, share in before.items()), key=lambda one: -abs(one[0]))
    for move, level in moves[:2]:
        if abs(move) >= 0.01:
            said.append(f'"{level}" went from {percent(before[level])} to {percent(now.get(level, 0.0))}')
    return said


def explained(report: DriftReport, settings: Settings) -> DriftReport:
    """The report with a summary of the batch."""
    return replace(report, explanation=_batch(report, settings))


def _batch(report: DriftReport, settings: Settings) -> str:
    broken = " ".join(fault.explanation for fault in report.faults[:3])
    if report.verdict == "too_few_rows":
        return f"{report.rows} rows are too few to say; at least {settings.drift.min_rows} are needed."
    if report.verdict == "stable":
        return f"{broken} Otherwise as in the reference.".strip() if broken else "As in the reference."
    hits = [one for one in report.features if one.drift]
    said = [one.explanation.rstrip(".") for one in hits[:3]]
    if len(hits) > 3:
        said.append(f"{len(hits) - 3} more features drift")
    broken_links = [link for link in report.links if link.drift]
    if broken_links and not hits:
        link = broken_links[0]
        said.append(f"the link between {link.a} and {link.b} went from {link.reference:.2f} to {link.batch:.2f}")
    text = ". ".join(said) or "many features moved a little, none enough to name it"
    return f"{broken} {text}.".strip()


def fault_words(found: tuple[Fault, ...]) -> str:
    """Faults in one line."""
    return " ".join(fault.explanation for fault in found)


def chance(log_p: float, rows: int) -> str:
    """How rare this is, in words."""
    p = float(np.exp(max(log_p, -700.0)))
    if p < 1e-4:
        return f"the chance of this in a healthy batch of {rows:,} is under 1 in 10,000"
    return f"the chance of this in a healthy batch of {rows:,} is about 1 in {max(round(1 / p), 1):,}"


def percent(share: float) -> str:
    """A share as text."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
