"""What all charts share: the empty figure, the axis of batches, marks, spans, and how a drawn chart is refreshed.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from dash import Patch
from numpy.typing import NDArray

from dashboard.theme import Palette, template

FLOOR = 0.1  # scores below this are drawn at it: the axis is logarithmic
SCORE_TICKS = (0.1, 0.3, 1, 3, 10, 30, 100)
HOVER = {"batch": "%-d %b %Y", "day": "%-d %b %Y", "week": "week %V of %G"}  # how a column's time is written
UNEVEN = 30.0  # a gap this many times the usual step makes a time axis unreadable


@dataclass(frozen=True)
class Axis:
    """Where each batch stands on the x axis.

    ``values`` is datetime64[ms] when ``timed``, else 1, 2, 3, ... counted over the whole history.
    """

    values: NDArray[Any]
    timed: bool
    title: str

    def of(self, position: int) -> Any:
        """The value of one batch as Plotly takes it in a shape."""
        value = self.values[position]
        return str(value) if self.timed else float(value)

    def edge(self, position: int, side: int) -> Any:
        """Half a step before (``side`` -1) or after (+1) a batch."""
        value, half = self.values[position], self.step / 2
        return str(value + side * half) if self.timed else float(value + side * half)

    @property
    def bounds(self) -> dict[str, Any]:
        """The axis ends where the batches end, without the margin that markers would add."""
        if not len(self.values):
            return {}
        return {"minallowed": self.edge(0, -1), "maxallowed": self.edge(len(self.values) - 1, 1)}

    def layout(self, steps: str = "batch") -> dict[str, Any]:
        """The x axis as Plotly takes it: its ends, and how a column of ``steps`` is written."""
        if not self.timed:
            return {"type": "linear", **self.bounds}
        return {"type": "date", "hoverformat": HOVER[steps], "tickangle": 0, **self.bounds}

    @property
    def room(self) -> int:
        """Pixels that its numbers and title take. Where a chart leaves them, Plotly draws it once, not twice."""
        return 58 if self.timed else 44

    def tail(self, last: int) -> Axis:
        """The last so many of its places."""
        return Axis(self.values[len(self.values) - last :], self.timed, self.title)

    @property
    def step(self) -> Any:
        """The usual distance between two batches."""
        if len(self.values) < 2:
            return np.timedelta64(86_400_000, "ms") if self.timed else 1.0  # in ms: half a day is no whole day
        middle = np.median(np.diff(self.values.astype("int64" if self.timed else "float64")))
        return np.timedelta64(max(1, int(middle)), "ms") if self.timed else float(middle)


def axis(at: NDArray[np.int64], first: int = 1, mode: str = "auto", step: int = 1) -> Axis:
    """The x axis for batches at these times.

    Parameters
    ----------
    at : ndarray of shape (batches,)
        Microseconds, in order of arrival.
    first : int
        The number of the first batch when they are counted instead.
    mode : {"auto", "time", "count"}
        ``auto`` takes time if times grow and their gaps are not wildly uneven.
    step : int
        Batches from one entry to the next.
    """
    gaps = np.diff(at)
    even = bool(len(gaps) == 0 or (gaps.min() > 0 and gaps.max() <= UNEVEN * np.median(gaps)))
    grows = bool(len(gaps) == 0 or gaps.min() > 0)
    if grows and (mode == "time" or (mode == "auto" and even)):
        return Axis((at // 1000).astype("datetime64[ms]"), True, "time of the batch, UTC")
    return Axis(first + step * np.arange(len(at)), False, "batch, counted from the first")


@dataclass(frozen=True)
class Mark:
    """Something that happened at a batch: retraining, promotion, quarantine, a change of settings."""

    position: int  # index on the axis
    kind: str  # row of MARKS
    text: str


@dataclass(frozen=True)
class Span:
    """A stretch of batches with a name: an episode, a reign, a known truth."""

    start: int
    end: int  # inclusive
    text: str
    tone: str = "drift"  # a field of Palette
    open: bool = False
    found: int | None = None  # where it was noticed


def on_score_axis(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores as they are drawn: not below the floor."""
    return np.where(np.isnan(score), np.nan, np.maximum(score, FLOOR))


def score_axis() -> dict[str, Any]:
    """A logarithmic axis for scores: a tenth of the alarm line and ten times it are both legible."""
    words = [f"≤ {tick:g}" if tick == FLOOR else f"{tick:g}" for tick in SCORE_TICKS]
    return {
        "type": "log",
        "tickvals": SCORE_TICKS,
        "ticktext": words,
        "title_text": "score, log scale",
        "fixedrange": True,
    }


def alarm_line(colours: Palette) -> dict[str, Any]:
    """The shape of the alarm line, across the first panel."""
    line = {"color": colours.drift, "width": 1.2, "dash": "dash"}
    return {"type": "line", "xref": "x domain", "yref": "y", "x0": 0, "x1": 1, "y0": 1, "y1": 1, "line": line}


@dataclass(frozen=True)
class MarkStyle:
    """Sign and colour of a mark, the same on every chart."""

    label: str
    symbol: str
    tone: str


MARKS: dict[str, MarkStyle] = {
    "promote": MarkStyle("promoted", "star", "stable"),
    "train": MarkStyle("training", "triangle-up-open", "ink"),
    "reject": MarkStyle("challenger rejected", "triangle-down-open", "muted"),
    "hold": MarkStyle("held for a person", "bowtie-open", "warning"),
    "rollback": MarkStyle("rolled back", "triangle-left", "drift"),
    "quarantine": MarkStyle("quarantined", "square-x-open", "quarantine"),
    "settings": MarkStyle("settings changed", "diamond-open", "muted"),
    "fail": MarkStyle("training failed", "x", "drift"),
}
SYMBOLS: dict[str, tuple[str, str]] = {  # verdict -> symbol, palette field
    "stable": ("circle", "stable"),
    "drift": ("diamond", "drift"),
    "too_few_rows": ("circle-open", "muted"),
    "": ("circle-open", "muted"),
}


def sign_size(columns: int, loud: bool) -> int:
    """Signs shrink where many stand side by side."""
    return (8 if loud else 5) if columns <= 200 else (6 if loud else 3)


def blank(colours: Palette, height: int, **layout: Any) -> go.Figure:
    """An empty figure in our template with a fixed height."""
    figure = go.Figure()
    figure.update_layout(template=template(colours), height=height, **layout)
    return figure


def laned(
    lanes: Sequence[tuple[float, Iterable[Any], dict[str, Any]]], gap: float, across: dict[str, Any], **layout: Any
) -> go.Figure:
    """A figure of lanes beneath each other over one x axis.

    Parameters
    ----------
    lanes : sequence of (height, traces, y axis)
        From the top; heights and ``gap`` in pixels.
    gap : float
    across : dict
        The x axis.
    layout
        The rest of the layout.

    Notes
    -----
    One axis for all lanes, and everything handed over at once: Plotly checks and draws this in half the time that it
    takes for subplots of their own axes.
    """
    total = sum(height for height, *_ in lanes) + gap * (len(lanes) - 1)
    data, top = [], float(total)
    for number, (height, traces, axis_) in enumerate(lanes, start=1):
        name = "y" if number == 1 else f"y{number}"
        layout[f"yaxis{name[1:]}"] = {**axis_, "domain": [max(0.0, (top - height) / total), top / total]}
        for trace in traces:
            trace.yaxis = name
            data.append(trace)
        top -= height + gap
    layout["xaxis"] = {**across, "anchor": f"y{len(lanes)}" if len(lanes) > 1 else "y"}
    return go.Figure(data, layout)


def refreshed(figure: go.Figure) -> Patch:
    """What changes when a drawn chart gets newer data: never its axis ranges, so that a zoom is kept.

    A whole new figure would reset the zoom in Dash 4.2 to 4.4 whatever its ``uirevision``.
    """
    whole = figure.to_plotly_json()
    patch = Patch()
    patch["data"] = whole["data"]
    for key in ("shapes", "annotations"):
        patch["layout"][key] = whole["layout"].get(key, [])
    for name, value in whole["layout"].items():
        for key in ("ticktext", "tickvals", "minallowed", "maxallowed"):
            if "axis" in name and key in value:
                patch["layout"][name][key] = value[key]
    return patch


def mark_traces(marks: Sequence[Mark], place: Axis, colours: Palette, height: float = 0.5) -> list[go.Scatter]:
    """One trace a kind of mark, on a lane of its own; marks of a kind that would touch are told together."""
    traces = []
    near = max(1, len(place.values) // 60)
    for kind, style in MARKS.items():
        here: dict[int, list[str]] = {}
        for mark in sorted((mark for mark in marks if mark.kind == kind), key=lambda mark: mark.position):
            last = next(reversed(here), None)
            home = last if last is not None and mark.position - last < near * len(here[last]) + near else mark.position
            here.setdefault(home, []).append(mark.text)
        if here:
            traces.append(
                go.Scatter(
                    x=place.values[list(here)],
                    y=[height] * len(here),
                    mode="markers",
                    cliponaxis=False,
                    name=style.label,
                    marker={
                        "symbol": style.symbol,
                        "size": 11 if style.symbol == "star" else 9,
                        "color": getattr(colours, style.tone),
                        "line": {"width": 1.4, "color": getattr(colours, style.tone)},
                    },
                    text=[_together(texts) for texts in here.values()],
                    hovertemplate="%{text}<extra>" + style.label + "</extra>",
                    meta={"scenery": False, "column": style.label},
                )
            )
    return traces


def _together(texts: Sequence[str]) -> str:
    """What happened at one place: the first three in full, the rest counted."""
    more = [f"and {len(texts) - 3} more"] if len(texts) > 3 else []
    return "<br>".join([wrap(text) for text in texts[:3]] + more)


def wrap(text: str, width: int = 64) -> str:
    """Text broken into lines for a hover box; markup in it is shown, not obeyed."""
    lines, line = [], ""
    for word in plain(text).split():
        if line and len(line) + len(word) + 1 > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "<br>".join([*lines, line])


def plain(text: str) -> str:
    """Text that Plotly shows as it is: no tags, no LaTeX."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def short(text: str, most: int = 22) -> str:
    """A label that fits an axis."""
    return plain(text if len(text) <= most else f"{text[: most - 1]}…")
