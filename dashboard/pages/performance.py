"""``/m/<monitor>/performance``: how well the model does, as measured with labels and as estimated without."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
from dash import ALL, ClientsideFunction, Input, Output, State, callback, clientside_callback, ctx, html, no_update

from dashboard import charts, look, parts, say, scope, service, stretch, theme
from dashboard.guard import guarded
from dashboard.panels import brief, by_part, performance
from dashboard.panels.known import Known, known, metric_view, metrics, range_and_before
from dashboard.window import Window, window
from storage import history
from storage.records import Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/performance",
    title=lambda monitor="": f"Performance - {unquote(monitor)}",
    order=105,
)
KEYS = ("range", "start", "end", "metric")
REGIONS = ("head", "controls", "title", "how", "detail")


@guarded("performance", "monitor")
def layout(monitor: str = "", **more: str) -> html.Div:
    """The page, wholly from its path and query."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    asked = {key: more.get(key) or "" for key in KEYS}
    view, complaint = _view(owner, asked), ""
    if not len(view) and history.count_batches(serving.db, owner.id):
        complaint, asked = "No batch lies between these ends; showing the newest.", {**asked, "start": "", "end": ""}
        view = _view(owner, asked)
    if not metrics(serving.db, owner)[1]:
        return parts.page(monitors, owner, "performance", *_nothing(owner))
    figure, strip, regions = _read(owner, view, asked)
    return parts.page(
        monitors,
        owner,
        "performance",
        parts.asked("performance", monitor=owner.name, **asked),
        parts.live("performance-head", regions["head"]),
        parts.notice(view.ask.complaint or complaint, "warn") if view.ask.complaint or complaint else None,
        parts.live("performance-controls", regions["controls"], "heading-tools"),
        parts.panel(
            parts.live("performance-title", regions["title"]),
            brief.PERFORMANCE_LEGEND,
            parts.brush("performance-strip", strip),
            parts.chart("performance", figure, regions["title"]),
            sub=parts.live("performance-how", regions["how"]),
        ),
        html.Div(parts.live("performance-detail", regions["detail"], "stack")),
    )


def _nothing(owner: Monitor) -> list[Any]:
    return [
        parts.heading("Not known yet how well the model does", above=owner.name),
        html.Div(
            parts.empty(
                "Labels show how well the model does. They may come with the rows or later, as a file with the id "
                "column and the target.",
                parts.link("Upload labels", f"{scope.base(owner)}/upload", className="btn btn-main"),
            ),
            className="panel",
        ),
    ]


def _view(owner: Monitor, asked: dict[str, str]) -> Window:
    wanted = stretch.ask(asked["range"], asked["start"], asked["end"], narrow=look().narrow)
    return window(service().db, owner, wanted, 150 if look().narrow else stretch.MOST)


def _strip(owner: Monitor, view: Window, found: Known, anew: bool) -> Any:
    """The metric over the whole history; drag over it to see a stretch. ``found`` is what is known of those in view.

    Not ``anew``: only what changes on it when another stretch comes into view.
    """
    db, colours = service().db, theme.palette(look().dark)
    whole = window(db, owner, stretch.Ask("all"), 200, view.line)
    ends = whole.span(int(view.ids[0]), int(view.ids[-1])) if len(view) else None
    shown = charts.Span(*ends, "in view") if ends else None
    if not anew:
        return charts.moved(whole.place, shown, colours, metric=True)
    drawn = metric_view(db, whole, found if len(view.ids) == len(whole.ids) else known(db, whole, found.metric))
    return charts.whole_history(whole.place, whole.keys, charts.told(drawn), shown, colours, drawn.label)


def _read(owner: Monitor, view: Window, asked: dict[str, str], anew: bool = True) -> tuple[Any, Any, dict[str, Any]]:
    """The chart, the strip (or, unless ``anew``, what changes on it), and everything else on the page by name."""
    serving = service()
    primary, names = metrics(serving.db, owner)
    metric = asked["metric"] if asked["metric"] in names else primary
    found = known(serving.db, view, metric)
    figure, _ = performance.figure(serving.db, view, found, look().dark)
    late, early = range_and_before(serving.db, view)
    options = [(name, say.metric_label(name)) for name in names]
    return (
        figure,
        _strip(owner, view, found, anew),
        {
            "head": performance.heading(owner, view, found),
            "controls": [
                parts.choice("performance", "Metric", "metric", options, metric),
                parts.choice("performance", "Last", "range", stretch.RANGES, view.ask.key),
                parts.ends("performance", asked["start"], asked["end"]),
            ],
            "title": performance.title(view, found),
            "how": performance.how_to_read(view),
            "detail": [
                *performance.detail(serving, owner, late, early, names, look().dark),
                by_part.panel(view, serving.settings(owner.id)),
            ],
        },
    )


clientside_callback(
    ClientsideFunction("drift", "set"),
    Output("performance-set", "data"),
    Input({"type": "set", "page": "performance", "key": ALL, "value": ALL}, "n_clicks"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("drift", "brush"),
    Output("performance-brushed", "data"),
    Input(parts.graph_id("performance-strip"), "selectedData"),
    prevent_initial_call=True,
)


@callback(
    Output(parts.graph_id("performance"), "figure", allow_duplicate=True),
    Output(parts.graph_id("performance-strip"), "figure", allow_duplicate=True),
    *[Output(f"performance-{name}", "children", allow_duplicate=True) for name in REGIONS],
    Output("performance-asked", "data"),
    Output(parts.address("performance"), "data"),
    Input("performance-set", "data"),
    Input("performance-start", "value"),
    Input("performance-end", "value"),
    Input("performance-brushed", "data"),
    State("performance-asked", "data"),
    prevent_initial_call=True,
)
def choose(pressed: dict | None, start: str, end: str, brushed: dict | None, asked: dict[str, str]) -> Any:
    """Another metric or another part of the history: the charts are drawn anew, the page stays."""
    wanted = parts.chosen("performance", ctx.triggered_id, asked, pressed, {"start": start, "end": end}, brushed)
    if wanted is None:
        return [no_update] * (4 + len(REGIONS))
    owner = history.monitor(service().db, asked["monitor"])
    view = _view(owner, wanted)
    if not len(view):
        raise scope.nothing_there()
    figure, strip, regions = _read(owner, view, wanted, anew=wanted["metric"] != asked["metric"])
    query = scope.search({key: wanted[key] for key in KEYS if wanted[key]})
    return figure, strip, *[regions[name] for name in REGIONS], wanted, query


@callback(
    Output(parts.graph_id("performance"), "figure"),
    Output(parts.graph_id("performance-strip"), "figure"),
    *[Output(f"performance-{name}", "children") for name in REGIONS if name != "controls"],
    Input("change", "data"),
    State("performance-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer data on the page as it stands; a zoom is kept."""
    owner = history.monitor(service().db, asked["monitor"])
    view = _view(owner, asked)
    figure, strip, regions = _read(owner, view, asked)
    kept = [regions[name] for name in REGIONS if name != "controls"]
    return charts.refreshed(figure), charts.refreshed(strip), *kept
