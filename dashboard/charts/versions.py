"""Model versions: who was champion when, what each holds important, and what trainings bought.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.frame import Axis, Span, blank, plain, short
from dashboard.theme import Palette

MOST_FEATURES = 14


def reigns(spans: Sequence[Span], place: Axis, colours: Palette) -> go.Figure:
    """A row a version: the batches it predicted as champion."""
    numbers = list(dict.fromkeys(span.text for span in spans))
    figure = blank(colours, 70 + 26 * max(1, len(numbers)), showlegend=False, uirevision="reigns")
    ends = [place.edge(0, -1)] * 2
    figure.add_trace(  # room above the first and below the last row
        go.Scatter(
            x=ends, y=[-0.6, len(numbers) - 0.4], mode="lines", line={"width": 0}, hoverinfo="skip",
            meta={"scenery": True},
        )
    )  # fmt: skip
    for span in spans:
        row = numbers.index(span.text)
        figure.add_trace(
            go.Scatter(
                x=[place.edge(span.start, -1), place.edge(span.end, 1)],
                y=[row, row],
                mode="lines",
                line={"width": 11, "color": colours.stable if span.open else colours.rule},
                name=plain(span.text),
                text=[f"{plain(span.text)}: {span.end - span.start + 1:,} batches"] * 2,
                hovertemplate="%{text}<br>%{x}<extra></extra>",
                meta={"column": span.text},
            )
        )
    figure.update_yaxes(
        tickvals=list(range(len(numbers))), ticktext=numbers, autorange="reversed", showgrid=False, fixedrange=True
    )
    figure.update_xaxes(title_text=place.title, type="date" if place.timed else "linear")
    if place.timed:
        figure.update_xaxes(hoverformat="%-d %b %Y")
    return figure


def dumbbell(
    a: Mapping[str, float], b: Mapping[str, float], names: tuple[str, str], colours: Palette, narrow: bool = False
) -> go.Figure:
    """Importance of each feature in two versions, sorted by how much it changed."""
    features = sorted({*a, *b}, key=lambda name: -abs(b.get(name, 0.0) - a.get(name, 0.0)))[:MOST_FEATURES]
    rows = list(range(len(features)))
    left = np.array([a.get(name, 0.0) for name in features])
    right = np.array([b.get(name, 0.0) for name in features])
    figure = blank(colours, 26 * max(3, len(features)) + 90)
    bars_x = np.ravel(np.column_stack([left, right, np.full(len(features), np.nan)]))
    bars_y = np.ravel(np.column_stack([rows, rows, rows])) if rows else []
    figure.add_trace(
        go.Scatter(
            x=bars_x, y=bars_y, mode="lines", line={"width": 3, "color": colours.grid}, hoverinfo="skip",
            showlegend=False, meta={"scenery": True},
        )
    )  # fmt: skip
    for values, name, symbol, colour in (
        (left, names[0], "circle-open", colours.muted),
        (right, names[1], "circle", colours.ink),
    ):
        figure.add_trace(
            go.Scatter(
                x=values,
                y=rows,
                mode="markers",
                name=name,
                marker={"size": 10, "symbol": symbol, "color": colour, "line": {"width": 1.6, "color": colour}},
                hovertemplate="%{y}: %{x:.3f}<extra>" + plain(name) + "</extra>",
                meta={"column": name},
            )
        )
    figure.update_yaxes(
        tickvals=rows, ticktext=[short(name, 14 if narrow else 26) for name in features], autorange="reversed",
        showgrid=False, fixedrange=True,
    )  # fmt: skip
    figure.update_xaxes(title_text="loss of the metric when the feature is shuffled", showgrid=True)
    return figure
