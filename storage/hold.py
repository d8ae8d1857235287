"""The lock on a data folder: one process writes, and others can read who it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from storage.errors import Conflict, Unhealthy


class Hold:
    """The lock on a data folder, with a note of who holds it."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "writer.lock")
        self._note = folder / "writer.json"

    def take(self) -> None:
        """Take the folder, or raise Conflict naming the holder."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            holder = self.holder()
            where = f" at {holder['url']}" if holder.get("url") else ""
            raise Conflict(
                f"The data folder {self._note.parent} is held by process {holder.get('pid', '?')}{where}. "
                "Use that one, stop it, or choose another folder with --data-dir."
            ) from error
        except OSError as error:
            raise Unhealthy(
                f"The data folder {self._note.parent} cannot be written: {error.strerror}. What is in it can still be "
                "read: run.py status, run.py export."
            ) from error
        self.note()

    def note(self, **facts: Any) -> None:
        """Write down who we are, for others to find us. Readable by this user only: it may hold the access token."""
        aside = self._note.with_suffix(".tmp")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump({"pid": os.getpid(), **facts}, file)
        os.replace(aside, self._note)

    def holder(self) -> dict[str, Any]:
        """Who wrote the note last; empty if nobody did."""
        try:
            return json.loads(self._note.read_text())
        except (OSError, ValueError):
            return {}

    def release(self) -> None:
        """Let go of the folder."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
            self._lock.release()
