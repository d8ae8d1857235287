"""``/m/<monitor>/events``: the ledger, newest first, filtered by kind, level and words."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

import dash
import dash_bootstrap_components as dbc
from dash import Input, Output, State, callback, html

from dashboard import parts, say, scope, service
from dashboard.guard import guarded
from dashboard.panels import ledger
from storage import history
from storage.records import Monitor

dash.register_page(
    __name__, path_template="/m/<monitor>/events", title=lambda monitor="": f"Events - {unquote(monitor)}", order=108
)
PAGE = 100
LEVELS = (("", "All"), ("info", "Info"), ("warning", "Warnings"), ("error", "Errors"))


@guarded("events", "monitor")
def layout(monitor: str = "", type: str = "", level: str = "", text: str = "", before: str = "", **_: Any) -> html.Div:
    """The page, wholly from its path and query."""
    owner = history.monitor(service().db, monitor)
    level = level if level in dict(LEVELS) else ""
    older = before if before.isdecimal() else ""
    query = {"type": type, "level": level, "text": text}
    path = f"{scope.base(owner)}/events"
    return parts.page(
        history.monitors(service().db),
        owner,
        "events",
        parts.asked("events", monitor=owner.name, type=type, level=level, text=text, before=older),
        parts.heading(
            "What happened",
            ["Every line is kept; nothing is changed afterwards. Times are in ", parts.zone(), ", exports in UTC."],
            tools=[
                parts.download("CSV", _export(owner, query, "csv")),
                parts.download("JSON", _export(owner, query, "json")),
                parts.download("Report", f"/api{scope.base(owner)}/report.html"),
            ],
            above=owner.name,
        ),
        html.Div(
            [
                parts.segments("Level", path, query, "level", LEVELS, level),
                html.Label("Kind", htmlFor="events-type", className="visually-hidden"),
                html.Div(
                    dbc.Select(
                        id="events-type",
                        options=[
                            {"label": "All but arrivals", "value": ledger.USUAL},
                            {"label": "All kinds", "value": ledger.ALL_KINDS},
                            *({"label": kind.replace("_", " "), "value": kind} for kind in _kinds(owner)),
                        ],
                        value=type or ledger.USUAL,
                        size="sm",
                    ),
                    title="Kind of event",
                ),
                html.Label("Words in the message", htmlFor="events-text", className="visually-hidden"),
                dbc.Input(
                    id="events-text",
                    value=text,
                    placeholder="Words in the message",
                    debounce=True,
                    size="sm",
                    style={"width": "220px"},
                    type="search",
                    maxLength=200,
                ),
            ],
            className="heading-tools",
        ),
        html.Div(_lines(owner, query, older), id="events-lines"),
    )


def _export(owner: Monitor, query: dict[str, str], form: str) -> str:
    """The address of every event that the filter lets through, as a file."""
    asked = {"last": "100000", "form": form, **{key: value for key, value in query.items() if value}}
    return f"/api{scope.base(owner)}/events?{urlencode(asked)}"


def _kinds(owner: Monitor) -> list[str]:
    """The kinds that occur."""
    return history.event_kinds(service().db, owner.id)


def _lines(owner: Monitor, query: dict[str, str], before: str) -> Any:
    found = history.events(
        service().db,
        owner.id,
        kinds=ledger.kinds(_kinds(owner), query["type"]),
        level=query["level"] or None,
        text=query["text"],
        before=int(before) if before else None,
        last=PAGE,
    )
    path = f"{scope.base(owner)}/events"
    if not found:
        body = parts.quiet("No event matches." if any(query.values()) or before else "Nothing has happened yet.")
        return html.Div(
            [body, html.Div(parts.link("Show all", path), className="empty-actions", style={"paddingBottom": "16px"})],
            className="panel",
        )
    older = urlencode({**{key: value for key, value in query.items() if value}, "before": found[-1].id})
    more = parts.link("Older", f"{path}?{older}", className="btn btn-quiet") if len(found) == PAGE else None
    newest = parts.link("Newest", path, className="btn btn-quiet") if before else None
    title = f"{say.count(len(found), 'event')}, {say.clock(found[-1].created_at)} to {say.clock(found[0].created_at)}"
    return parts.panel(
        title,
        ledger.lines(found, owner),
        html.Div([newest, more], className="samples", style={"padding": "0 18px 12px"}),
        flush=True,
    )


@callback(
    Output(parts.address("events"), "data"),
    Input("events-type", "value"),
    Input("events-text", "value"),
    State("events-asked", "data"),
    prevent_initial_call=True,
)
def filtered(kind: str | None, text: str | None, asked: dict[str, str]) -> Any:
    """Another filter: its own address."""
    kind = "" if kind in (None, ledger.USUAL) else kind
    if kind == asked["type"] and (text or "") == asked["text"]:
        return dash.no_update
    query = {key: value for key, value in (("type", kind), ("level", asked["level"]), ("text", text)) if value}
    return f"{scope.base(asked['monitor'])}/events" + (f"?{urlencode(query)}" if query else "")


@callback(
    Output("events-lines", "children"),
    Input("change", "data"),
    State("events-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer lines on top; an older page stays as it is."""
    if asked["before"]:
        return dash.no_update
    owner = history.monitor(service().db, asked["monitor"])
    return _lines(owner, {key: asked[key] for key in ("type", "level", "text")}, "")
