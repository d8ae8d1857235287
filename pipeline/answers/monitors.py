"""Monitors in plain lines: how each stands, what waits for a person, all that is known of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipeline import alerts, dossier
from pipeline.desk import Shelf
from storage import history
from storage.records import Batch, Monitor


def status(shelf: Shelf, name: str | None = None) -> list[dict[str, Any]]:
    """One plain line a monitor: can it be trusted, and why."""
    found = history.monitors(shelf.db) if name is None else [history.monitor(shelf.db, name)]
    return [_status(shelf, monitor) for monitor in found]


def _status(shelf: Shelf, monitor: Monitor) -> dict[str, Any]:
    batches = history.batches(shelf.db, monitor.id)
    decisions = history.decisions(shelf.db, monitor.id, last=1)
    newest = history.timeline(shelf.db, monitor.id, last=1)
    return {
        "monitor": monitor.name,
        "health": monitor.health,
        "reason": monitor.health_reason,
        "since": monitor.health_since,
        "version": history.version(shelf.db, monitor.champion).number if monitor.champion else None,
        "batches": len(batches),
        "rows": sum(batch.rows for batch in batches),
        "last_batch": batches[-1].name if batches else None,
        "score": float(newest.score[-1]) if len(newest.score) else None,
        "verdict": newest.verdict[-1] if newest.verdict else None,
        "quarantined": len(_waiting(shelf, monitor.id)),
        "decision": decisions[0].action if decisions else None,
        "decision_reason": decisions[0].reason if decisions else "",
    }


def needs_person(shelf: Shelf) -> list[dict[str, Any]]:
    """What waits for a person, newest first: held versions, quarantined batches, failed jobs and trainings."""
    waiting = []
    for monitor in history.monitors(shelf.db):
        for version in history.versions_in_short(shelf.db, monitor.id):
            if version.state == "held":
                waiting.append(_need("held", monitor.name, version.reason, version.created_at, version=version.number))
        for batch in _waiting(shelf, monitor.id):
            waiting.append(_need("quarantined", monitor.name, batch.reason, batch.done_at, batch=batch))
        for batch in dossier.waiting(shelf, monitor.id):
            waiting.append(_need("doubtful", monitor.name, batch.reason, batch.done_at, batch=batch))
    for job in history.jobs(shelf.db):
        if job.failures:
            waiting.append(_need("failed_job", None, f"{job.name}: {job.error}", job.last_run, job=job.name))
    return sorted(waiting, key=lambda need: -(need["since"] or 0))


def _waiting(shelf: Shelf, monitor_id: int) -> list[Batch]:
    found = history.quarantined(shelf.db, monitor_id)
    return [batch for batch in found if not batch.reason.startswith(dossier.DISCARDED)]


def _need(kind: str, monitor: str | None, text: str, since: int | None, **more: Any) -> dict[str, Any]:
    batch = more.get("batch")
    return {
        "kind": kind,
        "monitor": monitor,
        "text": text,
        "since": since,
        "batch_id": batch.id if batch else None,
        "batch_name": batch.name if batch else None,
        "acceptable": bool(batch and batch.version_id is not None),
        "version_number": more.get("version"),
        "job": more.get("job"),
    }


def export(shelf: Shelf, name: str) -> Iterator[dict[str, Any]]:
    """Everything known of a monitor but its rows: settings, batches, reports, decisions, versions, events."""
    monitor = history.monitor(shelf.db, name)
    yield {"kind": "monitor", "value": monitor}
    for row in history.settings_history(shelf.db, monitor.id):
        yield {"kind": "settings", "value": replace(row, data=alerts.masked_settings(row.data))}
    batches = history.batches(shelf.db, monitor.id, ("reference", "rows", "labels"))
    for batch in batches:
        yield {"kind": "batch", "value": batch}
    for batch_id, report in history.reports(shelf.db, [batch.id for batch in batches]):
        yield {"kind": "report", "batch": batch_id, "value": report}
    for kind, question in (
        ("performance", history.performance), ("version", history.versions), ("decision", history.decisions),
        ("episode", history.episodes), ("truth", history.truths),
    ):  # fmt: skip
        for value in question(shelf.db, monitor.id):
            yield {"kind": kind, "value": value}
    for event in history.events(shelf.db, monitor.id, last=-1):
        yield {"kind": "event", "value": event}
