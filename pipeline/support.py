"""The support bundle: what helps somebody to help, and nothing of the data.

Versions, settings without secrets, counts, kinds and places of the last errors, and which promises hold. No rows, no
names of columns, files, levels, monitors or people, and no text that may quote them.
"""

from __future__ import annotations

import io
import json
import platform
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from pipeline.views import Views, reading
from storage import history, logs
from storage.errors import ProductError
from storage.upkeep import doctor

_README = """What is in here: versions, settings without secrets, counts, the kinds and places of the last errors, and
which promises about the data folder hold. No rows, no names of columns, files, levels, monitors or people.
Look at it before you send it: every file is plain text.
"""


def bundle(folder: Path) -> bytes:
    """A zip archive of plain JSON. A part that cannot be had says so; the others are there all the same."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _README)
        for name, part in PARTS.items():
            try:
                content = part(folder)
            except (ProductError, sqlite3.DatabaseError, OSError) as error:
                content = {"not_available": type(error).__name__}
            archive.writestr(f"{name}.json", json.dumps(content, indent=2))
    return sink.getvalue()


def _versions(folder: Path) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
        "packages": dict(sorted((item.name, item.version) for item in distributions())),
    }


def _settings(folder: Path) -> list[dict[str, Any]]:
    """Settings of each monitor: those of single features are counted, alerts are named by their channel."""
    with reading(folder) as service:
        return [_plain(service, monitor.id) for monitor in history.monitors(service.db)]


def _plain(service: Views, monitor_id: int) -> dict[str, Any]:
    data = service.settings(monitor_id).model_dump(mode="json")
    read = {key: value for key, value in data["read"].items() if key != "null_words"}
    own = Counter(key for one in data["features"].values() for key, value in one.items() if value is not None)
    return {**data, "read": read, "features": dict(own), "alerts": [row["channel"] for row in data["alerts"]]}


def _counts(folder: Path) -> list[dict[str, Any]]:
    with reading(folder) as service:
        return [_counted(service, monitor) for monitor in history.monitors(service.db)]


def _counted(service: Views, monitor: Any) -> dict[str, Any]:
    batches = history.batches(service.db, monitor.id, ("reference", "rows", "labels"))
    versions = history.versions(service.db, monitor.id)
    return {
        "task": monitor.schema.task,
        "health": monitor.health,
        "features": dict(Counter(feature.kind for feature in monitor.schema.features)),
        "batches": dict(Counter(f"{batch.kind} {batch.state}" for batch in batches)),
        "rows": sum(batch.rows for batch in batches),
        "labelled": sum(batch.labelled for batch in batches),
        "versions": dict(Counter(version.state for version in versions)),
        "decisions": dict(Counter(item.action for item in history.decisions(service.db, monitor.id))),
    }


def _errors(folder: Path) -> list[dict[str, Any]]:
    """When, where and of which kind; the texts are left out, since they may quote the data."""
    kept = ("at", "level", "where")
    return [
        {key: line.get(key) for key in kept}
        | {key: line["error"].get(key) for key in ("kind", "trace") if isinstance(line.get("error"), dict)}
        for line in logs.lines(folder, 500)
        if line.get("level") in ("warning", "error", "critical")
    ]


def _promises(folder: Path) -> dict[str, bool]:
    return {finding.check: finding.ok for finding in doctor(folder)}


PARTS: dict[str, Callable[[Path], Any]] = {
    "versions": _versions,
    "settings": _settings,
    "counts": _counts,
    "errors": _errors,
    "promises": _promises,
}
