"""The drift timeline: batch score, what happened, and every feature against every batch, on one shared axis.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.charts.frame import (
    FLOOR,
    SYMBOLS,
    Axis,
    Mark,
    Span,
    alarm_line,
    mark_traces,
    on_score_axis,
    plain,
    score_axis,
    short,
    wrap,
)
from dashboard.theme import Palette, template

TOP = 3.0  # the heatmap's colours end here: three times the alarm line
ROW = 24  # pixels a feature


@dataclass(frozen=True)
class DriftView:
    """Everything the timeline shows. Arrays run over batches; ``heat`` over features x batches, NaN = not checked."""

    place: Axis
    batch: NDArray[np.int64]
    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    verdict: tuple[str, ...]
    names: tuple[str, ...]
    features: tuple[str, ...]
    heat: NDArray[np.float64]
    heat_verdict: NDArray[np.str_]
    band: tuple[float, float] | None = None
    spans: tuple[Span, ...] = ()
    truths: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()


def drift_timeline(view: DriftView, colours: Palette, narrow: bool = False) -> go.Figure:
    """Three lanes under each other: batch score with its alarm line, happenings (and known truth), the heatmap."""
    lane = 26 + 18 * bool(view.truths)
    heat = max(90, (20 if narrow else ROW) * len(view.features))
    heights = [150, lane, heat]
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=14 / (sum(heights) + 28), row_heights=heights
    )
    for trace in [*_score_traces(view, colours), *_score_signs(view, colours)]:
        figure.add_trace(trace, row=1, col=1)
    for trace in [*mark_traces(view.marks, view.place, colours, 0.5), *_truth_traces(view, colours)]:
        figure.add_trace(trace, row=2, col=1)
    for trace in _heat_traces(view, colours, narrow):
        figure.add_trace(trace, row=3, col=1)
    figure.update_layout(
        template=template(colours),
        height=sum(heights) + 28 + 70,
        showlegend=False,
        shapes=_shapes(view, colours),
        margin={"l": 8, "r": 8, "t": 10, "b": 8},
        uirevision="drift",
        hovermode="closest",
    )
    figure.update_xaxes(type="date" if view.place.timed else "linear", showgrid=False, **view.place.bounds)
    if view.place.timed:
        figure.update_xaxes(hoverformat="%-d %b %Y")
    figure.update_xaxes(title_text=view.place.title, row=3, col=1)
    figure.update_yaxes(**score_axis(), row=1, col=1)
    figure.update_yaxes(visible=False, range=[-1.1 if view.truths else -0.2, 1.2], fixedrange=True, row=2, col=1)
    figure.update_yaxes(
        tickvals=list(range(len(view.features))),
        ticktext=[short(name, 12 if narrow else 24) for name in view.features],
        autorange="reversed",
        showgrid=False,
        fixedrange=True,
        row=3,
        col=1,
    )
    return figure


def _score_traces(view: DriftView, colours: Palette) -> list[go.Scatter]:
    """The band of healthy batches and the line of scores."""
    traces = []
    scenery = {"hoverinfo": "skip", "showlegend": False, "meta": {"scenery": True}, "mode": "lines"}
    if view.band and len(view.batch):
        ends = [view.place.edge(0, -1), view.place.edge(len(view.batch) - 1, 1)]
        low, high = view.band
        traces += [
            go.Scatter(x=ends, y=[max(low, FLOOR)] * 2, line={"width": 0}, **scenery),
            go.Scatter(
                x=ends, y=[max(high, FLOOR)] * 2, line={"width": 0}, fill="tonexty", fillcolor=colours.band, **scenery
            ),
        ]
    traces.append(
        go.Scatter(
            x=view.place.values,
            y=on_score_axis(view.score),
            mode="lines",
            line={"width": 1.2, "color": colours.rule},
            hoverinfo="skip",
            meta={"scenery": True},
        )
    )
    return traces


def _score_signs(view: DriftView, colours: Palette) -> list[go.Scatter]:
    """One trace a verdict, so that sign and colour say the same."""
    traces = []
    verdicts = np.array(view.verdict)
    for verdict, (symbol, tone) in SYMBOLS.items():
        here = np.flatnonzero(verdicts == verdict)
        if len(here):
            traces.append(
                go.Scatter(
                    x=view.place.values[here],
                    y=on_score_axis(view.score[here]),
                    mode="markers",
                    cliponaxis=False,
                    name=verdict.replace("_", " ") or "not checked",
                    marker={
                        "symbol": symbol,
                        "size": 8 if verdict == "drift" else 5,
                        "color": getattr(colours, tone),
                        "line": {"width": 1 if "open" in symbol else 0, "color": getattr(colours, tone)},
                    },
                    customdata=np.column_stack([view.batch[here], view.score[here]]),
                    text=[f"{plain(view.names[at])}, {view.rows[at]:,} rows" for at in here],
                    hovertemplate="<b>%{x}</b>, batch #%{customdata[0]}<br>%{text}"
                    "<br>score %{customdata[1]:.2f} (alarm at 1)"
                    f"<extra>{verdict.replace('_', ' ')}</extra>",
                    meta={"column": "batch score", "verdict": verdict, "value": 1},
                )
            )
    return traces


def _truth_traces(view: DriftView, colours: Palette) -> list[go.Scatter]:
    """What the simulator did, as labelled bars on the lower half of the lane."""
    traces = []
    for number, span in enumerate(view.truths):
        ends = [view.place.edge(span.start, -1), view.place.edge(span.end, 1)]
        level = -0.55
        traces.append(
            go.Scatter(
                x=ends,
                y=[level, level],
                mode="lines",
                line={"width": 7, "color": colours.truth},
                opacity=0.55 if number % 2 else 0.8,
                text=[wrap(span.text)] * 2,
                hovertemplate="%{text}<extra>known truth</extra>",
                name="known truth",
                meta={"scenery": True},
            )
        )
    return traces


def _heat_traces(view: DriftView, colours: Palette, narrow: bool) -> list[go.Heatmap | go.Scatter]:
    """The heatmap, and a dot on every cell with too few rows to say."""
    values, heat, batches = _with_gaps(view)
    traces: list[go.Heatmap | go.Scatter] = [
        go.Heatmap(
            x=values,
            y=list(range(len(view.features))),
            z=heat.astype("float32"),
            customdata=np.broadcast_to(batches.astype("int32"), heat.shape).copy(),
            zmin=0,
            zmax=TOP,
            colorscale=scale(colours),
            xgap=0 if narrow or heat.shape[1] > 150 else 1,
            ygap=1,
            hoverongaps=False,
            hovertemplate="<b>%{y}</b><br>%{x}, batch #%{customdata}<br>score %{z:.2f} (alarm at 1)<extra></extra>",
            showscale=False,
            meta={"features": list(view.features), "batches": batches.tolist(), "heatmap": True},
        )
    ]
    few_rows, few_columns = np.nonzero(view.heat_verdict == "too_few_rows")
    if len(few_rows):
        traces.append(
            go.Scatter(
                x=view.place.values[few_columns],
                y=few_rows,
                mode="markers",
                marker={"symbol": "circle-open", "size": 5, "color": colours.muted},
                hoverinfo="skip",
                meta={"scenery": True},
            )
        )
    return traces


def _with_gaps(view: DriftView) -> tuple[NDArray, NDArray[np.float64], NDArray[np.int64]]:
    """The heatmap with an empty column in each gap of time, so that no cell is stretched over days without data."""
    values, heat, batches = view.place.values, view.heat, view.batch
    if not view.place.timed or len(values) < 3:
        return values, heat, batches
    step = view.place.step
    wide = np.flatnonzero(np.diff(values) > 1.9 * step)
    if not len(wide):
        return values, heat, batches
    at = np.repeat(wide + 1, 2)
    filler = np.ravel(np.column_stack([values[wide] + step, values[wide + 1] - step]))
    return np.insert(values, at, filler), np.insert(heat, at, np.nan, axis=1), np.insert(batches, at, 0)


def scale(colours: Palette) -> list[list]:
    """Pale to mid blue below the alarm line, a hard step at it, orange to vermilion above."""
    line = 1 / TOP
    return [
        [0.0, colours.heat_zero],
        [line - 1e-6, colours.heat_low],
        [line, colours.heat_alarm],
        [1.0, colours.heat_high],
    ]


def _shapes(view: DriftView, colours: Palette) -> list[dict]:
    """The alarm line, episodes as shaded spans with the onset drawn, all in one list (it is five times faster)."""
    shapes = [alarm_line(colours)]
    for span in view.spans:
        start, end = view.place.edge(span.start, -1), view.place.edge(span.end, 1)
        common = {"xref": "x", "yref": "y domain", "y0": 0, "y1": 1, "layer": "below"}
        shapes.append(
            {
                "type": "rect",
                **common,
                "x0": start,
                "x1": end,
                "fillcolor": getattr(colours, f"{span.tone}_soft", colours.band),
                "line": {"width": 0},
            }
        )
        line = {"color": getattr(colours, span.tone), "width": 1}
        shapes.append({"type": "line", **common, "x0": start, "x1": start, "line": line})
    return shapes


def ordered(features: Sequence[str], heat: NDArray[np.float64], importance: dict[str, float], by: str) -> list[int]:
    """Row order: what matters (those that drifted first, then drift x importance), worst, or name.

    Parameters
    ----------
    features : sequence of str
    heat : ndarray of shape (features, batches)
    importance : dict
        Feature to share of the champion's importance; missing = 0.
    by : {"matters", "worst", "name"}
    """
    if not len(features):
        return []
    worst = np.where(np.isnan(heat), 0, heat).max(axis=1, initial=0)
    if by == "name":
        return sorted(range(len(features)), key=lambda at: features[at].lower())
    if by == "worst":
        return sorted(range(len(features)), key=lambda at: (-worst[at], features[at]))
    total = sum(max(0.0, value) for value in importance.values()) or 1.0
    weight = [max(0.0, importance.get(name, 0.0)) / total for name in features]
    return sorted(range(len(features)), key=lambda at: (worst[at] < 1, -worst[at] * (weight[at] + 0.02), features[at]))
