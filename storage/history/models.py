"""Questions about versions, the decisions on them and their trainings."""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from storage.errors import Missing
from storage.history.ask import first, records, stored_metrics
from storage.records import Decision, Metric, Training, Version, VersionState


def versions(db: Database, monitor_id: int) -> list[Version]:
    """Every version of a monitor, oldest first."""
    return records(db, Version, "SELECT * FROM versions WHERE monitor_id = ? ORDER BY number", [monitor_id])


@dataclass(frozen=True)
class VersionInShort:
    """What a chart or a list says of a version."""

    id: int
    number: int
    parent_id: int | None
    state: VersionState
    recipe: str
    rows: int
    reason: str
    train_seconds: float
    pinned: bool
    created_at: int
    metrics: dict[str, Metric]


def versions_in_short(db: Database, monitor_id: int) -> list[VersionInShort]:
    """Every version of a monitor as pages list it, oldest first: contests, importance and environments are not read."""
    query = (
        "SELECT id, number, parent_id, state, recipe, rows, reason, train_seconds, pinned, created_at, metrics "
        "FROM versions WHERE monitor_id = ? ORDER BY number"
    )
    cells = db.conn.execute(query, [monitor_id]).fetchall()
    return [
        VersionInShort(*plain, bool(pinned), created, stored_metrics(text)) for *plain, pinned, created, text in cells
    ]


def version(db: Database, version_id: int) -> Version:
    """One version by its id. Raises Missing."""
    return first(records(db, Version, "SELECT * FROM versions WHERE id = ?", [version_id]), f"version {version_id}")


def version_numbered(db: Database, monitor_id: int, number: int) -> Version:
    """One version by its number within the monitor. Raises Missing with the numbers there are."""
    query = "SELECT * FROM versions WHERE monitor_id = ? AND number = ?"
    found = records(db, Version, query, [monitor_id, number])
    if not found:
        numbers = ", ".join(f"v{item.number}" for item in versions(db, monitor_id))
        raise Missing(f"There is no version v{number}. Versions here: {numbers or 'none'}.")
    return found[0]


def decisions(db: Database, monitor_id: int, last: int | None = None, batch_id: int | None = None) -> list[Decision]:
    """Decisions, newest first; of one batch if given."""
    query = "SELECT * FROM decisions WHERE monitor_id = ? AND (? IS NULL OR batch_id = ?) ORDER BY id DESC LIMIT ?"
    return records(db, Decision, query, [monitor_id, batch_id, batch_id, -1 if last is None else last])


@dataclass(frozen=True)
class Happening:
    """A decision that did something, as a chart marks it."""

    id: int
    batch_id: int | None
    action: str
    reason: str
    created_at: int


def happenings(db: Database, monitor_id: int, since: int, moment: int) -> list[Happening]:
    """Decisions that did something, oldest first, from a batch or (those without one) from a moment on."""
    query = (
        "SELECT id, batch_id, action, reason, created_at FROM decisions WHERE monitor_id = ? AND action <> 'keep' AND "
        "\"trigger\" <> 'init' AND (batch_id >= ? OR batch_id IS NULL AND created_at >= ?) ORDER BY id"
    )
    return [Happening(*cell) for cell in db.conn.execute(query, [monitor_id, since, moment])]


def reigns(db: Database, monitor_id: int) -> list[Decision]:
    """The decisions that changed the champion, oldest first: who was live when, and why."""
    query = (
        "SELECT * FROM decisions WHERE monitor_id = ? AND action IN ('promote', 'rollback') "
        "AND challenger_id IS NOT NULL ORDER BY id"
    )
    return records(db, Decision, query, [monitor_id])


@dataclass(frozen=True)
class Reign:
    """One version's time as champion, with the decision that brought it and the one that ended it."""

    version: Version
    since: Decision
    until: Decision | None  # None: it is still the champion


def live(db: Database, monitor_id: int, start: int, stop: int) -> list[Reign]:
    """Which versions were champion between two moments (microseconds, ``stop`` not included), oldest first, and why."""
    line = reigns(db, monitor_id)
    known = {item.id: item for item in versions(db, monitor_id)}
    ends = [*line[1:], None]
    return [
        Reign(known[since.challenger_id], since, until)
        for since, until in zip(line, ends, strict=True)
        if since.challenger_id in known and since.created_at < stop and (until is None or until.created_at > start)
    ]


def rejections(db: Database, monitor_id: int) -> dict[int, tuple[int, str]]:
    """For each champion that kept challengers out: how many contests it won, and the reason of the last."""
    query = (
        "SELECT version_id, count(*), max(id), reason FROM decisions WHERE monitor_id = ? AND action = 'reject' "
        "AND challenger_id IS NULL AND version_id IS NOT NULL GROUP BY version_id"
    )
    return {row[0]: (row[1], row[3]) for row in db.conn.execute(query, [monitor_id])}


def trainings(db: Database, monitor_id: int, open_only: bool = False, last: int | None = None) -> list[Training]:
    """Trainings, newest first."""
    query = (
        "SELECT * FROM trainings WHERE monitor_id = ? AND (? = 0 OR state IN ('queued', 'running')) "
        "ORDER BY id DESC LIMIT ?"
    )
    return records(db, Training, query, [monitor_id, int(open_only), -1 if last is None else last])
