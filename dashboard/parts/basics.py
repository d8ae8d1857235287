"""The small words of the visual language: badge, panel, table, chart, notice, button.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import dash_bootstrap_components as dbc
import plotly.graph_objects as go
from dash import dcc, html

from dashboard import ONLY_LOOKING, may_act
from dashboard.say import Word
from dashboard.theme import GRAPH_CONFIG, STILL_CONFIG

Content = Any  # a component, a text, or a list of these


def icon(name: str) -> html.Span:
    """A sign from ``assets/icons.css``; always beside a word, so hidden from readers."""
    return html.Span(className=f"icon icon-{name}", **{"aria-hidden": "true"})


def badge(word: Word, extra: str = "") -> html.Span:
    """A state as sign, word and colour together."""
    return html.Span([icon(word.tone), html.Span(f"{word.text}{extra}")], className=f"badge-state tone-{word.tone}")


def panel(
    title: Content, *body: Content, sub: Content = None, tools: Content = None, flush: bool = False
) -> html.Section:
    """A titled box. The title states what is seen; ``sub`` explains how to read it."""
    words = [html.H2(title, className="panel-title"), html.P(sub, className="panel-sub") if sub else None]
    return html.Section(
        [
            html.Div(
                [html.Div(words), html.Div(tools, className="panel-tools") if tools else None], className="panel-head"
            ),
            html.Div(list(body), className="panel-body flush" if flush else "panel-body"),
        ],
        className="panel",
    )


def live(name: str, children: Content, class_name: str = "") -> html.Div:
    """A region that is drawn again when the data changed; its id is what the page's refresh writes to."""
    return html.Div(children, id=name, className=class_name)


def graph_id(name: str) -> dict[str, str]:
    """The id of a chart: all charts are found by their type when the colours are switched."""
    return {"type": "graph", "index": name}


def chart(name: str, figure: go.Figure, label: str, *, still: bool = False, data: bool = True) -> html.Figure:
    """A chart with its finding as a label, and its data as a table and a CSV file behind it.

    Parameters
    ----------
    name : str
        Unique on the page.
    figure : Figure
    label : str
        What the chart shows, as a sentence, for those who cannot see it.
    still : bool
        Without zoom buttons (for small charts).
    data : bool
        With table, CSV and PNG.
    """
    height = figure.layout.height or 300
    tools = html.Details(
        [
            html.Summary("Show data"),
            html.Div(
                [
                    html.Button("CSV", type="button", className="tool", **{"data-tool": "csv"}),
                    html.Button("PNG", type="button", className="tool", **{"data-tool": "png"}),
                ],
                className="data-tools",
            ),
            html.Div(className="data-table", tabIndex="0", **{"aria-label": f"Data: {label}", "role": "region"}),
        ],
        className="data-behind",
        **{"data-name": name},
    )
    graph = dcc.Graph(
        id=graph_id(name),
        figure=figure,
        config=STILL_CONFIG if still else GRAPH_CONFIG,
        style={"height": f"{height}px"},
        className="chart",
    )
    return html.Figure(
        [_box(graph, height), tools if data else None], **{"aria-label": label}, className="chart-figure"
    )


def _box(graph: dcc.Graph, height: float) -> html.Div:
    """A chart's place, as high as the chart before it is drawn, so that nothing jumps when it comes."""
    return html.Div(graph, className="chart-box", style={"minHeight": f"{height}px"})


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    right: bool = False  # numbers
    wide: bool = False  # takes what is left
    hide: bool = False  # left out on narrow screens
    named: bool = False  # on a card its title stands before what it holds


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Content]],
    caption: str,
    lines: Sequence[str] = (),
    cards: bool = False,
) -> html.Div:
    """A plain table with a caption for readers; ``lines`` are class names of rows.

    With ``cards`` each row becomes a card on a narrow screen, so that nothing hides behind a sideways scroll.
    """
    kinds = [
        " ".join(word for word, on in (("num", c.right), ("wide", c.wide), ("hide-narrow", c.hide)) if on)
        for c in columns
    ]
    head = html.Thead(
        html.Tr(
            [
                html.Th(c.title or _unseen("More"), scope="col", className=kind)
                for c, kind in zip(columns, kinds, strict=True)
            ]
        )
    )
    body = html.Tbody(
        [
            html.Tr(
                [
                    html.Td(cell, className=kind, **({"data-title": column.title} if column.named else {}))
                    for cell, kind, column in zip(row, kinds, columns, strict=True)
                ],
                className=lines[at] if lines else "",
            )
            for at, row in enumerate(rows)
        ]
    )
    return html.Div(
        html.Table(
            [html.Caption(caption, className="visually-hidden"), head, body],
            className="plain-table cards" if cards else "plain-table",
        ),
        className="table-scroll",
        tabIndex="0",
        role="region",
        **{"aria-label": caption},
    )


def _unseen(text: str) -> html.Span:
    """Words for those who listen to the page."""
    return html.Span(text, className="visually-hidden")


def facts(*pairs: tuple[str, Content]) -> html.Dl:
    """Names and values in two columns."""
    cells = []
    for name, value in pairs:
        cells += [html.Dt(name), html.Dd(value)]
    return html.Dl(cells, className="facts")


def tile(label: str, value: Content, sub: Content = None, href: str | None = None) -> html.Div:
    """One figure with its name above and its context beneath."""
    return html.Div(
        [
            html.Div(dcc.Link(label, href=href) if href else label, className="tile-label"),
            html.Div(value, className="tile-value"),
            html.Div(sub, className="tile-sub"),
        ],
        className="tile",
    )


def quiet(sentence: Content) -> html.Div:
    """A part of a page that has nothing to show, while the rest has."""
    return html.Div(html.P(sentence), className="empty")


def notice(text: Content, tone: str = "none", *buttons: Content) -> html.Div:
    """A sentence that must be read before the page, with what can be done about it."""
    return html.Div(
        [icon(tone), html.Div(text, className="notice-text"), html.Div(list(buttons), className="notice-buttons")],
        className=f"notice tone-{tone}",
        role="status",
    )


def toast(text: Content, tone: str = "ok") -> html.Div:
    """A message in the corner; errors stay until they are put away."""
    close = html.Button("×", type="button", **{"data-tool": "dismiss", "aria-label": "Put this message away"})
    return html.Div(
        [icon(tone), html.Div(text), close],
        className=f"toast-note tone-{tone}",
        key=uuid.uuid4().hex,
        role="alert" if tone == "bad" else "status",
    )


def empty(sentence: str, *action_parts: Content) -> html.Div:
    """Nothing to show yet: why, and what to do. The page loads itself again as soon as there is news."""
    return html.Div(
        [html.P(sentence), html.Div(list(action_parts), className="empty-actions"), html.Span(id="redraw-on-change")],
        className="empty",
    )


def failed(sentence: str, code: str = "") -> html.Div:
    """A panel that could not be drawn: what failed, under which id it is logged, and a way to try again."""
    return html.Div(
        [
            html.P([icon("bad"), sentence], className="failed-text"),
            html.P(f"Logged as {code}.", className="muted small") if code else None,
            html.Button("Try again", type="button", className="btn btn-quiet", **{"data-tool": "reload"}),
        ],
        className="empty failed",
        role="alert",
    )


def link(text: Content, href: str, **more: Any) -> dcc.Link:
    """A link inside the application."""
    return dcc.Link(text, href=href, **more)


def download(text: str, href: str) -> html.A:
    """A link to a file."""
    return html.A([icon("download"), text], href=href, download="", className="btn btn-quiet")


def action(text: str, verb: str, monitor: str, argument: str | int = "", primary: bool = False) -> html.Button:
    """A button that asks once, says what will happen, and then does it (see ``dashboard.actions``)."""
    ident = {"type": "verb", "verb": verb, "monitor": monitor, "argument": str(argument)}
    return acting(text, ident, "btn btn-main" if primary else "btn btn-quiet")


def acting(text: Content, ident: str | dict[str, str], class_name: str = "btn btn-quiet") -> html.Button:
    """A button whose callback changes something: for those who may only look it is there, but cannot be pressed."""
    shut = {} if may_act() else {"disabled": True, "title": ONLY_LOOKING}
    return html.Button(text, id=ident, n_clicks=0, type="button", className=class_name, **shut)


def segments(
    label: str, path: str, query: dict[str, str], key: str, options: Sequence[tuple[str, str]], chosen: str
) -> html.Div:
    """A row of links that set one key of the query and keep the others."""
    items = []
    for value, text in options:
        kept = {name: word for name, word in query.items() if word and name != key}
        items.append(
            dcc.Link(
                text,
                href=f"{path}?{urlencode({**kept, key: value})}",
                className="segment on" if value == chosen else "segment",
                **({"aria-current": "true"} if value == chosen else {}),
            )
            if value != chosen
            else html.Span(text, className="segment on", **{"aria-current": "true"})
        )
    return html.Div(
        [
            html.Span(label, className="segments-label"),
            html.Div(items, className="segments", role="group", **{"aria-label": label}),
        ],
        className="segments-row",
    )


def choice(page: str, label: str, key: str, options: Sequence[tuple[str, str]], chosen: str) -> html.Div:
    """A row of buttons that set one key of what a page shows, without leaving it (see each page's ``choose``)."""
    buttons = [
        html.Button(
            text,
            id={"type": "set", "page": page, "key": key, "value": value},
            type="button",
            n_clicks=0,
            className="segment on" if value == chosen else "segment",
            **{"aria-pressed": "true" if value == chosen else "false"},
        )
        for value, text in options
    ]
    return html.Div(
        [
            html.Span(label, className="segments-label"),
            html.Div(buttons, className="segments", role="group", **{"aria-label": label}),
        ],
        className="segments-row",
    )


def ends(page: str, start: str, end: str) -> html.Div:
    """Two dates that bound what a page shows; empty when batches bound it."""
    fields = []
    for key, word, value in (("start", "From", start), ("end", "to", end)):
        fields += [
            html.Label(word, htmlFor=f"{page}-{key}", className="segments-label"),
            dbc.Input(
                id=f"{page}-{key}", type="date", value=value if "-" in value else "", className="date-field",
                debounce=True,
            ),
        ]  # fmt: skip
    return html.Div(fields, className="segments-row")


def chosen(
    page: str,
    trigger: str | None,
    asked: dict[str, str],
    pressed: dict[str, str] | None,
    fields: dict[str, str | None],
    brushed: dict[str, str] | None = None,
) -> dict[str, str] | None:
    """What a page is asked for after one of its controls moved; None if nothing changed.

    Parameters
    ----------
    page : str
    trigger : str or None
        Id of what moved: ``<page>-set`` (a button of ``choice``), ``<page>-brushed`` (a strip), or a field.
    asked : dict
        What the page was asked for before.
    pressed : dict, optional
        The button: key, value.
    fields : dict
        What stands in the page's fields now.
    brushed : dict, optional
        The ends that were dragged out on a strip.
    """
    after = dict(asked)
    if trigger == f"{page}-set" and pressed:
        after[pressed["key"]] = pressed["value"]
        if pressed["key"] == "range":
            after |= {"start": "", "end": ""}
    elif trigger == f"{page}-brushed" and brushed:
        after |= {"start": brushed["start"], "end": brushed["end"]}
    elif trigger and trigger.startswith(page):
        key = trigger.rpartition("-")[2]
        value = (fields.get(key) or "").strip()
        if key in ("start", "end"):
            if not value and "-" not in asked.get(key, ""):
                return None  # the field is empty because batches bound the view
            other = "end" if key == "start" else "start"
            after[other] = after[other] if "-" in after.get(other, "") else ""
        after[key] = value
    return after if after != asked else None


def search(name: str, words: str, value: str = "") -> html.Div:
    """A field to find something by a part of its name."""
    field = dbc.Input(
        id=name, type="search", value=value, placeholder=words, debounce=True, size="sm", maxLength=200,
        autoComplete="off",
    )  # fmt: skip
    return html.Div([html.Label(words, htmlFor=name, className="visually-hidden"), field], className="search-field")


def brush(name: str, figure: go.Figure) -> html.Figure:
    """A strip of the whole history to choose a stretch from by dragging over it."""
    graph = dcc.Graph(
        id=graph_id(name),
        figure=figure,
        config=STILL_CONFIG,
        style={"height": f"{figure.layout.height}px"},
        className="chart brush",
    )
    words = "The whole history. Drag over a stretch to see it."
    caption = html.Figcaption(words, className="brush-words")
    box = _box(graph, figure.layout.height)
    return html.Figure([caption, box], **{"aria-label": words}, className="chart-figure")


def legend(*words: tuple[str, str]) -> html.Div:
    """What the strokes and fills of a chart mean: (key of ``app.css``, words)."""
    return html.Div(
        [html.Span([html.Span(className=f"key key-{key}"), text]) for key, text in words], className="legend-words"
    )


def clip(text: str, most: int = 48) -> html.Span | str:
    """A long name cut for the eye; whole on hover and for readers."""
    return text if len(text) <= most else html.Span(f"{text[: most - 1]}…", title=text)
