"""What an address that leads nowhere shows."""

from __future__ import annotations

from typing import Any

import dash
from dash import html

from dashboard import parts, service
from dashboard.guard import guarded
from storage import history

dash.register_page(__name__, title="Not found - Drift Detector")


@guarded("overview")
def layout(**_: Any) -> html.Div:
    """The page."""
    monitors = history.monitors(service().db)
    links = [parts.link(item.name, f"/m/{item.name}", className="btn btn-quiet") for item in monitors[:12]]
    return parts.page(
        monitors,
        None,
        "overview",
        parts.heading("There is no page at this address"),
        html.Div(
            parts.empty(
                "It may have moved, or the link is cut short.",
                parts.link("Overview", "/", className="btn btn-main"),
                *links,
            ),
            className="panel",
        ),
    )
