"""Versions of a model: the trainings they come from, and which of them is champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlite_utils import Database

from storage import codec
from storage.errors import Missing
from storage.records import Action, Decision, Event, Health, Training, Version
from storage.writes import ledger, put


@dataclass(frozen=True)
class Judged:
    """What came of a training."""

    verdict: Action
    version: Version | None = None  # new, not yet stored
    reference: tuple[int, Mapping[str, bytes]] | None = None  # rows and profile of what it was trained on
    recalled: int | None = None  # an earlier version that won
    suspect: Mapping[int, str] = field(default_factory=dict)  # batches not to be learned from until a person says so
    progress: Mapping[str, Any] = field(default_factory=dict)


def add_training(db: Database, training: Training, decision: Decision, event: Event, health: tuple[Health, str]) -> int:
    """A training that a person or the calendar asked for."""
    training_id = put.insert(db, "trainings", training)
    ledger.note(db, decision, health, event)
    return training_id


def training_started(db: Database, training_id: int, now: int) -> int:
    """Mark a training as running; returns the number of this attempt."""
    db.execute(
        "UPDATE trainings SET state = 'running', attempts = attempts + 1, started_at = ? WHERE id = ?",
        [now, training_id],
    )
    return put.one(db, "SELECT attempts FROM trainings WHERE id = ?", [training_id])


def training_progress(db: Database, training_id: int, progress: Mapping[str, Any]) -> None:
    """What the child process says of its work."""
    db.execute("UPDATE trainings SET progress = ? WHERE id = ?", [codec.to_json(progress), training_id])


def judged(
    db: Database,
    training: Training,
    decision: Decision,
    health: tuple[Health, str],
    events: Sequence[Event],
    result: Judged,
) -> int | None:
    """The end of a training: the version with its reference, the champion, the decision and the batch's state.

    Returns
    -------
    int or None
        The version that came of it, new or recalled.
    """
    version_id = result.recalled
    if result.version is not None:
        version_id = insert_version(db, result.version, result.reference)
    if result.verdict == "promote" and version_id is not None:
        crown(db, training.monitor_id, version_id)
    state = "failed" if result.verdict == "fail" else "judged"
    db.execute(
        "UPDATE trainings SET state = ?, ended_at = ?, progress = ? WHERE id = ?",
        [state, decision.created_at, codec.to_json(result.progress), training.id],
    )
    for batch_id, doubt in result.suspect.items():
        db.execute("UPDATE batches SET learnable = 0, reason = ? WHERE id = ?", [doubt, batch_id])
    if training.batch_id is not None:
        db.execute("UPDATE batches SET state = 'judged', attempts = 0 WHERE id = ?", [training.batch_id])
    ledger.note(db, replace(decision, challenger_id=version_id), health, *events)
    return version_id


def crowned(db: Database, version_id: int, decision: Decision, health: tuple[Health, str], event: Event) -> None:
    """Another version becomes champion: promoted by a person, confirmed after a hold, or rolled back to."""
    leaving = "rolled_back" if decision.action == "rollback" else "retired"
    crown(db, decision.monitor_id, version_id, leaving)
    ledger.note(db, decision, health, event)


def refused(db: Database, version_id: int, decision: Decision, health: tuple[Health, str], event: Event) -> None:
    """A person refuses a held version."""
    db.execute("UPDATE versions SET state = 'rejected' WHERE id = ?", [version_id])
    ledger.note(db, decision, health, event)


def pinned(db: Database, version_id: int, pinned: bool, event: Event) -> None:
    """Keep a version for good, or no longer."""
    db.execute("UPDATE versions SET pinned = ? WHERE id = ?", [int(pinned), version_id])
    put.insert(db, "events", event)


def insert_version(db: Database, version: Version, reference: tuple[int, Mapping[str, bytes]] | None) -> int:
    """A version under the next number of its monitor, with the profile of what it was trained on."""
    query = "SELECT coalesce(max(number), 0) + 1 FROM versions WHERE monitor_id = ?"
    number = put.one(db, query, [version.monitor_id])
    version_id = put.insert(db, "versions", replace(version, number=number))
    if reference is not None:
        rows, parts = reference
        db.table("references_of_versions").insert_all(
            {"version_id": version_id, "feature": feature, "rows": rows, "data": data}
            for feature, data in parts.items()
        )
    return version_id


def crown(db: Database, monitor_id: int, version_id: int, leaving: str = "retired") -> None:
    """Exactly one champion: the old one leaves and the new one comes in the same breath."""
    if not list(db.query("SELECT 1 FROM versions WHERE id = ? AND monitor_id = ?", [version_id, monitor_id])):
        raise Missing(f"There is no version {version_id} of this monitor.")
    db.execute("UPDATE versions SET state = ? WHERE monitor_id = ? AND state = 'champion'", [leaving, monitor_id])
    db.execute("UPDATE versions SET state = 'champion' WHERE id = ?", [version_id])
    db.execute("UPDATE monitors SET champion = ? WHERE id = ?", [version_id, monitor_id])
