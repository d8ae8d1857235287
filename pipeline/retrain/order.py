"""What a contest is given and what it gives back. Plain values that travel to a child process and home."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.models import Model
from storage.records import LabelledRows, Metric, Schema, Trigger
from storage.settings import Settings


@dataclass(frozen=True)
class Rival:
    """A version that exists already."""

    version_id: int
    model: Model | bytes  # artefact whose hash has been checked
    trained_on: tuple[int, ...] = ()  # batch ids
    recipe: str = ""
    rows: int = 0  # it was fitted on
    metrics: dict[str, Metric] = field(default_factory=dict)  # when it was promoted
    details: dict[str, Any] = field(default_factory=dict)  # of its version
    size: int = 0  # bytes of its artefact


@dataclass(frozen=True)
class Order:
    """One contest, whole: everything it may look at. The tables hold features and target."""

    schema: Schema
    estimator: str
    settings: Settings
    seed: int
    reference: LabelledRows  # the whole first training table, in time order
    batches: tuple[LabelledRows, ...]  # learnable production batches in time order; rows without a label are skipped
    champion: Rival
    retired: tuple[Rival, ...] = ()  # earlier champions, newest first
    trigger: Trigger = "person"
    reason: str = ""
    change_at: int | None = None  # batch id where the change is estimated to have begun
    accepted: tuple[int, ...] = ()  # batches whose labels a person has accepted: they are not doubted
    fit: bool = True  # False: judge earlier champions only
    dump: bool = True  # False: leave the winner as an object (a backtest keeps everything in memory)
    look: tuple[int, ...] = ()  # batches whose labels seemed strange when they came


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    action: Literal["promote", "reject", "hold"]
    reason: str
    candidates: tuple[dict[str, Any], ...] = ()  # recipe, batches, rows, value, low, high, gain, seconds, note
    recipe: str = ""
    recalled: int | None = None  # version id, when an earlier champion won: nothing new was fitted
    artefact: bytes | None = None  # of the winner; also when it is held
    trained_on: tuple[int, ...] = ()  # batch ids
    rows: int = 0
    metrics: dict[str, Metric] = field(default_factory=dict)  # of the winner on the jury, before the last fit
    judged_on: tuple[int, ...] = ()
    importance: dict[str, float] = field(default_factory=dict)
    comparison: dict[str, Any] = field(default_factory=dict)  # champion, challenger, gain with interval, p, flips
    suspect: tuple[int, ...] = ()  # batches whose labels are doubted: not to be learned until a person accepts them
    turned: bool = False  # labels are doubted because they say the opposite of the predictions
    doubts: tuple[str, ...] = ()  # why it is held
    details: dict[str, Any] = field(default_factory=dict)  # calibration, doubling, holdout, gates, confusion
    environment: dict[str, str] = field(default_factory=dict)
    fitted: int = 0  # models fitted; 0 when only earlier champions were judged
    seconds: float = 0.0
    model: Model | None = None  # the winner as an object, when no artefact was asked for
