"""Questions about monitors and their settings."""

from __future__ import annotations

from sqlite_utils import Database

from storage import settings
from storage.errors import Missing
from storage.history.ask import first, records
from storage.records import Monitor, SettingsRow, Truth


def monitors(db: Database) -> list[Monitor]:
    """All monitors, by name."""
    return records(db, Monitor, "SELECT * FROM monitors ORDER BY name", [])


def monitor(db: Database, name: str) -> Monitor:
    """One monitor. Raises Missing with the names there are."""
    found = records(db, Monitor, "SELECT * FROM monitors WHERE name = ?", [name])
    if not found:
        names = ", ".join(item.name for item in monitors(db)) or "none yet"
        raise Missing(f"There is no monitor named {name!r}. Monitors here: {names}.")
    return found[0]


def monitor_by_id(db: Database, monitor_id: int) -> Monitor:
    """One monitor by its id. Raises Missing."""
    return first(records(db, Monitor, "SELECT * FROM monitors WHERE id = ?", [monitor_id]), f"monitor {monitor_id}")


def settings_row(db: Database, monitor_id: int) -> SettingsRow:
    """The settings in force, with who set them and when."""
    query = "SELECT * FROM settings WHERE monitor_id = ? ORDER BY id DESC LIMIT 1"
    return first(records(db, SettingsRow, query, [monitor_id]), "settings of this monitor")


def settings_in_force(db: Database, monitor_id: int) -> settings.Settings:
    """The settings in force, as the validated value."""
    return settings.parse(settings_row(db, monitor_id).data)


def settings_history(db: Database, monitor_id: int) -> list[SettingsRow]:
    """Every change of settings, newest first."""
    return records(db, SettingsRow, "SELECT * FROM settings WHERE monitor_id = ? ORDER BY id DESC", [monitor_id])


def truths(db: Database, monitor_id: int) -> list[Truth]:
    """What the simulator did to its world, in time order; empty for real monitors."""
    return records(db, Truth, "SELECT * FROM truths WHERE monitor_id = ? ORDER BY starts_at", [monitor_id])
