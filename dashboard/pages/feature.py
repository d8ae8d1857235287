"""``/m/<monitor>/features/<name>``: one feature in a stretch of batches against the reference, and over time."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
import numpy as np
from dash import ALL, ClientsideFunction, Input, Output, State, callback, clientside_callback, ctx, html, no_update

from dashboard import charts, look, parts, say, scope, service, stretch
from dashboard.guard import guarded
from dashboard.panels import cell, feature, timeline
from dashboard.window import Window, heat
from storage import history
from storage.errors import Missing
from storage.records import Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/features/<name>",
    title=lambda monitor="", name="": f"{unquote(name)[:80]} - {unquote(monitor)[:80]}",
    order=101,
)
VERSUS = (("reference", "Reference"), ("previous", "Batches before"))
KEYS = ("batch", "vs", "range", "start", "end", "steps")
REGIONS = ("head", "controls", "body", "time", "links")


@guarded("drift", "monitor", "name")
def layout(monitor: str = "", name: str = "", **more: str) -> html.Div:
    """The page, wholly from its path and query."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    names = [item.name for item in owner.schema.features]
    if name not in names:
        raise Missing(f"{owner.name} has no feature “{name[:200]}”. Its features: {say.listing(names, 12)}.")
    watched = next(item for item in owner.schema.features if item.name == name)
    asked = {key: more.get(key) or "" for key in KEYS}
    view = timeline.view_of(serving, owner, asked, look().narrow)
    if watched.kind == "ignored" or not len(view):
        reason = f"It is not watched: {watched.note}." if watched.kind == "ignored" else "No batch has been scored yet."
        head = parts.heading(name, above=owner.name)
        return parts.page(monitors, owner, "drift", head, html.Div(parts.empty(reason), className="panel"))
    regions = _regions(owner, name, view, asked)
    return parts.page(
        monitors,
        owner,
        "drift",
        parts.asked("feature", monitor=owner.name, name=name, **asked),
        parts.live("feature-head", regions["head"]),
        parts.notice(view.ask.complaint, "warn") if view.ask.complaint else None,
        parts.live("feature-controls", regions["controls"], "heading-tools"),
        parts.live("feature-body", regions["body"], "grid-2"),
        parts.live("feature-time", regions["time"], "stack"),
        parts.live("feature-links", regions["links"]),
    )


def _regions(owner: Monitor, name: str, view: Window, asked: dict[str, str]) -> dict[str, Any]:
    """Everything on the page, by name."""
    serving, browser = service(), look()
    where = cell.chosen(serving.db, owner, asked["batch"] or view.newest)
    item, judged = cell.drift_of(serving, owner, name, where)
    versus = asked["vs"] if asked["vs"] in dict(VERSUS) else "reference"
    single = history.batch(serving.db, where.batches[0]) if where.stretch.single else None
    when = say.batch_time(single) if single and single.ends_at else ""
    watched = [one.name for one in owner.schema.watched]
    pictures, numbers = feature.body(serving, owner, item, judged, where, versus, browser)
    return {
        "head": feature.heading(owner, item, judged, where, when, feature.steps(owner, name, where, view, watched)),
        "controls": _controls(view, asked, versus),
        "body": [
            html.Div([pictures, _scores(owner, name, view, where)], className="stack"),
            html.Div(numbers, className="stack"),
        ],
        "time": _time(owner, name, view),
        "links": feature.links(serving, owner, name, where, view, browser),
    }


def _controls(view: Window, asked: dict[str, str], versus: str) -> list[Any]:
    return [
        parts.choice("feature", "Against", "vs", VERSUS, versus),
        parts.choice("feature", "Last", "range", stretch.RANGES, view.ask.key),
        parts.choice("feature", "By", "steps", stretch.STEPS, view.ask.steps),
        parts.ends("feature", asked["start"], asked["end"]),
    ]


def _scores(owner: Monitor, name: str, view: Window, where: cell.Chosen) -> Any:
    """The feature's score over time, to choose a stretch from."""
    drawn, sentence = feature.scores(heat(service().db, view), view, name, where, look())
    note = f" Downsampled: {view.together} to a column, the worst is drawn." if view.together > 1 else ""
    return parts.panel(
        sentence,
        html.Div(parts.chart("history", drawn, f"Drift score of {name}: {sentence.lower()}"), className="brush"),
        sub="Choose a sign to see its batch above; drag over several to see them merged." + note,
    )


def _time(owner: Monitor, name: str, view: Window) -> Any:
    """The feature's values over time."""
    fan = feature.over_time(service(), owner, view, name, look())
    if fan is None:
        return None
    sound, most = int(np.bincount(view.home[view.sound]).max()), feature.most_of(view)
    merged = f" Downsampled: {view.together} to a column, their rows merged." if view.together > 1 else ""
    if sound > most:
        read = -(-sound // -(-sound // most))
        merged = f" Downsampled: of the up to {sound} batches of a column {read}, evenly spread, are merged."
    return parts.panel(
        f"Its values, {timeline.title(view)}",
        feature.fan_legend(fan[1]),
        parts.chart("fan", fan[0], f"{name} over time"),
        sub=f"Broken batches are left out.{merged}" if merged or not view.sound.all() else None,
    )


clientside_callback(
    ClientsideFunction("drift", "set"),
    Output("feature-set", "data"),
    Input({"type": "set", "page": "feature", "key": ALL, "value": ALL}, "n_clicks"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("drift", "pick"),
    Output("feature-brushed", "data"),
    Input(parts.graph_id("history"), "clickData"),
    Input(parts.graph_id("history"), "selectedData"),
    prevent_initial_call=True,
)


@callback(
    *[Output(f"feature-{name}", "children") for name in REGIONS],
    Output("feature-asked", "data"),
    Output(parts.address("feature"), "data"),
    Input("feature-set", "data"),
    Input("feature-start", "value"),
    Input("feature-end", "value"),
    Input("feature-brushed", "data"),
    State("feature-asked", "data"),
    prevent_initial_call=True,
)
def choose(pressed: dict | None, start: str, end: str, picked: dict | None, asked: dict[str, str]) -> Any:
    """Another stretch, another comparison or another part of the history: drawn anew, the page stays."""
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    if ctx.triggered_id == "feature-brushed":
        key = (picked or {}).get("batch", "")
        if "-" in key and picked.get("one"):
            key = cell.worst(serving.db, timeline.view_of(serving, owner, asked, look().narrow), key, asked["name"])
        wanted = {**asked, "batch": key} if key and key != asked["batch"] else None
    else:
        wanted = parts.chosen("feature", ctx.triggered_id, asked, pressed, {"start": start, "end": end})
    if wanted is None:
        return [no_update] * (len(REGIONS) + 2)
    view = timeline.view_of(serving, owner, wanted, look().narrow)
    if not len(view):
        raise scope.nothing_there()
    regions = _regions(owner, asked["name"], view, wanted)
    query = scope.search({key: wanted[key] for key in KEYS if wanted[key]})
    return *[regions[name] for name in REGIONS], wanted, query


@callback(
    Output(parts.graph_id("history"), "figure"),
    Output(parts.graph_id("fan"), "figure"),
    Input("change", "data"),
    State("feature-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer batches in the charts over time; the chosen stretch stays as it is."""
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    view = timeline.view_of(serving, owner, asked, look().narrow)
    where = cell.chosen(serving.db, owner, asked["batch"] or view.newest)
    drawn, _ = feature.scores(heat(serving.db, view), view, asked["name"], where, look())
    fan = feature.over_time(serving, owner, view, asked["name"], look())
    return charts.refreshed(drawn), charts.refreshed(fan[0]) if fan else no_update
