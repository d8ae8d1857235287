"""What to do about a model: keep, train, hold, quarantine or roll back, and on what grounds.

Pure: no I/O, no clock, no randomness. A ``Situation`` is filled with plain values by whoever knows them (the database,
or a backtest's memory); the same situation always gives the same choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pipeline.performance import Paired, Shift, change_point, primary
from storage.records import Fault, Metric, Schema, Trigger, Verdict
from storage.settings import Settings

Step = Literal["keep", "train", "quarantine", "hold", "rollback"]
LONGEST_WAIT = 64  # batches; each contest in a row that finds nothing better doubles the cool-down up to here
CHUNK = 1000  # rows put together when the usual level is looked for
START = 1.5  # trainings allowed from the first batch on, beside the budget's share
HEAVY = 5.0  # times what is worth acting on: a loss so large may spend the budget of 100 batches early,
EARLY = 0.7  # as this power of the batches gone by
LATELY, RESTLESS = 12, 4  # so many champions within so many batches: the world turns, and a loss needs less proof
ENOUGH = 3000  # labelled rows before a lower level is accepted: contests on fewer can miss what is worth having
VAIN = 3  # contests in a row that found nothing better, after which a lower level is the usual one
SHORT = 2.0  # times what is worth acting on: so far below the old level is not restored
DECAY = 0.7  # of the gain of a doubling of rows, from one doubling to the next
FIRST = 8  # times the champion's rows must have come before growth alone trains, where its learning curve is not steep
NEAR = 2.0  # doublings within which growth after growth has to pay
PAIRED = 0.7  # standard error of a difference on the same rows, in standard errors of the level
_JURY = 1000  # rows that judge, at most
HINT = 0.1  # p-value of a measured loss that is enough when the inputs drift as well


@dataclass(frozen=True)
class Point:
    """One production batch as decisions see it."""

    batch_id: int
    rows: int
    verdict: Verdict
    score: float  # 1.0 is the alarm line
    faults: tuple[Fault, ...] = ()
    drifted: tuple[str, ...] = ()
    measured: Metric | None = None  # deciding metric of the version that predicted it; None until labels come
    estimated: Metric | None = None
    version_id: int | None = None  # that version


@dataclass(frozen=True)
class Normal:
    """A lower level that became the usual one, because contest after contest found nothing better."""

    level: Metric
    since: int  # first batch it was measured on
    settled: int  # batch at which it was said
    vain: int  # contests in a row that had been in vain by then


@dataclass(frozen=True)
class Situation:
    """All that a decision looks at."""

    schema: Schema
    points: tuple[Point, ...]  # in order of arrival; the last one is the batch being decided
    champion_id: int | None
    expected: Metric | None = None  # deciding metric of the champion on rows it was not fitted on, when it was promoted
    champion_rows: int = 0  # rows it was fitted on
    doubling: float | None = None  # gain that the last doubling of its rows brought: its ``details["doubling"]``
    doubling_error: float = 0.0  # of that
    grown: bool = False  # the champion came because rows had come, and not after a loss
    new_rows: int = 0  # learnable labelled rows that came since the newest row the champion was fitted on
    since_training: int | None = None  # batches since the last contest that fitted; None: there was none
    since_promotion: int | None = None  # batches since the champion came; None: it is the first
    trainings: int = 0  # contests that fitted, within the last 100 batches
    batches: int = 0  # production batches so far
    rejections: int = 0  # contests in a row that found nothing better
    failures: int = 0  # trainings in a row that broke down
    onset: int | None = None  # first batch of a drift episode that no training has answered yet
    retired: bool = False  # there are earlier champions that could be recalled
    person: str = ""  # a person asks for a training, and why
    held: bool = False  # a challenger waits for a person
    strange: str = ""  # why labels that have just come should be looked at closely
    normal: Normal | None = None  # the newest one, of this champion or an earlier one
    rival: Paired | None = None  # predecessor (first), champion (second) on labelled rows since the promotion


@dataclass(frozen=True)
class Choice:
    """What was decided. ``fit`` False: only ask whether an earlier champion should be recalled."""

    action: Step
    trigger: Trigger
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    fit: bool = True
    change_at: int | None = None  # batch at which the change is estimated to have begun


@dataclass(frozen=True)
class Signal:
    """One trigger that fired."""

    trigger: Trigger
    reason: str
    urgent: bool = False  # harm was measured
    change_at: int | None = None
    loss: float = 0.0  # as measured, in units of the metric


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
    details = _figures(situation, shift)
    if _loses_to_predecessor(situation, settings):
        return _rollback(situation, details)
    fired = {name: signal for name, check in TRIGGERS.items() if (signal := check(situation, settings, shift))}
    signals = list(fired.values())
    details["fired"] = list(fired)
    if not signals and situation.strange:
        return _look(situation, details)
    if not signals:
        return Choice("keep", "none", _calm(situation, settings, shift), details)
    first = signals[0]
    normal = _settled(situation, settings, shift, fired)
    if normal is not None:
        return _accepted(situation, settings, normal, details)
    at = next((signal.change_at for signal in signals if signal.change_at is not None), None)
    if first.trigger == "person":
        return Choice("train", "person", first.reason, details, change_at=at)
    if situation.failures >= settings.retrain.breaker:
        told = f"{first.reason} The last {situation.failures} trainings failed: a person is needed."
        return Choice("hold", first.trigger, told, details, change_at=at)
    barred = _barred(situation, settings, first)
    if not barred:
        return Choice("train", first.trigger, first.reason, details, change_at=at)
    if situation.strange:
        return _look(situation, details)
    if situation.retired and first.urgent and not situation.held and settings.retrain.auto:
        told = f"{first.reason} No training now ({barred}), but earlier champions are judged again."
        return Choice("train", first.trigger, told, details, fit=False, change_at=at)
    return Choice("keep", first.trigger, f"{first.reason} Not trained: {barred}.", details, change_at=at)


def _settled(
    situation: Situation, settings: Settings, shift: Shift | None, fired: Mapping[str, Signal]
) -> Normal | None:
    """The level that has to be lived with: measured on enough rows, and contest after contest was in vain."""
    vain = situation.rejections - (situation.normal.vain if _reigns(situation) else 0)
    if not {"performance", "shortfall"} & set(fired) or "person" in fired or vain < VAIN:
        return None
    at = fired["performance"].change_at if "performance" in fired else None
    points = [p for p in _measured(situation) if at is None or p.batch_id >= at]
    level = _pooled([p.measured for p in points if p.measured], math.inf)[0]
    if level.rows < max(ENOUGH, 2 * settings.retrain.min_labelled):
        return None
    return Normal(level, points[0].batch_id, situation.points[-1].batch_id, situation.rejections)


def _accepted(situation: Situation, settings: Settings, normal: Normal, details: dict[str, Any]) -> Choice:
    """Say that a lower level is the usual one from now on."""
    name, before = _words(primary(situation.schema, settings.retrain.metric).name), situation.expected
    usual = f", where {before.value:.3f} was usual" if before else ""
    told = (
        f"The new normal: {name} {normal.level.value:.3f}, measured on {normal.level.rows} labelled rows since batch "
        f"{normal.since}{usual}. {situation.rejections} trainings in a row found nothing better."
    )
    level = {"value": normal.level.value, "low": normal.level.low, "high": normal.level.high, "rows": normal.level.rows}
    found = {"level": level, "since": normal.since, "settled": normal.settled, "vain": normal.vain}
    details = {**details, "fired": [], "normal": found}
    if situation.strange:
        look = _look(situation, details)
        return replace(look, reason=f"{told} {look.reason}")
    return Choice("keep", "performance", told, details)


def normal_of(details: Mapping[str, Any]) -> Normal | None:
    """The new normal that a choice's details tell of, if they do."""
    found = details.get("normal")
    return Normal(Metric(**found["level"]), found["since"], found["settled"], found["vain"]) if found else None


def _quarantine(point: Point) -> Choice:
    """Broken data is kept out, whatever else it says."""
    told = " ".join(fault.explanation for fault in point.faults[:3])
    named = [{"feature": f.feature, "kind": f.kind, "share": f.share} for f in point.faults]
    return Choice("quarantine", "fault", f"Broken data is not learned from. {told}".strip(), {"faults": named})


def _look(situation: Situation, details: dict[str, Any]) -> Choice:
    """Only look at the labels: nothing is fitted, so no cool-down or budget stands against it."""
    return Choice("train", "labels", f"Labels are looked at more closely. {situation.strange}", details, fit=False)


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
        f"Since its promotion the champion's {_words(rival.metric)} is {rival.second.value:.3f} where its predecessor "
        f"would have had {rival.first.value:.3f} on the same {rival.gain.rows} rows (p = {rival.p_worse:.1g})."
    )
    return Choice("rollback", "watch", told, details)


def loss_since(situation: Situation, settings: Settings) -> Shift | None:
    """Where the champion's measured performance fell since it was promoted.

    Returns
    -------
    Shift or None
        In units of the metric, turned so that a rise is a loss. ``at`` counts from the level at the promotion (0), when
        that is known, through the measured batches (1, 2, ...).
    """
    sign = -1.0 if primary(situation.schema, settings.retrain.metric).higher else 1.0
    level, points = _since_normal(situation)
    known = ([level] if level else []) + [p.measured for p in points if p.measured]
    errors = [max((m.high - m.low) / 3.92, 1e-9) for m in known]
    return change_point([sign * m.value for m in known], errors, [m.rows for m in known])


def _since_normal(situation: Situation) -> tuple[Metric | None, list[Point]]:
    """The level that the champion is held to, and the measured batches that are held to it."""
    points, normal = _measured(situation), situation.normal
    if normal is None or not _reigns(situation):
        return situation.expected, points
    return normal.level, [p for p in points if p.batch_id > normal.settled]


def _reigns(situation: Situation) -> bool:
    """Whether the new normal is one of the present champion."""
    points, normal = _measured(situation), situation.normal
    return normal is not None and bool(points) and normal.since >= points[0].batch_id


def _measured(situation: Situation) -> list[Point]:
    """Sound batches with labels that the champion predicted in its present reign."""
    return [p for p in _reign(situation) if p.measured and p.version_id == situation.champion_id and not p.faults]


def _reign(situation: Situation) -> Sequence[Point]:
    """Batches since the champion came (an earlier champion that was recalled begins anew)."""
    points, since = situation.points, situation.since_promotion
    return points if since is None else points[max(0, len(points) - since) :]


def material(situation: Situation, settings: Settings) -> float:
    """The smallest difference that is worth acting on, in units of the metric."""
    row = primary(situation.schema, settings.retrain.metric)
    if row.task == "classification" or row.name == "r2":
        return settings.retrain.worth
    level = situation.expected.value if situation.expected else 1.0
    return settings.retrain.worth * abs(level)


def _person(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    return Signal("person", situation.person) if situation.person else None


def _performance(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """A measured fall that is too clear and too large for chance."""
    if not settings.retrain.on_performance or shift is None:
        return None
    level = settings.retrain.alpha / (1 if _restless(situation) else 10)
    if shift.p_value >= level or shift.rise < material(situation, settings):
        return None
    at = _batch_at(situation, shift)
    name = _words(primary(situation.schema, settings.retrain.metric).name)
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
    measured = [p.measured for p in _measured(situation) if p.measured]
    if not settings.retrain.on_performance or situation.since_promotion is None or not measured:
        return None
    row = primary(situation.schema, settings.retrain.metric)
    since = situation.normal.since if situation.normal else 0
    known = [p.measured for p in situation.points if p.measured and not p.faults and p.batch_id >= since]
    chunks = _pooled(known, CHUNK)
    usual = sorted((m.value for m in chunks), reverse=not row.higher)[math.ceil(0.8 * len(chunks)) - 1]
    now = _pooled(measured, math.inf)[0]
    short = row.gain(now.value, usual)
    spread = math.hypot(now.high - now.low, max(m.high - m.low for m in chunks)) / 3.92
    if short < SHORT * material(situation, settings) or short < 2.0 * spread:
        return None
    name = _words(row.name)
    told = f"{name[0].upper()}{name[1:]} {now.value:.3f} on {now.rows} labelled rows is short of the usual {usual:.3f}."
    return Signal("performance", told)


def _pooled(metrics: Sequence[Metric], rows: float) -> list[Metric]:
    """Neighbours put together until each has so many rows; what is left over joins the last."""
    groups: list[list[Metric]] = [[]]
    for metric in metrics:
        if sum(m.rows for m in groups[-1]) >= rows:
            groups.append([])
        groups[-1].append(metric)
    if len(groups) > 1 and sum(m.rows for m in groups[-1]) < rows:
        groups[-2:] = [groups[-2] + groups[-1]]
    out = []
    for group in groups:
        total = sum(m.rows for m in group)
        value = sum(m.value * m.rows for m in group) / total
        half = math.sqrt(sum(((m.high - m.low) / 2 * m.rows) ** 2 for m in group)) / total
        out.append(Metric(value, value - half, value + half, total))
    return out


def _batch_at(situation: Situation, shift: Shift) -> int | None:
    level, points = _since_normal(situation)
    at = shift.at - (1 if level else 0)
    return points[at].batch_id if 0 <= at < len(points) else None


def _drift(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """A drift episode not answered yet, with enough labels to judge by and a sign of harm."""
    if not settings.retrain.on_drift or situation.onset is None or shift is None:
        return None
    since = [p for p in _measured(situation) if p.batch_id >= situation.onset]
    rows = sum(p.measured.rows for p in since if p.measured)
    if rows < settings.retrain.min_labelled or shift.p_value >= HINT or shift.rise < material(situation, settings):
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
    told = f"Estimated {_words(row.name)} {point.estimated.value:.3f} against {expected.value:.3f} at the promotion."
    return Signal("estimate", told)


def _growth(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """So many new rows that, by the champion's own learning curve, learning them pays."""
    rows = situation.champion_rows
    new = min(situation.new_rows, sum(p.rows for p in _reign(situation)))
    every = settings.retrain.every_rows
    if every is not None and new >= every:
        return Signal("rows", f"{new} new labelled rows since the champion was fitted (every {every} asked for).")
    if (
        not settings.retrain.on_growth
        or situation.doubling is None
        or rows <= 0
        or new < 2 * settings.retrain.min_labelled
    ):
        return None
    doublings = math.log2(1 + new / rows)
    if situation.grown:  # what pays only in the long run is a flat curve: growth does not follow growth for it
        doublings = min(doublings, NEAR)
    likely, surely = (
        _promise(g, doublings) for g in (situation.doubling, situation.doubling - situation.doubling_error)
    )
    enough = 2 * material(situation, settings)
    steep = surely * 0.5**situation.rejections >= (1.5 if situation.grown else 1.0) * enough
    due = not situation.grown and new >= FIRST * 2**situation.rejections * rows and likely >= enough
    if not (steep or due) or likely < 2 * _blur(situation, settings, new):
        return None
    told = f"{new} new labelled rows beside the champion's {rows}: its learning curve promises {likely:.3f} more."
    return Signal("rows", told)


def _blur(situation: Situation, settings: Settings, new: int) -> float:
    """Standard error of what a contest on the newer half of the new rows could show."""
    level = situation.expected
    if level is None:
        return 0.0
    jury = min(max(new // 2, settings.retrain.min_labelled), _JURY)
    return PAIRED * (level.high - level.low) / 3.92 * math.sqrt(level.rows / jury)


def _promise(doubling: float, doublings: float) -> float:
    """What so many more doublings bring when the last one brought ``doubling``."""
    return doubling * DECAY * (1 - DECAY**doublings) / (1 - DECAY)


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
    "rows": _growth,
}


def _barred(situation: Situation, settings: Settings, signal: Signal) -> str:
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
    if sum(p.measured.rows for p in _measured(situation) if p.measured) < asked.min_labelled:
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


def _calm(situation: Situation, settings: Settings, shift: Shift | None) -> str:
    """Why nothing is done, in a sentence or two."""
    point = situation.points[-1] if situation.points else None
    if point is None:
        return "No batch yet."
    if point.verdict == "too_few_rows":
        return f"Too few rows to say ({point.rows})."
    measured = _measured(situation)
    name = _words(primary(situation.schema, settings.retrain.metric).name)
    level = measured[-1].measured if measured else None
    seen = f"{name} {level.value:.3f} on the newest {level.rows} labelled rows" if level else "no labels yet"
    if point.verdict != "drift":
        return f"No drift (score {point.score:.2f}); {seen}."
    named = ", ".join(point.drifted[:4]) or "links between features"
    if not measured or measured[-1].batch_id < (situation.onset or point.batch_id):
        return f"Drift seen in {named} (score {point.score:.2f}); whether it harms, the labels will tell ({seen})."
    rise = f"loss {shift.rise:.3f}, p = {shift.p_value:.2g}" if shift else "no loss"
    return f"Drift seen in {named} (score {point.score:.2f}), harm not seen: {seen} ({rise})."


def _figures(situation: Situation, shift: Shift | None) -> dict[str, Any]:
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


def _words(metric: str) -> str:
    return metric.replace("_", " ")
