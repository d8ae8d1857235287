"""The pieces pages are made of: plain values in, Dash components out. No I/O, no clock, no callbacks.

``basics`` are the small words of the language (badge, panel, table, chart), ``strips`` are pictures made of boxes and
lines without a chart library, ``frame`` is the page round them.
"""

from dashboard.parts.basics import (
    Column,
    acting,
    action,
    badge,
    chart,
    clip,
    download,
    empty,
    facts,
    failed,
    graph_id,
    icon,
    legend,
    link,
    live,
    notice,
    panel,
    quiet,
    segments,
    table,
    tile,
    toast,
)
from dashboard.parts.frame import SECTIONS, asked, heading, page, shell
from dashboard.parts.strips import Bar, Cell, bars, spark, strip

__all__ = [
    "SECTIONS",
    "Bar",
    "Cell",
    "Column",
    "acting",
    "action",
    "asked",
    "badge",
    "bars",
    "chart",
    "clip",
    "download",
    "empty",
    "facts",
    "failed",
    "graph_id",
    "heading",
    "icon",
    "legend",
    "link",
    "live",
    "notice",
    "page",
    "panel",
    "quiet",
    "segments",
    "shell",
    "spark",
    "strip",
    "table",
    "tile",
    "toast",
]
