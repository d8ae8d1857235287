"""The program's log: one JSON object a line, in ``logs/`` of the data folder, rotated, readable by this user only.

Whatever a name holds (line breaks, escapes of a terminal) stays inside its string. On the terminal a message is one
line without a trace; the trace is in the file.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

FOLDER, NAME = "logs", "drift.jsonl"
_BYTES, _KEPT = 5_000_000, 5


class _Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "where": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            line["error"] = {
                "kind": kind.__name__,
                "text": str(error),
                "trace": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace)],
            }
        return json.dumps(line)


class _Terminal(logging.Formatter):
    """A record as one line for eyes."""

    def format(self, record: logging.LogRecord) -> str:
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in record.getMessage())
        return f"{self.formatTime(record)} {record.levelname} {record.name}: {text}"


class _PrivateFile(RotatingFileHandler):
    """Made so that only this user can read it."""

    def _open(self) -> Any:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")


def keep(folder: Path) -> None:
    """Write the log of this process into a data folder that it holds, and warnings to the terminal.

    Where the disk refuses (full, read-only) the terminal alone is told; nothing else stops for it.
    """
    logging.raiseExceptions = False  # a full disk must not print a trace for every line that it refuses
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, (_Lines, _Terminal)):
            root.removeHandler(old)
            old.close()
    shown = logging.StreamHandler(sys.stderr)
    shown.setLevel(logging.WARNING)
    shown.setFormatter(_Terminal())
    root.addHandler(shown)
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        written = _PrivateFile(folder / FOLDER / NAME, maxBytes=_BYTES, backupCount=_KEPT)
    except OSError as error:
        logging.getLogger("drift").warning("no log can be kept in %s: %s", folder, error.strerror)
        return
    written.setFormatter(_Lines())
    root.addHandler(written)
    root.setLevel(logging.WARNING)
    logging.getLogger("drift").setLevel(logging.INFO)


def lines(folder: Path, most: int) -> Iterator[dict[str, Any]]:
    """The newest lines of a log, oldest first; what is no line of ours is left out."""
    path = folder / FOLDER / NAME
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 500 * most))
        newest = file.read().splitlines()[-most:]
    for line in newest:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
