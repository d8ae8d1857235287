"""The top of every page: names in paths are decoded, and an error becomes a page that says what it is about."""

from __future__ import annotations

import functools
import logging
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from dash import html

from dashboard import parts, service
from storage import history
from storage.errors import Missing, ProductError, Refused

log = logging.getLogger("drift.pages")


def guarded(section: str, *path_names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wrap a page's layout.

    Parameters
    ----------
    section : str
        The row of the rail that is lit.
    path_names : str
        Variables of the path: Dash hands them over percent-encoded (queries are decoded already).
    """

    def wrap(layout: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(layout)
        def safe(**asked: Any) -> Any:
            asked = {key: unquote(value) if key in path_names and value else value for key, value in asked.items()}
            try:
                return layout(**asked)
            except Missing as error:
                title, text, code = "Not found", str(error), ""
            except ProductError as error:
                title, text, code = "This cannot be shown", str(error), ""
            except Exception:
                code = error_code()
                log.exception("page %s (%s) failed, id %s", section, asked, code)
                title, text = "This page could not be drawn", "The program met an error it did not expect."
            return _stand_in(section, asked.get("monitor"), title, text, code)

        return safe

    return wrap


def known_code(path: str) -> None:
    """Refuse code that is not scikit-learn's: by the web nobody names what this machine is to import and call.

    Raises
    ------
    Refused
        For a dotted path that leads elsewhere; the command line takes any.
    """
    if "." in path and not path.startswith("sklearn."):
        raise Refused(
            f"{path[:80]!r} is not of scikit-learn. Code of one's own is named on the command line, by who may run it."
        )


def error_code() -> str:
    """A short id under which an error is logged and shown."""
    return secrets.token_hex(3)


def _stand_in(section: str, name: str | None, title: str, text: str, code: str) -> html.Div:
    """The page in place of one that failed; the rail stays if the monitor is known."""
    try:
        monitors = history.monitors(service().db)
    except ProductError:
        monitors = []
    monitor = next((item for item in monitors if item.name == name), None)
    body = (
        parts.failed(text, code)
        if code
        else parts.empty(text, parts.link("To the overview", "/", className="btn btn-quiet"))
    )
    return parts.page(monitors, monitor, section, parts.heading(title), html.Div(body, className="panel"))
