"""``/``: every monitor as a row, and what waits for a person. With one monitor its summary opens directly."""

from __future__ import annotations

from typing import Any

import dash
import numpy as np
from dash import Input, Output, callback, html

from dashboard import charts, parts, say, scope, service
from dashboard.guard import guarded
from dashboard.panels import brief, inbox
from dashboard.panels.known import known, metric_view, now
from dashboard.window import Window, window
from storage import history
from storage.records import Decision, Monitor

dash.register_page(__name__, path="/", title="Overview - Drift Detector", order=110)


@guarded("overview")
def layout(**_: Any) -> html.Div:
    """The page."""
    monitors = history.monitors(service().db)
    if len(monitors) == 1:
        return brief.layout(monitors[0])
    if not monitors:
        return parts.page(monitors, None, "overview", parts.heading("No model is watched yet"), _first_steps())
    waiting, rows, title = _read()
    return parts.page(
        monitors,
        None,
        "overview",
        parts.live(
            "overview-head", parts.heading(title, tools=parts.link("New monitor", "/new", className="btn btn-quiet"))
        ),
        parts.live("overview-inbox", waiting),
        parts.live("overview-rows", rows),
    )


def _first_steps() -> html.Div:
    return html.Div(
        parts.empty(
            "Make a monitor from the table a model was trained on. Everything else follows from it: the schema, the "
            "reference that batches are compared with, and the first version.",
            parts.link("Make a monitor", "/new", className="btn btn-main"),
        ),
        className="panel",
    )


def _read() -> tuple[Any, Any, str]:
    serving = service()
    monitors = history.monitors(serving.db)
    bad = [item for item in monitors if item.health in ("unreliable", "needs_you", "learning")]
    new = [item for item in monitors if item.health == "no_data"]
    title = _title(bad, new, len(monitors))
    columns = [
        parts.Column("State"),
        parts.Column("Monitor"),
        parts.Column("Drift, last 60"),
        parts.Column("Performance", hide=True),
        parts.Column("Champion", hide=True),
        parts.Column("Newest batch", hide=True),
        parts.Column("Last decision", hide=True),
    ]
    rows = [_row(serving, item) for item in monitors]
    table = parts.panel(
        say.count(len(monitors), "monitor"), parts.table(columns, rows, "All monitors"), flush=True,
    )  # fmt: skip
    return inbox.waiting(serving), table, title


def _title(bad: list[Monitor], new: list[Monitor], total: int) -> str:
    """What is most worth knowing of all monitors; one without a batch is not said to be trusted."""
    if bad:
        return f"{say.listing([item.name for item in bad])} {'needs' if len(bad) == 1 else 'need'} attention"
    if len(new) == total:
        return "Nothing to judge yet"
    if new:
        return (
            f"{total - len(new)} of {total} models can be trusted; {say.listing([one.name for one in new])} has no data"
        )
    return f"All {total} models can be trusted"


def _row(serving: Any, monitor: Monitor) -> list[Any]:
    db = serving.db
    view = window(db, monitor, 60)
    found = known(db, view)
    batch = scope.newest(db, monitor)
    champion = history.version(db, monitor.champion) if monitor.champion else None
    shown = charts.told(metric_view(db, view, found)) if len(view) else np.zeros(0)
    measured = now(found.measured, 10)[0]
    last = measured or now(found.estimated, 10)[0]
    figure = f"{say.metric_label(found.metric)} {say.metric_value(found.metric, last.value)}" if last else ""
    decision = scope.last_decision(db, monitor)
    return [
        parts.badge(say.HEALTH[monitor.health]),
        [
            html.Div(parts.link(parts.clip(monitor.name, 60), scope.base(monitor)), className="row-name"),
            html.Div(parts.clip(monitor.health_reason, 160), className="muted small"),
        ],
        [
            parts.spark(view.score.tolist(), "Batch score over the last 60 batches; the dashed line is the alarm", 1.0),
            html.Div(_drifted(view), className="muted small"),
        ],
        [
            parts.spark(shown.tolist(), f"{say.metric_label(found.metric)} over the last 60 batches"),
            html.Div(
                f"{figure}{'' if measured else ', estimated'}" if last else "no labels yet", className="muted small"
            ),
        ],
        [f"v{champion.number}", html.Div(say.ago(champion.created_at, serving.desk.now()), className="muted small")]
        if champion
        else "–",
        [
            parts.link(f"#{batch.id}", f"{scope.base(monitor)}/batches/{batch.id}"),
            html.Div(say.batch_time(batch), className="muted small nowrap"),
        ]
        if batch
        else "none yet",
        _decision(decision),
    ]


def _drifted(view: Window) -> str:
    drifted = sum(verdict == "drift" for verdict in view.verdict)
    return f"{drifted} of {say.count(len(view), 'batch', 'batches')}" if len(view) else "no batch yet"


def _decision(decision: Decision | None) -> Any:
    if decision is None or decision.trigger == "init":
        return html.Span("none yet", className="muted")
    word = say.ACTIONS[decision.action]
    return [parts.badge(word), html.Div(parts.clip(decision.reason, 140), className="small")]


@callback(
    Output("overview-head", "children"),
    Output("overview-inbox", "children"),
    Output("overview-rows", "children"),
    Input("change", "data"),
    prevent_initial_call=True,
)
def refresh(_: int) -> Any:
    """Newer data on the page as it stands."""
    waiting, rows, title = _read()
    return parts.heading(title, tools=parts.link("New monitor", "/new", className="btn btn-quiet")), waiting, rows
