"""What a step has at hand: this thread's reading connection, the vault, models and references by id; and the store.

Models and references never change once stored, so they are kept in memory by their version's id.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlite_utils import Database

from pipeline.models import Model
from pipeline.models import load as load_model
from pipeline.profile import Grid, Profile
from storage import history
from storage.records import Event, Level, Monitor
from storage.store import DATABASE, Store
from storage.upkeep import copy_before_upgrade
from storage.vault import Vault

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Shelf")


def wall_clock() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


class Shelf:
    """The reading side of one data folder. Any process may have one, whoever writes there.

    Parameters
    ----------
    folder : Path
        The data folder; there must be a database in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()
        self.vault = Vault(folder / "vault")
        self.model = functools.lru_cache(maxsize=8)(self._load_model)
        self.reference = functools.lru_cache(maxsize=64)(self._load_reference)
        self.grid = functools.lru_cache(maxsize=64)(Grid.from_json)

    @property
    def db(self) -> Database:
        """This thread's connection for reading."""
        if not hasattr(self._local, "db"):
            self._local.db = history.connect(self.folder / DATABASE)
        return self._local.db

    def _load_model(self, version_id: int) -> Model:
        """A version's model, its bytes checked against their hash first."""
        version = history.version(self.db, version_id)
        return load_model(self.vault.get("models", version.sha256))

    def _load_reference(self, version_id: int) -> Profile:
        """The profile of what a version was trained on."""
        monitor = history.monitor_by_id(self.db, history.version(self.db, version_id).monitor_id)
        rows, parts = history.reference_parts(self.db, version_id)
        return Profile.from_parts(self.grid(monitor.grid), rows, parts)

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._local, "db"):
            self._local.db.close()
            del self._local.db


class Desk(Shelf):
    """Both sides: the shelf, the store and the clock.

    Parameters
    ----------
    folder : Path
        The data folder; made if it is not there.
    clock : callable
        Returns the time in microseconds.
    point : callable
        Called before and after each commit, with its name (fault tests).
    """

    def __init__(
        self, folder: Path, clock: Callable[[], int] = wall_clock, point: Callable[[str], None] = lambda name: None
    ) -> None:
        self.store = Store(folder, point, copy_before_upgrade)
        self.now = clock
        self.wake: Callable[[str], None] = lambda queue: None  # there is work for a monitor, or for the backtests
        self.turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # one at a time works on each
        super().__init__(folder)
        self.vault = Vault(folder / "vault", point)
        if self.store.saved is not None:
            text = f"The data were brought up to date. The copy from before: {self.store.saved.name}."
            self.store.add_event(self.event(None, "upgrade", text))

    def event(
        self,
        monitor: Monitor | None,
        kind: str,
        message: str,
        *,
        level: Level = "info",
        batch_id: int | None = None,
        details: dict | None = None,
        author: str = "schedule",
    ) -> Event:
        """A line for the ledger, not yet written."""
        monitor_id = monitor.id if monitor else None
        return Event(0, monitor_id, batch_id, level, kind, message, details or {}, author, self.now())

    def close(self) -> None:
        """Let go of the data folder."""
        super().close()
        self.store.close()


def at_desk(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A function over a shelf or desk as a method of what has one."""

    @functools.wraps(function)
    def method(self: Any, *arguments: P.args, **named: P.kwargs) -> R:
        return function(self.desk, *arguments, **named)

    return method
