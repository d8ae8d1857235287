"""What a careful person would answer where a live monitor asks one. In memory.

A held challenger is confirmed when it also wins on the next batch, turned-round labels are accepted when the next batch
says the same, and so is data that looked broken (after two more batches, where it looks like a wrong unit).
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from pipeline import models, performance
from pipeline.backtest.state import Replay
from pipeline.decide import Point
from pipeline.models import Model, Predictions
from pipeline.retrain import Outcome, Rival

SURE = 0.01  # p-value of the next batch that makes a person confirm


def released(replay: Replay) -> bool:
    """Whether data that looks broken is the world's way: the batch before looked the same, so a person lets both in."""
    newest = [_doubted(point) for point in replay.points[-3:]]
    again = newest[-1] & newest[-2] if len(newest) > 1 else set()
    units = {pair for pair in again if pair[1] == "unit" and (len(newest) < 3 or pair not in newest[0])}
    replay.believed |= again - units
    for number, point in enumerate(replay.points):
        if point.faults and _doubted(point) <= replay.believed:
            replay.points[number] = replace(point, faults=())
            if point.batch_id in replay.aside:
                replay.batches.append(replay.aside.pop(point.batch_id))
    replay.batches.sort(key=lambda rows: rows.batch_id)
    return not replay.points[-1].faults


def _doubted(point: Point) -> set[tuple[str, str]]:
    return {(fault.feature, fault.kind) for fault in point.faults}


def same_again(replay: Replay, at: int, outcome: Outcome) -> bool:
    """Whether the batch before was doubted for the same reason: then the world is like that, and a person accepts."""
    before = at - 1 in replay.suspect or at - 1 in replay.accepted
    if not before or at not in outcome.suspect or not outcome.turned:
        return False
    replay.accepted |= {at - 1, at}
    replay.suspect.pop(at - 1, None)
    return True


def confirms(replay: Replay, held: Rival, rows: pa.Table, said: Predictions) -> str:
    """Why a held challenger would be confirmed after one more batch; empty if it would not."""
    assert isinstance(held.model, Model)
    other = models.predict(held.model, rows)
    against = performance.compare(
        models.target(rows, replay.schema),
        (said.values, said.probabilities),
        (other.values, other.probabilities),
        replay.schema,
        replay.settings.retrain.metric,
    )
    if against.p_better > SURE:
        return ""
    return f"The held challenger wins on the next batch too (p = {against.p_better:.1g}); a person would confirm it."
