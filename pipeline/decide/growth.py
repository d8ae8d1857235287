"""Whether new rows are worth learning although nothing is wrong: the champion's own learning curve. Pure."""

from __future__ import annotations

import math

from pipeline.decide.level import material, reign
from pipeline.decide.situation import Signal, Situation
from pipeline.performance import Shift
from storage.settings import Settings

DECAY = 0.7  # of the gain of a doubling of rows, from one doubling to the next
FIRST = 8  # times the champion's rows must have come before growth alone trains, where its learning curve is not steep;
# as many times again after each contest that found nothing better: what is not seen soon is not worth looking for often
NEAR = 2.0  # doublings within which growth after growth has to pay
PAIRED = 0.7  # standard error of a difference on the same rows, in standard errors of the level
JURY = 1000  # rows that judge, at most


def growth(situation: Situation, settings: Settings, shift: Shift | None) -> Signal | None:
    """So many new rows that, by the champion's own learning curve, learning them pays."""
    rows = situation.champion_rows
    new = min(situation.new_rows, sum(p.rows for p in reign(situation)))
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
    due = not situation.grown and new >= FIRST ** (1 + situation.rejections) * rows and likely >= enough
    if not (steep or due) or likely < 2 * _blur(situation, settings, new):
        return None
    told = f"{new} new labelled rows beside the champion's {rows}: its learning curve promises {likely:.3f} more."
    return Signal("rows", told)


def _blur(situation: Situation, settings: Settings, new: int) -> float:
    """Standard error of what a contest on the newer half of the new rows could show."""
    level = situation.expected
    if level is None:
        return 0.0
    jury = min(max(new // 2, settings.retrain.min_labelled), JURY)
    return PAIRED * (level.high - level.low) / 3.92 * math.sqrt(level.rows / jury)


def _promise(doubling: float, doublings: float) -> float:
    """What so many more doublings bring when the last one brought ``doubling``."""
    return doubling * DECAY * (1 - DECAY**doublings) / (1 - DECAY)
