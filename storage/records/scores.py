"""How far a batch is from the reference, and what becomes of it over many batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from storage.records.words import EpisodeKind, Grain, Kind, Verdict


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
