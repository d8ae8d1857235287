"""Which entry of a contest is best, and whether it is better than the champion by enough. Pure."""

from __future__ import annotations

import numpy as np

from pipeline import performance
from pipeline.decide import HEAVY
from pipeline.performance import Paired
from pipeline.retrain.entries import Entry
from pipeline.retrain.order import Order


def choose(entries: list[Entry]) -> Entry:
    """The entry with the largest gain over the champion; the earlier in the list (more rows) when equal."""
    return max(entries, key=lambda entry: np.nan_to_num(entry.against.gain.value, nan=-np.inf))


def restores(entry: Entry, order: Order) -> bool:
    """Whether an earlier champion is back at the level it was promoted with; a new candidate need not be.

    Where nothing new may be fitted, one that is far ahead is enough: it is the best there is until then.
    """
    if entry.rival is None or entry.against.metric not in entry.rival.metrics:
        return True
    row, before = performance.primary(order.schema, order.settings.retrain.metric), entry.rival.metrics
    now, then = entry.against.second, before[entry.against.metric]
    worth = order.settings.retrain.worth * (1.0 if row.task == "classification" else abs(then.value))
    if not order.fit and entry.against.p_better < order.settings.retrain.alpha / 10:
        return entry.against.gain.value > 2 * worth
    slack = (now.high - now.low + then.high - then.low) / 4
    return row.gain(now.value, then.value) < slack + worth


def hasty(entry: Entry, order: Order) -> bool:
    """Whether a candidate that learned within the newest batch alone should wait for the next.

    It is judged within the very batch that it learned, which may be a world of its own. So the lead must be heavy, and
    where the champion is one that had to be called back, the last haste has been paid for already.
    """
    if entry.rows is None or entry.early is not None:
        return False
    if any(rival.version_id > order.champion.version_id for rival in order.retired):
        return True
    against = entry.against
    return against.p_better >= order.settings.retrain.alpha / 10 or against.gain.value < HEAVY * _worth(order, against)


def better(against: Paired, order: Order) -> bool:
    """Whether a candidate beats the champion by more than noise and more than the margin.

    Where rows have come and nothing else is known to have happened, that more of them help is likely beforehand; where
    the champion has measurably lost, that something newer is better. There a lead worth having needs less proof.
    """
    asked, gain = order.settings.retrain, against.gain.value
    if against.p_better < (1 - asked.confidence) / 2:
        return gain > asked.margin
    level = (1 - asked.confidence) * {"rows": 1, "performance": 2}.get(order.trigger, 0)
    return against.p_better < level and gain > max(asked.margin, _worth(order, against))


def _worth(order: Order, against: Paired) -> float:
    """The smallest gain worth acting on, in units of the metric."""
    task = performance.primary(order.schema, order.settings.retrain.metric).task
    return order.settings.retrain.worth * (1.0 if task == "classification" else abs(against.first.value))
