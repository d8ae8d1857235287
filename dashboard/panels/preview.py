"""A file before it is ingested: what it is, what is wrong with it, and what it would do. Nothing is stored here."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard import parts, say, scope
from dashboard.panels.delivery import verdict_table
from storage.errors import Refused
from storage.records import Monitor, Preview


def refused(name: str, found: list[Refused], said: str) -> Any:
    """What is wrong with a file, by column and line, before anything is stored."""
    columns = [
        parts.Column("Column"), parts.Column("Line", right=True), parts.Column("What is wrong", wide=True),
        parts.Column("What to do", wide=True),
    ]  # fmt: skip
    rows = [
        [
            parts.clip(error.column, 40) if error.column else "–",
            f"{error.row:,}" if error.row is not None else "–",
            _bare(error, name),
            error.remedy or "–",
        ]
        for error in found
    ]
    return parts.panel(
        f"{name} cannot be taken as it is: {say.count(len(found), 'problem')}" if found else f"{name} cannot be taken",
        parts.table(columns, rows, "Problems of the file", cards=True) if found else html.P(said),
        html.Div(
            [
                parts.acting("Keep it in quarantine", "upload-ingest"),
                html.Button(
                    "Check again", id="upload-only-check", type="button", className="btn btn-quiet", n_clicks=0
                ),
            ],
            className="samples",
        ),
        sub="Nothing was stored. Mend the file and choose it again; kept in quarantine, its bytes can be tried again.",
    )


def _bare(error: Refused, name: str) -> str:
    """The sentence without where and what to do, which have columns of their own."""
    text = str(error).removesuffix(error.remedy).strip()
    where = [
        name,
        *([f"column {error.column!r}"] if error.column else []),
        *([f"line {error.row}"] if error.row else []),
    ]
    return text.removeprefix(", ".join(where)).removeprefix(":").strip()


def file_panel(owner: Monitor, preview: Preview, octets: int) -> Any:
    kind = "labels" if preview.kind == "labels" else "rows"
    about = f"{say.count(preview.rows, kind[:-1])}, {say.size(octets)}" + (
        f", {preview.labelled:,} with labels" if kind == "rows" and preview.labelled else ""
    )
    notices = [parts.notice(text, "warn") for text in preview.warnings]
    if preview.duplicate_of:
        link = parts.link(f"batch #{preview.duplicate_of}", f"{scope.base(owner)}/batches/{preview.duplicate_of}")
        notices.insert(
            0, parts.notice(["The same bytes are here already as ", link, "; ingesting adds nothing."], "warn")
        )
    return parts.panel(
        f"{preview.name}: {about}",
        *notices,
        html.Div(
            [
                html.Button("Only check", id="upload-only-check", type="button", className="btn btn-main", n_clicks=0),
                parts.acting("Ingest", "upload-ingest"),
                html.Span("Checking stores nothing. Ingesting adds a batch to the history.", className="muted small"),
            ],
            className="samples",
        ),
        html.Details(
            [html.Summary(f"First {len(preview.sample)} rows"), _sample_table(preview)], className="small", open=True
        ),
    )


def _sample_table(preview: Preview) -> Any:
    kinds = dict(preview.columns)
    names = [name for name, _ in preview.columns] or (list(preview.sample[0]) if preview.sample else [])
    columns = [
        parts.Column(f"{name} ({kinds.get(name, '')})" if kinds.get(name) else name, right=kinds.get(name) == "numeric")
        for name in names[:30]
    ]
    rows = [
        ["" if line.get(name) is None else parts.clip(_text(line.get(name)), 40) for name in names[:30]]
        for line in preview.sample
    ]
    return parts.table(columns, rows, f"First rows of {preview.name}")


def _text(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def checked(owner: Monitor, preview: Preview) -> list[Any]:
    if preview.report is None:
        return [
            parts.panel(
                "These are labels", html.P(preview.reason or "They would be given to the rows with the same ids.")
            )
        ]
    would = {
        "train": "It would start a training",
        "quarantine": "It would be quarantined",
        "hold": "It would ask a person",
    }
    title = would.get(preview.action, "It would not start a training")
    return [
        verdict_table(owner, preview.report, None),
        html.Div(
            [
                parts.panel(
                    title, html.P(preview.reason), sub=f"Trigger: {say.TRIGGERS[preview.trigger]}. Nothing was stored."
                ),
                parts.panel(
                    "What the champion says of the rows",
                    _predictions(preview),
                    tools=html.Button(
                        [parts.icon("download"), "All predictions"],
                        id="upload-predict",
                        type="button",
                        className="btn btn-quiet",
                        n_clicks=0,
                    ),
                    flush=True,
                ),
            ],
            className="grid-2",
        ),
    ]


def _predictions(preview: Preview) -> Any:
    if not preview.predictions:
        return parts.quiet("No row to predict.")
    names = list(preview.predictions[0])[:8]
    columns = [parts.Column(name, right=isinstance(preview.predictions[0][name], float)) for name in names]
    rows = [
        ["–" if line.get(name) is None else _text(line.get(name)) for name in names]
        for line in preview.predictions[:10]
    ]
    return parts.table(columns, rows, "Predictions of the first rows")
