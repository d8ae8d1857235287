"""Policies replayed over a history: what trainings bought, and how each policy went batch by batch.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.charts.frame import Axis, blank, plain, short, wrap
from dashboard.theme import Palette, template

ROW = 84  # pixels a policy
SMOOTH = 40  # from so many batches on, the line is a running mean over a twentieth of them


@dataclass(frozen=True)
class Run:
    """One policy over the batches."""

    name: str
    trainings: int
    mean: float
    own: bool  # the program's own decisions, under some settings
    values: NDArray[np.float64]  # the metric, one a batch; NaN without labels
    trained: tuple[int, ...]  # positions of batches after which something was fitted
    promoted: tuple[int, ...]  # positions after which another model took over


def frontier(runs: Sequence[Run], best: Sequence[int], label: str, percent: bool, colours: Palette) -> go.Figure:
    """Metric against number of trainings; ``best`` are the runs that no other beats with as few, joined by a line.

    A dot carries the number of its run in the table; runs that fall on one dot share it.
    """
    figure = blank(colours, 340, showlegend=False, uirevision="frontier")
    known = [at for at, run in enumerate(runs) if np.isfinite(run.mean)]
    figure.add_trace(
        go.Scatter(
            x=[runs[at].trainings for at in best], y=[runs[at].mean for at in best], mode="lines", hoverinfo="skip",
            line={"width": 2, "color": colours.stable, "shape": "hv"}, meta={"scenery": True},
        )
    )  # fmt: skip
    for own, name, symbol in ((True, "our decisions", "circle"), (False, "fixed rules", "square")):
        spots: dict[tuple[int, float], list[int]] = {}
        for at in known:
            if runs[at].own is own:
                spots.setdefault((runs[at].trainings, round(runs[at].mean, 4)), []).append(at)
        if spots:
            figure.add_trace(_spots(runs, spots, name, symbol, percent, best, colours))
    figure.update_xaxes(title_text="trainings", rangemode="tozero", showgrid=True)
    figure.update_yaxes(title_text=f"{label}, mean over the batches", tickformat=".1%" if percent else "")
    return figure


def _spots(
    runs: Sequence[Run],
    spots: dict[tuple[int, float], list[int]],
    name: str,
    symbol: str,
    percent: bool,
    best: Sequence[int],
    colours: Palette,
) -> go.Scatter:
    wins = [bool(set(best) & set(held)) for held in spots.values()]
    said = [
        "<br>".join(f"{at + 1} {wrap(runs[at].name)}" for at in held)
        + f"<br>{mean:.1%}" * percent + f"<br>{mean:.4g}" * (not percent) + f", {trainings:,} trainings"
        for (trainings, mean), held in spots.items()
    ]  # fmt: skip
    return go.Scatter(
        x=[key[0] for key in spots],
        y=[key[1] for key in spots],
        mode="markers+text",
        name=name,
        marker={
            "size": 23,
            "symbol": symbol,
            "color": [colours.stable if win else colours.surface for win in wins],
            "line": {"width": 1.6, "color": [colours.stable if win else colours.rule for win in wins]},
        },
        text=[",".join(str(at + 1) for at in held) for held in spots.values()],
        textfont={"size": 11, "color": [colours.surface if win else colours.ink for win in wins]},
        customdata=[[text] for text in said],
        hovertemplate="%{customdata[0]}<extra></extra>",
        cliponaxis=False,
        meta={"column": name},
    )


def replays(
    runs: Sequence[Run], place: Axis, label: str, percent: bool, colours: Palette, narrow: bool = False
) -> go.Figure:
    """A row a policy: its metric over the batches, in grey the first run's, beneath it when it trained and promoted."""
    figure = make_subplots(rows=len(runs), cols=1, shared_xaxes=True, vertical_spacing=0.25 / max(4, len(runs)))
    figure.update_layout(
        template=template(colours), height=ROW * len(runs) + 60, showlegend=False, uirevision="replays"
    )
    lines = [_smooth(run.values) for run in runs]
    known = np.concatenate([line[np.isfinite(line)] for line in lines]) if runs else np.empty(0)
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    reach = (high - low) or 1.0
    for at, (run, line) in enumerate(zip(runs, lines, strict=True)):
        row = at + 1
        if at:
            grey = {"width": 1.2, "color": colours.rule}
            figure.add_trace(_line(place, lines[0], grey, "", scenery=True), row=row, col=1)
        ink = {"width": 1.8, "color": colours.stable if run.own else colours.ink}
        figure.add_trace(_line(place, line, ink, run.name, percent=percent), row=row, col=1)
        for positions, symbol, word in ((run.trained, "line-ns-open", "training"), (run.promoted, "star", "new model")):
            if positions:
                figure.add_trace(
                    _ticks(place, positions, symbol, word, low - 0.2 * reach, run, colours), row=row, col=1
                )
        figure.add_annotation(
            x=0, y=1.0, xref="x domain", yref=f"y{row if at else ''} domain", xanchor="left", yanchor="bottom",
            showarrow=False, text=f"<b>{row}</b> {short(run.name, 34 if narrow else 90)}", font={"size": 12},
        )  # fmt: skip
    figure.update_yaxes(
        range=[low - 0.32 * reach, high + 0.08 * reach], nticks=3, fixedrange=True, tickformat=".0%" if percent else ""
    )
    figure.update_xaxes(**place.layout())
    figure.update_xaxes(title_text=place.title, row=len(runs), col=1)
    figure.update_layout(margin={"t": 24, "b": place.room})
    return figure


def _line(
    place: Axis, values: NDArray[np.float64], line: dict, name: str, scenery: bool = False, percent: bool = False
) -> go.Scatter:
    shown = "%{y:.1%}" if percent else "%{y:.4g}"
    return go.Scatter(
        x=place.values, y=values, mode="lines", line=line, name=plain(name),
        meta={"scenery": True} if scenery else {"column": name},
        **({"hoverinfo": "skip"} if scenery else {"hovertemplate": "%{x}: " + shown + "<extra></extra>"}),
    )  # fmt: skip


def _ticks(
    place: Axis, positions: Sequence[int], symbol: str, word: str, height: float, run: Run, colours: Palette
) -> go.Scatter:
    colour = colours.stable if symbol == "star" else colours.muted
    return go.Scatter(
        x=place.values[list(positions)],
        y=[height] * len(positions),
        mode="markers",
        marker={"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.4, "color": colour}},
        name=f"{plain(run.name)}: {word}",
        hovertemplate="%{x}: " + word + "<extra></extra>",
        meta={"scenery": True},
    )


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A running mean that leaves out what is not known; short histories stay as they are."""
    if len(values) < SMOOTH:
        return values
    window = max(3, len(values) // 20)
    known = np.isfinite(values)
    total = np.cumsum(np.concatenate([[0.0], np.where(known, values, 0.0)]))
    rows = np.cumsum(np.concatenate([[0], known]))
    at = np.arange(1, len(values) + 1)
    start = np.maximum(0, at - window)
    count = rows[at] - rows[start]
    return np.where(count > 0, (total[at] - total[start]) / np.maximum(1, count), np.nan)
