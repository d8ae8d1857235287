"""What may be let go: rows and files of old batches, and bytes of old versions. Scores and profiles stay for ever."""

from __future__ import annotations

from sqlite_utils import Database

from storage import history
from storage.records import Monitor
from storage.settings import KeepSettings

_DAY = 86_400_000_000  # microseconds


def old_rows(db: Database, monitor: Monitor, keep: KeepSettings, now: int) -> tuple[int, ...]:
    """Finished batches older than the settings say. The reference stays: every training begins with it."""
    if keep.rows_days is None:
        return ()
    query = (
        "SELECT id FROM batches WHERE monitor_id = ? AND kind <> 'reference' AND state IN ('done', 'quarantined') "
        "AND removed_at IS NULL AND received_at < ? ORDER BY id"
    )
    return tuple(row["id"] for row in db.query(query, [monitor.id, now - keep.rows_days * _DAY]))


def old_versions(db: Database, monitor: Monitor, keep: KeepSettings) -> tuple[int, ...]:
    """Versions beyond the newest so many, but never the champion, one that waits for a person, or a pinned one."""
    idle = [
        version
        for version in history.versions(db, monitor.id)
        if version.state not in ("champion", "held", "candidate") and not version.pinned and version.removed_at is None
    ]
    return tuple(version.id for version in idle[: max(0, len(idle) - keep.versions)])
