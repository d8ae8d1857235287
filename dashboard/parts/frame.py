"""The page round the pieces: shell, rail, heading. Pure: no I/O, no clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import dash
import dash_bootstrap_components as dbc
from dash import dcc, html

from dashboard.parts.basics import Content, badge, icon
from dashboard.say import HEALTH
from storage.records import Monitor

# Sections of a monitor: key, word, icon, path under /m/<monitor>
SECTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("summary", "Summary", "summary", ""),
    ("drift", "Drift", "drift", "/drift"),
    ("performance", "Performance", "performance", "/performance"),
    ("models", "Models", "models", "/models"),
    ("upload", "Upload", "upload", "/upload"),
    ("backtest", "Backtest", "backtest", "/backtest"),
    ("events", "Events", "events", "/events"),
    ("settings", "Settings", "settings", "/settings"),
)


ZONES = "When something happened is told in your browser's time zone. Dates of the data, exports and addresses are UTC."


def shell(change: int, pulse: int, colours: dict[str, str], person: str = "") -> html.Div:
    """What stays while pages come and go: bar, dialogs, messages and the heartbeat of the page.

    ``person`` is who is signed in, if a login is set up.
    """
    return html.Div(
        [
            html.A("Skip to the content", href="#content", className="skip"),
            dcc.Location(id="url", refresh=False),
            dcc.Location(id="go", refresh="callback-nav"),
            dcc.Store(id="change", data=change),
            dcc.Store(id="pressed-verb"),
            dcc.Store(id="asked-verb"),
            dcc.Store(id="cell"),
            dcc.Interval(id="pulse", interval=pulse),
            _bar(person),
            dash.page_container,
            _dialog(),
            html.Div(id="toasts", className="toasts", role="status", **{"aria-live": "polite"}),
        ],
        id="shell",
        **{"data-pairs": json.dumps(colours)},
    )


def _bar(person: str) -> html.Header:
    return html.Header(
        [
            dcc.Link([icon("logo"), html.Span("Drift Detector", className="product")], href="/", className="brand"),
            html.Div(
                [
                    html.Span(["Times in ", zone()], className="muted small times", title=ZONES),
                    html.Span("Live", id="freshness", className="freshness", **{"aria-live": "off"}),
                    html.Button("Pause", id="pause", type="button", className="bar-button", n_clicks=0),
                    html.Button(
                        [icon("link"), html.Span("Copy link", className="wide-only")],
                        type="button",
                        className="bar-button",
                        **{"data-tool": "copy-link", "aria-label": "Copy link to this view"},
                    ),
                    dcc.Link(
                        [icon("health"), html.Span("Health", className="wide-only")],
                        href="/health",
                        className="bar-button",
                    ),
                    html.Button(
                        icon("theme"),
                        id="theme-switch",
                        type="button",
                        className="bar-button",
                        n_clicks=0,
                        **{"aria-label": "Switch between light and dark"},
                    ),
                    _sign_out(person) if person else None,
                ],
                className="bar-right",
            ),
        ],
        className="bar",
    )


def _sign_out(person: str) -> html.Form:
    """Who is signed in, and the way out."""
    button = html.Button("Sign out", type="submit", className="bar-button", title=f"Signed in as {person}")
    return html.Form(button, action="/logout", method="post", className="sign-out")


def _dialog() -> dbc.Modal:
    return dbc.Modal(
        [
            dbc.ModalHeader(dbc.ModalTitle(id="verb-title"), close_button=True),
            dbc.ModalBody(
                [
                    html.Div(id="verb-text"),
                    html.Label("Note for the ledger (optional)", htmlFor="verb-note", className="field-label"),
                    dbc.Input(id="verb-note", type="text", maxLength=500, autoComplete="off"),
                    html.Div(id="verb-error", className="field-error", role="alert"),
                ]
            ),
            dbc.ModalFooter(
                [
                    html.Button("Cancel", id="verb-cancel", type="button", className="btn btn-quiet", n_clicks=0),
                    html.Button("Confirm", id="verb-confirm", type="button", className="btn btn-main", n_clicks=0),
                ]
            ),
        ],
        id="verb-dialog",
        labelledby="verb-title",
        is_open=False,
        centered=True,
        fade=False,
    )


def page(monitors: Sequence[Monitor], monitor: Monitor | None, section: str, *content: Content) -> html.Div:
    """Rail and main content. ``monitors`` fill the picker, ``monitor`` is the one shown, if the page is about one."""
    return html.Div(
        [
            html.Nav(_rail(monitors, monitor, section), className="rail", **{"aria-label": "Pages"}),
            html.Main(list(content), id="content", className="content", tabIndex="-1"),
        ],
        className="page",
    )


def _rail(monitors: Sequence[Monitor], monitor: Monitor | None, section: str) -> list[Any]:
    items: list[Any] = []
    if monitor is not None:
        base = f"/m/{quote(monitor.name, safe='')}"
        items.append(
            html.Div(
                [
                    html.Div(_picker(monitors, monitor)),
                    html.Div(badge(HEALTH[monitor.health]), id="rail-health"),
                ],
                className="rail-monitor",
            )
        )
        items += [_item(word, sign, base + path, key == section) for key, word, sign, path in SECTIONS]
    else:
        items.append(_item("Monitors", "summary", "/", section == "overview"))
        items.append(_item("New monitor", "new", "/new", section == "new"))
        items.append(_item("Health", "health", "/health", section == "health"))
    if monitor is not None and len(monitors) > 1:
        items.append(_item("All monitors", "overview", "/", False, "rail-all"))
    if monitor is not None:
        items.append(_item("New monitor", "new", "/new", False, "rail-all"))
    return items


def _item(word: str, sign: str, href: str, current: bool, more: str = "") -> dcc.Link:
    return dcc.Link(
        [icon(sign), html.Span(word)],
        href=href,
        className=f"rail-item {more} {'current' if current else ''}".replace("  ", " ").strip(),
    )


def _picker(monitors: Sequence[Monitor], monitor: Monitor) -> Content:
    if len(monitors) <= 1:
        return html.Div(monitor.name, className="rail-name", title=monitor.name)
    select = dbc.Select(
        id="monitor-picker",
        options=[{"label": item.name, "value": f"/m/{quote(item.name, safe='')}"} for item in monitors],
        value=f"/m/{quote(monitor.name, safe='')}",
        size="sm",
    )
    return [html.Label("Monitor", htmlFor="monitor-picker", className="visually-hidden"), select]


def heading(title: Content, sub: Content = None, tools: Content = None, above: Content = None) -> html.Div:
    """The one h1 of a page, stating what is seen, with a sentence beneath and controls beside it."""
    return html.Div(
        [
            html.Div(
                [
                    html.P(above, className="above") if above else None,
                    html.H1(title),
                    html.P(sub, className="lead-in") if sub else None,
                ]
            ),
            html.Div(tools, className="heading-tools") if tools else None,
        ],
        className="heading",
    )


def zone() -> html.Span:
    """The name of the zone that moments are written in: the browser's own, filled in by ``assets/clock.js``."""
    return html.Span("UTC", className="zone")


def asked(page_name: str, /, **query: str) -> html.Div:
    """What a page was asked for, so that its refresh asks the same; and what was pressed or dragged out on it since.

    What a callback answers stands on the page too, even the address it leads to (``address``): if one of its outputs
    were in the shell, Dash would call it as soon as the page appears, and the page would be drawn twice.
    """
    stores = [dcc.Store(id=f"{page_name}-{what}") for what in ("set", "brushed")]
    return html.Div(
        [dcc.Store(id=f"{page_name}-asked", data=query), dcc.Store(id=address(page_name)), *stores], hidden=True
    )


def address(page_name: str) -> dict[str, str]:
    """The id of what a page hands over to be written into the address bar: a query (``?a=b``), or a path to go to."""
    return {"type": "address", "page": page_name}


# Four hints for the first look at the worked example: what is pointed at, a title, a sentence.
HINTS: tuple[tuple[str, str, str], ...] = (
    (
        ".verdict",
        "Start here",
        "Can the model be trusted today, why, and what was done about it: in one sentence each.",
    ),
    (
        "#summary-strip",
        "Every day is a cell",
        "Tall and orange: the data moved. Choose one to see which feature, and how.",
    ),
    (
        'a.rail-item[href$="/models"]',
        "What was learned since",
        "Every version with its reason. Compare two on the same rows, promote, or roll back.",
    ),
    (
        'a.rail-item[href$="/upload"]',
        "Try it yourself",
        "Drop in a sample day, a drifted one or a broken one: checked first, stored only if you say so.",
    ),
)


def tour() -> html.Section:
    """The first-run hints; ``assets/tour.js`` shows them one by one until they are put away for good."""
    hints = [
        html.Li([html.Strong(title), html.P(text)], hidden=at > 0, **{"data-target": target})
        for at, (target, title, text) in enumerate(HINTS)
    ]
    return html.Section(
        [
            html.Ol(hints, **{"aria-live": "polite"}),
            html.Div(
                [
                    html.Span(f"1 of {len(hints)}", className="muted small", id="tour-at"),
                    html.Button(
                        "Back", type="button", className="btn btn-quiet", disabled=True, **{"data-tour": "back"}
                    ),
                    html.Button("Next", type="button", className="btn btn-main", **{"data-tour": "next"}),
                    html.Button("No more hints", type="button", className="btn btn-quiet", **{"data-tour": "done"}),
                ],
                className="tour-buttons",
            ),
        ],
        id="tour",
        className="tour",
        hidden=True,
        **{"aria-label": "First steps"},
    )
