"""``/m/<monitor>/drift``: every feature against every batch, when trouble began, when it was found, what was done."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

import dash
from dash import ALL, ClientsideFunction, Input, Output, State, callback, clientside_callback, ctx, html, no_update

from dashboard import charts, look, parts, scope, service, theme
from dashboard.guard import guarded
from dashboard.panels import brief, cell, timeline
from storage import history
from storage.records import Monitor

dash.register_page(
    __name__, path_template="/m/<monitor>/drift", title=lambda monitor="": f"Drift - {unquote(monitor)}", order=104
)
REGIONS = ("head", "controls", "title", "how", "legend", "rows", "happenings", "episodes", "features")


@guarded("drift", "monitor")
def layout(monitor: str = "", feature: str = "", batch: str = "", **more: str) -> html.Div:
    """The page, wholly from its path and query."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    asked = {key: more.get(key) or "" for key in timeline.KEYS}
    view = timeline.view_of(serving, owner, asked, look().narrow)
    complaint = view.ask.complaint
    if not len(view) and asked["start"] + asked["end"] and history.count_batches(serving.db, owner.id):
        complaint = "No batch lies between these ends; showing the newest."
        asked |= {"start": "", "end": ""}
        view = timeline.view_of(serving, owner, asked, look().narrow)
    if not len(view):
        return parts.page(monitors, owner, "drift", *_nothing(owner))
    drawn = timeline.drawn_of(serving, view, asked)
    regions = _regions(owner, view, drawn, asked)
    live = {name: parts.live(f"drift-{name}", regions[name]) for name in REGIONS}
    chart = parts.chart("drift", _figure(drawn), timeline.label(drawn))
    return parts.page(
        monitors,
        owner,
        "drift",
        parts.asked("drift", monitor=owner.name, **asked),
        live["head"],
        parts.notice(complaint, "warn") if complaint else None,
        parts.live("drift-controls", regions["controls"], "heading-tools"),
        html.Div(
            [
                parts.panel(
                    parts.live("drift-title", regions["title"]),
                    _find(owner, asked, live["rows"]),
                    live["legend"],
                    parts.brush("drift-strip", timeline.strip(serving, owner, view)),
                    html.Div(
                        chart,
                        className="chart-heat",
                        tabIndex="0",
                        role="group",
                        **{"aria-label": "Heatmap of drift. Arrow keys move over cells, Enter opens one."},
                    ),
                    html.Div(id="heat-says", className="visually-hidden", **{"aria-live": "polite"}),
                    sub=live["how"],
                ),
                html.Aside(
                    cell.side(serving, owner, feature, batch, look().dark),
                    id="drift-side",
                    **{"aria-label": "Chosen cell"},
                ),
            ],
            className="grid-side" if batch else "grid-side alone",
            id="drift-grid",
        ),
        parts.panel(
            "Episodes",
            live["episodes"],
            sub="Successive alarms of one trouble, told as one: where it began and where it was said.",
            flush=True,
        ),
        html.Div(
            [
                parts.panel("Features in view", live["features"], flush=True),
                parts.panel("What happened in view", live["happenings"], flush=True),
            ],
            className="grid-2 grid-even",
        ),
        brief.demo_note(owner),
    )


def _nothing(owner: Monitor) -> list[Any]:
    return [
        parts.heading("No batch has been scored yet", above=owner.name),
        html.Div(
            parts.empty(
                "The drift of each feature is drawn here as soon as the first batch is scored.",
                parts.link("Upload a batch", f"{scope.base(owner)}/upload", className="btn btn-main"),
            ),
            className="panel",
        ),
    ]


def _find(owner: Monitor, asked: dict[str, str], rows: Any) -> html.Div:
    """Which features are drawn; out of sight where all of them can be seen at once."""
    field = parts.search("drift-find", "Find a feature", asked["find"])
    few = len(owner.schema.watched) <= 12 and not asked["find"]
    return html.Div([rows, field], className="heading-tools", hidden=few)


def _figure(drawn: charts.DriftView) -> Any:
    return charts.drift_timeline(drawn, theme.palette(look().dark), look().narrow)


def _regions(owner: Monitor, view: Any, drawn: charts.DriftView, asked: dict[str, str]) -> dict[str, Any]:
    """Everything on the page but the charts, by name."""
    serving = service()
    return {
        "head": timeline.heading(serving, owner, view),
        "controls": timeline.controls(view, asked),
        "title": timeline.title(view),
        "how": timeline.how_to_read(view, drawn),
        "legend": timeline.legend(drawn),
        "rows": timeline.rows_control(drawn, asked),
        "happenings": timeline.happenings(drawn, view),
        "episodes": timeline.episodes(serving, owner),
        "features": timeline.features(serving, owner, drawn),
    }


clientside_callback(
    ClientsideFunction("drift", "set"),
    Output("drift-set", "data"),
    Input({"type": "set", "page": "drift", "key": ALL, "value": ALL}, "n_clicks"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("drift", "click"),
    Output("cell", "data"),
    Input(parts.graph_id("drift"), "clickData"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("drift", "brush"),
    Output("drift-brushed", "data"),
    Input(parts.graph_id("drift-strip"), "selectedData"),
    prevent_initial_call=True,
)


@callback(
    Output(parts.graph_id("drift"), "figure", allow_duplicate=True),
    Output(parts.graph_id("drift-strip"), "figure", allow_duplicate=True),
    *[Output(f"drift-{name}", "children", allow_duplicate=True) for name in REGIONS],
    Output("drift-asked", "data"),
    Output(parts.address("drift"), "data", allow_duplicate=True),
    Input("drift-set", "data"),
    Input("drift-find", "value"),
    Input("drift-start", "value"),
    Input("drift-end", "value"),
    Input("drift-brushed", "data"),
    State("drift-asked", "data"),
    State("url", "search"),
    prevent_initial_call=True,
)
def choose(
    pressed: dict | None, find: str, start: str, end: str, brushed: dict | None, asked: dict[str, str], search: str
) -> Any:
    """Another part of the history, other steps, another order: the charts are drawn anew, the page stays."""
    wanted = parts.chosen(
        "drift", ctx.triggered_id, asked, pressed, {"find": find, "start": start, "end": end}, brushed
    )
    if wanted is None:
        return [no_update] * (4 + len(REGIONS))
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    view = timeline.view_of(serving, owner, wanted, look().narrow)
    if not len(view):
        raise scope.nothing_there()
    drawn = timeline.drawn_of(serving, view, wanted)
    regions = _regions(owner, view, drawn, wanted)
    kept = scope.kept(search, ("feature", "batch"))
    moved = any(wanted[key] != asked[key] for key in timeline.STRETCH)
    strip = timeline.strip(serving, owner, view, anew=wanted["x"] != asked["x"]) if moved else no_update
    return (
        _figure(drawn), strip, *[regions[name] for name in REGIONS], wanted,
        scope.search({**timeline.query_of(wanted), **kept}),
    )  # fmt: skip


@callback(
    Output("drift-side", "children"),
    Output("drift-grid", "className"),
    Output(parts.address("drift"), "data"),
    Input("cell", "data"),
    State("drift-asked", "data"),
    prevent_initial_call=True,
)
def pick(chosen: dict[str, Any] | None, asked: dict[str, str]) -> Any:
    """A cell was chosen: show it beside the chart and put it into the address."""
    if not chosen:
        return no_update, no_update, no_update
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    key, feature = str(chosen.get("batch") or ""), chosen.get("feature") or ""
    if "-" in key:
        key = cell.worst(serving.db, timeline.view_of(serving, owner, asked, look().narrow), key, feature)
    picked = {name: value for name, value in (("feature", feature), ("batch", key)) if key and value}
    search = urlencode({**timeline.query_of(asked), **picked})
    side = cell.side(serving, owner, feature, key, look().dark)
    return side, "grid-side" if key else "grid-side alone", f"?{search}" if search else ""


@callback(Output("cell", "data", allow_duplicate=True), Input("drift-close", "n_clicks"), prevent_initial_call=True)
def close(clicks: int) -> Any:
    """Put the side panel away."""
    return {"feature": None, "batch": None} if clicks else no_update


@callback(
    Output(parts.graph_id("drift"), "figure"),
    Output(parts.graph_id("drift-strip"), "figure"),
    *[Output(f"drift-{name}", "children") for name in REGIONS if name != "controls"],
    Input("change", "data"),
    State("drift-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer data on the page as it stands; a zoom is kept."""
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    view = timeline.view_of(serving, owner, asked, look().narrow)
    drawn = timeline.drawn_of(serving, view, asked)
    regions = _regions(owner, view, drawn, asked)
    return (
        charts.refreshed(_figure(drawn)), charts.refreshed(timeline.strip(serving, owner, view)),
        *[regions[name] for name in REGIONS if name != "controls"],
    )  # fmt: skip
