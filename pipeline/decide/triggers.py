"""Reasons to train: each looks at the situation and gives a signal with its figures, or nothing. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from pipeline.decide.growth import growth
from pipeline.decide.level import batch_at, material, measured, pooled, spoken
from pipeline.decide.situation import Signal, Situation
from pipeline.performance import Shift, primary
from storage.settings import Settings

CHUNK = 1000  # rows put together when the usual level is looked for
LATELY, RESTLESS = 12, 4  # so many champions within so many batches: the world turns, and a loss needs less proof
SHORT = 2.0  # times what is worth acting on: so far below the old level is not restored
HINT = 0.1  # p-value of a measured loss that is enough on the first batch of a drift; the looks share it


def _person(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    return Signal("person", situation.person) if situation.person else None


def _performance(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """A measured fall that is too clear and too large for chance."""
    if not settings.retrain.on_performance or shift is None:
        return None
    level = settings.retrain.alpha / (1 if _restless(situation) else 10)
    if shift.p_value >= level or shift.rise < material(situation, settings):
        return None
    at = batch_at(situation, shift)
    name = spoken(primary(situation.schema, settings.retrain.metric).name)
    told = (
        f"Measured {name} went from {abs(shift.before):.3f} to {abs(shift.after):.3f} since batch {at} "
        f"({shift.rows} labelled rows, p = {shift.p_value:.1g})."
    )
    return Signal("performance", told, urgent=True, change_at=at, loss=shift.rise)


def _restless(situation: Situation) -> bool:
    """Whether champion after champion has lost lately, so that one more loss is likely beforehand."""
    reigned = {point.version_id for point in situation.points[-LATELY:]}
    return len(reigned) >= RESTLESS


def _shortfall(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """The champion came after a loss and has not brought the usual level back; new rows may."""
    own = [p.measured for p in measured(situation) if p.measured]
    if not settings.retrain.on_performance or situation.since_promotion is None or not own:
        return None
    row = primary(situation.schema, settings.retrain.metric)
    since = situation.normal.since if situation.normal else 0
    known = [p.measured for p in situation.points if p.measured and not p.faults and p.batch_id >= since]
    chunks = pooled(known, CHUNK)
    usual = sorted((m.value for m in chunks), reverse=not row.higher)[math.ceil(0.8 * len(chunks)) - 1]
    now = pooled(own, math.inf)[0]
    short = row.gain(now.value, usual)
    spread = math.hypot(now.high - now.low, max(m.high - m.low for m in chunks)) / 3.92
    if short < SHORT * material(situation, settings) or short < 2.0 * spread:
        return None
    name = spoken(row.name)
    told = f"{name[0].upper()}{name[1:]} {now.value:.3f} on {now.rows} labelled rows is short of the usual {usual:.3f}."
    return Signal("performance", told)


def _drift(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """A drift episode not answered yet, with enough labels to judge by and a sign of harm."""
    if not settings.retrain.on_drift or situation.onset is None or shift is None:
        return None
    since = [p for p in measured(situation) if p.batch_id >= situation.onset]
    rows = sum(p.measured.rows for p in since if p.measured)
    if rows < settings.retrain.min_labelled or shift.rise < material(situation, settings):
        return None
    if shift.p_value >= HINT / len(since):  # each batch is another look, and one of many looks will seem a hint
        return None
    named = sorted({name for p in situation.points if p.batch_id >= situation.onset for name in p.drifted})
    told = f"The inputs drift since batch {situation.onset} ({', '.join(named[:4]) or 'many small moves'})"
    harm = f"measured loss {shift.rise:.3f}, p = {shift.p_value:.2g}"
    return Signal("drift", f"{told}; {harm}.", urgent=True, change_at=situation.onset)


def _estimate(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """Confidence alone says that the model is worse here."""
    point = situation.points[-1] if situation.points else None
    expected = situation.expected
    if not settings.retrain.on_estimate or point is None or point.estimated is None or expected is None:
        return None
    row = primary(situation.schema, settings.retrain.metric)
    loss = row.gain(point.estimated.value, expected.value)
    spread = max(point.estimated.high - point.estimated.low, 1e-9) / 3.92
    if loss < material(situation, settings) or loss < 3.0 * spread:
        return None
    told = f"Estimated {spoken(row.name)} {point.estimated.value:.3f} against {expected.value:.3f} at the promotion."
    return Signal("estimate", told)


def _schedule(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    every = settings.retrain.every_batches
    since = situation.since_training if situation.since_training is not None else situation.batches
    if every is None or since < every:
        return None
    return Signal("schedule", f"{since} batches since the last training (every {every} asked for).")


Check = Callable[[Situation, Settings, Shift | None], Signal | None]
TRIGGERS: dict[str, Check] = {  # the first that fires gives the decision its name
    "person": _person,
    "performance": _performance,
    "shortfall": _shortfall,
    "drift": _drift,
    "estimate": _estimate,
    "schedule": _schedule,
    "rows": growth,
}
