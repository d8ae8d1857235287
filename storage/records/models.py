"""Versions of a model, how well they do, and what is decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from storage.records.words import Action, Trigger, VersionState


@dataclass(frozen=True)
class Metric:
    """A figure with its interval and the number of rows behind it."""

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Performance:
    """Metrics of a batch as known at one moment. A later row revises an earlier one; both are kept."""

    id: int
    batch_id: int
    version_id: int
    basis: Literal["measured", "estimated"]
    metrics: dict[str, Metric]
    primary: str  # which metric decides
    labelled: int
    rows: int
    details: dict[str, Any]  # confusion matrix, calibration, per class
    created_at: int


@dataclass(frozen=True)
class Version:
    """One trained model, whole: bytes by hash, where it comes from, how good it was and what became of it."""

    id: int
    monitor_id: int
    number: int  # v1, v2, ... within the monitor
    parent_id: int | None
    state: VersionState
    recipe: str  # e.g. "all history", "last 4 batches"
    trained_on: tuple[int, ...]  # batch ids
    rows: int
    estimator: str
    settings_id: int
    seed: int
    sha256: str
    size: int
    metrics: dict[str, Metric]  # on rows it was not trained on
    judged_on: tuple[int, ...]  # batch ids of those rows
    importance: dict[str, float]
    candidates: tuple[dict[str, Any], ...]  # the contest it came from
    environment: dict[str, str]  # library versions, code revision
    details: dict[str, Any]
    reason: str  # why it came, and why it went
    train_seconds: float
    pinned: bool
    created_at: int
    removed_at: int | None = None  # when its bytes were let go; the figures stay


@dataclass(frozen=True)
class Decision:
    """What was decided about the model, and on what grounds. Append-only."""

    id: int
    monitor_id: int
    batch_id: int | None
    action: Action
    trigger: Trigger
    reason: str
    details: dict[str, Any]
    version_id: int | None  # champion at the time
    challenger_id: int | None
    settings_id: int
    author: str  # schedule, command, page, ...
    created_at: int


@dataclass(frozen=True)
class Training:
    """A piece of learning asked for: queued, running in a child process, then judged."""

    id: int
    monitor_id: int
    batch_id: int | None
    state: Literal["queued", "running", "judged", "failed"]
    trigger: Trigger
    reason: str
    attempts: int
    progress: dict[str, Any]
    created_at: int
    started_at: int | None
    ended_at: int | None
