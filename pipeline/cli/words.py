"""Words of the command line as values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from storage.errors import Missing, Refused


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """``key=value`` each."""
    return dict(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise Refused(f"{text!r} should read key=value.")
    return key, value


def day(text: str) -> tuple[int, int]:
    """A date as the day it names, a moment as itself: first and last microsecond, UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no date.", remedy="Write it as 2026-11-25 or 2026-11-25T18:30.") from error
    start = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
    return start, start + (86_400_000_000 if len(text) <= len("2026-11-25") else 1)


def number(text: str) -> int:
    """The number of a version, as ``3`` or ``v3``."""
    return int(text.removeprefix("v"))


def contents(name: str) -> bytes:
    """The bytes of a file."""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Missing(f"{name}: {error.strerror}.") from error


def secret(prompt: str) -> str:
    """A password typed twice without being shown, or the first line of standard input; never an argument."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    import getpass

    typed = getpass.getpass(prompt)
    if getpass.getpass("Once more: ") != typed:
        raise Refused("The two passwords differ; nothing was changed.")
    return typed
