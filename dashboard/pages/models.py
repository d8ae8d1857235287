"""``/m/<monitor>/models``: every version, when it was champion, why it came and why it went."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
from dash import Input, Output, State, callback, html

from dashboard import charts, look, parts, say, scope, service, theme
from dashboard.guard import guarded
from storage import history
from storage.records import Metric, Monitor, Version

dash.register_page(
    __name__, path_template="/m/<monitor>/models", title=lambda monitor="": f"Models - {unquote(monitor)}", order=106
)


@guarded("models", "monitor")
def layout(monitor: str = "", **_: Any) -> html.Div:
    """The page."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    view = scope.window(serving.db, owner, scope.MOST)
    figure, sentence = _reigns(owner, view)
    return parts.page(
        history.monitors(serving.db),
        owner,
        "models",
        parts.asked("models", monitor=owner.name),
        parts.live("models-head", _head(owner)),
        parts.live("models-training", _training(owner)),
        parts.panel(
            sentence,
            parts.chart("reigns", figure, sentence),
            sub="Which version predicted which batches. Blue: the champion of today.",
        )
        if figure is not None
        else None,
        parts.live("models-table", _table(owner)),
        parts.live("models-contests", _contests(owner)),
    )


def _head(owner: Monitor) -> Any:
    versions = history.versions(service().db, owner.id)
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


def _reigns(owner: Monitor, view: scope.Window) -> tuple[Any, str]:
    if not len(view):
        return None, ""
    spans = scope.reign_spans(view, history.versions(service().db, owner.id), owner.champion)
    if not spans:
        return None, ""
    changes = len(spans) - 1
    sentence = (
        f"{say.count(changes, 'change')} of champion in {say.count(len(view), 'batch', 'batches')}"
        if changes
        else f"One champion for all {say.count(len(view), 'batch', 'batches')}"
    )
    return charts.reigns(spans, view.place, theme.palette(look().dark)), sentence


def _table(owner: Monitor) -> Any:
    db = service().db
    versions = history.versions(db, owner.id)
    numbers = {item.id: item.number for item in versions}
    primary = _primary(owner)
    columns = [
        parts.Column("Version"), parts.Column("State"), parts.Column("Why it came and went", wide=True),
        parts.Column("Trained on"), parts.Column(f"{say.metric_label(primary)} when judged", right=True),
        parts.Column("From", hide=True), parts.Column(""),
    ]  # fmt: skip
    rows = [_row(owner, item, numbers, primary) for item in reversed(versions)]
    lines = ["chosen" if item.id == owner.champion else "" for item in reversed(versions)]
    return parts.panel(
        say.count(len(versions), "version"), parts.table(columns, rows, "Versions, newest first", lines), flush=True
    )


def _row(owner: Monitor, item: Version, numbers: dict[int, int], primary: str) -> list[Any]:
    base = scope.base(owner)
    metric = item.metrics.get(primary)
    figure = [
        say.metric_value(primary, metric.value) if metric else "–",
        html.Div(say.metric_interval(primary, metric), className="muted small") if metric else None,
    ]
    buttons = [
        parts.link("Compare", f"{base}/models/compare?b=v{item.number}", className="btn btn-quiet")
        if len(numbers) > 1
        else None,
        parts.action("Promote", "promote", owner.name, item.number, primary=item.state == "held")
        if item.id != owner.champion
        else None,
        parts.action("Refuse", "refuse", owner.name, item.number) if item.state == "held" else None,
        parts.action(
            "Unpin" if item.pinned else "Pin", "pin", owner.name, f"{item.number}:{'off' if item.pinned else 'on'}"
        ),
        parts.download("File", f"/api{base}/versions/{item.number}/model"),
    ]
    return [
        [html.Strong(f"v{item.number}"), html.Div("pinned", className="muted small") if item.pinned else None],
        parts.badge(say.VERSIONS[item.state]),
        item.reason,
        [
            item.recipe,
            html.Div(f"{say.count(item.rows, 'row')}, {say.seconds(item.train_seconds)}", className="muted small"),
        ],
        figure,
        [
            f"v{numbers[item.parent_id]}" if item.parent_id in numbers else "–",
            html.Div(say.clock(item.created_at), className="muted small"),
        ],
        html.Div(buttons, className="cell-actions"),
    ]


def _contests(owner: Monitor) -> Any:
    """The last trainings and what their candidates reached."""
    db = service().db
    found = [
        item
        for item in history.decisions(db, owner.id, last=400)
        if item.action in ("promote", "reject", "hold", "fail") and item.details.get("candidates")
    ][:6]
    if not found:
        return parts.panel(
            "No contest yet",
            parts.quiet("When a training runs, its candidates and what they reached on the same rows are listed here."),
        )
    primary = _primary(owner)
    blocks = []
    for decision in found:
        rows = [_candidate(item, primary) for item in decision.details["candidates"] if isinstance(item, dict)]
        columns = [
            parts.Column("Candidate"),
            parts.Column("Rows", right=True),
            parts.Column(say.metric_label(primary), right=True),
            parts.Column("Gain over champion", right=True),
            parts.Column("Fit", right=True, hide=True),
            parts.Column("", hide=True),
        ]
        blocks.append(
            html.Details(
                [
                    html.Summary(
                        [
                            parts.badge(say.ACTIONS[decision.action]),
                            html.Span(f" {say.clock(decision.created_at)}: {decision.reason}"),
                        ]
                    ),
                    parts.table(columns, rows, "Candidates of the contest"),
                ],
                open=decision is found[0],
            )
        )
    return parts.panel(
        "The last contests",
        html.Div(blocks, className="stack-small"),
        sub="Candidates learn different rows and are judged on the same newest labelled ones.",
    )


def _candidate(item: dict[str, Any], metric: str) -> list[Any]:
    """One line of a contest: what it learned, what it reached on the same rows, its gain over the champion."""
    value, low, high, gain, seconds = (item.get(key) for key in ("value", "low", "high", "gain", "seconds"))
    reached: Any = "–"
    if isinstance(value, (int, float)):
        figure = Metric(value, *(float("nan") if one is None else float(one) for one in (low, high)), 0)
        reached = [
            say.metric_value(metric, value),
            html.Div(say.metric_interval(metric, figure), className="muted small"),
        ]
    return [
        str(item.get("recipe", "–")),
        f"{item['rows']:,}" if isinstance(item.get("rows"), int) else "–",
        reached,
        say.metric_change(metric, gain) if isinstance(gain, (int, float)) else "–",
        say.seconds(seconds) if isinstance(seconds, (int, float)) else "–",
        str(item.get("note") or ""),
    ]


def _primary(owner: Monitor) -> str:
    """The metric that decides for this monitor."""
    chosen = history.settings_in_force(service().db, owner.id).retrain.metric
    return chosen if chosen != "auto" else "accuracy" if owner.schema.task == "classification" else "rmse"


@callback(
    Output("models-head", "children"),
    Output("models-training", "children"),
    Output("models-table", "children"),
    Output("models-contests", "children"),
    Input("change", "data"),
    State("models-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer data on the page as it stands."""
    owner = history.monitor(service().db, asked["monitor"])
    return _head(owner), _training(owner), _table(owner), _contests(owner)


@callback(
    Output(parts.graph_id("reigns"), "figure"),
    Input("change", "data"),
    State("models-asked", "data"),
    prevent_initial_call=True,
)
def refresh_reigns(_: int, asked: dict[str, str]) -> Any:
    """The line of champions, apart because it is not there before the first batch."""
    owner = history.monitor(service().db, asked["monitor"])
    figure, _ = _reigns(owner, scope.window(service().db, owner, scope.MOST))
    return charts.refreshed(figure)
