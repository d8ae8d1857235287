"""What happened, and the work that is done apart from batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from storage.records.words import Level


@dataclass(frozen=True)
class Event:
    """One line of the ledger that a person can read."""

    id: int
    monitor_id: int | None
    batch_id: int | None
    level: Level
    kind: str
    message: str
    details: dict[str, Any]
    author: str
    created_at: int


@dataclass(frozen=True)
class Job:
    """The state of one scheduled job."""

    name: str
    last_run: int | None
    last_ok: int | None
    failures: int  # in a row
    error: str
    next_run: int | None


@dataclass(frozen=True)
class Backtest:
    """Policies replayed over a history: asked for, running in a child process, then done or failed."""

    id: int
    monitor_id: int | None  # None: a file for no monitor
    name: str  # of the file, or of the monitor
    state: Literal["queued", "running", "done", "failed"]
    options: dict[str, Any]  # see pipeline.backtest.compared
    progress: dict[str, Any]  # done, of, what
    result: dict[str, Any]  # what pipeline.backtest.compared returns; empty until done
    error: str
    attempts: int
    author: str
    created_at: int
    started_at: int | None
    ended_at: int | None
