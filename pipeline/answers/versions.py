"""Versions: in plain lines, when each was live, beside each other, trained again."""

from __future__ import annotations

from typing import Any

from pipeline import compare, drift, lineage, quality
from pipeline.desk import Shelf
from storage import history
from storage.records import Comparison, DriftReport


def version_lines(shelf: Shelf, name: str) -> list[dict[str, Any]]:
    """One plain line a version."""
    monitor = history.monitor(shelf.db, name)
    metric = quality.metric_of(monitor, history.settings_in_force(shelf.db, monitor.id))
    return [
        {
            "version": version.number,
            "state": version.state,
            "recipe": version.recipe,
            "rows": version.rows,
            "metric": metric,
            "value": version.metrics[metric].value if metric in version.metrics else None,
            "reason": version.reason,
            "created_at": version.created_at,
            "sha256": version.sha256,
        }
        for version in history.versions(shelf.db, monitor.id)
    ]


def live(shelf: Shelf, name: str, start: int, stop: int) -> list[dict[str, Any]]:
    """What was live between two moments and why: a line a champion, then a line a batch with rows of that time.

    The first go by the clock of this program, the second by the data's own dates, which may lie elsewhere.
    """
    monitor = history.monitor(shelf.db, name)
    numbers = {version.id: version.number for version in history.versions(shelf.db, monitor.id)}
    lines = [
        {
            "version": reign.version.number, "since": reign.since.created_at,
            "until": reign.until.created_at if reign.until else None, "trigger": reign.since.trigger,
            "author": reign.since.author, "reason": reign.since.reason,
            "ended_by": reign.until.reason if reign.until else "",
        }
        for reign in history.live(shelf.db, monitor.id, start, stop)
    ]  # fmt: skip
    return lines + [
        {"batch": batch.id, "name": batch.name, "rows": batch.rows, "version": numbers.get(batch.version_id)}
        for batch in history.dated(shelf.db, monitor.id, start, stop)
    ]


def reproduce(shelf: Shelf, name: str, number: int) -> dict[str, Any]:
    """A version trained again from its lineage, beside the stored one."""
    monitor = history.monitor(shelf.db, name)
    return lineage.reproduce(shelf, monitor, history.version_numbered(shelf.db, monitor.id, number))


def learned_apart(shelf: Shelf, monitor: str, a: int, b: int) -> DriftReport:
    """How far what version b was trained on is from what version a was trained on, from their profiles."""
    owner = history.monitor(shelf.db, monitor)
    base, other = (history.version_numbered(shelf.db, owner.id, number).id for number in (a, b))
    return drift.score(shelf.reference(base), shelf.reference(other), history.settings_in_force(shelf.db, owner.id))


def model_bytes(shelf: Shelf, version_id: int) -> bytes:
    """The artefact of a version, checked against its hash."""
    return shelf.vault.get("models", history.version(shelf.db, version_id).sha256)


def compared(shelf: Shelf, monitor_id: int, ids: tuple[int, ...], stamp: tuple[int, ...]) -> tuple[Comparison, ...]:
    """Versions beside the first of them on the same newest labelled rows, which are those of the stamp."""
    owner = history.monitor_by_id(shelf.db, monitor_id)
    base, *rest = (history.version(shelf.db, version_id) for version_id in ids)
    return compare.versions(shelf, owner, history.settings_in_force(shelf.db, monitor_id), base, rest)


def labels_stamp(shelf: Shelf, monitor_id: int) -> tuple[int, ...]:
    """What changes whenever the labelled rows or the settings do."""
    delivered = history.batches(shelf.db, monitor_id, ("labels",), last=1)
    settled = history.settings_row(shelf.db, monitor_id).id
    newest = (delivered[0].id, delivered[0].labelled) if delivered else ()
    return (history.learnable_rows(shelf.db, monitor_id), settled, *newest)
