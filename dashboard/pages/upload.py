"""``/m/<monitor>/upload``: look at a file, check it without storing anything, or ingest it and follow its way."""

from __future__ import annotations

import base64
import binascii
import hashlib
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

import dash
import dash_bootstrap_components as dbc
from dash import ALL, ClientsideFunction, Input, Output, State, callback, clientside_callback, ctx, dcc, html, no_update

from dashboard import actor, parts, say, scope, service
from dashboard.guard import guarded
from dashboard.panels import preview
from dashboard.panels.delivery import findings, steps, then_and_now
from storage import history
from storage.errors import Missing, ProductError, Refused
from storage.records import Monitor

dash.register_page(
    __name__, path_template="/m/<monitor>/upload", title=lambda monitor="": f"Upload - {unquote(monitor)}", order=107
)
SAMPLES = {
    "normal.csv": "a quiet day",
    "drifted.csv": "a drifted day",
    "kilojoules.csv": "energy in the wrong unit",
    "missing-column.csv": "a column is missing",
    "text-in-numbers.csv": "words among numbers",
    "labels.csv": "labels that came later",
}


@guarded("upload", "monitor")
def layout(monitor: str = "", batch: str = "", **_: Any) -> html.Div:
    """The page, wholly from its path and query: ``?batch=`` follows one that was ingested."""
    owner = history.monitor(service().db, monitor)
    followed = int(batch) if batch.isdecimal() else None
    return parts.page(
        history.monitors(service().db),
        owner,
        "upload",
        parts.asked("upload", monitor=owner.name),
        dcc.Store(id="upload-file"),
        dcc.Store(id="upload-emptied"),
        dcc.Store(id="upload-batch", data=followed),
        dcc.Download(id="upload-download"),
        parts.heading("Check or ingest a batch", _expected(owner), above=owner.name),
        html.Div(
            parts.panel(
                "Choose a file",
                _zone(),
                _pasting(),
                _samples(owner),
                html.Div(id="upload-says", className="field-error upload-says", role="alert"),
            ),
            className="upload-box",
        ),
        html.Div(id="upload-preview", className="stack"),
        html.Div(id="upload-check", className="stack"),
        html.Div(_followed(owner, followed), id="upload-result", className="stack"),
    )


def _expected(owner: Monitor) -> str:
    schema = owner.schema
    special = [name for name in (schema.id_column, schema.time_column) if name]
    own = f" besides {say.listing(special)}" if special else ""
    late = (
        f" Labels may come later: a file with {schema.id_column} and {schema.target} only." if schema.id_column else ""
    )
    return f"A batch has {say.count(len(schema.watched), 'feature')}{own}; {schema.target} may be in it or not.{late}"


def _zone() -> html.Div:
    return html.Div(
        dcc.Upload(
            html.Div(
                [
                    html.Strong("Drop a file here or choose one"),
                    html.Div("CSV, TSV, Parquet or JSON lines, plain or gzip, up to 50 MB", className="small"),
                ]
            ),
            id="upload",
            multiple=False,
            className="drop",
            style={},
        ),
        className="upload-zone",
    )


def _pasting() -> html.Details:
    return html.Details(
        [
            html.Summary("or paste rows"),
            html.Label(
                "Rows with a header, commas or tabs between cells", htmlFor="upload-text", className="field-label"
            ),
            dbc.Textarea(id="upload-text", rows=6, className="mono", spellCheck=False, maxLength=2_000_000),
            html.Div(
                html.Button("Look at it", id="upload-paste", type="button", className="btn btn-quiet", n_clicks=0),
                className="samples",
            ),
        ],
        className="small stack-small",
    )


def _samples(owner: Monitor) -> Any:
    buttons: list[Any] = [parts.download("Template", f"/api{scope.base(owner)}/template.csv")]
    if owner.demo:
        folder = files("seed_data") / "samples"
        buttons += [
            html.Button(
                text,
                id={"type": "sample", "name": name},
                type="button",
                n_clicks=0,
                className="btn btn-quiet",
                title=name,
            )
            for name, text in SAMPLES.items()
            if (folder / name).is_file()
        ]
        buttons.insert(1, html.Span("or try", className="muted small"))
    return html.Div(buttons, className="samples")


def _bytes(file: dict[str, str] | None) -> tuple[str, bytes]:
    """Name and content of the file held by the page."""
    if not file:
        raise Refused("Choose a file first.")
    try:
        return file["name"], base64.b64decode(file["data"])
    except binascii.Error as error:
        raise Refused("The browser sent a damaged file; choose it again.", file=file["name"]) from error


clientside_callback(
    ClientsideFunction("drift", "emptied"),
    Output("upload-emptied", "data"),
    Input("upload", "contents"),
    prevent_initial_call=True,
)


@callback(
    Output("upload-file", "data"),
    Output("upload", "contents"),
    Output("upload-preview", "children"),
    Output("upload-check", "children"),
    Output("upload-result", "children"),
    Output("upload-says", "children"),
    Output(parts.address("upload"), "data"),
    Input("upload", "contents"),
    Input({"type": "sample", "name": ALL}, "n_clicks"),
    Input("upload-paste", "n_clicks"),
    State("upload", "filename"),
    State("upload-text", "value"),
    State("upload-asked", "data"),
    prevent_initial_call=True,
)
def choose(
    contents: str | None,
    clicks: list[int],
    pasted: int,
    filename: str | None,
    text: str | None,
    asked: dict[str, str],
) -> Any:
    """A file was chosen: say what it is before anything is stored."""
    if ctx.triggered_id == "upload":
        if not contents:
            return (no_update,) * 7
        file = {"name": filename or "upload", "data": contents.partition(",")[2]}
    elif not ctx.triggered or not ctx.triggered[0]["value"]:
        return (no_update,) * 7
    elif ctx.triggered_id == "upload-paste":
        if not (text or "").strip():
            return *(no_update,) * 5, "Paste a header and rows first.", no_update
        file = {"name": _pasted_name(text or ""), "data": base64.b64encode((text or "").encode()).decode()}
    else:
        name = ctx.triggered_id["name"]
        if name not in SAMPLES:
            raise Missing(f"There is no sample {name!r}.")
        file = {"name": name, "data": base64.b64encode((files("seed_data") / "samples" / name).read_bytes()).decode()}
    owner = history.monitor(service().db, asked["monitor"])
    name, data = _bytes(file)
    try:
        found = service().preview(owner.name, name, data)
    except ProductError as error:
        return (
            file,
            None,
            preview.refused(name, service().problems(owner.name, name, data), str(error)),
            None,
            None,
            str(error),
            "",
        )
    return file, None, preview.file_panel(owner, found, len(data)), None, None, "", ""


def _pasted_name(text: str) -> str:
    """A name whose ending says how to read it; the same text has the same name."""
    kind = "tsv" if "\t" in text.partition("\n")[0] else "csv"
    return f"pasted-{hashlib.sha256(text.encode()).hexdigest()[:8]}.{kind}"


@callback(
    Output("upload-check", "children", allow_duplicate=True),
    Output("upload-says", "children", allow_duplicate=True),
    Input("upload-only-check", "n_clicks"),
    State("upload-file", "data"),
    State("upload-asked", "data"),
    prevent_initial_call=True,
)
def only_check(clicks: int, file: dict[str, str] | None, asked: dict[str, str]) -> Any:
    """What the file would do; nothing is stored."""
    if not clicks:
        return no_update, no_update
    owner = history.monitor(service().db, asked["monitor"])
    name, data = _bytes(file)
    try:
        found = service().preview(owner.name, name, data)
    except ProductError as error:
        return None, str(error)
    return preview.checked(owner, found), ""


@callback(
    Output("upload-download", "data"),
    Input("upload-predict", "n_clicks"),
    State("upload-file", "data"),
    State("upload-asked", "data"),
    prevent_initial_call=True,
)
def download(clicks: int, file: dict[str, str] | None, asked: dict[str, str]) -> Any:
    """The champion's predictions for the whole file, as CSV."""
    if not clicks:
        return no_update
    name, data = _bytes(file)
    table = service().predict_csv(asked["monitor"], name, data)
    stem = name.rsplit(".", 1)[0]
    return dcc.send_bytes(table, f"{stem}-predictions.csv")


@callback(
    Output("upload-batch", "data"),
    Output("upload-result", "children", allow_duplicate=True),
    Output("upload-preview", "children", allow_duplicate=True),
    Output("upload-check", "children", allow_duplicate=True),
    Output("upload-says", "children", allow_duplicate=True),
    Output(parts.address("upload"), "data", allow_duplicate=True),
    Input("upload-ingest", "n_clicks"),
    State("upload-file", "data"),
    State("upload-asked", "data"),
    prevent_initial_call=True,
)
def ingest(clicks: int, file: dict[str, str] | None, asked: dict[str, str]) -> Any:
    """Store the file; from here on the page follows the batch's state in the database."""
    if not clicks:
        return (no_update,) * 6
    owner = history.monitor(service().db, asked["monitor"])
    name, data = _bytes(file)
    try:
        receipt = service().receive(owner.name, name, data, author=actor().name)
    except ProductError as error:
        return no_update, no_update, no_update, no_update, str(error), no_update
    batch = receipt.batch.id
    told: list[Any] = []
    if receipt.duplicate:
        told = [parts.notice(f"Duplicate: the same bytes as batch #{batch}. Nothing was added.", "warn")]
    return batch, [*told, *_followed(owner, batch)], None, None, "", f"?batch={batch}"


def _followed(owner: Monitor, batch: int | None) -> list[Any]:
    """The batch that was ingested, as far as it has come."""
    if batch is None:
        return []
    try:
        found = history.batch(service().db, batch)
    except Missing as error:
        return [parts.notice(str(error), "warn")]
    if found.monitor_id != owner.id:
        return [parts.notice(f"Batch #{batch} is not one of {owner.name}.", "warn")]
    tools = [parts.link("Its own page", f"{scope.base(owner)}/batches/{batch}", className="btn btn-quiet")]
    if found.version_id:
        tools.append(parts.download("Predictions", f"/api{scope.base(owner)}/batches/{batch}/predictions.csv"))
    if found.state == "quarantined":
        tools.append(parts.action("Try again", "retry", owner.name, batch))
    word = say.STATES[found.state]
    return [
        parts.panel(f"Batch #{batch}, {found.name}: {word.text.lower()}", steps(owner, found), tools=tools),
        then_and_now(owner, found),
        *findings(owner, found),
    ]


@callback(
    Output("upload-result", "children", allow_duplicate=True),
    Input("change", "data"),
    State("upload-batch", "data"),
    State("upload-asked", "data"),
    prevent_initial_call=True,
)
def follow(_: int, batch: int | None, asked: dict[str, str]) -> Any:
    """The steps of the batch, as the database has them."""
    if batch is None:
        return no_update
    return _followed(history.monitor(service().db, asked["monitor"]), batch)
