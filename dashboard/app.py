"""The web application: pages, API, headers, and what stays on screen while pages come and go."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import flask
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, no_update

from dashboard import actions, actor, parts, say, theme
from dashboard.guard import error_code
from dashboard.web import access, login
from dashboard.web.api import api
from dashboard.web.refusals import explain_errors
from storage import history
from storage.errors import ProductError
from storage.secret import secret_key

if TYPE_CHECKING:
    from pipeline.service import Service

log = logging.getLogger("drift.pages")

PULSE = 2000  # milliseconds between two looks for news
UPLOAD_LIMIT = 50 * 1024 * 1024  # what the browser's upload takes; larger files go through the inbox
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1.5 11.5c2 0 2.4-5 4.2-5s2 5 4 5' fill='none' stroke='%230B6BB0' stroke-width='2.4'/%3E%3C/svg%3E">
<script src="/static/first.js"></script>
<link rel="stylesheet" href="/static/bootstrap.min.css">
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""  # noqa: E501


def create_app(service: Service, door: access.Door = access.Door()) -> Dash:  # noqa: B008 (a frozen value)
    """The application over a service.

    Parameters
    ----------
    service : Service
        Kept in ``app.server.config["service"]``; pages reach it through ``dashboard.service()``.
    door : Door
        How it is reached; by default from this machine only.

    Returns
    -------
    Dash
        Its ``server`` is the WSGI application.
    """
    app = Dash(
        "dashboard",
        use_pages=True,
        title="Drift Detector",
        update_title=None,
        index_string=INDEX,
        suppress_callback_exceptions=True,
        compress=True,
        on_error=_on_error,
        assets_ignore=r"first\.js",
        enable_mcp=False,
    )
    app.server.config["service"] = service
    app.server.config["COMPRESS_ALGORITHM"] = ["br", "gzip"]
    app.server.config["COMPRESS_BR_LEVEL"] = 4
    app.layout = lambda: parts.shell(_number(), PULSE, theme.pairs(), actor().name if actor().signed_in else "")
    app.server.register_blueprint(api)
    _static(app.server)
    _client(app)
    actions.register(app)
    app.callback(
        Output("rail-health", "children"), Input("change", "data"), State("url", "pathname"), prevent_initial_call=True
    )(_health)
    login.prepare(app.server, secret_key(service.desk.folder), door)
    explain_errors(app.server)
    access.guard(app.server, app.csp_hashes, login.page, door)
    return app


def _health(_: int, path: str) -> Any:
    """The state of the monitor in the rail, on whatever page it stands."""
    monitors = history.monitors(flask.current_app.config["service"].db)
    name = unquote(path.split("/")[2]) if path.startswith("/m/") else ""
    shown = next((item for item in monitors if item.name == name or len(monitors) == 1), None)
    return parts.badge(say.HEALTH[shown.health]) if shown else no_update


def _number() -> int:
    return history.change_number(flask.current_app.config["service"].db)


def _static(server: flask.Flask) -> None:
    """Two files that come before everything else: Bootstrap from its package, the script before first paint."""
    known = {
        "bootstrap.min.css": (files("bootstrap") / "css" / "bootstrap.min.css", "text/css"),
        "first.js": (files("dashboard") / "assets" / "first.js", "text/javascript"),
    }

    @server.get("/static/<name>")
    def static_file(name: str) -> flask.Response:
        if name not in known:
            flask.abort(404)
        path, kind = known[name]
        answer = flask.Response(path.read_bytes(), mimetype=kind)
        answer.headers["Cache-Control"] = "public, max-age=3600"
        return answer


def _client(app: Dash) -> None:
    """Callbacks that run in the browser (see ``assets``)."""

    def client(name: str) -> ClientsideFunction:
        return ClientsideFunction("drift", name)

    graphs = {"type": "graph", "index": ALL}
    app.clientside_callback(
        client("pulse"), Output("change", "data"), Input("pulse", "n_intervals"), State("change", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    app.clientside_callback(
        client("pause"), Output("pulse", "disabled"), Output("pause", "children"), Input("pause", "n_clicks"),
        prevent_initial_call=True,
    )  # fmt: skip
    app.clientside_callback(
        client("theme"), Output(graphs, "figure"), Input("theme-switch", "n_clicks"), State(graphs, "id"),
        State(graphs, "figure"), prevent_initial_call=True,
    )  # fmt: skip
    app.clientside_callback(
        client("go"), Output("go", "href"), Input("monitor-picker", "value"), prevent_initial_call=True
    )
    app.clientside_callback(
        client("address"), Output("url", "search"), Output("go", "href", allow_duplicate=True),
        Input({"type": "address", "page": ALL}, "data"), prevent_initial_call=True,
    )  # fmt: skip


def _on_error(error: Exception) -> Any:
    """A callback failed: the page keeps what it showed, and a message says what went wrong."""
    if isinstance(error, ProductError):
        actions.tell(str(error), "bad")
        return
    code = error_code()
    log.error("callback failed, id %s", code, exc_info=error)
    actions.tell(f"Something went wrong here; what you see is the last good view. Logged as {code}.", "bad")
