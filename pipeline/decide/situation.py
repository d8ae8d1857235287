"""What a decision looks at and what it gives back, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.performance import Paired
from storage.records import Fault, Metric, Schema, Trigger, Verdict

Step = Literal["keep", "train", "quarantine", "hold", "rollback"]


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


def normal_of(details: Mapping[str, Any]) -> Normal | None:
    """The new normal that a choice's details tell of, if they do."""
    found = details.get("normal")
    return Normal(Metric(**found["level"]), found["since"], found["settled"], found["vain"]) if found else None


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
