"""Model versions: who was champion when, which came from which, and what each holds important.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.frame import Axis, Span, blank, plain, short, wrap
from dashboard.theme import Palette

MOST_FEATURES = 14
MOST_VERSIONS = 60  # drawn in one lineage
LEAST_LABEL = 0.022  # share of the strip a reign must fill to carry its name
# state of a version -> symbol, palette field, name; the symbols are the signs of say.VERSIONS
STATES: dict[str, tuple[str, str, str]] = {
    "champion": ("circle", "stable", "champion"),
    "retired": ("circle-open", "muted", "retired"),
    "rolled_back": ("diamond", "drift", "rolled back"),
    "held": ("triangle-up", "warning", "held for a person"),
    "candidate": ("circle-open-dot", "second", "candidate"),
    "rejected": ("square-x-open", "quarantine", "rejected"),
    "contest": ("square-x-open", "quarantine", "challengers rejected"),
}


def reigns(spans: Sequence[Span], place: Axis, colours: Palette, at: int | None = None) -> go.Figure:
    """One strip: which version predicted which batches; ``at`` marks the batch that is asked about."""
    figure = blank(colours, 118, showlegend=False, uirevision="reigns")
    figure.update_layout(margin={"l": 8, "t": 18, "b": place.room})
    for number, span in enumerate(spans):
        fill = colours.stable if span.open else colours.reference if number % 2 else colours.rule
        figure.add_trace(
            go.Scatter(
                x=[place.edge(span.start, -1), place.edge(span.end, 1)],
                y=[0, 0],
                mode="lines",
                line={"width": 26, "color": fill},
                name=plain(span.text),
                text=[f"{plain(span.text)}: {span.end - span.start + 1:,} batches"] * 2,
                hovertemplate="%{text}<br>%{x}<extra></extra>",
                meta={"column": span.text},
            )
        )
    total = max(1, len(place.values))
    figure.update_layout(
        annotations=[
            {
                "x": place.edge(span.start, -1), "y": 0, "text": f"<b>{plain(span.text)}</b>", "showarrow": False,
                "xanchor": "left", "xshift": 5,
                "font": {"size": 12, "color": colours.surface if span.open or number % 2 == 0 else colours.ink},
            }
            for number, span in enumerate(spans)
            if (span.end - span.start + 1) / total >= LEAST_LABEL
        ]
    )  # fmt: skip
    if at is not None:
        when = place.of(at)
        figure.update_layout(
            shapes=[
                {
                    "type": "line", "xref": "x", "yref": "paper", "x0": when, "x1": when, "y0": -0.04, "y1": 1.1,
                    "line": {"color": colours.ink, "width": 2},
                }
            ]
        )  # fmt: skip
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True)
    figure.update_xaxes(title_text=place.title, **place.layout())
    return figure


@dataclass(frozen=True)
class Node:
    """One version in the lineage, or the challengers a champion kept out."""

    label: str
    state: str  # row of STATES
    text: str  # why it came and went
    parent: int | None  # index of the node it came from
    trunk: bool  # was champion at some time


@dataclass(frozen=True)
class Return:
    """An earlier champion that came back: from one node to another."""

    leaving: int
    back: int
    text: str


def lineage(nodes: Sequence[Node], returns: Sequence[Return], colours: Palette) -> go.Figure:
    """From parent to child, oldest left: champions on the trunk, others beneath it, returns as arcs above."""
    figure = blank(colours, 210 if returns else 176, margin={"l": 8, "b": 28}, showlegend=False, uirevision="lineage")
    lane = [0.0 if node.trunk else -1.0 for node in nodes]
    for dash, wanted in (("solid", True), ("dot", False)):
        x, y = _branches(nodes, lane, wanted)
        figure.add_trace(_scenery(x, y, {"width": 1.8, "color": colours.rule, "dash": dash}))
    for back in returns:
        x, y = _arc(back.leaving, back.back)
        figure.add_trace(_scenery(x, y, {"width": 1.8, "color": colours.drift, "dash": "dash"}, back.text))
    for state, (symbol, tone, name) in STATES.items():
        here = [at for at, node in enumerate(nodes) if node.state == state]
        if here:
            figure.add_trace(_dots(nodes, lane, here, symbol, getattr(colours, tone), name, colours))
    figure.update_layout(annotations=[*_names(nodes, lane, colours, bool(returns)), *_heads(returns, colours)])
    figure.update_xaxes(
        range=[-0.7, max(len(nodes) - 0.3, 1.7)], tickvals=list(range(len(nodes))),
        ticktext=[plain(node.label) for node in nodes], showticklabels=False, title_text="version, in order of birth",
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[-1.75, 1.7 if returns else 0.75], fixedrange=True)
    return figure


def _scenery(x: Any, y: Any, line: dict[str, Any], text: str = "") -> go.Scatter:
    return go.Scatter(
        x=x, y=y, mode="lines", line=line, meta={"scenery": True}, text=wrap(text) if text else None,
        **({"hovertemplate": "%{text}<extra></extra>"} if text else {"hoverinfo": "skip"}),
    )  # fmt: skip


def _branches(nodes: Sequence[Node], lane: Sequence[float], trunk: bool) -> tuple[list[float | None], list[Any]]:
    """Lines from parent to child: straight along the trunk, an elbow to what branches off."""
    x: list[float | None] = []
    y: list[float | None] = []
    for at, node in enumerate(nodes):
        if node.parent is None or node.trunk is not trunk:
            continue
        x += [node.parent, at, None] if trunk else [node.parent, node.parent + 0.25, at - 0.25, at, None]
        start, end = lane[node.parent], lane[at]
        y += [start, end, None] if trunk else [start, end, end, end, None]
    return x, y


def _arc(leaving: int, back: int) -> tuple[list[float], list[float]]:
    """Points of half an ellipse above the trunk."""
    turn = np.linspace(0, np.pi, 25)
    middle, reach = (leaving + back) / 2, (leaving - back) / 2
    return (middle + reach * np.cos(turn)).tolist(), (0.16 + 1.05 * np.sin(turn)).tolist()


def _dots(
    nodes: Sequence[Node], lane: Sequence[float], here: list[int], symbol: str, colour: str, name: str, colours: Palette
) -> go.Scatter:
    return go.Scatter(
        x=here,
        y=[lane[at] for at in here],
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 15, "color": colour, "line": {"width": 2, "color": colour}},
        text=[f"<b>{plain(nodes[at].label)}</b>, {name}<br>{wrap(nodes[at].text)}" for at in here],
        customdata=[[nodes[at].text, nodes[at].label] for at in here],
        hovertemplate="%{text}<extra></extra>",
        meta={"column": name, "value": 0},
    )


def _names(nodes: Sequence[Node], lane: Sequence[float], colours: Palette, arcs: bool) -> list[dict[str, Any]]:
    """The number beside each dot, away from its lines; every so many when they would touch."""
    step = max(1, len(nodes) // 36 + 1)
    names = []
    for at, node in enumerate(nodes):
        if at % step == 0 or node.state == "champion":
            font = {"size": 12, "color": colours.ink} if node.trunk else {"size": 11, "color": colours.muted}
            shift = 20 if node.trunk and not arcs else -20
            names.append(
                {"x": at, "y": lane[at], "text": plain(node.label), "showarrow": False, "yshift": shift, "font": font}
            )
    return names


def _heads(returns: Sequence[Return], colours: Palette) -> list[dict[str, Any]]:
    """An arrow head where an arc comes down."""
    return [
        {
            "x": one.back, "y": 0.14, "ax": one.back, "ay": 0.5, "xref": "x", "yref": "y", "axref": "x", "ayref": "y",
            "showarrow": True, "arrowhead": 2, "arrowwidth": 1.8, "arrowcolor": colours.drift, "text": "",
        }
        for one in returns
    ]  # fmt: skip


def dumbbell(sets: Mapping[str, Mapping[str, float]], colours: Palette, narrow: bool = False) -> go.Figure:
    """Importance of each feature in two or more versions, sorted by how far they lie apart.

    Parameters
    ----------
    sets : mapping
        Name of a version to (feature to importance), in order.
    colours : Palette
    narrow : bool
        For a phone.
    """
    every = {feature for held in sets.values() for feature in held}
    table = {feature: [held.get(feature, 0.0) for held in sets.values()] for feature in every}
    features = sorted(table, key=lambda name: (min(table[name]) - max(table[name]), name))[:MOST_FEATURES]
    rows = list(range(len(features)))
    figure = blank(colours, 26 * max(3, len(features)) + 90)
    reach = [[min(table[name]), max(table[name]), None] for name in features]
    figure.add_trace(
        _scenery(
            [value for ends in reach for value in ends],
            [value for row in rows for value in (row, row, None)],
            {"width": 3, "color": colours.grid},
        )
    )
    looks = (
        ("circle-open", colours.muted), ("circle", colours.ink), ("diamond", colours.second), ("square", colours.stable)
    )  # fmt: skip
    for at, (name, (symbol, colour)) in enumerate(zip(sets, looks, strict=False)):
        figure.add_trace(
            go.Scatter(
                x=[table[feature][at] for feature in features],
                y=rows,
                mode="markers",
                name=name,
                marker={"size": 10, "symbol": symbol, "color": colour, "line": {"width": 1.6, "color": colour}},
                hovertemplate="%{y}: %{x:.3f}<extra>" + plain(name) + "</extra>",
                meta={"column": name},
            )
        )
    figure.update_layout(showlegend=True)
    figure.data[0].showlegend = False
    figure.update_yaxes(
        tickvals=rows, ticktext=[short(name, 14 if narrow else 26) for name in features], autorange="reversed",
        showgrid=False, fixedrange=True,
    )  # fmt: skip
    figure.update_xaxes(title_text="loss of the metric when the feature is shuffled", showgrid=True)
    return figure
