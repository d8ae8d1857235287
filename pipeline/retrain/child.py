"""The contest in a child process."""

from __future__ import annotations

from pipeline import apart
from pipeline.apart import Progress
from pipeline.retrain.contest import contest
from pipeline.retrain.order import Order, Outcome


def run(order: Order, seconds: float, progress: Progress | None = None) -> Outcome:
    """A contest in a child process; raises as ``apart.call``."""
    return apart.call(contest, (order,), seconds, progress, "training")
