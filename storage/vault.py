"""Bytes on disk, named by their hash: what arrived (``spool``) and the models (``models``).

A file is complete or absent: it is written aside, synced, renamed, and its folder synced, before any row names it.
Damage is noticed on reading, because the name is the SHA-256 of the content.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Literal

from storage.errors import Blocked, Damaged, Missing, Unhealthy
from storage.whole import sync_folder

Area = Literal["spool", "models"]
AREAS: tuple[Area, ...] = ("spool", "models")


class Vault:
    """Content-addressed files under one data folder.

    Parameters
    ----------
    root : Path
    point : callable, optional
        Called with the name of each moment around a write; fault tests kill the process there.
    """

    def __init__(self, root: Path, point: Callable[[str], None] = lambda name: None) -> None:
        self.root = root
        self._point = point
        self._lock = threading.Lock()
        for area in AREAS:
            try:
                (root / area).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Unhealthy(f"The folder {root / area} cannot be made: {error.strerror}.") from error

    def path(self, area: Area, sha256: str) -> Path:
        """Where the bytes of a hash lie (whether or not they are there)."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise Missing(f"{sha256!r} is not a SHA-256.")
        return self.root / area / sha256

    def put(self, area: Area, data: bytes) -> str:
        """Store bytes and return their hash. Storing the same bytes again changes nothing.

        Raises
        ------
        Blocked
            If the disk refuses (full, read-only).
        """
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.path(area, sha256)
        try:
            with self._lock:
                if target.exists() and target.stat().st_size == len(data):
                    os.utime(target)  # as young as if it were new: ``strays`` leaves it alone until a row names it
                else:
                    self._write(target, data, f"{area}:")
        except OSError as error:
            raise Blocked(f"Could not write to {target.parent}: {error.strerror or error}.") from error
        return sha256

    def replace(self, area: Area, sha256: str, data: bytes) -> None:
        """Put whole bytes in the place of damaged ones."""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(f"The bytes to put in place of {sha256[:12]}… are not those of its name.")
        with self._lock:
            self._write(self.path(area, sha256), data, f"{area}:")

    def _write(self, target: Path, data: bytes, name: str) -> None:
        self._point(f"{name}before")
        handle, aside = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                self._point(f"{name}written")
                os.fsync(file.fileno())
            self._point(f"{name}synced")
            os.replace(aside, target)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        self._point(f"{name}renamed")
        sync_folder(target.parent)
        self._point(f"{name}after")

    def get(self, area: Area, sha256: str) -> bytes:
        """The bytes of a hash, checked.

        Raises
        ------
        Missing
            If they are not there.
        Damaged
            If they are not what was stored.
        """
        path = self.path(area, sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise Missing(f"The stored file {sha256[:12]}… is gone from {path.parent}.") from error
        except OSError as error:
            raise Damaged(f"The stored file {sha256[:12]}… in {path.parent} cannot be read: {error}.") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(f"The stored file {sha256[:12]}… in {path.parent} is damaged: its hash does not match.")
        return data

    def has(self, area: Area, sha256: str) -> bool:
        """Whether the bytes of a hash are there (their content is not read)."""
        return self.path(area, sha256).exists()

    def hashes(self, area: Area) -> Iterator[str]:
        """Every stored hash of an area."""
        for entry in (self.root / area).iterdir():
            if len(entry.name) == 64:
                yield entry.name

    def remove(self, area: Area, sha256: str) -> None:
        """Delete the bytes of a hash, if they are there."""
        self.path(area, sha256).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove what an interrupted write left behind. Call only at start, before anything writes."""
        left = [stray for area in AREAS for stray in (self.root / area).glob("*.tmp")]
        for stray in left:
            stray.unlink(missing_ok=True)
        return len(left)

    def strays(self, area: Area, named: Container[str], before: float) -> list[str]:
        """Hashes that no row names and that are older than a moment (seconds since 1970)."""
        return [
            sha256 for sha256 in self.hashes(area) if sha256 not in named and _changed(self.path(area, sha256)) < before
        ]

    def remove_strays(self, area: Area, named: Container[str], before: float) -> int:
        """Remove what no row names; what is being stored at this moment is younger, and stays."""
        with self._lock:
            gone = self.strays(area, named, before)
            for sha256 in gone:
                self.remove(area, sha256)
        return len(gone)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
