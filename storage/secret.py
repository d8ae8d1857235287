"""The key that signs cookies: random, made once, readable by this user only, and kept over restarts."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from storage.errors import Unhealthy

_BYTES = 32
NAME = "secret.key"


def secret_key(folder: Path) -> bytes:
    """The key of a data folder; made at the first call. It is in no backup: after a restore everybody signs in again.

    Raises
    ------
    Unhealthy
        If it can be neither read nor made, or others could read it and that cannot be mended.
    """
    path = folder / NAME
    try:
        if not path.exists() or path.stat().st_size < _BYTES:
            _make(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return path.read_bytes()
    except OSError as error:
        raise Unhealthy(f"The key of the sessions, {path}, cannot be used: {error.strerror or error}.") from error


def _make(path: Path) -> None:
    """Whole or absent: written aside under the same protection, then renamed."""
    aside = path.with_suffix(".tmp")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(_BYTES))
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
