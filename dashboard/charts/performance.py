"""How well the model does: its metric over batches, confusion, calibration, residuals.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.frame import Axis, Mark, Span, blank, laned, mark_traces, plain, short
from dashboard.theme import Palette, template

DENSE = 90  # batches, above which a running mean is drawn
MEAN_OF = 7


@dataclass(frozen=True)
class Series:
    """A metric over batches, NaN where it is not known."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class MetricView:
    """Everything the line of performance shows; arrays run over the axis."""

    place: Axis
    keys: tuple[str, ...]  # how a column is named in an address
    label: str
    percent: bool
    measured: Series
    estimated: Series
    coverage: NDArray[np.float64]  # share of rows with labels
    level: NDArray[np.float64]  # the champion's level when it was chosen
    reigns: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()


def metric_line(view: MetricView, colours: Palette, compact: bool = False) -> go.Figure:
    """Measured solid with its interval, estimated dotted, the champion's own level dashed; labels beneath.

    ``compact`` leaves out the lanes of happenings and labels.
    """
    metric = {
        "title_text": view.label.lower() if view.label.isalpha() else view.label,
        "tickformat": ".0%" if view.percent else None,
        "nticks": 6,
    }
    lanes: list[tuple[float, list, dict[str, Any]]] = [(190 if compact else 280, _metric_traces(view, colours), metric)]
    if not compact:
        marks = [trace.update(showlegend=False) for trace in mark_traces(view.marks, view.place, colours)]
        unseen = {"visible": False, "fixedrange": True}
        labelled = {"tickformat": ".0%", "range": [0, 1.05], "tickvals": [0, 1], "title_text": "labelled"}
        lanes += [
            (14, _reign_traces(view, colours), {**unseen, "range": [-0.5, 0.5]}),
            (24, marks, {**unseen, "range": [-0.2, 1.2]}),
            (46, [_coverage(view, colours)], {**labelled, "fixedrange": True}),
        ]
    return laned(
        lanes,
        gap=10,
        across={"showgrid": False, "title_text": view.place.title, **view.place.layout()},
        template=template(colours),
        height=sum(height for height, *_ in lanes) + (60 if compact else 90),
        shapes=_reign_shapes(view, colours),
        annotations=_reign_names(view, colours),
        margin={"l": 60, "r": 8, "t": 24, "b": view.place.room},
        uirevision="performance",
        hovermode="closest",
        showlegend=False,
    )


def told(view: MetricView) -> NDArray[np.float64]:
    """The metric as best known: measured where there are labels, else estimated."""
    return np.where(np.isfinite(view.measured.value), view.measured.value, view.estimated.value)


def smoothed(series: Series, over: int) -> Series:
    """The running mean over so many known batches, its interval narrowed by as many.

    Notes
    -----
    The half width of the mean of k independent figures is ``sqrt(mean of squared half widths / k)``.
    """
    known = np.flatnonzero(np.isfinite(series.value))
    cells = np.full((3, len(series.value)), np.nan)
    half = (series.high - series.low) / 2
    for at, position in enumerate(known):
        window = known[max(0, at - over + 1) : at + 1]
        mean, reach = series.value[window].mean(), np.sqrt(np.mean(half[window] ** 2) / len(window))
        cells[:, position] = (mean, mean - reach, mean + reach)
    return Series(*cells)


def _metric_traces(view: MetricView, colours: Palette) -> list[go.Scatter]:
    form = ":.1%" if view.percent else ":.4~g"
    traces: list[go.Scatter] = []
    dense = len(view.keys) > DENSE
    if dense:
        traces.append(_each(view, colours, form))
    for name, given, style, soft in (
        ("estimated without labels", view.estimated, {"dash": "dot", "width": 1.6, "color": colours.second}, None),
        ("measured", view.measured, {"width": 1.8, "color": colours.ink}, colours.interval),
    ):
        series = smoothed(given, MEAN_OF) if dense else given
        known = np.flatnonzero(np.isfinite(series.value))
        if not len(known):
            continue
        told = f", mean of {MEAN_OF}" if dense else ""
        x = view.place.values[known]
        if soft and np.isfinite(series.low[known]).any():
            edge = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            traces.append(go.Scatter(**edge, y=series.low[known], name="low", meta={"column": f"{name}, low"}))
            traces.append(
                go.Scatter(
                    **{**edge, "showlegend": True}, y=series.high[known], fill="tonexty", fillcolor=soft,
                    name="95 % interval", meta={"column": f"{name}, high"},
                )
            )  # fmt: skip
        traces.append(
            go.Scatter(
                x=x,
                y=series.value[known],
                mode="lines+markers" if name == "measured" and not dense else "lines",
                name=name,
                line=style,
                marker={"size": 3.5},
                customdata=[view.keys[at] for at in known],
                hovertemplate=f"<b>%{{x}}</b>, batch #%{{customdata}}<br>{view.label} %{{y{form}}}"
                f"<extra>{name}{told}</extra>",
                meta={"column": name},
            )
        )
    level = np.flatnonzero(np.isfinite(view.level))
    if len(level):
        traces.append(
            go.Scatter(
                x=view.place.values[level],
                y=view.level[level],
                mode="lines",
                name="champion's level when chosen",
                line={"dash": "dash", "width": 1.2, "color": colours.rule, "shape": "hvh"},
                hoverinfo="skip",
                meta={"scenery": True},
            )
        )
    return traces


def _each(view: MetricView, colours: Palette, form: str) -> go.Scatter:
    """Every batch as a faint dot beneath the running mean."""
    known = np.flatnonzero(np.isfinite(view.measured.value))
    return go.Scatter(
        x=view.place.values[known],
        y=view.measured.value[known],
        mode="markers",
        marker={"size": 3, "color": colours.rule, "opacity": 0.7},
        customdata=[view.keys[at] for at in known],
        hovertemplate=f"<b>%{{x}}</b>, batch #%{{customdata}}<br>{view.label} %{{y{form}}}<extra>one batch</extra>",
        meta={"column": "each batch"},
    )


def _coverage(view: MetricView, colours: Palette) -> go.Bar | go.Scatter:
    """A bar a column; where they stand dense, one outline of all, which is drawn far sooner."""
    told: dict[str, Any] = {
        "x": view.place.values, "y": view.coverage, "name": "rows with labels", "showlegend": False,
        "hovertemplate": "%{x}: %{y:.0%} of rows have labels<extra></extra>", "meta": {"column": "rows with labels"},
    }  # fmt: skip
    if len(view.keys) > DENSE:
        line = {"width": 0, "shape": "hvh"}
        return go.Scatter(**told, mode="lines", line=line, fill="tozeroy", fillcolor=colours.reference)
    return go.Bar(**told, marker={"color": colours.reference, "line": {"width": 0}})


def _reign_traces(view: MetricView, colours: Palette) -> list[go.Scatter]:
    """Who was champion when, as a bar: the champion of today in blue, those before it in turns."""
    turns = [colours.second, colours.truth]
    bars: dict[str, tuple[list, list]] = {}  # colour -> places and texts, with a gap after each reign
    for number, reign in enumerate(view.reigns):
        x, text = bars.setdefault(colours.stable if reign.open else turns[number % 2], ([], []))
        x += [view.place.edge(reign.start, -1), view.place.edge(reign.end, 1), None]
        text += [f"{plain(reign.text)} was champion"] * 2 + [""]
    return [
        go.Scatter(
            x=x,
            y=[0, 0, None] * (len(x) // 3),
            mode="lines",
            line={"width": 9, "color": colour},
            name="champion",
            text=text,
            hovertemplate="%{text}<br>%{x}<extra></extra>",
            meta={"scenery": True},
        )
        for colour, (x, text) in bars.items()
    ]


def _reign_shapes(view: MetricView, colours: Palette) -> list[dict]:
    shapes = []
    for span in view.spans:
        shapes.append(
            {
                "type": "rect", "xref": "x", "yref": "y domain", "x0": view.place.edge(span.start, -1),
                "x1": view.place.edge(span.end, 1), "y0": 0, "y1": 1, "layer": "below", "line": {"width": 0},
                "fillcolor": getattr(colours, f"{span.tone}_soft", colours.band),
            }
        )  # fmt: skip
    starts = [str(view.place.edge(reign.start, -1)).replace("T", "_") for reign in view.reigns[1:]]
    if starts:  # as one path: fifty lines would each be checked and drawn
        path = " ".join(f"M{start},0L{start},1.06" for start in starts)
        line = {"color": colours.rule, "width": 1}
        shapes.append({"type": "path", "xref": "x", "yref": "y domain", "path": path, "line": line, "layer": "below"})
    return shapes


def _reign_names(view: MetricView, colours: Palette) -> list[dict]:
    """v1, v2, ... at the start of each reign; a reign too short for its name goes without."""
    names, last = [], -1e9
    least = 0.035 * max(1, len(view.keys))
    for reign in view.reigns:
        if reign.start - last < least:
            continue
        last = reign.start
        names.append(
            {
                "x": view.place.edge(reign.start, -1), "y": 1.0, "xref": "x", "yref": "y domain", "xanchor": "left",
                "yanchor": "bottom", "showarrow": False, "text": plain(reign.text), "xshift": 2,
                "font": {"size": 11, "color": colours.muted},
            }
        )  # fmt: skip
    return names


def confusion(
    matrix: Sequence[Sequence[int]], classes: Sequence[str], colours: Palette, difference: bool = False
) -> go.Figure:
    """Truth by prediction: colour is the share of the truth's row, the text its count.

    With ``difference`` the matrix holds counts of b minus a, and the colours diverge around zero: towards worse where
    more rows lie beside the diagonal, or fewer on it.
    """
    counts = np.asarray(matrix, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    top = float(np.abs(counts).max()) or 1.0
    worse = 1 - 2 * np.eye(len(counts))
    shares = worse * counts / top if difference else counts / np.where(totals == 0, 1, totals)
    names = [short(name, 14) for name in classes]
    scale = (
        [[0, colours.less], [0.5, colours.zero], [1, colours.more]]
        if difference
        else [[0, colours.heat_zero], [1, colours.heat_low]]
    )
    text = [[_count(cell, difference) for cell in row] for row in counts]
    if not difference:
        text = [
            [f"{cell}<br>{share:.0%}" for cell, share in zip(cells, row, strict=True)]
            for cells, row in zip(text, shares, strict=True)
        ]
    figure = blank(colours, max(210, 46 * len(names) + 90))
    figure.add_trace(
        go.Heatmap(
            x=list(range(len(names))),
            y=list(range(len(names))),
            z=shares,
            zmin=-1 if difference else 0,
            zmax=1,
            colorscale=scale,
            showscale=False,
            text=text if len(names) <= 12 else None,
            texttemplate="%{text}" if len(names) <= 12 else None,
            textfont={"size": 12, "color": colours.ink},
            xgap=2,
            ygap=2,
            customdata=counts,
            hovertemplate="truth %{y}, predicted %{x}: %{customdata:,} rows<extra></extra>",
            meta={"matrix": list(classes)},
        )
    )
    figure.update_xaxes(
        tickvals=list(range(len(names))), ticktext=names, title_text="predicted", fixedrange=True, side="bottom"
    )
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, title_text="truth", autorange="reversed", showgrid=False,
        fixedrange=True,
    )  # fmt: skip
    return figure


def _count(cell: float, signed: bool) -> str:
    if not signed:
        return f"{cell:,.0f}"
    return f"{'+' if cell > 0 else '−' if cell < 0 else ''}{abs(cell):,.0f}"


def calibration(said: Sequence[float], came: Sequence[float], rows: Sequence[int], colours: Palette) -> go.Figure:
    """Said chance against what came, with the number of rows behind each point."""
    said, came, rows = np.asarray(said, float), np.asarray(came, float), np.asarray(rows, float)
    figure = blank(colours, 290, margin_l=60, showlegend=False)
    figure.add_trace(
        go.Scatter(
            x=[0, 1], y=[0, 1], mode="lines", line={"width": 1, "dash": "dash", "color": colours.rule},
            hoverinfo="skip", meta={"scenery": True},
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=said,
            y=came,
            mode="lines+markers",
            line={"width": 1.6, "color": colours.ink},
            marker={"size": 5 + 9 * np.sqrt(rows / max(rows.max(initial=1), 1)), "color": colours.ink},
            customdata=rows,
            hovertemplate="said %{x:.0%}, came %{y:.0%} (%{customdata:,} rows)<extra></extra>",
            meta={"column": "came true"},
        )
    )
    figure.update_xaxes(title_text="chance the model said", tickformat=".0%", range=[-0.03, 1.03], showgrid=True)
    figure.update_yaxes(title_text="share that came true", tickformat=".0%", range=[-0.03, 1.03])
    return figure


def scatter_actual(actual: Sequence[float], predicted: Sequence[float], target: str, colours: Palette) -> go.Figure:
    """Predicted against actual values, with the line of perfect answers."""
    actual, predicted = np.asarray(actual, float), np.asarray(predicted, float)
    figure = blank(colours, 320, showlegend=False)
    ends = [min(actual.min(initial=0), predicted.min(initial=0)), max(actual.max(initial=1), predicted.max(initial=1))]
    if len(actual):
        ends = [float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))]
    figure.add_trace(
        go.Scatter(
            x=ends, y=ends, mode="lines", line={"width": 1, "dash": "dash", "color": colours.rule}, hoverinfo="skip",
            meta={"scenery": True},
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=actual,
            y=predicted,
            mode="markers",
            marker={"size": 5, "color": colours.stable, "opacity": 0.45},
            hovertemplate="actual %{x:,.4~g}, predicted %{y:,.4~g}<extra></extra>",
            meta={"column": "predicted"},
        )
    )
    figure.update_xaxes(title_text=f"actual {short(target, 30)}", showgrid=True)
    figure.update_yaxes(title_text=f"predicted {short(target, 30)}")
    return figure
