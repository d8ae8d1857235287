"""Events as a person reads them: under the days they happened, newest first."""

from __future__ import annotations

import itertools
from typing import Any

from dash import html

from dashboard import parts, say, scope
from storage.records import Monitor


def lines(events: list[Any], monitor: Monitor | None, compact: bool = False) -> html.Div:
    """Events under the days they happened, newest first.

    ``compact`` leaves out their details and tells a run of one kind by its newest.
    """
    out: list[Any] = []
    day, found = "", []
    for event, alike in _runs(events, compact):
        if say.date(event.created_at) != day:
            if found:
                out.append(html.Ul(found, className="ledger"))
            day, found = say.date(event.created_at), []
            out.append(html.Div(day, className="day"))
        found.append(_line(event, monitor, compact, alike))
    if found:
        out.append(html.Ul(found, className="ledger"))
    return html.Div(out or parts.quiet("Nothing has happened yet."))


def _runs(events: list[Any], compact: bool) -> list[tuple[Any, int]]:
    """(event, how many before it are of its kind and not told)."""
    if not compact:
        return [(event, 0) for event in events]
    runs = [list(run) for _, run in itertools.groupby(events, key=lambda event: event.kind)]
    return [(run[0], len(run) - 1) for run in runs]


def _line(event: Any, monitor: Monitor | None, compact: bool, alike: int) -> html.Li:
    word = say.LEVELS[event.level]
    kind = say.Word(event.kind.replace("_", " "), word.tone)
    where = (
        parts.link(f"batch #{event.batch_id}", f"{scope.base(monitor)}/batches/{event.batch_id}")
        if event.batch_id and monitor
        else None
    )
    details = None
    if event.details and not compact:
        details = html.Details(
            [html.Summary("Details"), parts.facts(*((key, _plain(value)) for key, value in event.details.items()))]
        )
    return html.Li(
        [
            html.Time(
                say.hour(event.created_at),
                dateTime=say.when(event.created_at).isoformat(),
                title=say.clock(event.created_at),
            ),
            html.Span(parts.badge(kind), className="kind"),
            html.Div([event.message, " " if where else "", where, " ", _alike(alike), details], className="said"),
            html.Span("" if compact else event.author, className="who"),
        ],
        id=f"event-{event.id}",
    )


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return say.number(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def _alike(count: int) -> Any:
    return html.Span(f" and {count} more like it", className="muted small") if count else None
