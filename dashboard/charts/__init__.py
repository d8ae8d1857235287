"""Charts: plain values and a palette in, a Plotly figure out.

Nothing here reads a database, a clock or a request. A figure states its units on its axes; what it is about, the page
says in words beside it. Traces that are only scenery (bands, spans) carry ``meta={"scenery": True}`` so that the table
behind a chart leaves them out.
"""

from dashboard.charts.features import association, composition, distribution, fan, history
from dashboard.charts.frame import Axis, Mark, Span, axis, refreshed
from dashboard.charts.performance import (
    DENSE,
    MEAN_OF,
    MetricView,
    Series,
    calibration,
    confusion,
    metric_line,
    scatter_actual,
    told,
)
from dashboard.charts.replays import SMOOTH, Run, frontier, replays
from dashboard.charts.timeline import DriftView, drift_timeline, moved, ordered, whole_history
from dashboard.charts.versions import MOST_VERSIONS, Node, Return, dumbbell, lineage, reigns

__all__ = [
    "DENSE",
    "MEAN_OF",
    "MOST_VERSIONS",
    "SMOOTH",
    "Axis",
    "DriftView",
    "Mark",
    "MetricView",
    "Node",
    "Return",
    "Run",
    "Series",
    "Span",
    "association",
    "axis",
    "calibration",
    "composition",
    "confusion",
    "distribution",
    "drift_timeline",
    "dumbbell",
    "fan",
    "frontier",
    "history",
    "lineage",
    "metric_line",
    "moved",
    "ordered",
    "refreshed",
    "reigns",
    "replays",
    "scatter_actual",
    "told",
    "whole_history",
]
