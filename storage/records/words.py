"""The words that a column may hold: states, kinds, verdicts. They equal the checks in ``schema.py``."""

from __future__ import annotations

from typing import Literal

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
