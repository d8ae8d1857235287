"""``/new``: a monitor from a table in three steps: choose the file, say what its columns are, make it."""

from __future__ import annotations

import base64
import json
from typing import Any

import dash
import dash_bootstrap_components as dbc
from dash import ALL, ClientsideFunction, Input, Output, State, callback, clientside_callback, dcc, html, no_update

from dashboard import actor, parts, say, scope, service
from dashboard.guard import guarded, known_code
from storage import history
from storage.errors import ProductError, Refused

dash.register_page(__name__, path="/new", title="New monitor - Drift Detector", order=112)
NONE = "none"
MOST = 60  # columns whose kinds are shown
KINDS = ("numeric", "categorical", "date", "ignored")


@guarded("new")
def layout(**_: Any) -> html.Div:
    """The page."""
    return parts.page(
        history.monitors(service().db),
        None,
        "new",
        parts.asked("new"),
        dcc.Store(id="new-file"),
        dcc.Store(id="new-emptied"),
        parts.heading(
            "Watch a model of your own",
            "From the table it was trained on. Rows of it become the reference that every batch is compared with.",
        ),
        html.Div(
            parts.panel(
                "1. The table it learned from",
                dcc.Upload(
                    html.Div(
                        [
                            html.Strong("Drop a file here or choose one"),
                            html.Div("CSV, TSV, Parquet or JSON lines, plain or gzip, up to 50 MB", className="small"),
                        ]
                    ),
                    id="new-upload",
                    className="drop",
                    style={},
                ),
                html.Div(id="new-says", className="field-error upload-says", role="alert"),
            ),
            className="upload-box",
        ),
        dcc.Loading(html.Div(id="new-form", className="stack"), delay_show=300, type="dot"),
        dcc.Loading(html.Div(id="new-result"), delay_show=300, type="dot"),
    )


clientside_callback(
    ClientsideFunction("drift", "emptied"),
    Output("new-emptied", "data"),
    Input("new-upload", "contents"),
    prevent_initial_call=True,
)


@callback(
    Output("new-file", "data"),
    Output("new-upload", "contents"),
    Output("new-form", "children"),
    Output("new-says", "children"),
    Input("new-upload", "contents"),
    State("new-upload", "filename"),
    prevent_initial_call=True,
)
def choose(contents: str | None, filename: str | None) -> Any:
    """A table was chosen: say what its columns look like."""
    if not contents:
        return (no_update,) * 4
    file = {"name": filename or "table", "data": contents.partition(",")[2]}
    try:
        about = service().describe(file["name"], base64.b64decode(file["data"]))
    except ProductError as error:
        return None, None, None, str(error)
    return file, None, _form(file["name"], about), ""


def _form(name: str, about: dict[str, Any]) -> list[Any]:
    columns = [item["name"] for item in about["columns"]]
    every = [{"label": column, "value": column} for column in columns]
    optional = [{"label": "none", "value": NONE}, *every]
    stem = name.rsplit("/", 1)[-1].split(".", 1)[0]
    fields = (
        (
            "Name of the monitor",
            dbc.Input(id="new-name", value=stem[:80], maxLength=80, size="sm"),
            "letters, digits, spaces, - _ . @",
        ),
        (
            "Target",
            dbc.Select(id="new-target", options=every, value=about["target"], size="sm"),
            "the column the model predicts",
        ),
        (
            "Id column",
            dbc.Select(id="new-id", options=optional, value=about["id"] or NONE, size="sm"),
            "joins labels that come later",
        ),
        (
            "Time column",
            dbc.Select(id="new-time", options=optional, value=about["time"] or NONE, size="sm"),
            "when a row happened",
        ),
        (
            "Estimator",
            dbc.Input(id="new-estimator", placeholder="gradient boosting", size="sm"),
            "dotted path of a scikit-learn estimator; empty for the default",
        ),
    )
    cells: list[Any] = []
    for label, control, text in fields:
        cells += [
            html.Label(label, htmlFor=control.id, className="field-label"),
            control,
            html.Div(text, className="field-help"),
        ]
    table = parts.table(
        [parts.Column("Column", wide=True), parts.Column("Read as"), parts.Column("First values", hide=True),
         parts.Column("Noticed", wide=True)],
        [[parts.clip(item["name"]), _kind(item), _first(about, item["name"]), item["note"] or "–"]
         for item in about["columns"][:MOST]],
        "Columns of the table",
    )  # fmt: skip
    more = f" Showing the first {MOST} of {len(columns):,}." if len(columns) > MOST else ""
    return [
        *[parts.notice(text, "warn") for text in about["warnings"]],
        parts.panel(
            f"2. What its columns are: {say.count(about['rows'], 'row')}, {say.count(len(columns), 'column')}",
            html.Div(cells, className="form-grid"),
            html.Details(
                [html.Summary(f"Kinds of all columns: change what was read wrongly.{more}"), table], className="small"
            ),
        ),
        parts.panel(
            "3. Make it",
            html.P(
                "The reference is profiled and a first version is trained; this takes a few seconds.", className="muted"
            ),
            parts.acting("Make the monitor", "new-make", "btn btn-main"),
        ),
    ]


def _kind(item: dict[str, Any]) -> list[Any]:
    """What a column is read as, to be changed."""
    ident = {"type": "new-kind", "column": item["name"], "found": item["kind"]}
    options = [{"label": kind, "value": kind} for kind in KINDS]
    stands = json.dumps(ident, separators=(",", ":"), sort_keys=True, ensure_ascii=False)  # the id as it is in the page
    return [
        html.Label(f"Kind of {item['name']}", htmlFor=stands, className="visually-hidden"),
        dbc.Select(id=ident, options=options, value=item["kind"], size="sm", style={"minWidth": "120px"}),
    ]


def _first(about: dict[str, Any], name: str) -> Any:
    """The first values of a column."""
    values = [say.cut(str(row.get(name)), 14) for row in about["sample"][:3] if row.get(name) is not None]
    return ", ".join(values) or "–"


@callback(
    Output("new-result", "children"),
    Output(parts.address("new"), "data"),
    Input("new-make", "n_clicks"),
    State("new-file", "data"),
    State("new-name", "value"),
    State("new-target", "value"),
    State("new-id", "value"),
    State("new-time", "value"),
    State("new-estimator", "value"),
    State({"type": "new-kind", "column": ALL, "found": ALL}, "id"),
    State({"type": "new-kind", "column": ALL, "found": ALL}, "value"),
    prevent_initial_call=True,
)
def make(
    clicks: int,
    file: dict[str, str] | None,
    name: str,
    target: str,
    key: str,
    time: str,
    estimator: str | None,
    columns: list[dict[str, str]],
    kinds: list[str],
) -> Any:
    """Make the monitor and go to it."""
    if not clicks:
        return no_update, no_update
    try:
        if not file:
            raise Refused("Choose a table first.")
        known_code((estimator or "").strip())
        monitor = service().init(
            (name or "").strip(), file["name"], base64.b64decode(file["data"]), target,
            id_column=None if key == NONE else key, time_column=None if time == NONE else time,
            kinds=_kinds(columns, kinds, {target, key, time}), estimator=(estimator or "").strip() or None,
            author=actor().name,
        )  # fmt: skip
    except ProductError as error:
        return parts.notice(str(error), "bad"), no_update
    return None, scope.base(monitor)


def _kinds(columns: list[dict[str, str]], kinds: list[str], special: set[str]) -> dict[str, str]:
    """The columns whose kind a person changed, but for those that are no feature."""
    return {
        item["column"]: kind
        for item, kind in zip(columns, kinds, strict=True)
        if kind != item["found"] and item["column"] not in special
    }
