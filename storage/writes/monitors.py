"""Monitors and their settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from storage import codec
from storage.errors import Conflict
from storage.records import Batch, Decision, Event, Monitor, SettingsRow, Truth, Version
from storage.writes import deliveries, models, put, scores


def add_monitor(
    db: Database,
    monitor: Monitor,
    settings: SettingsRow,
    reference: Batch,
    rows: Iterable[Mapping[str, Any]],
    parts: Mapping[str, bytes],
    version: Version,
    event: Event,
) -> Monitor:
    """A whole monitor at once: settings, reference rows and profile, first version as champion."""
    if list(db.query("SELECT 1 FROM monitors WHERE name = ?", [monitor.name])):
        raise Conflict(f"A monitor named {monitor.name!r} is already there.")
    monitor_id = put.insert(db, "monitors", replace(monitor, champion=None))
    settings_id = put.insert(db, "settings", replace(settings, monitor_id=monitor_id))
    batch_id = put.insert(db, "batches", replace(reference, monitor_id=monitor_id, version_id=None))
    deliveries.insert_rows(db, batch_id, rows)
    scores.insert_parts(db, batch_id, parts)
    first = replace(version, monitor_id=monitor_id, settings_id=settings_id, trained_on=(batch_id,), state="candidate")
    version_id = models.insert_version(db, first, (reference.rows, parts))
    models.crown(db, monitor_id, version_id)
    decision = Decision(
        id=0,
        monitor_id=monitor_id,
        batch_id=batch_id,
        action="promote",
        trigger="init",
        reason=version.reason,
        details={},
        version_id=None,
        challenger_id=version_id,
        settings_id=settings_id,
        author=event.author,
        created_at=event.created_at,
    )
    put.insert(db, "decisions", decision)
    put.insert(db, "events", replace(event, monitor_id=monitor_id, batch_id=batch_id))
    return replace(monitor, id=monitor_id, champion=version_id)


def change_settings(db: Database, settings: SettingsRow, event: Event) -> int:
    """A new row of settings comes into force."""
    settings_id = put.insert(db, "settings", settings)
    put.insert(db, "events", event)
    return settings_id


def add_truths(db: Database, truths: Sequence[Truth]) -> None:
    """What the simulator does to its world; known ones are left as they are."""
    for truth in truths:
        db.table("truths").insert(codec.to_row(truth), ignore=True)
