"""Drift from stored profiles: of a feature, of several batches as one, under other settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline import drift, periods, route
from pipeline.desk import Shelf
from pipeline.profile import Profile, association, merge, summary
from pipeline.profile import distribution as shares
from storage import history
from storage.records import Distribution, DriftReport, FeatureDrift
from storage.settings import changed


def distribution(
    shelf: Shelf, monitor: str, feature: str, batches: int | Sequence[int], versus: str | Sequence[int] = "reference"
) -> Distribution:
    """One feature in a batch, or in several as one, and in their reference or in other batches; bins are shared."""
    owner = history.monitor(shelf.db, monitor)
    chosen = [batches] if isinstance(batches, int) else list(batches)
    seen = periods.merged(shelf, owner, chosen, feature)
    if isinstance(versus, str):
        base = shelf.reference(history.reference_of(shelf.db, chosen[-1]))
    else:
        base = periods.merged(shelf, owner, versus, feature)
    return shares(feature, base, seen)


def quantiles(
    shelf: Shelf, monitor: str, feature: str, columns: Sequence[Sequence[int]]
) -> list[dict[str, Any] | None]:
    """One feature column by column, a column being some batches as one: quantiles of numbers, shares of levels.

    None where no batch of a column has a profile.
    """
    owner = history.monitor(shelf.db, monitor)
    home = {batch: at for at, batches in enumerate(columns) for batch in batches}
    found: list[Profile | None] = [None] * len(columns)
    for batch, seen in periods.profiles(shelf, owner, home, feature):
        before = found[home[batch]]
        found[home[batch]] = seen if before is None else merge([before, seen])
    return [None if seen is None else summary(feature, seen) for seen in found]


def associations(shelf: Shelf, monitor: str, pair: tuple[str, str], columns: Sequence[Sequence[int]]) -> list[float]:
    """How strongly two linked features hang together in each column of batches, -1 to 1; NaN where unknown.

    Of several batches it is the mean over their rows.
    """
    owner = history.monitor(shelf.db, monitor)
    linked = shelf.grid(owner.grid).linked
    if not set(pair) <= set(linked):
        return [float("nan")] * len(columns)
    a, b = (linked.index(name) for name in pair)
    home = {batch: at for at, batches in enumerate(columns) for batch in batches}
    found = [(0.0, 0.0)] * len(columns)  # each column's rows, and its sum of rows times association
    for batch, seen in periods.profiles(shelf, owner, home, ""):
        if seen.joint is not None and seen.rows:
            rows, total = found[home[batch]]
            found[home[batch]] = (rows + seen.rows, total + seen.rows * association(seen.joint, seen.rows, a, b))
    return [total / rows if rows else float("nan") for rows, total in found]


def together(shelf: Shelf, monitor: str, batches: Sequence[int]) -> DriftReport:
    """The drift report of several batches merged into one."""
    return periods.together(shelf, history.monitor(shelf.db, monitor), batches)[0]


def together_alone(shelf: Shelf, monitor: str, batches: Sequence[int], feature: str) -> FeatureDrift:
    """One feature of several batches merged into one, judged as if there were no other feature."""
    owner = history.monitor(shelf.db, monitor)
    seen = periods.merged(shelf, owner, batches, feature)
    base = shelf.reference(history.reference_of(shelf.db, batches[-1])).only([feature])
    return drift.score(base, seen, history.settings_in_force(shelf.db, owner.id)).features[0]


def band(shelf: Shelf, monitor: str, rows: int) -> tuple[float, float]:
    """Between which batch scores healthy batches of so many rows lie."""
    owner = history.monitor(shelf.db, monitor)
    return drift.healthy_band(shelf.reference(owner.champion), rows, history.settings_in_force(shelf.db, owner.id))


def settings_effect(shelf: Shelf, monitor: str, assignments: dict[str, Any], last: int = 1000) -> dict[str, Any]:
    """How many of the newest batches would have alarmed under other settings, from their stored profiles.

    Returns
    -------
    dict
        ``alarms_before``, ``alarms_after``, ``batches`` (how many were scored again), and ``line``: in order, for
        each batch (id, alarmed, would have alarmed).
    """
    owner = history.monitor(shelf.db, monitor)
    after = changed(history.settings_in_force(shelf.db, owner.id), assignments)
    batches = [batch.id for batch in history.batches(shelf.db, owner.id, last=last)]
    before = {batch_id: report.drift for batch_id, report in history.reports(shelf.db, batches)}
    again = route.rescored(shelf, owner, after, batches)
    line = [(batch_id, before.get(batch_id, False), report.drift) for batch_id, _, report in again]
    return {
        "alarms_before": sum(was for _, was, _ in line),
        "alarms_after": sum(would for _, _, would in line),
        "batches": len(line),
        "line": line,
    }
