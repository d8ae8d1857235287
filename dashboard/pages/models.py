"""``/m/<monitor>/models``: every version, when it was live, why it came and why it went."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import unquote, urlencode

import dash
import dash_bootstrap_components as dbc
from dash import ALL, Input, Output, State, callback, html, no_update

from dashboard import charts, look, parts, say, scope, service, theme
from dashboard.guard import guarded
from dashboard.panels import heritage
from dashboard.stretch import MOST
from dashboard.window import Window, window
from storage import history
from storage.history import VersionInShort
from storage.records import Monitor

dash.register_page(
    __name__, path_template="/m/<monitor>/models", title=lambda monitor="": f"Models - {unquote(monitor)}", order=106
)
MOST_COMPARED = 4
CHOICE = {"type": "choose-version", "number": ALL}


@guarded("models", "monitor")
def layout(monitor: str = "", on: str = "", **_: Any) -> html.Div:
    """The page, wholly from its path and query: ``?on=2026-11-25`` asks what was live on that day."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    view = window(serving.db, owner, MOST)
    figure, sentence, answer = _reigns(owner, view, on)
    tree, told = _lineage(owner)
    return parts.page(
        history.monitors(serving.db),
        owner,
        "models",
        parts.asked("models", monitor=owner.name, on=on),
        parts.live("models-head", _head(owner)),
        parts.live("models-training", _training(owner)),
        parts.panel(
            sentence,
            parts.chart("reigns", figure, sentence, still=True),
            _asking(view, on),
            html.Div(answer, id="models-answer"),
            sub="Which version predicted which batches. Blue: the champion of today.",
        )
        if figure is not None
        else None,
        parts.panel(
            told,
            parts.chart("lineage", tree, told, still=True),
            _signs(owner),
            sub="From parent to child, oldest left. Choose a version to set it beside the champion.",
        ),
        parts.live("models-table", _table(owner, ())),
        parts.live("models-contests", heritage.contests(owner, _primary(owner))),
    )


def _head(owner: Monitor) -> Any:
    versions = history.versions_in_short(service().db, owner.id)
    champion = next((item for item in versions if item.id == owner.champion), None)
    promoted = len(history.reigns(service().db, owner.id)) - 1
    title = f"v{champion.number} is the champion" if champion else "No champion"
    counted = f"{say.count(len(versions), 'version')}, {say.count(promoted, 'change')} of champion."
    sub = f"{counted} {champion.reason}" if champion else counted
    tools = [
        parts.action("Train now", "retrain", owner.name),
        parts.action("Roll back", "rollback", owner.name) if promoted > 0 else None,
        parts.link("Compare two", f"{scope.base(owner)}/models/compare", className="btn btn-main")
        if len(versions) > 1
        else None,
    ]
    return parts.heading(title, sub, tools=tools, above=owner.name)


def _training(owner: Monitor) -> Any:
    """What is being learned right now."""
    running = history.trainings(service().db, owner.id, open_only=True)
    if not running:
        return None
    training = running[-1]
    return parts.notice(
        [
            html.Strong(f"Training, {say.TRIGGERS[training.trigger]}: "),
            training.reason,
            html.Div(progress(training.progress), className="muted small"),
        ],
        "busy",
    )


def progress(said: dict[str, Any]) -> str:
    """What the child process says of its work, as a sentence."""
    if not said:
        return "Waiting for its turn."
    stage, candidate = said.get("stage", "working"), said.get("candidate")
    count = f", {said['done']} of {said['of']}" if "done" in said and "of" in said else ""
    return f"{str(stage).replace('_', ' ').capitalize()}{f' “{candidate}”' if candidate else ''}{count}."


def _reigns(owner: Monitor, view: Window, on: str) -> tuple[Any, str, Any]:
    """The strip of champions, the sentence it shows, and what was live on the day asked about."""
    versions = history.versions_in_short(service().db, owner.id)
    spans = scope.reign_spans(view, versions, owner.champion) if len(view) else ()
    if not spans:
        return None, "", None
    changes = len(spans) - 1
    batches = say.count(len(view), "batch", "batches")
    if len(view) < view.total:
        batches = f"the newest {len(view):,} of {view.total:,} batches"
    sentence = f"{say.count(changes, 'change')} of champion in {batches}" if changes else f"One champion for {batches}"
    at, answer = None, None
    if on:
        start = heritage.day_of(on)
        at, answer = (
            heritage.live_on(owner, view, start)
            if start is not None
            else (None, parts.notice(f"“{on[:20]}” is no date; write it as 2026-11-25.", "warn"))
        )
    return charts.reigns(spans, view.place, theme.palette(look().dark), at), sentence, answer


def _asking(view: Window, on: str) -> html.Div:
    """The question what was live on a date."""
    known = heritage.day_of(on) if on else None
    return html.Div(
        [
            html.Label("What was live on", htmlFor="models-on", className="segments-label"),
            dbc.Input(
                id="models-on", type="date", value=on[:10] if known is not None else None, size="sm",
                min=_iso(view.at[0]), max=_iso(view.at[-1]), style={"width": "160px"},
            ),
        ],
        className="heading-tools",
    )  # fmt: skip


def _iso(moment: int) -> str:
    return f"{say.when(int(moment)):%Y-%m-%d}"


def _lineage(owner: Monitor) -> tuple[Any, str]:
    """The tree of versions and the sentence it shows."""
    every = history.versions_in_short(service().db, owner.id)
    found, back = heritage.nodes(owner, 14 if look().narrow else charts.MOST_VERSIONS)
    shown = sum(node.state != "contest" for node in found)
    reigned = sum(node.trunk for node in found)
    told = f"{reigned} of {say.count(shown, 'version')} became champion"
    if shown < len(every):
        told = f"Of the newest {shown} of {len(every)} versions {reigned} became champion"
    if back:
        told += f"; {say.count(len(back), 'time')} an earlier one came back"
    return charts.lineage(found, back, theme.palette(look().dark)), told


def _signs(owner: Monitor) -> html.Div:
    """The signs of the states that occur, in words."""
    db = service().db
    states = dict.fromkeys(item.state for item in history.versions_in_short(db, owner.id))
    states |= {"rejected": None} if history.rejections(db, owner.id) else {}
    return html.Div([parts.badge(say.VERSIONS[state]) for state in states], className="legend-words")


def _table(owner: Monitor, chosen: tuple[int, ...]) -> Any:
    db = service().db
    versions = history.versions_in_short(db, owner.id)
    crowned = history.reigns(db, owner.id)
    numbers = {item.id: item.number for item in versions}
    primary = _primary(owner)
    columns = [
        parts.Column("Version"), parts.Column("State"), parts.Column("Why it came and went", wide=True),
        parts.Column("Trained on"), parts.Column(f"{say.metric_label(primary)} when judged", right=True),
        parts.Column(""),
    ]  # fmt: skip
    gone = {
        before.challenger_id: after.reason
        for before, after in itertools.pairwise(crowned)
        if before.challenger_id != owner.champion
    }
    rows = [
        _row(owner, item, numbers, primary, gone.get(item.id, ""), heritage.lived(item, crowned), item.number in chosen)
        for item in reversed(versions)
    ]
    lines = ["chosen" if item.id == owner.champion else "" for item in reversed(versions)]
    tools = html.Div(_choice(owner, chosen), id="models-choice") if len(versions) > 1 else None
    return parts.panel(
        say.count(len(versions), "version"),
        parts.table(columns, rows, "Versions, newest first", lines, cards=True),
        tools=tools,
        flush=True,
    )


def _row(
    owner: Monitor, item: VersionInShort, numbers: dict[int, int], primary: str, gone: str, lived: str, chosen: bool
) -> list[Any]:
    metric = item.metrics.get(primary)
    figure = [
        say.metric_value(primary, metric.value) if metric else "–",
        html.Div(say.metric_interval(primary, metric), className="muted small") if metric else None,
    ]
    parent = f"from v{numbers[item.parent_id]}" if item.parent_id in numbers else "the first"
    buttons = [
        parts.action("Promote", "promote", owner.name, item.number, primary=item.state == "held")
        if item.id != owner.champion
        else None,
        parts.action("Refuse", "refuse", owner.name, item.number) if item.state == "held" else None,
        parts.action(
            "Unpin" if item.pinned else "Pin", "pin", owner.name, f"{item.number}:{'off' if item.pinned else 'on'}"
        ),
        parts.download("File", f"/api{scope.base(owner)}/versions/{item.number}/model"),
    ]
    box = dbc.Checkbox(
        id={"type": "choose-version", "number": item.number}, label=f"v{item.number}", value=chosen,
        label_class_name="version-name",
    )  # fmt: skip
    return [
        [box if len(numbers) > 1 else html.Strong(f"v{item.number}"), html.Div(parent, className="muted small nowrap")],
        [parts.badge(say.VERSIONS[item.state]), html.Div("pinned", className="muted small") if item.pinned else None],
        [
            item.reason,
            html.Div(f"It went: {gone}", className="small") if gone else None,
            html.Div(f"Champion {lived}.", className="muted small"),
        ],
        [
            item.recipe,
            html.Div(f"{say.count(item.rows, 'row')}, {say.seconds(item.train_seconds)}", className="muted small"),
        ],
        figure,
        html.Div(buttons, className="cell-actions"),
    ]


def _choice(owner: Monitor, chosen: tuple[int, ...]) -> Any:
    """The way to the comparison of the versions that are ticked."""
    if len(chosen) < 2:
        return html.Span("Tick two or more to compare them", className="muted small")
    if len(chosen) > MOST_COMPARED:
        return html.Span(f"At most {MOST_COMPARED} are compared at once", className="muted small")
    named = [f"v{number}" for number in sorted(chosen)]
    query = urlencode(dict(zip("abcd", named, strict=False)))
    return parts.link(
        f"Compare {say.listing(named, 4)}", f"{scope.base(owner)}/models/compare?{query}", className="btn btn-main"
    )


def _primary(owner: Monitor) -> str:
    """The metric that decides for this monitor."""
    chosen = history.settings_in_force(service().db, owner.id).retrain.metric
    return chosen if chosen != "auto" else "accuracy" if owner.schema.task == "classification" else "rmse"


def _chosen(values: list[bool], idents: list[dict[str, Any]]) -> tuple[int, ...]:
    return tuple(ident["number"] for value, ident in zip(values, idents, strict=True) if value)


@callback(
    Output("models-choice", "children"),
    Input(CHOICE, "value"),
    State(CHOICE, "id"),
    State("models-asked", "data"),
    prevent_initial_call=True,
)
def choose(values: list[bool], idents: list[dict[str, Any]], asked: dict[str, str]) -> Any:
    """Other versions are ticked."""
    return _choice(history.monitor(service().db, asked["monitor"]), _chosen(values, idents))


@callback(
    Output(parts.address("models"), "data"),
    Input("models-on", "value"),
    State("models-asked", "data"),
    prevent_initial_call=True,
)
def ask(on: str | None, asked: dict[str, str]) -> Any:
    """What was live on another day: its own address."""
    shown = asked["on"][:10] if heritage.day_of(asked["on"]) is not None else ""
    if (on or "") == shown or (on and heritage.day_of(on) is None):
        return no_update
    return f"{scope.base(asked['monitor'])}/models" + (f"?{urlencode({'on': on})}" if on else "")


@callback(
    Output(parts.address("models"), "data", allow_duplicate=True),
    Input(parts.graph_id("lineage"), "clickData"),
    State("models-asked", "data"),
    prevent_initial_call=True,
)
def beside(click: dict[str, Any] | None, asked: dict[str, str]) -> Any:
    """A version of the lineage, beside the champion or, the champion itself, beside its parent."""
    label = next((p["customdata"][1] for p in (click or {}).get("points", ()) if p.get("customdata")), "")
    if not label.startswith("v"):
        return no_update
    return f"{scope.base(asked['monitor'])}/models/compare?{urlencode({'b': label})}"


@callback(
    Output("models-head", "children"),
    Output("models-training", "children"),
    Output("models-table", "children"),
    Output("models-contests", "children"),
    Output(parts.graph_id("lineage"), "figure"),
    Input("change", "data"),
    State(CHOICE, "value"),
    State(CHOICE, "id"),
    State("models-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, values: list[bool], idents: list[dict[str, Any]], asked: dict[str, str]) -> Any:
    """Newer data on the page as it stands; what is ticked stays ticked."""
    owner = history.monitor(service().db, asked["monitor"])
    table = _table(owner, _chosen(values, idents))
    figure = charts.refreshed(_lineage(owner)[0])
    return _head(owner), _training(owner), table, heritage.contests(owner, _primary(owner)), figure


@callback(
    Output(parts.graph_id("reigns"), "figure"),
    Input("change", "data"),
    State("models-asked", "data"),
    prevent_initial_call=True,
)
def refresh_reigns(_: int, asked: dict[str, str]) -> Any:
    """The strip of champions, apart because it is not there before the first batch."""
    owner = history.monitor(service().db, asked["monitor"])
    figure, _, _ = _reigns(owner, window(service().db, owner, MOST), asked["on"])
    return charts.refreshed(figure)
