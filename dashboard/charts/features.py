"""One feature: its distribution against the reference, its score over time, its quantiles or levels over time.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.charts.frame import (
    SYMBOLS,
    Axis,
    Span,
    alarm_line,
    blank,
    on_score_axis,
    score_axis,
    short,
    sign_size,
)
from dashboard.theme import Palette
from storage.records import Distribution

MOST_LEVELS = 14


def distribution(shown: Distribution, colours: Palette, narrow: bool = False) -> go.Figure:
    """Reference as grey bars, batch as a coloured outline, over the same bins; missing values as a bar of their own."""
    return _levels(shown, colours, narrow) if not shown.edges else _density(shown, colours, narrow)


def _density(shown: Distribution, colours: Palette, narrow: bool) -> go.Figure:
    """Numbers and dates: equal bins over the reference's range, and beside them what lies below and above it and what
    is missing, as bars of their own on the same scale of shares.
    """
    edges = np.asarray(shown.edges, dtype=float)
    reference, batch = np.asarray(shown.reference, dtype=float), np.asarray(shown.batch, dtype=float)
    inner = edges[1:-1]
    bins = len(inner) - 1
    low, high = reference[[0, -1]] + batch[[0, -1]] > 0
    figure = blank(colours, 260 if narrow else 300, hovermode="x", showlegend=False, barmode="group", bargap=0.15)
    for name, shares, style in (
        ("reference", reference, {"fill": "tozeroy", "fillcolor": colours.reference, "line": {"width": 0}}),
        ("batch", batch, {"line": {"width": 2, "color": colours.stable}}),
    ):
        middle = shares[1:-1]
        told = [shown.labels[at] for at in range(1, len(shown.labels) - 1)]
        figure.add_trace(
            go.Scatter(
                x=np.arange(bins + 1),
                y=np.append(middle, middle[-1:]),
                mode="lines",
                name=name,
                text=[*told, *told[-1:]],
                customdata=np.append(middle, middle[-1:]),
                hovertemplate="%{text}: %{customdata:.1%} of rows<extra>" + name + "</extra>",
                meta={"column": name, "share": True},
                **{**style, "line": {**style["line"], "shape": "hv"}},
            )
        )
    sides = [
        (-GAP, 0, low), (bins + GAP, -1, high), (bins + (2 if high else 1) * GAP, None, _null(shown)),
    ]  # fmt: skip
    bars = [(x, at) for x, at, there in sides if there]
    for name, shares, null, colour in (
        ("reference", reference, shown.reference_null, colours.reference),
        ("batch", batch, shown.batch_null, colours.stable),
    ):
        if bars:
            figure.add_trace(
                go.Bar(
                    x=[x for x, _ in bars],
                    y=[null if at is None else shares[at] for _, at in bars],
                    width=WIDE,
                    offset=-WIDE if name == "reference" else 0,
                    name=name,
                    marker={"color": colour, "line": {"width": 0}},
                    text=["missing" if at is None else shown.labels[at] for _, at in bars],
                    textposition="none",
                    hovertemplate="%{text}: %{y:.1%} of rows<extra>" + name + "</extra>",
                    meta={"column": name},
                )
            )
    _name_bins(figure, shown, inner, bars, narrow)
    return figure


GAP = 3.2  # bins between the range of the reference and a bar beside it
WIDE = 0.9  # of a bar beside it, in bins


def _null(shown: Distribution) -> bool:
    return bool(shown.reference_null or shown.batch_null)


def _name_bins(
    figure: go.Figure,
    shown: Distribution,
    inner: NDArray[np.float64],
    bars: list[tuple[float, int | None]],
    narrow: bool,
) -> None:
    """Values under the bins, and names under the bars beside them."""
    values, words = _ticks(inner, shown.kind == "date", 3 if narrow else 6)
    step = (inner[-1] - inner[0]) / (len(inner) - 1) or 1.0
    places = ((values - inner[0]) / step).tolist()
    for x, at in bars:
        places.append(x)
        words.append("missing" if at is None else "below" if at == 0 else "above")
    ends = [-0.6, len(inner) - 0.4, *[x - 1.6 for x, _ in bars], *[x + 1.6 for x, _ in bars]]
    figure.update_xaxes(
        title_text=short(shown.feature, 60), tickvals=places, ticktext=words, range=[min(ends), max(ends)], tickangle=0
    )
    figure.update_yaxes(title_text="share of rows", tickformat=".0%", rangemode="tozero")


def _ticks(inner: NDArray[np.float64], dated: bool, most: int) -> tuple[NDArray[np.float64], list[str]]:
    """Round values within a range and how they are written; at most about so many."""
    low, high = float(inner[0]), float(inner[-1])
    if dated:
        values = np.linspace(low, high, most)
        moments = _instants(values).astype("datetime64[D]")
        return values, [str(moment) for moment in moments]
    rough = (high - low) / most
    unit = 10.0 ** np.floor(np.log10(rough)) if rough > 0 else 1.0
    step = next((unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough), unit)
    values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    digits = max(0, -int(np.floor(np.log10(step)))) if step < 1 else 0
    large = max(abs(low), abs(high)) >= 1e6 or step < 1e-4
    words = [f"{value:.3g}" if large else f"{value:,.{digits}f}" for value in values.tolist()]
    return values, [word.replace("-", "−") for word in words]


def _instants(x: NDArray[np.float64]) -> NDArray:
    """Seconds since 1970 as times; not a time where unknown."""
    known = np.isfinite(x)
    return np.where(known, (np.where(known, x, 0) * 1000).astype("int64"), np.iinfo(np.int64).min).astype(
        "datetime64[ms]"
    )


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
    keys: Sequence[str],
    score: NDArray[np.float64],
    verdict: Sequence[str],
    colours: Palette,
    selected: Span | None = None,
    steps: str = "batch",
) -> go.Figure:
    """A feature's drift score over columns, with the alarm line; the chosen stretch is shaded."""
    figure = blank(
        colours, 230, margin={"l": 60, "b": place.room}, showlegend=False, uirevision="history", dragmode="select",
        selectdirection="h",
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=place.values,
            y=on_score_axis(score),
            mode="lines",
            line={"width": 1.2, "color": colours.rule},
            hoverinfo="skip",
            meta={"scenery": True, "batches": list(keys)},
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
                    marker={
                        "symbol": symbol, "size": sign_size(len(keys), word == "drift"), "color": getattr(colours, tone)
                    },
                    selected={"marker": {"opacity": 1}},
                    unselected={"marker": {"opacity": 1}},
                    customdata=[[keys[at], float(score[at])] for at in here],
                    hovertemplate="%{x}, %{customdata[0]}<br>score %{customdata[1]:.2f} (alarm at 1)<extra></extra>",
                    meta={"column": "score", "value": 1},
                )
            )  # fmt: skip
    shapes = [alarm_line(colours)]
    if selected is not None:
        shapes.append(
            {
                "type": "rect", "xref": "x", "yref": "y domain", "y0": 0, "y1": 1, "layer": "below",
                "x0": place.edge(selected.start, -1), "x1": place.edge(selected.end, 1),
                "fillcolor": colours.stable_soft, "line": {"width": 1, "color": colours.stable},
            }
        )  # fmt: skip
    figure.update_layout(shapes=shapes, selections=[])
    figure.update_yaxes(**score_axis())
    figure.update_xaxes(title_text=place.title, **place.layout(steps))
    return figure


def association(
    place: Axis, values: NDArray[np.float64], reference: float, colours: Palette, steps: str = "batch"
) -> go.Figure:
    """How strongly two features hang together over columns, with the reference dashed."""
    figure = blank(colours, 220, margin_b=place.room, showlegend=False, uirevision="association")
    figure.add_trace(
        go.Scatter(
            x=place.values,
            y=values,
            mode="lines+markers" if len(values) < 60 else "lines",
            line={"width": 1.6, "color": colours.stable},
            marker={"size": 4},
            hovertemplate="%{x}: %{y:.2f}<extra></extra>",
            meta={"column": "association"},
        )
    )
    line = {"color": colours.rule, "width": 1.2, "dash": "dash"}
    shape = {"type": "line", "xref": "x domain", "yref": "y", "x0": 0, "x1": 1, "y0": reference, "y1": reference}
    figure.update_layout(shapes=[{**shape, "line": line}])
    figure.update_yaxes(title_text="association")
    figure.update_xaxes(title_text=place.title, **place.layout(steps))
    return figure


def fan(
    place: Axis,
    quantiles: Mapping[str, NDArray[np.float64]],
    reference: Mapping[str, float],
    name: str,
    colours: Palette,
    dated: bool = False,
) -> go.Figure:
    """Quantiles of a feature over batches (5 to 95 %, the middle half, the median) with the reference's dashed."""
    if dated:
        quantiles = {key: _instants(values) for key, values in quantiles.items()}
        reference = {key: str(_instants(np.array(value))) for key, value in reference.items()}
    figure = blank(colours, 250, margin_b=place.room, uirevision="fan", hovermode="x unified", showlegend=False)
    shared = {"x": place.values, "mode": "lines"}
    for low, high, colour in (("q05", "q95", colours.band), ("q25", "q75", colours.stable_soft)):
        figure.add_trace(shade(place.values, quantiles[low], quantiles[high], colour))
    for key in ("q05", "q25", "q75", "q95"):
        name_ = f"{int(key[1:])} %"
        figure.add_trace(
            go.Scatter(
                **shared, y=quantiles[key], line={"width": 0}, name=name_, hovertemplate="%{y:,.4~g}",
                meta={"column": name_},
            )
        )  # fmt: skip
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
            if key in reference and (dated or np.isfinite(reference[key]))
        ]
    )
    figure.update_yaxes(title_text=short(name, 40))
    figure.update_xaxes(title_text=place.title, **place.layout())
    return figure


def shade(x: NDArray, low: NDArray, high: NDArray, colour: str) -> go.Scatter:
    """The band between two lines, one outline for each stretch where both are known: a gap stays a gap."""
    known = ~(np.isnat(low) | np.isnat(high)) if low.dtype.kind == "M" else np.isfinite(low) & np.isfinite(high)
    turns = np.flatnonzero(np.diff(np.r_[False, known, False].astype(np.int8)))
    across: list[Any] = []
    up: list[Any] = []
    for start, end in turns.reshape(-1, 2).tolist():
        across += [*_plain(x[start:end]), *_plain(x[start:end][::-1]), None]
        up += [*_plain(low[start:end]), *_plain(high[start:end][::-1]), None]
    return go.Scatter(
        x=across, y=up, mode="lines", line={"width": 0}, fill="toself", fillcolor=colour, hoverinfo="skip",
        showlegend=False, meta={"scenery": True},
    )  # fmt: skip


def _plain(values: NDArray) -> list[Any]:
    """Numbers, or times as text."""
    return values.astype(str).tolist() if values.dtype.kind == "M" else values.tolist()


def composition(
    place: Axis, shares: Mapping[str, NDArray[np.float64]], reference: Mapping[str, float], colours: Palette
) -> go.Figure:
    """Share of the largest levels over batches, each beside its share in the reference (dotted)."""
    figure = blank(colours, 260, margin_b=place.room, uirevision="composition", hovermode="x unified")
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
    figure.update_xaxes(title_text=place.title, **place.layout())
    return figure
