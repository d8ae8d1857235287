"""The new normal: a lower level that has to be lived with, because contest after contest was in vain. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.decide.level import measured, pooled, reigns, spoken
from pipeline.decide.situation import Choice, Normal, Signal, Situation
from pipeline.performance import Shift, primary
from storage.settings import Settings

ENOUGH = 3000  # labelled rows before a lower level is accepted: contests on fewer can miss what is worth having
VAIN = 3  # contests in a row that found nothing better, after which a lower level is the usual one


def settled(
    situation: Situation, settings: Settings, shift: Shift | None, fired: Mapping[str, Signal]
) -> Normal | None:
    """The level that has to be lived with: measured on enough rows, and contest after contest was in vain."""
    vain = situation.rejections - (situation.normal.vain if reigns(situation) else 0)
    if not {"performance", "shortfall"} & set(fired) or "person" in fired or vain < VAIN:
        return None
    at = fired["performance"].change_at if "performance" in fired else None
    points = [p for p in measured(situation) if at is None or p.batch_id >= at]
    level = pooled([p.measured for p in points if p.measured], math.inf)[0]
    if level.rows < max(ENOUGH, 2 * settings.retrain.min_labelled):
        return None
    return Normal(level, points[0].batch_id, situation.points[-1].batch_id, situation.rejections)


def accepted(situation: Situation, settings: Settings, normal: Normal, details: dict[str, Any]) -> Choice:
    """Say that a lower level is the usual one from now on."""
    name, before = spoken(primary(situation.schema, settings.retrain.metric).name), situation.expected
    usual = f", where {before.value:.3f} was usual" if before else ""
    told = (
        f"The new normal: {name} {normal.level.value:.3f}, measured on {normal.level.rows} labelled rows since batch "
        f"{normal.since}{usual}. {situation.rejections} trainings in a row found nothing better."
    )
    level = {"value": normal.level.value, "low": normal.level.low, "high": normal.level.high, "rows": normal.level.rows}
    found = {"level": level, "since": normal.since, "settled": normal.settled, "vain": normal.vain}
    return Choice("keep", "performance", told, {**details, "fired": [], "normal": found})
