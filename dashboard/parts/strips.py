"""Pictures made of boxes: the strip of batches, a sparkline, bullet bars. They follow the page's colours by CSS alone.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dash import dcc, html


@dataclass(frozen=True)
class Cell:
    """One batch in a strip."""

    tone: str
    text: str  # read out and shown on hover
    href: str = ""
    mark: str = ""  # a sign above the cell


def strip(cells: Sequence[Cell], label: str) -> html.Div:
    """One cell a batch, oldest first; bad ones carry a sign besides their colour."""
    return html.Div(
        [
            (dcc.Link if cell.href else html.Span)(
                html.Span(className=f"strip-mark mark-{cell.mark}" if cell.mark else "strip-plain"),
                className=f"strip-cell tone-{cell.tone}",
                title=cell.text,
                **({"href": cell.href} if cell.href else {}),
            )
            for cell in cells
        ],
        className="strip",
        role="group",
        **{"aria-label": label},
    )


def spark(
    values: Sequence[float], label: str, line: float | None = None, width: int = 120, height: int = 28
) -> html.Div:
    """A small line without axes; ``line`` is drawn as a dashed level (the alarm)."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return html.Div("–", className="spark-none", title=label)
    low, high = min([*known, *([] if line is None else [line])]), max([*known, *([] if line is None else [line])])
    reach = (high - low) or 1.0
    step = width / (len(values) - 1)

    def y(value: float) -> float:
        return round(2 + (height - 4) * (1 - (value - low) / reach), 1)

    pieces, pen = [], "M"
    for at, value in enumerate(values):
        if math.isfinite(value):
            pieces.append(f"{pen}{at * step:.1f} {y(value)}")
            pen = "L"
        else:
            pen = "M"
    body = f'<path d="{"".join(pieces)}" fill="none" stroke="#000" stroke-width="1.5" stroke-linejoin="round"/>'
    layers: list[Any] = [html.Span(className="spark-line", style=_mask(body, width, height))]
    if line is not None:
        rule = f'<path d="M0 {y(line)}H{width}" stroke="#000" stroke-width="1" stroke-dasharray="3 3"/>'
        layers.append(html.Span(className="spark-rule", style=_mask(rule, width, height)))
    return html.Div(
        layers,
        className="spark",
        role="img",
        style={"width": width, "height": height},
        title=label,
        **{"aria-label": label},
    )


def _mask(body: str, width: int, height: int) -> dict[str, str]:
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{body}</svg>'
    url = f'url("data:image/svg+xml,{quote(picture)}")'
    return {"maskImage": url, "WebkitMaskImage": url}


@dataclass(frozen=True)
class Bar:
    """One line of a list of bars: a name, how far it reaches, where its limit is."""

    name: Any
    value: float
    text: str
    tone: str = "ok"
    note: str = ""


def bars(lines: Sequence[Bar], limit: float | None, label: str, top: float | None = None) -> html.Div:
    """Horizontal bars on one scale, with a tick at the limit. Longer than ``top`` is cut and marked."""
    reach = top or max([line.value for line in lines if math.isfinite(line.value)] + [limit or 0, 1e-9])
    rows = []
    for line in lines:
        share = 0 if not math.isfinite(line.value) else min(1.0, max(0.0, line.value / reach))
        track = [
            html.Span(
                className=f"bar-fill tone-{line.tone}{' cut' if line.value > reach else ''}",
                style={"width": f"{100 * share:.1f}%"},
            )
        ]
        if limit is not None:
            track.append(html.Span(className="bar-limit", style={"left": f"{100 * min(1, limit / reach):.1f}%"}))
        rows.append(
            html.Li(
                [
                    html.Span(line.name, className="bar-name"),
                    html.Span(track, className="bar-track"),
                    html.Span(
                        [line.text, html.Span(line.note, className="bar-note") if line.note else None],
                        className="bar-text",
                    ),
                ]
            )
        )
    return html.Ul(rows, className="bars", **{"aria-label": label})
