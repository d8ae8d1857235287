"""Bytes on disk, named by their hash: what arrived (``spool``) and the models (``models``).

A file is complete or absent: it is written aside, synced, renamed, and its folder synced, before any row names it.
Damage is noticed on reading, because the name is the SHA-256 of the content.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from storage.errors import Blocked, Missing, Unhealthy

Area = Literal["spool", "models"]


class Vault:
    """Content-addressed files under one data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for area in ("spool", "models"):
            (root / area).mkdir(parents=True, exist_ok=True)

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
        if target.exists() and target.stat().st_size == len(data):
            return sha256
        try:
            with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".tmp", delete=False) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, target)
            _sync_folder(target.parent)
        except OSError as error:
            raise Blocked(f"Could not write to {target.parent}: {error.strerror or error}.") from error
        return sha256

    def get(self, area: Area, sha256: str) -> bytes:
        """The bytes of a hash, checked.

        Raises
        ------
        Missing
            If they are not there.
        Unhealthy
            If they are not what was stored.
        """
        path = self.path(area, sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise Missing(f"The stored file {sha256[:12]}… is gone from {path.parent}.") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Unhealthy(f"The stored file {sha256[:12]}… in {path.parent} is damaged: its hash does not match.")
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
        strays = [stray for area in ("spool", "models") for stray in (self.root / area).glob("*.tmp")]
        for stray in strays:
            stray.unlink(missing_ok=True)
        return len(strays)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
