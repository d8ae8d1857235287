"""Where files come from: ``fetch(place, looks)`` tells what has finished arriving, one function and one row each.

Nothing waits and nothing remembers here: what was seen at one look is a value that is given to the next.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_CLAIMED = ".taken-"
_UNFINISHED = (".tmp", ".part", ".partial", ".swp", ".crdownload", ".filepart")


@dataclass(frozen=True)
class Looks:
    """What was seen at the last look: path to (size, time of change in ns, inode)."""

    seen: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """A file that has finished arriving for a monitor."""

    monitor: str
    name: str
    path: Path


@dataclass(frozen=True)
class Source:
    """A row of the table."""

    name: str
    label: str
    fetch: Callable[[Path, Looks], tuple[Looks, list[Arrival]]]


def look(inbox: Path, looks: Looks) -> tuple[Looks, list[Arrival]]:
    """Files of ``inbox/<monitor>/`` that were the same at two successive looks, oldest first.

    Parameters
    ----------
    inbox : Path
        One folder a monitor in it.
    looks : Looks
        From the look before; an empty one at first.

    Returns
    -------
    (Looks, list of Arrival)
        What was seen now, for the next look; and what may be read.

    Notes
    -----
    Only regular files are taken: links are not followed. Names that begin with a dot, end with ``~`` or have an
    ending of unfinished downloads are left alone.
    """
    seen, arrivals = {}, []
    for monitor, path, facts in _files(inbox):
        seen[str(path)] = facts
        if looks.seen.get(str(path)) == facts:
            arrivals.append((facts[1], path.name, Arrival(monitor, path.name, path)))
    return Looks(seen), [arrival for *_, arrival in sorted(arrivals, key=lambda item: item[:2])]


def _files(inbox: Path) -> Iterator[tuple[str, Path, tuple[int, int, int]]]:
    for folder in _entries(inbox):
        if folder.name.startswith(".") or not folder.is_dir(follow_symlinks=False):
            continue
        for entry in _entries(Path(folder.path)):
            if entry.name.startswith(".") or entry.name.endswith("~") or entry.name.lower().endswith(_UNFINISHED):
                continue
            try:
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # taken away while we looked
            if stat.S_ISREG(facts.st_mode):
                yield folder.name, Path(entry.path), (facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def claim(path: Path) -> Path:
    """Take a file for reading, so that whoever writes its name again makes a new arrival.

    Raises
    ------
    FileNotFoundError
        If it is gone already.
    """
    claimed = path.with_name(f"{_CLAIMED}{path.name}")
    os.rename(path, claimed)
    return claimed


def release(claimed: Path) -> None:
    """Put a claimed file back under its name, unless that name is in use again."""
    original = claimed.with_name(claimed.name.removeprefix(_CLAIMED))
    if not original.exists():
        os.rename(claimed, original)


def recover(inbox: Path) -> None:
    """Put back what an interrupted run had claimed."""
    for claimed in inbox.glob(f"*/{_CLAIMED}*"):
        release(claimed)


def acknowledge(claimed: Path) -> None:
    """Remove a claimed file: its bytes are kept elsewhere."""
    claimed.unlink(missing_ok=True)


SOURCES: dict[str, Source] = {row.name: row for row in (Source("inbox", "Inbox folder", look),)}
