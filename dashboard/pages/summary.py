"""``/m/<monitor>``: can the model be trusted today, why, and what was done."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
from dash import html

from dashboard import brief, service
from dashboard.guard import guarded
from storage import history

# Last of all: in Dash a variable of a path also matches slashes, and the first page that matches wins.
dash.register_page(
    __name__, path_template="/m/<monitor>", title=lambda monitor="": f"Summary - {unquote(monitor)}", order=50
)


@guarded("summary", "monitor")
def layout(monitor: str = "", **_: Any) -> html.Div:
    """The page."""
    return brief.layout(history.monitor(service().db, monitor))
