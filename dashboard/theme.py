"""Colours, type and chart settings: the one place where the look of charts is decided.

Every colour a chart may use is a field of ``Palette``. A field has one meaning on every page, and its light and dark
values pair up, so that the browser can change a drawn chart from one to the other by exchanging colours.
No I/O.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

FONT = '-apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif'

# "Share chart" would offer to send production data to the vendor's cloud: never.
GRAPH_CONFIG: dict[str, Any] = {
    "showSendToCloud": False,
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "toImage"],
}
STILL_CONFIG: dict[str, Any] = {**GRAPH_CONFIG, "displayModeBar": False}


@dataclass(frozen=True)
class Palette:
    """One set of colours; contrast of the first six on the surface is at least 4.5 to 1."""

    ink: str  # text, champion
    muted: str  # axis text
    stable: str
    warning: str
    drift: str
    quarantine: str
    second: str  # the challenger, version b
    grid: str
    rule: str  # alarm lines, training level
    surface: str
    reference: str  # fill of the reference's bars
    band: str  # healthy band
    stable_soft: str
    warning_soft: str
    drift_soft: str
    interval: str
    span: str  # every other champion's reign
    truth: str
    heat_zero: str
    heat_low: str
    heat_alarm: str
    heat_high: str
    less: str  # diverging scale: fewer
    zero: str
    more: str


LIGHT = Palette(
    ink="#1B2430",
    muted="#5A6675",
    stable="#0B6BB0",
    warning="#A86400",
    drift="#C24E00",
    quarantine="#6C757D",
    second="#6B4FA0",
    grid="#E8EBEF",
    rule="#8A94A1",
    surface="#FFFFFF",
    reference="#C9CFD7",
    band="rgba(90,102,117,0.13)",
    stable_soft="rgba(11,107,176,0.15)",
    warning_soft="rgba(168,100,0,0.12)",
    drift_soft="rgba(194,78,0,0.10)",
    interval="rgba(27,36,48,0.12)",
    span="rgba(27,36,48,0.035)",
    truth="#7A869A",
    heat_zero="#F3F7FB",
    heat_low="#8DBBE0",
    heat_alarm="#F7B267",
    heat_high="#C24E01",
    less="#8DBBE1",
    zero="#F4F5F7",
    more="#F7B268",
)
DARK = Palette(
    ink="#E6EAF0",
    muted="#9BA7B5",
    stable="#5AB0E8",
    warning="#F0A93B",
    drift="#FF8A4C",
    quarantine="#9AA5B1",
    second="#B79BEA",
    grid="#2A313A",
    rule="#6F7B89",
    surface="#1B2027",
    reference="#4A5461",
    band="rgba(155,167,181,0.16)",
    stable_soft="rgba(90,176,232,0.20)",
    warning_soft="rgba(240,169,59,0.14)",
    drift_soft="rgba(255,138,76,0.14)",
    interval="rgba(230,234,240,0.14)",
    span="rgba(230,234,240,0.04)",
    truth="#8C98AB",
    heat_zero="#222A34",
    heat_low="#2F6EA3",
    heat_alarm="#C7772B",
    heat_high="#FF8A4D",
    less="#2F6EA4",
    zero="#2A323D",
    more="#C7772C",
)


def palette(dark: bool) -> Palette:
    """The colours for a light or a dark page."""
    return DARK if dark else LIGHT


def pairs() -> dict[str, str]:
    """Light colour to dark colour, for the browser's switch."""
    return {getattr(LIGHT, item.name): getattr(DARK, item.name) for item in dataclasses.fields(Palette)}


pio.templates.default = None  # Plotly's own would be checked for every figure, only to be replaced by ours


@functools.cache
def template(colours: Palette) -> go.layout.Template:
    """The Plotly template of every chart: transparent, quiet axes, legend above, text in the page's font."""
    axis = {
        "gridcolor": colours.grid,
        "linecolor": colours.grid,
        "zeroline": False,
        "ticks": "",
        "tickfont": {"size": 11, "color": colours.muted},
        "title": {"font": {"size": 11, "color": colours.muted}, "standoff": 8},
        "automargin": True,
        "ticklabelstandoff": 3,
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 12, "color": colours.ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 50, "r": 8, "t": 8, "b": 44},  # what axes with a title take, so that nothing is drawn twice
            "xaxis": {**axis, "showgrid": False},
            "yaxis": axis,
            "hoverlabel": {
                "bgcolor": colours.surface,
                "bordercolor": colours.rule,
                "font": {"family": FONT, "size": 12, "color": colours.ink},
                "align": "left",
            },
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 1.02,
                "yanchor": "bottom",
                "font": {"size": 11, "color": colours.muted},
                "itemsizing": "constant",
            },
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours.rule, "activecolor": colours.ink},
            "bargap": 0.08,
            "dragmode": "zoom",
        }
    )
