"""``/``: every monitor as a row, and what waits for a person. With one monitor its summary opens directly."""

from __future__ import annotations

from typing import Any

import dash
import numpy as np
from dash import Input, Output, callback, html

from dashboard import brief, inbox, parts, say, scope, service
from dashboard.guard import guarded
from storage import history
from storage.records import Monitor

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
    title = (
        f"{say.listing([item.name for item in bad])} {'needs' if len(bad) == 1 else 'need'} attention"
        if bad
        else f"All {len(monitors)} models can be trusted"
    )
    columns = [
        parts.Column("State"),
        parts.Column("Monitor", wide=True),
        parts.Column("Drift, last 60"),
        parts.Column("Performance", hide=True),
        parts.Column("Champion", hide=True),
        parts.Column("Newest batch", hide=True),
    ]
    rows = [_row(serving, item) for item in monitors]
    table = parts.panel(
        say.count(len(monitors), "monitor"), parts.table(columns, rows, "All monitors"), flush=True,
    )  # fmt: skip
    return inbox.waiting(serving), table, title


def _row(serving: Any, monitor: Monitor) -> list[Any]:
    db = serving.db
    view = scope.window(db, monitor, 60)
    known = scope.known_performance(db, view)
    batch = scope.newest(db, monitor)
    champion = history.version(db, monitor.champion) if monitor.champion else None
    series = [(known.measured.get(int(one)) or known.estimated.get(int(one))) for one in view.batch]
    values = [
        item.metrics[known.primary].value if item and known.primary in item.metrics else np.nan for item in series
    ]
    last = next((value for value in reversed(values) if np.isfinite(value)), None)
    return [
        parts.badge(say.HEALTH[monitor.health]),
        [
            html.Div(parts.link(monitor.name, scope.base(monitor)), style={"fontWeight": 600}),
            html.Div(monitor.health_reason, className="muted small"),
        ],
        parts.spark(view.score.tolist(), "Batch score over the last 60 batches; the dashed line is the alarm", 1.0),
        [
            parts.spark(values, f"{say.metric_label(known.primary)} over the last 60 batches"),
            html.Div(
                f"{say.metric_label(known.primary)} {say.metric_value(known.primary, last)}"
                if last is not None
                else "no labels yet",
                className="muted small",
            ),
        ],
        [f"v{champion.number}", html.Div(f"since {say.date(champion.created_at)}", className="muted small")]
        if champion
        else "–",
        [f"#{batch.id}", html.Div(say.batch_time(batch), className="muted small")] if batch else "none yet",
    ]


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
