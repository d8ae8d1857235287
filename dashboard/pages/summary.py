"""``/m/<monitor>``: can the model be trusted today, why, and what was done."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
from dash import Input, Output, State, callback, html

from dashboard import charts, parts, service
from dashboard.guard import guarded
from dashboard.panels import brief
from storage import history

# Last of all: in Dash a variable of a path also matches slashes, and the first page that matches wins.
dash.register_page(
    __name__, path_template="/m/<monitor>", title=lambda monitor="": f"Summary - {unquote(monitor)}", order=199
)


@guarded("summary", "monitor")
def layout(monitor: str = "", **_: Any) -> html.Div:
    """The page."""
    return brief.layout(history.monitor(service().db, monitor))


@callback(
    *[Output(f"summary-{name}", "children") for name in brief.REGIONS],
    Output(parts.graph_id("summary-performance"), "figure"),
    Input("change", "data"),
    State("summary-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer data on the page as it stands."""
    serving = service()
    monitor = history.monitor(serving.db, asked["monitor"])
    regions = brief.read(serving, monitor) or {}
    figure, _ = brief.performance_chart(serving, monitor)
    return *[regions.get(name) for name in brief.REGIONS], charts.refreshed(figure)
