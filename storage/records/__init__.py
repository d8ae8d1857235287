"""The nouns: frozen values whose fields are the columns of the tables in ``schema.py``, a file per kind of thing.

Times are integer microseconds since 1970, UTC. Order by ``id``, which grows, never by time: clocks jump.
Values that SQLite cannot hold in one column (tuples, dictionaries) are stored as JSON in a column of the same name.
Only what is in ``answers`` has no table.
"""

from storage.records.accounts import Session, Token, User
from storage.records.answers import Comparison, Distribution, LabelledRows, Preview
from storage.records.deliveries import Batch
from storage.records.ledger import Backtest, Event, Job
from storage.records.models import Decision, Metric, Performance, Training, Version
from storage.records.monitors import Feature, Monitor, Schema, SettingsRow, Truth
from storage.records.scores import DriftReport, Episode, Fault, FeatureDrift, Link, Period
from storage.records.words import (
    Action,
    BatchKind,
    BatchState,
    EpisodeKind,
    Grain,
    Health,
    Kind,
    Level,
    Role,
    Task,
    Trigger,
    Verdict,
    VersionState,
)

__all__ = [
    "Action",
    "Backtest",
    "Batch",
    "BatchKind",
    "BatchState",
    "Comparison",
    "Decision",
    "Distribution",
    "DriftReport",
    "Episode",
    "EpisodeKind",
    "Event",
    "Fault",
    "Feature",
    "FeatureDrift",
    "Grain",
    "Health",
    "Job",
    "Kind",
    "LabelledRows",
    "Level",
    "Link",
    "Metric",
    "Monitor",
    "Performance",
    "Period",
    "Preview",
    "Role",
    "Schema",
    "Session",
    "SettingsRow",
    "Task",
    "Token",
    "Training",
    "Trigger",
    "Truth",
    "User",
    "Verdict",
    "Version",
    "VersionState",
]
