"""``/m/<monitor>/batches/<id>``: one delivery, from its arrival to what it led to."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
from dash import Input, Output, State, callback, html

from dashboard import parts, say, scope, service
from dashboard.guard import guarded
from dashboard.panels import ledger
from dashboard.panels.delivery import findings, steps, then_and_now
from storage import history
from storage.errors import Missing
from storage.records import Batch, Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/batches/<number>",
    title=lambda monitor="", number="": f"Batch #{unquote(number)} - {unquote(monitor)}",
    order=102,
)


@guarded("drift", "monitor", "number")
def layout(monitor: str = "", number: str = "", **_: Any) -> html.Div:
    """The page."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    if not number.isdecimal():
        raise Missing(f"A batch has a number; “{number[:40]}” is none.")
    found = history.batch(serving.db, int(number))
    if found.monitor_id != owner.id:
        raise Missing(f"Batch #{number} is not one of {owner.name}.")
    return parts.page(
        history.monitors(serving.db),
        owner,
        "drift",
        parts.asked("batch", monitor=owner.name, number=number),
        parts.live("batch-body", _body(owner, found), "stack"),
    )


def _body(owner: Monitor, found: Batch) -> list[Any]:
    return [
        _head(owner, found),
        html.Div(
            [parts.panel("Its way", steps(owner, found)), parts.panel("The delivery", _facts(owner, found))],
            className="grid-2",
        ),
        then_and_now(owner, found),
        *findings(owner, found),
        parts.panel(
            "What was written down",
            ledger.lines(history.events(service().db, owner.id, batch_id=found.id), owner),
            flush=True,
        ),
    ]


def _head(owner: Monitor, found: Batch) -> Any:
    report = next((item for _, item in history.reports(service().db, [found.id])), None)
    if found.state == "quarantined":
        title, sub = f"{found.name} is quarantined", found.reason
    elif found.kind == "labels":
        title, sub = (
            f"{found.name}: labels for {say.count(found.labelled, 'row')}",
            f"{say.count(found.rows, 'label')} delivered.",
        )
    elif found.kind == "reference":
        title, sub = f"{found.name}: the reference", "The table the first version was trained on."
    elif report is None:
        title, sub = f"{found.name} is on its way", say.STATES[found.state].text
    else:
        title, sub = f"{found.name}: {say.VERDICTS[report.verdict].text.lower()}", report.explanation
    tools: list[Any] = []
    if found.state == "quarantined":
        tools = [
            parts.action("Try again", "retry", owner.name, found.id, primary=True),
            parts.action("Accept", "accept", owner.name, found.id) if found.version_id else None,
            parts.action("Leave it", "discard", owner.name, found.id),
        ]
    elif found.version_id:
        tools = [parts.download("Predictions", f"/api{scope.base(owner)}/batches/{found.id}/predictions.csv")]
    return parts.heading(title, sub, tools=tools, above=f"{owner.name}, batch #{found.id}")


def _facts(owner: Monitor, found: Batch) -> Any:
    version = history.version(service().db, found.version_id) if found.version_id else None
    return parts.facts(
        ("State", parts.badge(say.STATES[found.state])),
        ("Rows", f"{found.rows:,}"),
        ("With labels", f"{found.labelled:,} ({say.percent(found.labelled / found.rows, 0)})" if found.rows else "–"),
        ("Of", say.batch_time(found) if found.ends_at else "no time of its own"),
        ("Arrived", f"{say.clock(found.received_at)}, by {found.source}"),
        ("Predicted by", f"v{version.number}" if version else "–"),
        ("May be learned from", "yes" if found.learnable else "no"),
        ("Size", say.size(found.size)),
        ("SHA-256", html.Span(f"{found.sha256[:16]}…", title=found.sha256)),
        *((f"Warning {at}", text) for at, text in enumerate(found.warnings, 1)),
    )


@callback(
    Output("batch-body", "children"),
    Input("change", "data"),
    State("batch-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """The batch as it stands now."""
    owner = history.monitor(service().db, asked["monitor"])
    return _body(owner, history.batch(service().db, int(asked["number"])))
