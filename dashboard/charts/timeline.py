"""The drift timeline: batch score, what happened, and every feature against every batch, on one shared axis.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from dash import Patch
from numpy.typing import NDArray

from dashboard.charts.frame import (
    FLOOR,
    SYMBOLS,
    Axis,
    Mark,
    Span,
    alarm_line,
    blank,
    laned,
    mark_traces,
    on_score_axis,
    plain,
    score_axis,
    short,
    sign_size,
    wrap,
)
from dashboard.theme import Palette, template

TOP = 3.0  # the heatmap's colours end here: three times the alarm line
ROW = 24  # pixels a feature
MOST_DOTS = 20_000  # cells, above which those with too few rows carry no dot


@dataclass(frozen=True)
class DriftView:
    """Everything the timeline shows. Arrays run over columns; ``heat`` over features x columns, NaN = not checked."""

    place: Axis
    keys: tuple[str, ...]  # how a column is named in an address: a batch, some batches, a day, a week
    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    verdict: tuple[str, ...]
    names: tuple[str, ...]
    features: tuple[str, ...]
    heat: NDArray[np.float32]
    few: NDArray[np.bool_]
    band: NDArray[np.float64] | None = None  # (2, columns): where healthy batches of a column's size lie
    spans: tuple[Span, ...] = ()
    truths: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()
    of: int = 0  # features there are to be shown
    drifted: int = 0  # of these, that drift somewhere in view
    steps: str = "batch"


def drift_timeline(view: DriftView, colours: Palette, narrow: bool = False) -> go.Figure:
    """Three lanes under each other: batch score with its alarm line, happenings (and known truth), the heatmap."""
    lane = 26 + 18 * bool(view.truths)
    heat = max(90, (20 if narrow else ROW) * len(view.features))
    scores = [*_score_traces(view, colours), *_score_signs(view, colours)]
    happened = [*mark_traces(view.marks, view.place, colours, 0.5), *_truth_traces(view, colours)]
    rows = {
        "tickvals": list(range(len(view.features))),
        "ticktext": [short(name, _name(narrow)) for name in view.features],
        "autorange": "reversed",
        "showgrid": False,
        "fixedrange": True,
    }
    return laned(
        [
            (150, scores, score_axis()),
            (lane, happened, {"visible": False, "range": [-1.1 if view.truths else -0.2, 1.2], "fixedrange": True}),
            (heat, _heat_traces(view, colours, narrow), rows),
        ],
        gap=14,
        across={"showgrid": False, "title_text": view.place.title, **view.place.layout(view.steps)},
        template=template(colours),
        height=150 + lane + heat + 98,
        showlegend=False,
        shapes=_shapes(view, colours),
        margin={"l": _names_room(view, narrow), "r": 20 if narrow else 8, "t": 10, "b": view.place.room},
        uirevision="drift",
        hovermode="closest",
    )


def _name(narrow: bool) -> int:
    """How many signs of a feature's name stand beside its row."""
    return 12 if narrow else 24


def _names_room(view: DriftView, narrow: bool) -> int:
    """Pixels that the names beside the rows take, a little too many rather than too few (see ``Axis.room``)."""
    shown = [name[: _name(narrow)] for name in view.features]
    wide = [sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in name) for name in shown]
    return 21 + round(5.8 * max(wide, default=6))


def _score_traces(view: DriftView, colours: Palette) -> list[go.Scatter]:
    """The band of healthy batches and the line of scores."""
    traces = []
    scenery = {"hoverinfo": "skip", "showlegend": False, "meta": {"scenery": True}, "mode": "lines"}
    if view.band is not None and len(view.keys):
        ends, low, high = _steps_of(view.place, view.band)
        traces += [
            go.Scatter(x=ends, y=low, line={"width": 0}, **scenery),
            go.Scatter(x=ends, y=high, line={"width": 0}, fill="tonexty", fillcolor=colours.band, **scenery),
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


def _steps_of(place: Axis, band: NDArray[np.float64]) -> tuple[list, NDArray, NDArray]:
    """The band as a flat stretch for every run of columns of one size, so that it has few corners."""
    turns = np.flatnonzero(np.any(np.diff(band, axis=1) != 0, axis=0)) + 1
    runs = zip(np.r_[0, turns].tolist(), np.r_[turns - 1, band.shape[1] - 1].tolist(), strict=True)
    ends, low, high = [], [], []
    for start, end in runs:
        ends += [place.edge(start, -1), place.edge(end, 1)]
        low += [max(float(band[0, start]), FLOOR)] * 2
        high += [max(float(band[1, start]), FLOOR)] * 2
    return ends, np.array(low), np.array(high)


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
                        "size": sign_size(len(view.keys), verdict == "drift"),
                        "color": getattr(colours, tone),
                        "line": {"width": 1 if "open" in symbol else 0, "color": getattr(colours, tone)},
                    },
                    customdata=[[view.keys[at], float(view.score[at])] for at in here],
                    text=[f"{plain(view.names[at])}<br>{view.rows[at]:,} rows" for at in here],
                    hovertemplate="<b>%{x}</b>, %{text}"
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
    values, heat, keys = _with_gaps(view)
    traces: list[go.Heatmap | go.Scatter] = [
        go.Heatmap(
            x=values,
            y=list(range(len(view.features))),
            z=heat.astype("float32"),
            zmin=0,
            zmax=TOP,
            colorscale=scale(colours),
            xgap=0 if narrow or heat.shape[1] > 150 else 1,
            ygap=1,
            hoverongaps=False,
            hovertemplate="<b>%{y}</b><br>%{x}<br>score %{z:.2f} (alarm at 1)<extra></extra>",
            showscale=False,
            meta={"features": list(view.features), "batches": keys, "heatmap": True},
        )
    ]
    few_rows, few_columns = np.nonzero(view.few)
    if len(few_rows) and view.few.size <= MOST_DOTS:
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


def _with_gaps(view: DriftView) -> tuple[NDArray, NDArray[np.float32], list[str]]:
    """The heatmap with an empty column in each gap of time, so that no cell is stretched over days without data."""
    values, heat, keys = view.place.values, view.heat, list(view.keys)
    if not view.place.timed or len(values) < 3:
        return values, heat, keys
    step = view.place.step
    wide = np.flatnonzero(np.diff(values) > 1.9 * step)
    if not len(wide):
        return values, heat, keys
    at = np.repeat(wide + 1, 2)
    filler = np.ravel(np.column_stack([values[wide] + step, values[wide + 1] - step]))
    filled = np.insert(np.array(keys, dtype=object), at, "").tolist()
    return np.insert(values, at, filler), np.insert(heat, at, np.nan, axis=1), filled


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


def ordered(
    features: Sequence[str], heat: NDArray, mean: NDArray[np.float64], importance: dict[str, float], by: str
) -> list[int]:
    """Row order: what matters (drift x importance), worst, or name.

    Parameters
    ----------
    features : sequence of str
    heat : ndarray of shape (features, columns)
    mean : ndarray of shape (features,)
        Mean score over what is in view: how far and how long a feature drifted.
    importance : dict
        Share of each feature in what the champion rests on; missing = 0.
    by : {"matters", "worst", "name"}

    Notes
    -----
    A feature that never alarmed does not matter, however important it is: those that did come first. A share of 2% is
    added to every importance, so that a feature the champion does not use still ranks by its drift.
    """
    if not len(features):
        return []
    worst = np.where(np.isnan(heat), 0, heat).max(axis=1, initial=0)
    if by == "name":
        return sorted(range(len(features)), key=lambda at: features[at].lower())
    if by == "worst":
        return sorted(range(len(features)), key=lambda at: (-worst[at], features[at]))
    weight = [importance.get(name, 0.0) + 0.02 for name in features]
    return sorted(range(len(features)), key=lambda at: (worst[at] < 1, -mean[at] * weight[at], features[at]))


def whole_history(
    place: Axis,
    keys: Sequence[str],
    values: NDArray[np.float64],
    shown: Span | None,
    colours: Palette,
    metric: str = "",
) -> go.Figure:
    """The batch score (or a metric) over all there is, small, to choose a stretch from by dragging.

    ``shown`` is the stretch in view.
    """
    figure = blank(colours, 56, showlegend=False, dragmode="select", selectdirection="h", hovermode="x")
    name = metric or "score"
    figure.add_trace(
        go.Scatter(
            x=place.values,
            y=values if metric else on_score_axis(values),
            mode="lines",
            line={"width": 1, "color": colours.ink if metric else colours.stable, "shape": "hvh"},
            connectgaps=True,
            hovertemplate=plain(name) + " %{y:.3~g}<extra></extra>",
            meta={"column": name, "batches": list(keys)},
        )
    )
    figure.update_layout(
        shapes=_over_history(place, shown, colours, bool(metric)),
        margin={"l": 8, "r": 8, "t": 4, "b": 4},
        newselection={"line": {"color": colours.ink, "width": 1, "dash": "solid"}},
        selections=[],
    )
    figure.update_yaxes(type="linear" if metric else "log", visible=False, fixedrange=True)
    figure.update_xaxes(fixedrange=True, showticklabels=False, **place.layout())
    return figure


def _over_history(place: Axis, shown: Span | None, colours: Palette, metric: bool) -> list[dict]:
    """The alarm line of a score, and the frame round the stretch in view."""
    shapes = [] if metric else [{**alarm_line(colours), "line": {"color": colours.drift, "width": 1, "dash": "dot"}}]
    if shown is not None and len(place.values):
        sides = {"xref": "x", "yref": "y domain", "y0": 0, "y1": 1}
        shapes.append(
            {
                "type": "rect", **sides, "x0": place.edge(shown.start, -1), "x1": place.edge(shown.end, 1),
                "fillcolor": colours.band, "line": {"color": colours.muted, "width": 1},
            }
        )  # fmt: skip
    return shapes


def moved(place: Axis, shown: Span | None, colours: Palette, metric: bool) -> Patch:
    """What changes on a drawn strip of the whole history when another stretch comes into view."""
    patch = Patch()
    patch["layout"]["shapes"] = _over_history(place, shown, colours, metric)
    patch["layout"]["selections"] = []
    return patch
