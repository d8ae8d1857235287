"""What keeps a data folder whole while it is used: promises checked, backups made, old rows and versions let go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sqlite_utils import Database

from pipeline import dossier
from pipeline.desk import Desk, Shelf
from pipeline.profile import Profile
from storage import history, upkeep
from storage.errors import Damaged, Missing, ProductError, Unhealthy
from storage.oblivion import Forgotten, strip_level
from storage.records import Decision, Monitor
from storage.settings import parse
from storage.vault import AREAS

_STRAY_SECONDS = 3600
_LOG_WARNING = 48 << 20  # bytes of write-ahead log at which it is emptied, reader or not


def doctor(folder: Path) -> Iterator[upkeep.Finding]:
    """Every promise of storage, and that each champion loads and repeats its stored predictions.

    Raises
    ------
    Missing
        If there is no data folder.
    """
    yield from upkeep.doctor(folder)
    shelf = Shelf(folder)
    try:
        wrong = [text for monitor in history.monitors(shelf.db) if (text := _champion_trouble(shelf, monitor))]
    except ProductError as error:
        wrong = [f"could not be checked: {error}"]
    finally:
        shelf.close()
    name = "Every champion loads and repeats its stored predictions"
    yield upkeep.Finding(name, not wrong, f"{name}: {'; '.join(wrong)}" if wrong else f"{name}.")


def _champion_trouble(shelf: Shelf, monitor: Monitor) -> str:
    try:
        shelf.model(monitor.champion)
    except ProductError as error:
        return f"{monitor.name}: {error}"
    return ""


# --- a champion whose bytes are damaged -------------------------------------------------------------------------------


def sound_champion(desk: Desk, monitor: Monitor) -> Monitor:
    """The monitor with a champion that can be loaded: its own, mended from a backup, or the last good one before it.

    Raises
    ------
    Damaged
        If no version of the monitor can be loaded.
    """
    try:
        desk.model(monitor.champion)
        return monitor
    except (Damaged, Missing) as error:
        trouble = str(error)
    bad = history.version(desk.db, monitor.champion)
    whole = upkeep.recover_part(desk.folder, "models", bad.sha256)
    if whole is not None:
        desk.vault.replace("models", bad.sha256, whole)
        text = f"v{bad.number}: {trouble} Its bytes were brought back from a backup."
        desk.store.add_event(desk.event(monitor, "mended", text, level="warning"))
        return monitor
    return _fall_back(desk, monitor, trouble)


def _fall_back(desk: Desk, monitor: Monitor, trouble: str) -> Monitor:
    for decision in reversed(history.reigns(desk.db, monitor.id)):
        former = decision.challenger_id
        if former in (None, monitor.champion):
            continue
        try:
            desk.model(former)
        except (Damaged, Missing):
            continue
        number = history.version(desk.db, former).number
        text = f"{trouble} v{number}, the last version that is whole, serves in its place. Train again, or restore."
        settings_id = history.settings_row(desk.db, monitor.id).id
        back = Decision(
            0, monitor.id, None, "rollback", "fault", text, {}, monitor.champion, former, settings_id, "schedule",
            desk.now(),
        )  # fmt: skip
        health = dossier.state_of(desk, monitor, without_held=former, answered=True)
        desk.store.crowned(former, back, health, desk.event(monitor, "rollback", text, level="error"))
        return replace(monitor, champion=former)
    raise Damaged(f"{monitor.name}: {trouble} No other version is whole. Restore a backup with: run.py restore.")


# --- forgetting -------------------------------------------------------------------------------------------------------


def strip_names(desk: Desk, monitor: Monitor) -> Callable[[Database, Forgotten], None]:
    """What takes the names of new levels that only forgotten rows had out of the stored profiles of their batches."""

    def strip(db: Database, done: Forgotten) -> None:
        words = set(done.words)
        for batch_id, rows, parts in history.profile_parts_of(db, done.batches):
            seen = Profile.from_parts(desk.grid(monitor.grid), rows, parts)
            named = {name for name, one in seen.features.items() if words & set(one.new or ())}
            if named:
                clean = {
                    name: replace(one, new={level: n for level, n in (one.new or {}).items() if level not in words})
                    for name, one in seen.features.items()
                }
                blobs = replace(seen, features=clean).parts()
                for name in named:
                    strip_level(db, batch_id, name, blobs[name])

    return strip


def forget_in_backups(desk: Desk, monitor_id: int, batch_id: int | None, keys: list[str]) -> str:
    """The same rows out of every backup; says what could not be done."""
    from storage.oblivion import forget

    def change(db: Database) -> tuple[str, ...]:
        return forget(db, monitor_id, batch_id, keys, desk.now()).files

    count = len(upkeep.kept(desk.folder))
    lost = upkeep.forget_in_backups(desk.folder, change)
    if not count:
        return ""
    text = f" {count - len(lost)} backups were made anew without them."
    return text + (f" Backups that could not be read were deleted: {', '.join(lost)}." if lost else "")


# --- jobs -------------------------------------------------------------------------------------------------------------


def tidy(desk: Desk) -> None:
    """Let go of what the settings say is old, of files that belong to nothing, and of room that is no longer used."""
    desk.store.checkpoint()
    let_go = False
    for monitor in history.monitors(desk.db):
        let_go |= _let_go(desk, monitor)
    before = time.time() - _STRAY_SECONDS
    for area in AREAS:
        desk.vault.remove_strays(area, upkeep.named(desk.db, area), before)
    if let_go:
        desk.store.compact()
    log = desk.folder / "drift.db-wal"
    if log.exists() and log.stat().st_size > _LOG_WARNING and not desk.store.empty_log():
        raise Unhealthy(f"The write-ahead log has {log.stat().st_size:,} bytes: a reader has kept it open for long.")


def _let_go(desk: Desk, monitor: Monitor) -> bool:
    keep = parse(history.settings_row(desk.db, monitor.id).data).keep
    batches = upkeep.old_rows(desk.db, monitor, keep, desk.now())
    versions = upkeep.old_versions(desk.db, monitor, keep)
    if not batches and not versions:
        return False
    text = f"{len(batches)} old batches and {len(versions)} old versions were let go; their scores and figures stay."
    desk.store.let_go(batches, versions, desk.event(monitor, "let_go", text))
    return True


def back_up(desk: Desk, hours: float) -> Path | None:
    """A backup, if the newest is older than so many hours; spare ones go. Returns what was made."""
    made = [moment for file in upkeep.kept(desk.folder) if (moment := upkeep.made_at(file)) is not None]
    if made and desk.now() / 1e6 - max(made).timestamp() < hours * 3600:
        return None
    out = upkeep.backup(desk.folder, automatic=True)
    upkeep.prune(desk.folder)
    return out
