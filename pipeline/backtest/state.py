"""Where a replay stands, how it begins, and how a champion comes to be. In memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, retrain
from pipeline.backtest.score import REFERENCE
from pipeline.decide import Normal, Point
from pipeline.hands import ONE, Hands
from pipeline.models import Predictions
from pipeline.retrain import Outcome, Rival
from storage.records import DriftReport, LabelledRows, Schema
from storage.settings import Settings


@dataclass
class Replay:
    """Where a replay stands."""

    schema: Schema
    settings: Settings
    estimator: str
    seed: int
    reference: LabelledRows
    champion: Rival
    policy: str = "auto"  # as in ``POLICIES``
    hands: Hands = ONE  # what does the fits
    errors: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # of the champion, for a rival policy
    retired: list[Rival] = field(default_factory=list)
    versions: int = 1
    batches: list[LabelledRows] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    trained_at: list[int] = field(default_factory=list)  # batch ids
    promoted_at: int | None = None
    rejections: int = 0
    reports: list[tuple[int, DriftReport]] = field(default_factory=list)
    answered: int = 0  # batch of the last contest that fitted
    watched: dict[int, tuple[Any, Predictions, Predictions]] = field(default_factory=dict)  # since the promotion
    normal: Normal | None = None  # the newest level that had to be accepted
    crowned_by: str = "init"  # trigger that made the champion
    suspect: dict[int, str] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)
    aside: dict[int, LabelledRows] = field(default_factory=dict)  # quarantined
    believed: set[tuple[str, str]] = field(default_factory=set)  # (feature, kind) of faults that are the world's ways
    pending: Rival | None = None
    strange: str = ""  # why the newest labels should be looked at closely
    train_seconds: float = 0.0
    promotions: int = 0


def start(
    table: pa.Table, schema: Schema, settings: Settings, estimator: str, seed: int, policy: str, hands: Hands = ONE
) -> Replay:
    """A replay before its first batch; a rival policy needs only the first model, not what decisions rest on."""
    reference = LabelledRows(REFERENCE, table)
    began = time.perf_counter()
    if policy == "auto":
        outcome = retrain.train_first(reference, schema, estimator, settings, seed, dump=False, hands=hands)
        first = version_of(outcome, 1)
    else:
        model = models.fit(estimator, table, schema, seed)
        first = Rival(1, model, (REFERENCE,), "all history", table.num_rows)
    seconds = time.perf_counter() - began
    return Replay(schema, settings, estimator, seed, reference, first, policy, hands, train_seconds=seconds)


def version_of(outcome: Outcome, version: int) -> Rival:
    """The version that an outcome makes."""
    assert outcome.model is not None
    return Rival(
        version, outcome.model, outcome.trained_on, outcome.recipe, outcome.rows, outcome.metrics, outcome.details
    )


def promote(replay: Replay, at: int, winner: Rival, trigger: str) -> None:
    replay.retired = [r for r in replay.retired if r.version_id != winner.version_id] + [replay.champion]
    replay.champion = winner
    replay.crowned_by = trigger
    replay.promoted_at = at
    replay.promotions += 1
    replay.pending = None
    replay.watched = {}
