"""What stands between a reason and a training: cool-down, tenure, budget. Pure."""

from __future__ import annotations

import math

from pipeline.decide.level import material, measured
from pipeline.decide.situation import Signal, Situation
from storage.settings import Settings

LONGEST_WAIT = 64  # batches; each contest in a row that finds nothing better doubles the cool-down up to here
START = 1.5  # trainings allowed from the first batch on, beside the budget's share
HEAVY = 5.0  # times what is worth acting on: a loss so large may spend the budget of 100 batches early,
EARLY = 0.7  # as this power of the batches gone by


def barred(situation: Situation, settings: Settings, signal: Signal) -> str:
    """Why no training may start now; empty if one may.

    After a measured loss the wait grows with the age of the change: a training that came too early to be of use is
    repeated when there are twice as many rows since.
    """
    asked = settings.retrain
    if not asked.auto:
        return "training is by hand only"
    if situation.held:
        return "something already waits for a person"
    since, young = situation.since_training, situation.since_promotion
    wait = _wait(situation, settings, signal)
    if since is not None and since < wait:
        return f"cool-down, {since} of {wait} batches since the last training"
    if young is not None and young < asked.tenure:
        return f"the champion is {young} batches old and stays for {asked.tenure}"
    allowed = _allowed(situation, settings, signal) - (0 if signal.urgent else 1)
    if situation.trainings >= allowed:
        return f"budget, {situation.trainings} of {allowed} trainings in the last {min(situation.batches, 100)} batches"
    if sum(p.measured.rows for p in measured(situation) if p.measured) < asked.min_labelled:
        return f"fewer than {asked.min_labelled} labelled rows to judge by"
    return ""


def _allowed(situation: Situation, settings: Settings, signal: Signal) -> int:
    """Trainings that the budget allows by now: a start, and then its share of the batches; more for a heavy loss.

    What is spent early never leaves a long stream with nothing: one training in six batches is always left.
    """
    budget, gone = settings.retrain.budget, min(situation.batches, 100) / 100
    allowed = START + budget * gone
    if signal.loss >= HEAVY * material(situation, settings):
        allowed = max(allowed, budget * gone**EARLY)
    return min(budget, math.floor(allowed))


def _wait(situation: Situation, settings: Settings, signal: Signal) -> int:
    """Batches that must lie between two trainings."""
    asked = settings.retrain
    if signal.urgent and signal.change_at is not None:
        age = sum(p.batch_id >= signal.change_at for p in situation.points)
        return max(asked.cooldown, math.ceil(age / 2)) if situation.rejections else asked.cooldown
    patience = 2 if signal.trigger == "performance" else 1
    return min(patience * asked.cooldown * 2**situation.rejections, max(LONGEST_WAIT, asked.cooldown))
