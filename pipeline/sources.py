"""Where files come from: ``fetch(place, looks)`` tells what has finished arriving, one function and one row each.

Nothing waits and nothing remembers here: what was seen at one look is a value that is given to the next.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SURROGATE = re.compile("[\ud800-\udfff]")
_CLAIMED = ".taken-"
_UNFINISHED = (".tmp", ".part", ".partial", ".swp", ".crdownload", ".filepart")


@dataclass(frozen=True)
class Looks:
    """What was seen at the last look: path to (size, time of change in ns, inode)."""

    seen: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """A file that has finished arriving for a monitor.

    Attributes
    ----------
    monitor, name : str
        Labels: bytes of a name that are no UTF-8 are replaced in them, so that they can be stored and shown.
    path : Path
        Where the file is.
    size : int
        Bytes, so that too large a file need not be read to be refused.
    """

    monitor: str
    name: str
    path: Path
    size: int = 0


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
            arrival = Arrival(label(monitor), label(path.name), path, facts[0])
            arrivals.append((facts[1], arrival.name, arrival))
    return Looks(seen), [arrival for *_, arrival in sorted(arrivals, key=lambda item: item[:2])]


def label(name: str) -> str:
    """A name as it can be stored and shown: no lone surrogates, which stand for bytes that are no UTF-8."""
    return _SURROGATE.sub("\ufffd", name)


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

    Notes
    -----
    The file moves into a hidden folder of its own beside it: its name may be as long as names can be, and no earlier
    claim of the same name is overwritten.
    """
    for number in itertools.count():
        folder = path.parent / f"{_CLAIMED}{number}"
        try:
            folder.mkdir()
            break
        except FileExistsError:
            continue
    try:
        os.rename(path, folder / path.name)
    except OSError:
        folder.rmdir()
        raise
    return folder / path.name


def release(claimed: Path) -> None:
    """Put a claimed file back under its name; if that is in use again, it stays claimed until ``recover``."""
    original = claimed.parent.parent / claimed.name
    if not os.path.lexists(original):
        os.rename(claimed, original)
        claimed.parent.rmdir()


def recover(inbox: Path) -> None:
    """Put back what an interrupted run had claimed."""
    for folder in inbox.glob(f"*/{_CLAIMED}*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        for claimed in list(folder.iterdir()):
            release(claimed)
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def acknowledge(claimed: Path) -> None:
    """Remove a claimed file: its bytes are kept elsewhere."""
    claimed.unlink(missing_ok=True)
    if claimed.parent.name.startswith(_CLAIMED):
        claimed.parent.rmdir()


SOURCES: dict[str, Source] = {row.name: row for row in (Source("inbox", "Inbox folder", look),)}
