"""The nouns: frozen values whose fields are the columns of the tables in ``schema.py``.

Times are integer microseconds since 1970, UTC. Order by ``id``, which grows, never by time: clocks jump.
Values that SQLite cannot hold in one column (tuples, dictionaries) are stored as JSON in a column of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Task = Literal["classification", "regression"]
Kind = Literal["numeric", "categorical", "date", "ignored"]
BatchKind = Literal["reference", "rows", "labels"]
BatchState = Literal["received", "validated", "scored", "decided", "training", "judged", "done", "quarantined"]
Verdict = Literal["stable", "drift", "too_few_rows"]
Grain = Literal["day", "week"]
Action = Literal["keep", "train", "promote", "reject", "hold", "quarantine", "rollback", "accept", "fail"]
Trigger = Literal[
    "init", "none", "drift", "performance", "estimate", "schedule", "rows", "fault", "person", "watch", "labels"
]
Health = Literal["healthy", "drifting", "unreliable", "learning", "needs_you", "no_data"]
VersionState = Literal["champion", "candidate", "held", "retired", "rejected", "rolled_back"]
EpisodeKind = Literal["drift", "performance", "fault"]
Level = Literal["info", "warning", "error"]
Role = Literal["viewer", "operator"]

TERMINAL: tuple[BatchState, ...] = ("done", "quarantined")


@dataclass(frozen=True)
class Feature:
    """One watched column. ``note`` says why it is ignored, or what was noticed when its kind was inferred."""

    name: str
    kind: Kind
    note: str = ""


@dataclass(frozen=True)
class Schema:
    """What a table must look like to be a batch of a monitor."""

    features: tuple[Feature, ...]
    target: str
    task: Task
    classes: tuple[str, ...] = ()  # text of every class, in the model's order; empty for regression
    id_column: str | None = None
    time_column: str | None = None

    @property
    def watched(self) -> tuple[Feature, ...]:
        """The features that are profiled, scored and learned from."""
        return tuple(feature for feature in self.features if feature.kind != "ignored")


@dataclass(frozen=True)
class Monitor:
    """One watched model."""

    id: int
    name: str
    schema: Schema
    estimator: str  # dotted path of a scikit-learn estimator, or a recipe name of ``pipeline.models``
    grid: str  # JSON of the profile grid (see ``pipeline.profile.Grid``)
    champion: int | None  # versions.id
    health: Health
    health_reason: str
    health_since: int
    demo: bool
    created_at: int


@dataclass(frozen=True)
class SettingsRow:
    """One version of a monitor's settings; the newest is in force. Append-only."""

    id: int
    monitor_id: int
    data: dict[str, Any]
    author: str
    note: str
    created_at: int


@dataclass(frozen=True)
class Batch:
    """One delivery: the reference, production rows, or labels that arrive after their rows."""

    id: int
    monitor_id: int
    kind: BatchKind
    name: str  # label only, never a path
    sha256: str
    size: int  # bytes
    source: str  # inbox, command, upload, http, init, demo
    state: BatchState
    attempts: int
    reason: str
    warnings: tuple[str, ...]
    rows: int
    labelled: int  # rows that have a label by now
    starts_at: int | None  # of the time column
    ends_at: int | None
    version_id: int | None  # champion that predicted it
    learnable: bool  # False: never merged into training data (fault, quarantine)
    received_at: int
    done_at: int | None
    removed_at: int | None = None  # when its file was let go, or what is left of it forgotten


@dataclass(frozen=True)
class FeatureDrift:
    """How far one feature of a batch is from the reference."""

    name: str
    kind: Kind
    score: float  # 1.0 is the alarm line; see pipeline.drift
    p_value: float
    drift: bool
    verdict: Verdict
    effect: float  # bias-corrected effect size, 0 = none
    distances: dict[str, float]
    null_rate: float
    reference_null_rate: float
    new_levels: tuple[str, ...]
    eye: str  # which check carries the score: location, shape, tails, nulls, levels, ...
    explanation: str


@dataclass(frozen=True)
class Link:
    """A pair of features whose dependence changed."""

    a: str
    b: str
    score: float
    p_value: float
    reference: float  # association in the reference, -1..1
    batch: float
    drift: bool


@dataclass(frozen=True)
class Fault:
    """A sign that the data is broken rather than changed."""

    feature: str
    kind: str  # unit, nulls, constant, out_of_range, levels
    share: float  # of rows
    explanation: str


@dataclass(frozen=True)
class DriftReport:
    """One batch against the reference: a verdict for the batch, one line a feature, faults, broken links."""

    rows: int
    verdict: Verdict
    score: float  # 1.0 is the alarm line
    p_value: float
    features: tuple[FeatureDrift, ...]
    links: tuple[Link, ...] = ()
    link_score: float = 0.0
    faults: tuple[Fault, ...] = ()
    explanation: str = ""

    @property
    def drift(self) -> bool:
        """Whether the batch as a whole drifts."""
        return self.verdict == "drift"

    def with_features(self, features: Iterable[FeatureDrift]) -> DriftReport:
        """A copy with these features."""
        return replace(self, features=tuple(features))

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the features that drift, worst first."""
        hits = sorted((f for f in self.features if f.drift), key=lambda f: -f.score)
        return tuple(f.name for f in hits)


@dataclass(frozen=True)
class Period:
    """The batches of one day or week, merged and judged as one."""

    monitor_id: int
    grain: Grain
    starts_at: int
    batches: int  # how many are merged
    mark: int  # sum of their ids: tells when the period holds other batches by now
    rows: int
    score: float
    verdict: Verdict
    explanation: str
    names_id: int
    data: bytes  # line of feature scores, see storage/lines.py
    reference_id: int
    settings_id: int
    created_at: int


@dataclass(frozen=True)
class Episode:
    """Successive batches of one trouble, told as one event."""

    id: int
    monitor_id: int
    kind: EpisodeKind
    onset_batch: int  # estimated first batch touched
    found_batch: int  # batch at which it was said
    end_batch: int | None  # last batch touched; None while it lasts
    features: tuple[str, ...]
    summary: str


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


@dataclass(frozen=True)
class Backtest:
    """Policies replayed over a history: asked for, running in a child process, then done or failed."""

    id: int
    monitor_id: int | None  # None: a file for no monitor
    name: str  # of the file, or of the monitor
    state: Literal["queued", "running", "done", "failed"]
    options: dict[str, Any]  # see pipeline.backtest.compared
    progress: dict[str, Any]  # done, of, what
    result: dict[str, Any]  # what pipeline.backtest.compared returns; empty until done
    error: str
    attempts: int
    author: str
    created_at: int
    started_at: int | None
    ended_at: int | None


@dataclass(frozen=True)
class Event:
    """One line of the ledger that a person can read."""

    id: int
    monitor_id: int | None
    batch_id: int | None
    level: Level
    kind: str
    message: str
    details: dict[str, Any]
    author: str
    created_at: int


@dataclass(frozen=True)
class User:
    """A person who may sign in."""

    id: int
    name: str
    role: Role
    password: str  # scrypt hash
    created_at: int


@dataclass(frozen=True)
class Token:
    """A machine's way in; it was shown once, and only its hash is kept."""

    id: int
    name: str
    role: Role
    sha256: str
    created_at: int


@dataclass(frozen=True)
class Session:
    """A browser that is signed in."""

    sha256: str  # of the secret in its cookie
    user_id: int
    ends_at: int


@dataclass(frozen=True)
class Job:
    """The state of one scheduled job."""

    name: str
    last_run: int | None
    last_ok: int | None
    failures: int  # in a row
    error: str
    next_run: int | None


@dataclass(frozen=True)
class Truth:
    """What the simulator did to the demo's world, so that the page can set it beside what was said."""

    monitor_id: int
    starts_at: int
    ends_at: int | None
    kind: str
    features: tuple[str, ...]
    description: str
    day: int = 0


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
