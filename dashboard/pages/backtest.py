"""``/m/<monitor>/backtest``: what other policies would have brought, over the stored history or a file."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html, no_update

from dashboard import actor, parts, say, scope, service
from dashboard.guard import guarded
from dashboard.panels import replays
from pipeline.backtest import RIVALS, variants
from storage import history
from storage.errors import Missing, ProductError, Refused
from storage.records import Backtest, Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/backtest",
    title=lambda monitor="": f"Backtest - {unquote(monitor)}",
    order=105,
)
AUTO, TRIED, NONE = "auto", "variants", "-"
USUAL = (AUTO, "never", "every:K", TRIED)
REACH = (("60", "the newest 60 labelled batches"), ("120", "the newest 120"), ("365", "the newest 365"), ("", "all"))


@guarded("backtest", "monitor")
def layout(monitor: str = "", run: str = "", **_: Any) -> html.Div:
    """The page, wholly from its path and query: ``?run=3`` shows one that was asked for."""
    db = service().db
    owner = history.monitor(db, monitor)
    known = history.backtests(db, owner.id)
    shown, complaint = _shown(known, run)
    return parts.page(
        history.monitors(db),
        owner,
        "backtest",
        parts.asked("backtest", monitor=owner.name, run=str(shown.id) if shown else ""),
        dcc.Store(id="backtest-file"),
        dcc.Store(id="backtest-emptied"),
        dcc.Store(id="backtest-state", data=shown.state if shown else ""),
        parts.live("backtest-head", _head(owner, shown)),
        parts.notice(complaint, "warn") if complaint else None,
        parts.live("backtest-result", _result(owner, shown), "stack"),
        _form(owner, bool(known)),
        parts.live("backtest-earlier", replays.earlier(owner, known, shown.id if shown else None) if known else None),
    )


def _shown(known: list[Backtest], run: str) -> tuple[Backtest | None, str]:
    """The one asked for, else the newest."""
    if not run:
        return (known[0] if known else None), ""
    found = next((item for item in known if str(item.id) == run), None)
    return found, "" if found else f"There is no backtest #{run[:12]} of this monitor; it may have been removed."


def _head(owner: Monitor, shown: Backtest | None) -> Any:
    if shown is not None and shown.state == "done":
        title, sub = replays.headline(shown)
        return parts.heading(title, sub, above=f"{owner.name}, backtest #{shown.id} of {shown.name}")
    return parts.heading(
        "What if it had been run otherwise?",
        "Replays the past under other policies: each batch is predicted first and learned from afterwards, as it was.",
        above=owner.name,
    )


def _result(owner: Monitor, shown: Backtest | None) -> list[Any]:
    if shown is None:
        return []
    return replays.result(owner, shown) if shown.state == "done" else replays.state(shown)


def _form(owner: Monitor, folded: bool) -> html.Details:
    """What to replay; folded away once there is something to look at."""
    labels = {name: rule.label for name, rule in RIVALS.items()}
    options = [
        {"label": "Settings in force", "value": AUTO},
        {"label": "Settings worth trying: other budgets and thresholds of training, one at a time", "value": TRIED},
        *({"label": label, "value": name} for name, label in labels.items()),
    ]
    body = html.Div(
        [
            html.Div(
                [
                    html.Div(
                        [
                            html.H3("What is replayed"),
                            dbc.RadioItems(
                                id="backtest-source",
                                options=[
                                    {"label": f"The stored history of {say.cut(owner.name, 40)}", "value": "stored"},
                                    {"label": "A file with labels", "value": "file"},
                                ],
                                value="stored",
                            ),
                            html.Div(_reach(), id="backtest-stored"),
                            html.Div(_file(), id="backtest-given", hidden=True),
                        ],
                        className="stack-small",
                    ),
                    html.Fieldset(
                        [
                            html.Legend("Policies"),
                            dbc.Checklist(id="backtest-policies", options=options, value=list(USUAL)),
                            html.Div(
                                [
                                    html.Label("K, batches between two trainings", htmlFor="backtest-every"),
                                    dbc.Input(id="backtest-every", value="10", size="sm", inputMode="numeric"),
                                ],
                                className="inline-field",
                            ),
                        ],
                        className="stack-small",
                    ),
                ],
                className="grid-2",
            ),
            html.Div(id="backtest-says", className="field-error", role="alert"),
            html.Div(
                [
                    parts.acting("Replay", "backtest-start", "btn btn-main"),
                    html.Span(
                        "Runs beside the daily work; nothing of the monitor is changed.", className="muted small"
                    ),
                ],
                className="samples",
            ),
        ],
        className="panel-body stack",
    )
    title = "Replay again" if folded else "Replay the past"
    summary = html.Summary(html.H2(title, className="panel-title"))
    return html.Details([summary, body], className="panel fold", open=not folded)


def _reach() -> list[Any]:
    options = [{"label": text, "value": value or NONE} for value, text in REACH]
    return [
        html.Label("How far back", htmlFor="backtest-last", className="field-label"),
        dbc.Select(id="backtest-last", options=options, value="120", size="sm"),
        html.Div("Labelled batches before these join the first training table.", className="field-help"),
    ]


def _file() -> html.Div:
    return html.Div(
        [
            dcc.Upload(
                html.Div(
                    [
                        html.Strong("Drop a file here or choose one"),
                        html.Div("a recorded table with its labels, up to 50 MB", className="small"),
                    ]
                ),
                id="backtest-upload",
                className="drop",
                style={},
            ),
            html.Div(id="backtest-upload-says", className="field-error upload-says", role="alert"),
            html.Div(id="backtest-columns"),
        ],
        className="upload-box",
    )


clientside_callback(
    ClientsideFunction("drift", "emptied"),
    Output("backtest-emptied", "data"),
    Input("backtest-upload", "contents"),
    prevent_initial_call=True,
)


@callback(
    Output("backtest-stored", "hidden"),
    Output("backtest-given", "hidden"),
    Input("backtest-source", "value"),
    prevent_initial_call=True,
)
def switch(source: str) -> tuple[bool, bool]:
    """The stored history or a file."""
    return source == "file", source != "file"


@callback(
    Output("backtest-file", "data"),
    Output("backtest-upload", "contents"),
    Output("backtest-columns", "children"),
    Output("backtest-upload-says", "children"),
    Input("backtest-upload", "contents"),
    State("backtest-upload", "filename"),
    State("backtest-asked", "data"),
    prevent_initial_call=True,
)
def choose(contents: str | None, filename: str | None, asked: dict[str, str]) -> Any:
    """A file was chosen: ask which column is which."""
    if not contents:
        return (no_update,) * 4
    file = {"name": filename or "table", "data": contents.partition(",")[2]}
    owner = history.monitor(service().db, asked["monitor"])
    try:
        about = service().describe(file["name"], base64.b64decode(file["data"]))
    except ProductError as error:
        return None, None, None, str(error)
    columns = [item["name"] for item in about["columns"]]
    target = owner.schema.target if owner.schema.target in columns else about["target"]
    time = owner.schema.time_column if owner.schema.time_column in columns else about["time"]
    every = [{"label": column, "value": column} for column in columns]
    return (
        file,
        None,
        html.Div(
            [
                html.P(f"{file['name']}: {say.count(about['rows'], 'row')}, {say.count(len(columns), 'column')}"),
                html.Label("Target", htmlFor="backtest-target", className="field-label"),
                dbc.Select(id="backtest-target", options=every, value=target, size="sm"),
                html.Label("Time order", htmlFor="backtest-time", className="field-label"),
                dbc.Select(
                    id="backtest-time", options=[{"label": "as in the file", "value": NONE}, *every],
                    value=time or NONE, size="sm",
                ),
            ]
        ),
        "",
    )  # fmt: skip


@callback(
    Output(parts.address("backtest"), "data"),
    Output("backtest-says", "children"),
    Input("backtest-start", "n_clicks"),
    State("backtest-source", "value"),
    State("backtest-policies", "value"),
    State("backtest-every", "value"),
    State("backtest-last", "value"),
    State("backtest-file", "data"),
    State("backtest-target", "value", allow_optional=True),
    State("backtest-time", "value", allow_optional=True),
    State("backtest-asked", "data"),
    prevent_initial_call=True,
)
def start(
    clicks: int,
    source: str,
    policies: list[str],
    every: str,
    last: str,
    file: dict[str, str] | None,
    target: str | None,
    time: str | None,
    asked: dict[str, str],
) -> Any:
    """Queue it; from here on the page follows it in the database, and so does any other tab."""
    if not clicks:
        return no_update, no_update
    owner = history.monitor(service().db, asked["monitor"])
    try:
        runs = _runs(owner, policies, every)
        if source == "file":
            if not file or not target:
                raise Refused("Choose a file first.")
            given = {"name": file["name"], "target": target, "time": None if time == NONE else time}
            done = service().backtest(
                owner.name, runs, file=given, data=base64.b64decode(file["data"]), author=actor().name
            )
        else:
            reach = int(last) if last.isdecimal() else None
            done = service().backtest(owner.name, runs, last=reach, author=actor().name)
    except ProductError as error:
        return no_update, str(error)
    return f"{scope.base(owner)}/backtest?run={done}", ""


def _runs(owner: Monitor, policies: list[str], every: str) -> list[dict[str, Any]]:
    """What the ticked boxes ask for, the settings in force first."""
    if not policies:
        raise Refused("Tick at least one policy.")
    tried = variants(history.settings_in_force(service().db, owner.id))
    runs: list[dict[str, Any]] = tried[:1] if AUTO in policies else []
    runs += tried[1:] if TRIED in policies else []
    for name in RIVALS:
        if name in policies:
            number = str(every or "").strip()
            if name == "every:K" and not (number.isdecimal() and int(number) > 0):
                raise Refused(f"K must be a whole number of batches from 1 on, not {number[:12]!r}.")
            runs.append({"policy": name.replace("K", number) if name == "every:K" else name})
    return runs


@callback(
    Output("backtest-result", "children"),
    Output("backtest-head", "children"),
    Output("backtest-earlier", "children"),
    Output("backtest-state", "data"),
    Input("pulse", "n_intervals"),
    Input("change", "data"),
    State("backtest-state", "data"),
    State("backtest-asked", "data"),
    prevent_initial_call=True,
)
def follow(_: int, __: int, before: str, asked: dict[str, str]) -> Any:
    """How far it has come. A result that stands is not drawn again."""
    db = service().db
    if before in ("done", "failed") and "change.data" not in dash.ctx.triggered_prop_ids:
        return (no_update,) * 4
    owner = history.monitor(db, asked["monitor"])
    known = history.backtests(db, owner.id)
    shown = next((item for item in known if str(item.id) == asked["run"]), None)
    table = replays.earlier(owner, known, shown.id if shown else None) if known else None
    if shown is None:
        gone = Missing(f"Backtest #{asked['run']} was removed.")
        return [parts.notice(str(gone))] if asked["run"] else [], no_update, table, ""
    if before == shown.state == "done":
        return no_update, no_update, table, no_update
    return _result(owner, shown), _head(owner, shown), table, shown.state
