"""The alerts of a monitor on its settings page: where they go, what for, a test of each, and a form for one more."""

from __future__ import annotations

from typing import Any

import dash_bootstrap_components as dbc
from dash import html

from dashboard import parts, say
from pipeline.alerts import CHANNELS, masked
from storage import settings
from storage.records import Monitor

KINDS: dict[str, str] = {
    "drift": "drift begins",
    "hold": "a version waits for a person",
    "quarantine": "a batch is quarantined",
    "promote": "a new champion",
    "rollback": "a rollback",
    "failure": "a training fails",
}
USUAL = "log"


def panel(owner: Monitor, in_force: settings.Settings) -> Any:
    """The alerts there are and the form for another."""
    rows = [_row(owner, at, item) for at, item in enumerate(in_force.alerts)]
    columns = [parts.Column("Channel"), parts.Column("Goes to", wide=True), parts.Column("When"), parts.Column("")]
    title = say.count(len(rows), "alert channel") if rows else "Nobody is told yet"
    return parts.panel(
        title,
        parts.table(columns, rows, "Alert channels", cards=True)
        if rows
        else html.P("Say where alerts go, and try it before it is needed.", className="muted small"),
        html.Details([html.Summary("Add a channel"), _form()], open=not rows, className="alert-form"),
    )


def _row(owner: Monitor, at: int, item: settings.AlertSettings) -> list[Any]:
    label = CHANNELS[item.channel].label if item.channel in CHANNELS else item.channel
    shown = masked(item.options)
    goes = ", ".join(f"{key} {say.cut(str(value), 60)}" for key, value in shown.items()) or "the program's log"
    return [
        html.Strong(label),
        goes,
        say.listing([KINDS.get(kind, kind) for kind in item.on], 6) or "never",
        html.Div(
            [
                parts.action("Send a test", "test_alert", owner.name, at),
                parts.action("Remove", "remove_alert", owner.name, at),
            ],
            className="cell-actions",
        ),
    ]


def _form() -> html.Div:
    return html.Div(
        [
            html.Div(
                [
                    html.Label("Channel", htmlFor="alert-channel", className="field-label"),
                    dbc.Select(
                        id="alert-channel", value=USUAL, size="sm",
                        options=[{"label": row.label, "value": row.name} for row in CHANNELS.values()],
                    ),
                ]
            ),
            html.Div(options(USUAL), id="alert-options"),
            html.Fieldset(
                [
                    html.Legend("When"),
                    dbc.Checklist(
                        id="alert-on", value=list(settings.AlertSettings().on), inline=True,
                        options=[{"label": text, "value": kind} for kind, text in KINDS.items()],
                    ),
                ]
            ),
            html.Div(id="alert-says", className="field-error", role="alert"),
            html.Div(
                [
                    parts.acting("Send a test", "alert-test"),
                    parts.acting("Add this channel", "alert-add", "btn btn-main"),
                ],
                className="samples",
            ),
        ],
        className="stack-small",
    )  # fmt: skip


def options(channel: str) -> list[Any]:
    """A box for each option of a channel."""
    row = CHANNELS.get(channel)
    cells: list[Any] = []
    for name, about in (row.options if row else {}).items():
        ident = {"type": "alert-option", "name": name}
        cells += [
            html.Label(
                name.replace("_", " ").capitalize(),
                htmlFor=f'{{"name":"{name}","type":"alert-option"}}',
                className="field-label",
            ),
            dbc.Input(id=ident, size="sm", placeholder=about, autoComplete="off"),
        ]
    return cells


def given(ids: list[dict[str, str]], values: list[str | None]) -> dict[str, Any]:
    """The options that were filled in; yes and no as such."""
    words = {"true": True, "yes": True, "false": False, "no": False}
    filled = {ident["name"]: (value or "").strip() for ident, value in zip(ids, values, strict=True)}
    return {name: words.get(value.lower(), value) for name, value in filled.items() if value}
