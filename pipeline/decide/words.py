"""Why nothing is done, and what was looked at: the sentence and the figures of a decision. Pure."""

from __future__ import annotations

from typing import Any

from pipeline.decide.level import measured, spoken
from pipeline.decide.situation import Situation
from pipeline.performance import Shift, primary
from storage.settings import Settings


def calm(situation: Situation, settings: Settings, shift: Shift | None) -> str:
    """Why nothing is done, in a sentence or two."""
    point = situation.points[-1] if situation.points else None
    if point is None:
        return "No batch yet."
    if point.verdict == "too_few_rows":
        return f"Too few rows to say ({point.rows})."
    known = measured(situation)
    name = spoken(primary(situation.schema, settings.retrain.metric).name)
    level = known[-1].measured if known else None
    seen = f"{name} {level.value:.3f} on the newest {level.rows} labelled rows" if level else "no labels yet"
    if point.verdict != "drift":
        return f"No drift (score {point.score:.2f}); {seen}."
    named = ", ".join(point.drifted[:4]) or "links between features"
    if not known or known[-1].batch_id < (situation.onset or point.batch_id):
        return f"Drift seen in {named} (score {point.score:.2f}); whether it harms, the labels will tell ({seen})."
    rise = f"loss {shift.rise:.3f}, p = {shift.p_value:.2g}" if shift else "no loss"
    return f"Drift seen in {named} (score {point.score:.2f}), harm not seen: {seen} ({rise})."


def figures(situation: Situation, shift: Shift | None) -> dict[str, Any]:
    """What was looked at, as plain values."""
    point = situation.points[-1] if situation.points else None
    return {
        "score": point.score if point else None,
        "verdict": point.verdict if point else None,
        "expected": situation.expected.value if situation.expected else None,
        "measured": point.measured.value if point and point.measured else None,
        "estimated": point.estimated.value if point and point.estimated else None,
        "loss": None if shift is None else {"rise": shift.rise, "p_value": shift.p_value, "rows": shift.rows},
        "new_rows": situation.new_rows,
        "champion_rows": situation.champion_rows,
        "doubling": situation.doubling,
        "since_training": situation.since_training,
        "since_promotion": situation.since_promotion,
        "trainings": situation.trainings,
        "rejections": situation.rejections,
    }
