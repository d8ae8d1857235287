"""Monitors: their settings, and rows that are to be forgotten."""

from __future__ import annotations

from typing import Any

from pipeline import alerts, chores, route
from pipeline.desk import Desk
from storage import history, upkeep
from storage.errors import Refused
from storage.records import SettingsRow
from storage.settings import Settings, changed


def change_settings(
    desk: Desk, monitor: str, assignments: dict[str, Any], note: str = "", author: str = "page"
) -> Settings:
    """Change some settings; stored history is scored again if a drift threshold moved."""
    owner = history.monitor(desk.db, monitor)
    before = history.settings_in_force(desk.db, owner.id)
    after = changed(before, assignments)
    unknown = sorted(set(after.features) - {feature.name for feature in owner.schema.features})
    if unknown:
        raise Refused(f"There is no feature {unknown[0]!r} in {monitor}.")
    if after == before:
        return after
    now = desk.now()
    row = SettingsRow(0, owner.id, after.model_dump(mode="json"), author, note, now)
    shown = alerts.masked_settings(assignments)
    text = "Settings changed: " + ", ".join(f"{key} = {value}" for key, value in shown.items()) + "."
    event = desk.event(owner, "settings", f"{text} {note}".strip(), author=author, details=shown)
    settings_id = desk.store.change_settings(row, event)
    if (after.drift, after.features, after.faults) != (before.drift, before.features, before.faults):
        desk.store.rescored(route.rescored(desk, owner, after), settings_id, now)
    return after


def forget(desk: Desk, monitor: str, batch_id: int | None, keys: list[str], author: str = "command") -> str:
    """Remove a batch, or rows by their ids, from database, spool and backups; says which models learned from them.

    Copies of backups that were taken elsewhere cannot be reached.
    """
    owner = history.monitor(desk.db, monitor)
    if batch_id is None and not keys:
        raise Refused("Say what to forget: --batch BATCH or --id ID.")
    with desk.turns[monitor]:
        event = desk.event(owner, "forget", "", author=author)
        done = desk.store.forget(owner.id, batch_id, keys, event, chores.strip_names(desk, owner))
        for sha256 in set(done.files) - upkeep.named(desk.db, "spool"):
            desk.vault.remove("spool", sha256)
        told = chores.forget_in_backups(desk, owner.id, batch_id, keys)
    return done.message + told
