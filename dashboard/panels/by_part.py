"""Performance by parts of the rows over a range of batches, beside all rows and beside the range before."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard import parts, say, service
from dashboard.panels.known import POOLED
from dashboard.window import Window
from pipeline.performance import segments
from storage import history
from storage.records import Metric
from storage.settings import Settings

SHOWN = 12  # parts


def panel(view: Window, settings: Settings) -> Any:
    """The parts of the rows in view, worst first; None while no batch has any."""
    if not len(view):
        return None
    db, owner = service().db, view.monitor
    last = min(len(view.ids), POOLED)
    first = int(view.ids[-last])
    now = history.parts(db, owner.id, last, int(view.ids[-1]) + 1)
    before = history.parts(db, owner.id, last, first)
    metric, whole, found = segments.read(now, before, settings.segments.min_rows)
    if whole is None or not found:
        return None
    name = say.metric_label(metric)
    columns = [
        parts.Column("Part of the rows", wide=True), parts.Column("Rows", right=True, hide=True),
        parts.Column(name, right=True), parts.Column("Against the others", right=True),
        parts.Column(f"Against the {last} before", right=True, hide=True),
    ]  # fmt: skip
    rows = [
        [
            parts.clip(f"{part.feature}: {part.words}", 60),
            f"{part.now.rows:,}",
            [
                say.metric_value(metric, part.now.value),
                html.Div(say.metric_interval(metric, part.now), className="muted small"),
            ],
            _difference(metric, part.lag, part.lag_sure),
            "–" if part.change is None else _difference(metric, -part.change, part.change_sure),
        ]
        for part in found[:SHOWN]
    ]
    newest = "Newest " if last < len(view.ids) else ""
    sub = (
        f"{newest}{say.count(len(now), 'labelled batch', 'labelled batches')}; all rows: {_level(metric, whole)}. "
        f"The {min(SHOWN, len(found))} weakest of {say.count(len(found), 'part')} with at least "
        f"{settings.segments.min_rows} rows. A difference is marked where chance, over all parts, does not explain it."
    )
    return parts.panel(_title(metric, found), parts.table(columns, rows, f"{name} by parts of the rows"), sub=sub,
                       flush=True)  # fmt: skip


def _title(metric: str, found: list[segments.Part]) -> str:
    """What a reader should take from the table."""
    lost = [part for part in found if part.change_sure and part.change is not None and part.change < 0]
    if lost:
        worst = min(lost, key=lambda part: part.change or 0.0)
        moved = say.metric_change(metric, _signed(metric, worst.change or 0.0))
        return f"Lost most where {worst.feature} is {worst.words}: {moved}"
    weak = [part for part in found if part.lag_sure and part.lag > 0]
    if weak:
        return f"Weakest where {weak[0].feature} is {weak[0].words}: {say.metric_value(metric, weak[0].now.value)}"
    return "No part of the rows does clearly worse than the others"


def _level(metric: str, level: Metric) -> str:
    return f"{say.metric_value(metric, level.value)} ({say.metric_interval(metric, level)})"


def _signed(metric: str, gain: float) -> float:
    """A gain as a change of the metric."""
    return gain if say.more_is_better(metric) else -gain


def _difference(metric: str, worse_by: float, sure: bool) -> html.Span:
    """A difference in units of the metric, with its sign; marked where it is no chance."""
    verdict = "" if not sure else " ▼ worse" if worse_by > 0 else " ▲ better"
    tone = "muted" if not sure else "worse" if worse_by > 0 else "good"
    return html.Span(f"{say.metric_change(metric, _signed(metric, -worse_by))}{verdict}", className=tone)
