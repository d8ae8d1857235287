"""What is watched: a model, the table it takes, its settings; and what the simulator did to its world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage.records.words import Health, Kind, Task


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
class Truth:
    """What the simulator did to the demo's world, so that the page can set it beside what was said."""

    monitor_id: int
    starts_at: int
    ends_at: int | None
    kind: str
    features: tuple[str, ...]
    description: str
    day: int = 0
