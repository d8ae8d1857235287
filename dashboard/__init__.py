"""What a person sees: pages drawn from storage's values, acting through the service.

``service()`` is the one hand-over between the web application and the rest; ``look()`` is how the browser in front of
the person wants to be drawn for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import flask

if TYPE_CHECKING:
    from pipeline.service import Service


def service() -> Service:
    """The service of the application that answers the current request."""
    return flask.current_app.config["service"]


@dataclass(frozen=True)
class Look:
    """How to draw for this browser: in the dark, on a narrow screen."""

    dark: bool = False
    narrow: bool = False


def look() -> Look:
    """What the browser said of itself in its cookies (set before the first request by the page's own script)."""
    cookies = flask.request.cookies
    return Look(dark=cookies.get("theme") == "dark", narrow=cookies.get("narrow") == "1")
