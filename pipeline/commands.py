"""The command line's verbs as plain values in and out.

They run here if the data folder is free, else they are handed to the program that holds it: its address and a token lie
in ``writer.json``, readable by the same user only. A file is put into the vault by the caller, so that only its hash
travels.
"""

from __future__ import annotations

import dataclasses
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import accounts
from pipeline.sources import label
from storage import history, logs
from storage.errors import Conflict, Missing, ProductError, Refused, Unhealthy
from storage.hold import Hold
from storage.records import Batch
from storage.vault import Vault

_SECONDS = 1800  # how long a verb may take in the other process: a training is part of it


def _init(service: Any, file: str, sha256: str, name: str, **options: Any) -> dict[str, Any]:
    data = service.desk.vault.get("spool", sha256)
    monitor = service.init(name, file, data, author="command", **options)
    version = history.version(service.db, monitor.champion)
    return {
        "monitor": monitor.name,
        "task": monitor.schema.task,
        "target": monitor.schema.target,
        "rows": version.rows,
        "features": [dataclasses.asdict(feature) for feature in monitor.schema.features],
        "estimator": version.estimator,
        "version": version.number,
        "metrics": ", ".join(f"{key} {item.value:.3f}" for key, item in version.metrics.items()),
    }


def _ingest(service: Any, file: str, sha256: str, monitor: str | None) -> dict[str, Any]:
    owner = service.the_monitor(monitor)
    receipt = service.ingest(owner.name, file, service.desk.vault.get("spool", sha256))
    return outcome(service.db, file, receipt.batch, receipt.duplicate)


def outcome(db: Any, file: str, batch: Batch, duplicate: bool) -> dict[str, Any]:
    """What became of a delivery, as one line of ``ingest --json``."""
    state = "accepted_with_warnings" if batch.warnings else "accepted"
    state = "duplicate" if duplicate else "quarantined" if batch.state == "quarantined" else state
    decisions = history.decisions(db, batch.monitor_id, batch_id=batch.id)
    try:
        report = history.report(db, batch.id)
    except Missing:
        report = None
    champion = history.monitor_by_id(db, batch.monitor_id).champion
    version = batch.version_id if batch.version_id is not None else champion
    return {
        "file": file,
        "state": state,
        "batch": batch.id,
        "kind": batch.kind,
        "rows": batch.rows,
        "warnings": batch.warnings,
        "reason": batch.reason or (decisions[0].reason if decisions else ""),
        "drift": bool(report and report.drift),
        "score": report.score if report else None,
        "decision": decisions[0].action if decisions else None,
        "version": history.version(db, version).number if version is not None else None,
    }


def _told(verb: Callable[..., Any], message: str) -> Callable[..., dict[str, Any]]:
    """A verb of the service that returns nothing worth printing."""

    def run(service: Any, monitor: str | None = None, **arguments: Any) -> dict[str, Any]:
        owner = service.the_monitor(monitor)
        done = verb(service, owner.name, **arguments, author="command")
        service.work(owner.name)
        champion = history.monitor_by_id(service.db, owner.id).champion
        number = history.version(service.db, champion).number if champion else None
        text = message.format(done=done, version=number, **arguments)
        return {"monitor": owner.name, "version": number, "message": text}

    return run


def _batch_verb(name: str) -> Callable[..., dict[str, Any]]:
    def run(service: Any, batch_id: int, monitor: str | None = None) -> dict[str, Any]:
        batch = getattr(service, name)(batch_id, author="command")
        owner = history.monitor_by_id(service.db, batch.monitor_id)
        service.work(owner.name)
        after = history.batch(service.db, batch_id)
        line = outcome(service.db, after.name, after, duplicate=False)
        return {**line, "message": f"Batch #{batch_id} is {after.state}. {after.reason}".strip()}

    return run


def _account(verb: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """A change of who may come in."""
    return lambda service, **arguments: {"message": verb(service.desk, **arguments, author="command")}


VERBS: dict[str, Callable[..., dict[str, Any]]] = {
    "init": _init,
    "ingest": _ingest,
    "labels": _ingest,
    "promote": _told(lambda service, *a, **k: service.promote(*a, **k), "v{version} is the champion now."),
    "rollback": _told(lambda service, *a, **k: service.rollback(*a, **k), "Rolled back to v{version}."),
    "retrain": _told(lambda service, *a, **k: service.retrain(*a, **k), "Trained; v{version} is the champion."),
    "settings": _told(lambda service, *a, **k: service.change_settings(*a, **k), "Settings changed."),
    "forget": _told(lambda service, *a, **k: service.forget(*a, **k), "{done}"),
    "retry": _batch_verb("retry"),
    "accept": _batch_verb("accept"),
    "add_user": _account(accounts.add_user),
    "add_token": _account(accounts.add_token),
    "remove_account": _account(accounts.remove),
    "accounts": lambda service, table: {"accounts": accounts.listed(service.db, table)},
}


class Session:
    """Verbs on one data folder, wherever its writer is."""

    def __init__(self, folder: Path, service: Any = None, holder: dict[str, Any] | None = None) -> None:
        self.folder, self._service, self._holder = folder, service, holder or {}

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Run one verb; an argument ``file`` is a path whose bytes go into the vault first."""
        if "file" in arguments:
            path = Path(arguments["file"])
            try:
                arguments["sha256"] = Vault(self.folder / "vault").put("spool", path.read_bytes())
            except OSError as error:
                raise Missing(f"{path}: {error.strerror}.") from error
            arguments["file"] = label(path.name)
        if self._service is not None:
            return VERBS[verb](self._service, **arguments)
        return self._hand_over(verb, arguments)

    def _hand_over(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if not str(self._holder["url"]).startswith("http://"):
            raise Refused("The note of the program that holds the data folder names no address to hand over to.")
        request = urllib.request.Request(
            f"{self._holder['url']}/api/verbs/{verb}",
            json.dumps(arguments).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self._holder['token']}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # nosec B310 # looked at above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            try:
                text = json.load(error)["error"]
            except (ValueError, KeyError):
                text = f"The program at {self._holder['url']} answered {error.code}."
            raise Refused(text) from error
        except OSError as error:
            raise Unhealthy(f"The program at {self._holder['url']} did not answer: {error}.") from error

    def close(self) -> None:
        """Let go of the data folder, if it was ours."""
        if self._service is not None:
            self._service.close()


def open_session(folder: Path) -> Session:
    """A session on a data folder.

    Raises
    ------
    Conflict
        If another process holds the folder and takes no verbs.
    """
    from pipeline.service import Service

    try:
        service = Service(folder)
    except Conflict:
        holder = Hold(folder).holder()
        if not holder.get("url"):
            raise
        return Session(folder, holder=holder)
    logs.keep(folder)
    return Session(folder, service=service)


def answer(service: Any, verb: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """What the program that holds the folder answers to a verb handed to it: (body, HTTP status)."""
    if verb not in VERBS:
        return {"error": f"There is no verb {verb!r}."}, 404
    try:
        return VERBS[verb](service, **arguments), 200
    except ProductError as error:
        return {"error": str(error)}, 409
    except TypeError as error:  # arguments that the verb does not take
        return {"error": f"{verb}: {error}."}, 400
