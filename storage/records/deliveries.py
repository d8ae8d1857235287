"""What arrives."""

from __future__ import annotations

from dataclasses import dataclass

from storage.records.words import BatchKind, BatchState


@dataclass(frozen=True)
class Batch:
    """One delivery: the reference, production rows, or labels that arrive after their rows."""

    id: int
    monitor_id: int
    kind: BatchKind
    name: str  # label only, never a path
    sha256: str
    size: int  # bytes
    source: str  # inbox, command, upload, http, init, demo
    state: BatchState
    attempts: int
    reason: str
    warnings: tuple[str, ...]
    rows: int
    labelled: int  # rows that have a label by now
    starts_at: int | None  # of the time column
    ends_at: int | None
    version_id: int | None  # champion that predicted it
    learnable: bool  # False: never merged into training data (fault, quarantine)
    received_at: int
    done_at: int | None
    removed_at: int | None = None  # when its file was let go, or what is left of it forgotten
