"""One feature: its distribution against the reference, its score over time, its quantiles or levels over time.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from dashboard.charts.frame import SYMBOLS, Axis, alarm_line, blank, on_score_axis, score_axis, short
from dashboard.theme import Palette, template
from storage.records import Distribution

MOST_LEVELS = 14


def distribution(shown: Distribution, colours: Palette, narrow: bool = False) -> go.Figure:
    """Reference as grey bars, batch as a coloured outline, over the same bins; missing values as a bar of their own."""
    return _levels(shown, colours, narrow) if not shown.edges else _density(shown, colours, narrow)


def _density(shown: Distribution, colours: Palette, narrow: bool) -> go.Figure:
    """Numbers and dates: shares over the bins' own widths, and beside them the share that is missing."""
    edges = np.asarray(shown.edges, dtype=float)
    reference, batch = np.asarray(shown.reference), np.asarray(shown.batch)
    low, high = _window(edges, reference, batch, shown)
    inside = np.flatnonzero((edges[1:] > low) & (edges[:-1] < high))
    left, right = np.clip(edges[:-1][inside], low, high), np.clip(edges[1:][inside], low, high)
    dated = shown.kind == "date"
    widths = right - left
    usual = np.median(widths[reference[inside] > 0]) if (reference[inside] > 0).any() else 1.0
    unit = usual / np.maximum(widths, 1e-12)
    missing = bool(shown.reference_null or shown.batch_null)
    figure = make_subplots(cols=2, column_widths=[0.86, 0.14], horizontal_spacing=0.09) if missing else go.Figure()
    for name, shares, style in (
        ("reference", reference, {"fill": "tozeroy", "fillcolor": colours.reference, "line": {"width": 0}}),
        ("batch", batch, {"line": {"width": 2, "color": colours.stable}}),
    ):
        heights = shares[inside] * unit
        x, y = np.append(left, right[-1:]), np.append(heights, heights[-1:])
        figure.add_trace(
            go.Scatter(
                x=_instants(x) if dated else x,
                y=y,
                mode="lines",
                name=name,
                customdata=np.append(shares[inside], shares[inside][-1:]),
                hovertemplate="%{customdata:.1%} of rows<extra>" + name + "</extra>",
                meta={"column": name, "share": True},
                **{**style, "line": {**style["line"], "shape": "hv"}},
            )
        )
    figure.update_layout(
        template=template(colours), height=260 if narrow else 300, hovermode="x", showlegend=False, bargap=0.3
    )
    figure.update_xaxes(
        title_text=short(shown.feature, 60), type="date" if dated else "linear", col=1 if missing else None
    )
    figure.update_yaxes(title_text="share of rows per usual bin", tickformat=".0%", rangemode="tozero")
    if missing:
        _add_missing(figure, shown, colours)
    return figure


def _add_missing(figure: go.Figure, shown: Distribution, colours: Palette) -> None:
    """Two bars of their own, on a scale of their own: what is missing is no value."""
    top = max(0.05, 1.15 * max(shown.reference_null, shown.batch_null))
    figure.add_trace(
        go.Bar(
            x=[0, 1],
            y=[shown.reference_null, shown.batch_null],
            marker={"color": [colours.reference, colours.stable], "line": {"width": 0}},
            hovertemplate="%{y:.1%} missing<extra></extra>",
            meta={"scenery": True},
        ),
        row=1,
        col=2,
    )
    figure.update_xaxes(tickvals=[], title_text="missing", row=1, col=2)
    figure.update_yaxes(title_text="", range=[0, top], nticks=3, tickformat=".0%", fixedrange=True, row=1, col=2)


def _instants(x: NDArray[np.float64]) -> NDArray:
    return (x / 1000).astype("int64").astype("datetime64[ms]")


def _window(edges: NDArray, reference: NDArray, batch: NDArray, shown: Distribution) -> tuple[float, float]:
    """The stretch worth drawing: all but the emptiest tails, never infinite."""
    shares = np.maximum(reference, batch)
    finite = np.isfinite(edges[:-1]) & np.isfinite(edges[1:])
    here = np.flatnonzero((shares > 0.002) & finite)
    if not len(here):
        here = np.flatnonzero(finite)
    if not len(here):
        return 0.0, 1.0
    low, high = float(edges[here[0]]), float(edges[here[-1] + 1])
    floors = [stats["min"] for stats in (shown.reference_stats, shown.batch_stats) if "min" in stats]
    tops = [stats["max"] for stats in (shown.reference_stats, shown.batch_stats) if "max" in stats]
    low = max(low, min(floors)) if floors else low
    high = min(high, max(tops)) if tops else high
    return (low, high) if high > low else (low, low + 1.0)


def _levels(shown: Distribution, colours: Palette, narrow: bool) -> go.Figure:
    """Categories: paired bars, the largest on top, new levels named as such, the rest pooled."""
    order = sorted(
        range(len(shown.labels)), key=lambda at: (-max(shown.reference[at], shown.batch[at]), shown.labels[at])
    )
    new = [at for at in order if shown.new[at]]
    kept = (new + [at for at in order if not shown.new[at]])[:MOST_LEVELS]
    kept.sort(key=order.index)
    rest = [at for at in order if at not in kept]
    labels = [short(shown.labels[at] + (" (new)" if shown.new[at] else ""), 16 if narrow else 28) for at in kept]
    reference = [shown.reference[at] for at in kept]
    batch = [shown.batch[at] for at in kept]
    if rest:
        labels.append(f"{len(rest)} other levels")
        reference.append(sum(shown.reference[at] for at in rest))
        batch.append(sum(shown.batch[at] for at in rest))
    if shown.reference_null or shown.batch_null:
        labels.append("missing")
        reference.append(shown.reference_null)
        batch.append(shown.batch_null)
    positions = list(range(len(labels)))
    figure = blank(colours, max(180, 34 * len(labels) + 60), bargap=0.28, bargroupgap=0.04, showlegend=False)
    for name, shares, colour in (
        ("reference", reference, colours.reference),
        ("batch", batch, colours.stable),
    ):
        figure.add_trace(
            go.Bar(
                y=positions,
                x=shares,
                orientation="h",
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate="%{y}: %{x:.1%}<extra>" + name + "</extra>",
                meta={"column": name},
            )
        )
    figure.update_yaxes(tickvals=positions, ticktext=labels, autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text="share of rows", tickformat=".0%", rangemode="tozero", showgrid=True)
    return figure


def history(
    place: Axis,
    batch: NDArray[np.int64],
    score: NDArray[np.float64],
    verdict: Sequence[str],
    colours: Palette,
    selected: int | None = None,
) -> go.Figure:
    """A feature's drift score over batches, with the alarm line; the chosen batch is ringed."""
    figure = blank(colours, 230, showlegend=False, uirevision="history")
    figure.add_trace(
        go.Scatter(
            x=place.values,
            y=on_score_axis(score),
            mode="lines",
            line={"width": 1.2, "color": colours.rule},
            hoverinfo="skip",
            meta={"scenery": True},
        )
    )
    verdicts = np.array(verdict, dtype=str)
    for word, (symbol, tone) in SYMBOLS.items():
        here = np.flatnonzero(verdicts == word)
        if len(here):
            figure.add_trace(
                go.Scatter(
                    x=place.values[here],
                    y=on_score_axis(score[here]),
                    mode="markers",
                    cliponaxis=False,
                    name=word.replace("_", " ") or "not checked",
                    marker={"symbol": symbol, "size": 8 if word == "drift" else 5, "color": getattr(colours, tone)},
                    customdata=np.column_stack([batch[here], score[here]]),
                    hovertemplate="%{x}, batch #%{customdata[0]}<br>score %{customdata[1]:.2f} (alarm at 1)"
                    "<extra></extra>",
                    meta={"column": "score", "value": 1},
                )
            )
    chosen = np.flatnonzero(batch == selected)
    if len(chosen):
        figure.add_trace(
            go.Scatter(
                cliponaxis=False,
                x=place.values[chosen],
                y=on_score_axis(score[chosen]),
                mode="markers",
                marker={"symbol": "circle-open", "size": 16, "color": colours.ink, "line": {"width": 1.5}},
                hoverinfo="skip",
                meta={"scenery": True},
            )
        )
    figure.update_layout(shapes=[alarm_line(colours)])
    figure.update_yaxes(**score_axis())
    figure.update_xaxes(title_text=place.title, hoverformat="%-d %b %Y" if place.timed else None, **place.bounds)
    return figure


def fan(
    place: Axis,
    quantiles: Mapping[str, NDArray[np.float64]],
    reference: Mapping[str, float],
    name: str,
    colours: Palette,
) -> go.Figure:
    """Quantiles of a feature over batches (5 to 95 %, the middle half, the median) with the reference's dashed."""
    figure = blank(colours, 250, uirevision="fan", hovermode="x unified", showlegend=False)
    shared = {"x": place.values, "mode": "lines"}
    for low, high, colour, label in (
        ("q05", "q95", colours.band, "5 to 95 %"),
        ("q25", "q75", colours.stable_soft, "25 to 75 %"),
    ):
        figure.add_trace(
            go.Scatter(
                **shared,
                y=quantiles[low],
                line={"width": 0},
                showlegend=False,
                name=f"{low[1:]} %",
                hovertemplate="%{y:,.4~g}",
                meta={"column": f"{low[1:]} %"},
            )
        )
        figure.add_trace(
            go.Scatter(
                **shared,
                y=quantiles[high],
                line={"width": 0},
                fill="tonexty",
                fillcolor=colour,
                name=label,
                hovertemplate="%{y:,.4~g}",
                meta={"column": f"{high[1:]} %"},
            )
        )
    figure.add_trace(
        go.Scatter(
            **shared,
            y=quantiles["q50"],
            line={"width": 2, "color": colours.stable},
            name="median",
            hovertemplate="%{y:,.4~g}",
            meta={"column": "median"},
        )
    )
    figure.update_layout(
        shapes=[
            {
                "type": "line",
                "xref": "x domain",
                "yref": "y",
                "x0": 0,
                "x1": 1,
                "y0": reference[key],
                "y1": reference[key],
                "line": {"color": colours.rule, "width": 1.2 if key == "q50" else 1, "dash": "dot"},
            }
            for key in ("q05", "q25", "q50", "q75", "q95")
            if key in reference and np.isfinite(reference[key])
        ]
    )
    figure.update_yaxes(title_text=short(name, 40))
    figure.update_xaxes(title_text=place.title, hoverformat="%-d %b %Y" if place.timed else None, **place.bounds)
    return figure


def composition(
    place: Axis, shares: Mapping[str, NDArray[np.float64]], reference: Mapping[str, float], colours: Palette
) -> go.Figure:
    """Share of the largest levels over batches, each beside its share in the reference (dotted)."""
    figure = blank(colours, 260, uirevision="composition", hovermode="x unified")
    strokes = [colours.stable, colours.second, colours.warning, colours.drift, colours.muted, colours.ink]
    dashes = ["solid", "solid", "solid", "solid", "dash", "dash"]
    shapes = []
    largest = sorted(shares, key=lambda level: -float(np.nanmean(shares[level])))[: len(strokes)]
    for level, colour, dash in zip(largest, strokes, dashes, strict=False):
        figure.add_trace(
            go.Scatter(
                x=place.values,
                y=shares[level],
                mode="lines",
                name=short(level, 24),
                line={"width": 1.8, "color": colour, "dash": dash},
                hovertemplate="%{y:.1%}",
                meta={"column": level},
            )
        )
        if level in reference:
            shapes.append(
                {
                    "type": "line",
                    "xref": "x domain",
                    "yref": "y",
                    "x0": 0,
                    "x1": 1,
                    "y0": reference[level],
                    "y1": reference[level],
                    "line": {"color": colour, "width": 1, "dash": "dot"},
                }
            )
    figure.update_layout(shapes=shapes)
    figure.update_yaxes(title_text="share of rows", tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(title_text=place.title, hoverformat="%-d %b %Y" if place.timed else None, **place.bounds)
    return figure
