"""How the champion does against the level it is held to: what was measured in its reign, and where it fell. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.decide.situation import Point, Situation
from pipeline.performance import Shift, change_point, primary
from storage.records import Metric
from storage.settings import Settings


def loss_since(situation: Situation, settings: Settings) -> Shift | None:
    """Where the champion's measured performance fell since it was promoted.

    Returns
    -------
    Shift or None
        In units of the metric, turned so that a rise is a loss. ``at`` counts from the level at the promotion (0), when
        that is known, through the measured batches (1, 2, ...).
    """
    sign = -1.0 if primary(situation.schema, settings.retrain.metric).higher else 1.0
    level, points = since_normal(situation)
    known = ([level] if level else []) + [p.measured for p in points if p.measured]
    errors = [max((m.high - m.low) / 3.92, 1e-9) for m in known]
    return change_point([sign * m.value for m in known], errors, [m.rows for m in known])


def since_normal(situation: Situation) -> tuple[Metric | None, list[Point]]:
    """The level that the champion is held to, and the measured batches that are held to it."""
    points, normal = measured(situation), situation.normal
    if normal is None or not reigns(situation):
        return situation.expected, points
    return normal.level, [p for p in points if p.batch_id > normal.settled]


def reigns(situation: Situation) -> bool:
    """Whether the new normal is one of the present champion."""
    points, normal = measured(situation), situation.normal
    return normal is not None and bool(points) and normal.since >= points[0].batch_id


def measured(situation: Situation) -> list[Point]:
    """Sound batches with labels that the champion predicted in its present reign."""
    return [p for p in reign(situation) if p.measured and p.version_id == situation.champion_id and not p.faults]


def reign(situation: Situation) -> Sequence[Point]:
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


def batch_at(situation: Situation, shift: Shift) -> int | None:
    """Id of the batch from which on the losses rose; None where it is not one of those measured."""
    level, points = since_normal(situation)
    at = shift.at - (1 if level else 0)
    return points[at].batch_id if 0 <= at < len(points) else None


def pooled(metrics: Sequence[Metric], rows: float) -> list[Metric]:
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


def spoken(metric: str) -> str:
    """A metric's name as it is said."""
    return metric.replace("_", " ")
