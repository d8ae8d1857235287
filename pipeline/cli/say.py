"""Lines for people and programs on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any


def line(value: Any) -> None:
    """One JSON object a line."""
    from storage.codec import to_json

    print(to_json(value), flush=True)


def short(value: Any) -> str:
    """A value in few digits."""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def moment(at: int) -> str:
    """A stored time as text."""
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def progress(items: list[str], what: str, quiet: bool) -> Iterable[str]:
    """The items, with a bar while they are gone through by a person at a terminal."""
    if quiet or len(items) < 2 or not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, desc=what, unit="file", file=sys.stderr)
