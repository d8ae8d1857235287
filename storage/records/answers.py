"""Values that are worked out for a look or a decision and never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from storage.records.models import Metric
from storage.records.scores import DriftReport
from storage.records.words import Action, BatchKind, Kind, Trigger


@dataclass(frozen=True)
class LabelledRows:
    """Rows of one batch that can be learned from or judged on. ``table`` is a pyarrow.Table of features and target."""

    batch_id: int
    table: Any
    predictions: Any = None  # what the champion of the day said; numpy array or None
    probabilities: Any = None  # (rows, classes) float64 or None
    keys: tuple[str, ...] = field(default=())
    positions: Any = None  # place of each row in its batch, which it keeps when others go; None: 0, 1, 2, ...


@dataclass(frozen=True)
class Distribution:
    """One feature in two sets of rows over shared bins, ready to be drawn. Shares are of all rows, nulls included."""

    feature: str
    kind: Kind
    labels: tuple[str, ...]  # of each bin or level
    edges: tuple[float, ...]  # numeric and date: one more than labels; empty for levels
    reference: tuple[float, ...]
    batch: tuple[float, ...]
    new: tuple[bool, ...]  # level never seen in the reference
    reference_null: float
    batch_null: float
    reference_rows: int
    batch_rows: int
    reference_stats: dict[str, float]  # mean, sd, min, q05, q25, q50, q75, q95, max; empty for levels
    batch_stats: dict[str, float]


@dataclass(frozen=True)
class Preview:
    """What a file would do if it were ingested; nothing was stored."""

    name: str
    kind: BatchKind
    rows: int
    labelled: int
    columns: tuple[tuple[str, str], ...]  # (column, what it is read as)
    sample: tuple[dict[str, Any], ...]  # first rows
    warnings: tuple[str, ...]
    duplicate_of: int | None
    report: DriftReport | None
    action: Action
    trigger: Trigger
    reason: str  # whether it would trigger retraining, and why
    predictions: tuple[dict[str, Any], ...]  # first rows: id, prediction, one probability a class


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same rows."""

    a: int  # version ids
    b: int
    batches: tuple[int, ...]
    rows: int
    seen_by: tuple[int, ...]  # versions that were trained on some of these rows: their figures flatter them
    metrics_a: dict[str, Metric]
    metrics_b: dict[str, Metric]
    differences: dict[str, Metric]  # b - a, paired
    primary: str
    verdict: str  # a sentence
    confusion_a: tuple[tuple[int, ...], ...]  # truth x prediction; empty for regression
    confusion_b: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    flips: int  # rows whose answer changes
    flip_rows: tuple[dict[str, Any], ...]  # at most 50: key, features, a, b, label
    flip_segments: tuple[tuple[str, int, float], ...]  # (segment in words, rows, share that changes)
    flips_right: tuple[int, int] = (0, 0)  # of the rows whose answer changes, on how many a and b are right
