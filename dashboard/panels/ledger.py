"""Events as a person reads them: under the days they happened, newest first."""

from __future__ import annotations

import itertools
from typing import Any

from dash import html

from dashboard import parts, say, scope
from storage.records import Monitor

USUAL, ALL_KINDS = "-", "all"  # arrivals say little, so the usual view leaves them out
REPEATS = 3  # so many of one kind in a row are told as one


def kinds(known: list[str], asked: str) -> tuple[str, ...]:
    """The kinds of events that a filter lets through; none stands for all."""
    if asked == ALL_KINDS:
        return ()
    return tuple(kind for kind in known if kind != "received") if asked in ("", USUAL) else (asked,)


def lines(events: list[Any], monitor: Monitor | None, compact: bool = False) -> html.Div:
    """Events under the days they happened, newest first.

    A run of one kind is told by its newest, the others folded behind it. ``compact`` leaves them and details out.
    """
    out: list[Any] = []
    day, found = "", []
    for event, alike in _runs(events, compact, by_day=not compact):
        if say.date(event.created_at) != day:
            if found:
                out.append(html.Ul(found, className="ledger"))
            day, found = say.date(event.created_at), []
            out.append(html.Div(day, className="day"))
        found.append(_line(event, monitor, compact, alike))
    if found:
        out.append(html.Ul(found, className="ledger"))
    return html.Div(out or parts.quiet("Nothing has happened yet."), className="days")


def _runs(events: list[Any], compact: bool, by_day: bool) -> list[tuple[Any, list[Any]]]:
    """(event, those of its kind right before it that are told with it)."""
    runs = [
        list(run)
        for _, run in itertools.groupby(
            events, key=lambda event: (event.kind, event.level, say.date(event.created_at) if by_day else "")
        )
    ]
    out: list[tuple[Any, list[Any]]] = []
    for run in runs:
        if compact or len(run) >= REPEATS:
            out.append((run[0], run[1:]))
        else:
            out += [(event, []) for event in run]
    return out


def _line(event: Any, monitor: Monitor | None, compact: bool, alike: list[Any]) -> html.Li:
    word = say.LEVELS[event.level]
    kind = say.Word(event.kind.replace("_", " "), word.tone)
    where = (
        parts.link(f"batch #{event.batch_id}", f"{scope.base(monitor)}/batches/{event.batch_id}")
        if event.batch_id and monitor
        else None
    )
    details = None
    version = _version(event, monitor)
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
            html.Div(
                [
                    event.message,
                    " ",
                    where,
                    " " if version else "",
                    version,
                    " ",
                    _alike(alike, monitor, compact),
                    details,
                ],
                className="said",
            ),
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


def _version(event: Any, monitor: Monitor | None) -> Any:
    """Where to go on from an event: the versions for what concerns them, the settings for a change of them."""
    if monitor is None:
        return None
    places = {"promote": "models", "rollback": "models", "hold": "models", "reject": "models", "pin": "models",
              "settings": "settings", "backtest": "backtest"}  # fmt: skip
    place = places.get(event.kind)
    return parts.link(place, f"{scope.base(monitor)}/{place}") if place else None


def _alike(events: list[Any], monitor: Monitor | None, compact: bool) -> Any:
    """The others of a run: counted, or folded away."""
    if not events:
        return None
    text = f"and {len(events)} more like it"
    if compact:
        return html.Span(f" {text}", className="muted small")
    return html.Details(
        [html.Summary(text), html.Ul([_line(event, monitor, False, []) for event in events], className="ledger")]
    )
