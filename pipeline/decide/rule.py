"""The decision rule: may it be learned, is there a reason to train, and does anything stand against it? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.decide.level import loss_since, spoken
from pipeline.decide.normal import accepted, settled
from pipeline.decide.situation import Choice, Point, Signal, Situation
from pipeline.decide.triggers import TRIGGERS
from pipeline.decide.waits import barred
from pipeline.decide.words import calm, figures
from storage.settings import Settings


def decide(situation: Situation, settings: Settings) -> Choice:
    """What to do now.

    Parameters
    ----------
    situation : Situation
    settings : Settings

    Returns
    -------
    Choice
        With the figures that led to it in ``details``.
    """
    point = situation.points[-1] if situation.points else None
    if point and point.faults and settings.faults.watch and not situation.person:
        return _quarantine(point)
    shift = loss_since(situation, settings)
    details = figures(situation, shift)
    if _loses_to_predecessor(situation, settings) and not situation.strange:  # labels in doubt roll nobody back
        return _rollback(situation, details)
    fired = {name: signal for name, check in TRIGGERS.items() if (signal := check(situation, settings, shift))}
    details["fired"] = list(fired)
    normal = settled(situation, settings, shift, fired)
    if normal is not None:
        choice = accepted(situation, settings, normal, details)
        return _look(situation, choice.details, choice.reason) if situation.strange else choice
    if fired:
        return _answer(situation, settings, list(fired.values()), details)
    if situation.strange:
        return _look(situation, details)
    return Choice("keep", "none", calm(situation, settings, shift), details)


def _answer(situation: Situation, settings: Settings, signals: Sequence[Signal], details: dict[str, Any]) -> Choice:
    """Train for the first of the reasons, or say what stands against it."""
    first = signals[0]
    at = next((signal.change_at for signal in signals if signal.change_at is not None), None)
    if first.trigger == "person":
        return Choice("train", "person", first.reason, details, change_at=at)
    if situation.failures >= settings.retrain.breaker:
        told = f"{first.reason} The last {situation.failures} trainings failed: a person is needed."
        return Choice("hold", first.trigger, told, details, change_at=at)
    bar = barred(situation, settings, first)
    if not bar:
        return Choice("train", first.trigger, first.reason, details, change_at=at)
    if situation.strange:
        return _look(situation, details)
    if situation.retired and first.urgent and not situation.held and settings.retrain.auto:
        told = f"{first.reason} No training now ({bar}), but earlier champions are judged again."
        return Choice("train", first.trigger, told, details, fit=False, change_at=at)
    return Choice("keep", first.trigger, f"{first.reason} Not trained: {bar}.", details, change_at=at)


def _quarantine(point: Point) -> Choice:
    """Broken data is kept out, whatever else it says."""
    told = " ".join(fault.explanation for fault in point.faults[:3])
    named = [{"feature": f.feature, "kind": f.kind, "share": f.share} for f in point.faults]
    return Choice("quarantine", "fault", f"Broken data is not learned from. {told}".strip(), {"faults": named})


def _look(situation: Situation, details: dict[str, Any], before: str = "") -> Choice:
    """Only look at the labels: nothing is fitted, so no cool-down or budget stands against it."""
    told = f"{before} Labels are looked at more closely. {situation.strange}"
    return Choice("train", "labels", told.lstrip(), details, fit=False)


def _loses_to_predecessor(situation: Situation, settings: Settings) -> bool:
    """Whether a young champion is worse than the one before by more than noise."""
    rival, young = situation.rival, situation.since_promotion
    if rival is None or young is None or young > settings.retrain.watch:
        return False
    return rival.p_worse < settings.retrain.alpha and rival.gain.value < -settings.retrain.margin


def _rollback(situation: Situation, details: dict[str, Any]) -> Choice:
    rival = situation.rival
    assert rival is not None
    told = (
        f"Since its promotion the champion's {spoken(rival.metric)} is {rival.second.value:.3f} where its predecessor "
        f"would have had {rival.first.value:.3f} on the same {rival.gain.rows} rows (p = {rival.p_worse:.1g})."
    )
    return Choice("rollback", "watch", told, details)
