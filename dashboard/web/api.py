"""HTTP for programs: batches and labels in, predictions and history out. JSON unless the path says otherwise."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, current_app, g, jsonify, request

from dashboard import actor, service
from dashboard.panels import ledger, report
from pipeline.write import csv_of_names, csv_of_rows
from storage import history
from storage.codec import to_json
from storage.errors import Missing, Refused

SILENT_SECONDS = 30  # without a job running or having run
api = Blueprint("api", __name__)


def silent() -> bool:
    """Whether the scheduled jobs have gone quiet in this process."""
    serving = current_app.config["service"]
    beat = serving.heartbeat()
    if beat["running"] or beat["last_tick"] is None:
        return False
    return serving.desk.now() - beat["last_tick"] > SILENT_SECONDS * 1_000_000


@api.get("/api/changes")
def changes() -> Response:
    """The number that grows with every write, and whether the jobs are alive: what an open page polls."""
    return jsonify(number=history.change_number(service().db), silent=silent())


@api.get("/healthz")
def healthz() -> tuple[Response, int]:
    """For machines: reads the database and the heartbeat of the jobs; 503 when either is not well.

    The one address that answers without a login; what it knows besides is for those who are let in.
    """
    serving = current_app.config["service"]
    beat = serving.heartbeat()
    failing = [job.name for job in history.jobs(serving.db) if job.failures]
    number = history.change_number(serving.db)
    well = not silent() and not serving.stuck()
    state: dict[str, Any] = {"ok": well}
    if g.actor is not None:
        state |= {
            "changes": number,
            "last_tick": beat["last_tick"],
            "failing_jobs": failing,
            "stuck": list(serving.stuck()),
        }
    return jsonify(state), 200 if well else 503


@api.get("/api/m/<monitor>")
def status(monitor: str) -> Response:
    """State of a monitor in a word and a sentence."""
    return _json(service().status(monitor)[0])


@api.get("/api/m/<monitor>/batches")
def batches(monitor: str) -> Response:
    """Batches in order of arrival; ``?last=100`` for the newest only."""
    owner = history.monitor(service().db, monitor)
    return _json(history.batches(service().db, owner.id, last=_last()))


@api.get("/api/m/<monitor>/batches/<int:batch_id>")
def batch(monitor: str, batch_id: int) -> Response:
    """One batch with its drift report, what was decided and how well it was predicted."""
    db = service().db
    found = _owned(monitor, batch_id)
    report = next((report for _, report in history.reports(db, [batch_id])), None)
    return _json(
        {
            "batch": found,
            "report": report,
            "performance": history.performance_of(db, batch_id),
            "decisions": history.decisions(db, found.monitor_id, batch_id=batch_id),
        }
    )


@api.get("/api/m/<monitor>/batches/<int:batch_id>/predictions.csv")
def predictions(monitor: str, batch_id: int) -> Response:
    """What the champion of the day said of each row; with ``?beside=champion`` what today's says, too."""
    _owned(monitor, batch_id)
    if request.args.get("beside") == "champion":
        _, lines = service().beside(batch_id)
        return _file(csv_of_rows(lines), f"{monitor}-batch-{batch_id}-then-and-now.csv", "text/csv")
    return _file(service().predictions_csv(batch_id), f"{monitor}-batch-{batch_id}-predictions.csv", "text/csv")


@api.get("/api/m/<monitor>/template.csv")
def template(monitor: str) -> Response:
    """An empty table with the columns a batch of this monitor has."""
    schema = history.monitor(service().db, monitor).schema
    names = [schema.id_column, schema.time_column, *(item.name for item in schema.watched), schema.target]
    return _file(csv_of_names([name for name in names if name]), f"{monitor}-template.csv", "text/csv")


@api.get("/api/m/<monitor>/drift")
def drift(monitor: str) -> Response:
    """The batch score over time; ``?last=100`` for the newest only."""
    owner = history.monitor(service().db, monitor)
    line = history.timeline(service().db, owner.id, last=_last())
    columns = {field.name: list(getattr(line, field.name)) for field in dataclasses.fields(line)}
    return _json([dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)])


@api.get("/api/m/<monitor>/performance")
def performance(monitor: str) -> Response:
    """The newest word on each batch."""
    owner = history.monitor(service().db, monitor)
    return _json(history.performance(service().db, owner.id, last=_last()))


@api.get("/api/m/<monitor>/versions")
def versions(monitor: str) -> Response:
    """Every version, oldest first."""
    owner = history.monitor(service().db, monitor)
    return _json(history.versions(service().db, owner.id))


@api.get("/api/m/<monitor>/versions/<int:number>/model")
def model(monitor: str, number: int) -> Response:
    """The artefact of a version, checked against its hash."""
    owner = history.monitor(service().db, monitor)
    version = history.version_numbered(service().db, owner.id, number)
    return _file(service().model_bytes(version.id), f"{monitor}-v{number}.skops", "application/octet-stream")


@api.get("/api/m/<monitor>/report.html")
def report_file(monitor: str) -> Response:
    """A report as one HTML file; ``?last=120`` batches, or ``?from=2026-11-01&to=2026-11-25``."""
    start, stop = request.args.get("from", ""), request.args.get("to", "")
    page = report.html(service(), monitor, last=_last(), start=start, stop=stop)
    return _file(page.encode(), f"{monitor}-report.html", "text/html")


@api.get("/api/m/<monitor>/events")
def events(monitor: str) -> Response:
    """The ledger, newest first; ``?last=1000&type=promote&level=warning&text=kcal``, ``&form=csv`` for a table."""
    db = service().db
    owner = history.monitor(db, monitor)
    found = history.events(
        db,
        owner.id,
        kinds=ledger.kinds(history.event_kinds(db, owner.id), request.args.get("type", ledger.ALL_KINDS)),
        level=request.args.get("level") or None,
        text=request.args.get("text", ""),
        last=_last() or 1000,
    )
    form = request.args.get("form", "")
    if form == "csv":
        lines = [{**dataclasses.asdict(item), "details": to_json(item.details)} for item in found]
        return _file(csv_of_rows(lines), f"{monitor}-events.csv", "text/csv")
    if form == "json":
        return _file(to_json(found), f"{monitor}-events.json", "application/json")
    return _json(found)


@api.post("/api/m/<monitor>/batches")
@api.post("/api/m/<monitor>/labels")
def deliver(monitor: str) -> tuple[Response, int]:
    """Take a file of rows or labels: the raw body, its name in ``?name=``. 202 = kept and queued, 200 = had already."""
    name = request.args.get("name", "").strip()
    if not name:
        raise Refused("Give the file a name in the query, e.g. ?name=monday.csv; its ending says how to read it.")
    data = request.get_data(cache=False)  # its length has been looked at, see access
    if not data:
        raise Refused("The body is empty; send the bytes of a file.", file=name)
    receipt = service().receive(monitor, name, data, "http", actor().name)
    return jsonify(batch=receipt.batch.id, state=receipt.batch.state, duplicate=receipt.duplicate), (
        200 if receipt.duplicate else 202
    )


@api.get("/api/<path:rest>")
def nothing(rest: str) -> Response:
    """No page, but a sentence, at addresses that only look like the API's."""
    raise Missing("There is nothing at this address of the API.")


def _owned(monitor: str, batch_id: int) -> Any:
    owner = history.monitor(service().db, monitor)
    found = history.batch(service().db, batch_id)
    if found.monitor_id != owner.id:
        raise Missing(f"Batch #{batch_id} is not one of {monitor}.")
    return found


def _last() -> int | None:
    text = request.args.get("last", "")
    if not text:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise Refused(f"last must be a positive whole number, not {text[:20]!r}.")
    return int(text)


def _json(value: Any) -> Response:
    return Response(to_json(value), mimetype="application/json")


def _file(data: bytes, name: str, kind: str) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return Response(data, mimetype=kind, headers={"Content-Disposition": disposition})
