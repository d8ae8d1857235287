"""Versions set side by side: figures on the same rows, confusion, importance, training data, and what they come from.

``a`` is the base; every other version is told as its difference from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from dash import html

from dashboard import charts, look, parts, say, scope, service, theme
from dashboard.panels import flips
from dashboard.panels.delivery import verdict_table
from pipeline.alerts import masked_settings
from storage import history
from storage.errors import ProductError
from storage.records import Comparison, Metric, Monitor, Version


def on_rows(found: Sequence[Comparison], chosen: Sequence[Version]) -> list[Any]:
    """Everything that had to be predicted anew: metrics, confusion, and the rows whose answer changes."""
    base, others = chosen[0], chosen[1:]
    matrices = [_difference(one, base, other) for one, other in zip(found, others, strict=True)]
    beside = [_metrics(found, chosen), *matrices[:1]] if len(others) == 1 else [_metrics(found, chosen)]
    blocks: list[Any] = [
        _seen(found, chosen),
        html.Div(beside, className="grid-2 grid-even") if matrices[0] is not None and len(beside) > 1 else beside[0],
        _matrices(found, chosen),
    ]
    if len(others) > 1 and matrices[0] is not None:
        blocks.append(html.Div(matrices, className="grid-2"))
    return [*blocks, *(flips.flips(one, base, other) for one, other in zip(found, others, strict=True))]


def _seen(found: Sequence[Comparison], chosen: Sequence[Version]) -> Any:
    seen = {version for one in found for version in one.seen_by}
    names = [f"v{item.number}" for item in chosen if item.id in seen]
    if not names:
        return None
    flattered = "its figures flatter it" if len(names) == 1 else "their figures flatter them"
    return parts.notice(f"{say.listing(names)} learned from some of these rows, so {flattered}.", "warn")


def _metrics(found: Sequence[Comparison], chosen: Sequence[Version]) -> Any:
    base = chosen[0]
    columns = [parts.Column("Metric", wide=True), parts.Column(f"v{base.number}", right=True)]
    for other in chosen[1:]:
        columns += [
            parts.Column(f"v{other.number}", right=True),
            parts.Column(f"v{other.number} − v{base.number}, 95 %", right=True),
        ]
    first = found[0]
    names = {*first.metrics_a, *(name for one in found for name in one.metrics_b)}
    rows, lines = [], []
    for name in sorted(names, key=lambda key: (key != first.primary, key)):
        cells = [say.metric_label(name), _figure(name, first.metrics_a.get(name))]
        for one in found:
            cells += [_figure(name, one.metrics_b.get(name)), _change(name, one.differences.get(name))]
        rows.append(cells)
        lines.append("strong" if name == first.primary else "")
    return parts.panel(
        "On the same rows",
        parts.table(columns, rows, "Metrics of the versions", lines),
        sub="Differences are paired row by row; a sign and a word where the interval leaves out zero.",
        flush=True,
    )


def _figure(name: str, metric: Metric | None) -> Any:
    if metric is None:
        return "–"
    return [say.metric_value(name, metric.value), html.Div(say.metric_interval(name, metric), className="muted small")]


def _change(name: str, change: Metric | None) -> Any:
    if change is None or not np.isfinite(change.value):
        return "–"
    sure = np.isfinite(change.low) and np.isfinite(change.high) and (change.low > 0 or change.high < 0)
    better = (change.value > 0) == say.more_is_better(name)
    text = f"{say.metric_change(name, change.value)}{' ▲ better' if sure and better else ' ▼ worse' if sure else ''}"
    reach = say.change_interval(name, change.low, change.high)
    return [
        html.Span(text, className="good" if sure and better else "worse" if sure else ""),
        html.Div(reach, className="muted small"),
    ]


def _difference(found: Comparison, base: Version, other: Version) -> Any:
    if not found.confusion_a or not found.confusion_b:
        return None
    change = np.array(found.confusion_b) - np.array(found.confusion_a)
    gained = int(np.trace(change))
    word = "more" if gained > 0 else "fewer" if gained < 0 else "more or fewer"
    figure = charts.confusion(change.tolist(), found.classes, theme.palette(look().dark), difference=True)
    title = f"v{other.number} is right on {say.count(abs(gained), 'row')} {word} than v{base.number}"
    return parts.panel(
        title,
        parts.chart(f"confusion-change-{other.number}", figure, f"{title}: confusion in rows, difference", still=True),
        sub=f"In rows: v{other.number} minus v{base.number}. Blue is better: more on the diagonal, fewer off.",
    )


def _matrices(found: Sequence[Comparison], chosen: Sequence[Version]) -> Any:
    if not found[0].confusion_a:
        return None
    panels = []
    for item, matrix in zip(chosen, [found[0].confusion_a, *(one.confusion_b for one in found)], strict=True):
        counts = np.array(matrix)
        share = counts.trace() / max(1, counts.sum())
        figure = charts.confusion(matrix, found[0].classes, theme.palette(look().dark))
        title = f"v{item.number} is right on {say.percent(share)}"
        label = f"{title}: its confusion matrix"
        panels.append(parts.panel(title, parts.chart(f"confusion-{item.number}", figure, label, still=True)))
    return html.Div(panels, className="grid-2")


def importance(chosen: Sequence[Version]) -> Any:
    """Permutation importance in each version, the features that lie furthest apart first."""
    sets = {f"v{item.number}": item.importance for item in chosen if item.importance}
    if not sets:
        return None
    every = {name for held in sets.values() for name in held}
    apart = {name: np.ptp([held.get(name, 0.0) for held in sets.values()]) for name in every}
    most = max(apart, key=lambda name: (apart[name], name))
    title = f"{say.cut(most)} changed most in importance" if len(sets) > 1 else f"Importance in {next(iter(sets))}"
    figure = charts.dumbbell(sets, theme.palette(look().dark), look().narrow)
    return parts.panel(
        title,
        parts.chart(
            "importance", figure, f"{title}: permutation importance in {say.listing(list(sets), 4)}", still=True
        ),
        sub="How much the metric loses when a feature is shuffled; sorted by change.",
    )


def learned(owner: Monitor, base: Version, other: Version) -> Any:
    """How far apart the data are that two versions learned from."""
    try:
        report = service().learned_apart(owner.name, base.number, other.number)
    except ProductError as error:
        return parts.panel("Their training data cannot be compared", parts.quiet(str(error)))
    names = f"v{other.number} and v{base.number}"
    title = (
        f"{names} learned from data that differ in {say.listing([say.cut(one, 30) for one in report.drifted])}"
        if report.drifted
        else f"{names} learned from data that look alike"
    )
    return html.Details(
        [html.Summary(html.H2(title, className="panel-title")), verdict_table(owner, report, None)],
        className="panel fold",
    )


def origins(owner: Monitor, chosen: Sequence[Version], only: bool, toggle: Any) -> Any:
    """Where each comes from and under which settings it was made; equal lines are hidden if ``only``."""
    db = service().db
    numbers = {item.id: f"v{item.number}" for item in history.versions_in_short(db, owner.id)}
    settings = {row.id: masked_settings(row.data) for row in history.settings_history(db, owner.id)}
    told = [_about(item, numbers, _period(item)) | _made_with(settings.get(item.settings_id, {})) for item in chosen]
    keys = list(dict.fromkeys(key for one in told for key in one))
    lines = [(key, *(one.get(key, "–") for one in told)) for key in keys]
    shown = [line for line in lines if not only or len(set(line[1:])) > 1]
    columns = [parts.Column(""), *(parts.Column(f"v{item.number}", wide=True) for item in chosen)]
    return parts.panel(
        "Where they come from",
        parts.table(
            columns,
            [
                [
                    html.Span(line[0], className="nowrap" if len(line[0]) < 20 else ""),
                    *(parts.clip(cell, 70) for cell in line[1:]),
                ]
                for line in shown
            ],
            "Lineage and settings",
        ),
        sub=f"{len(lines) - len(shown)} equal lines are hidden." if only else None,
        tools=toggle,
        flush=True,
    )


def _about(item: Version, numbers: dict[int, str], period: str) -> dict[str, str]:
    learned = item.trained_on
    span = f"{len(learned):,} (#{learned[0]} to #{learned[-1]})" if learned else "the reference"
    return {
        "State": say.VERSIONS[item.state].text,
        "Came from": numbers.get(item.parent_id or 0, "–"),
        "Recipe": item.recipe,
        "Rows learned": f"{item.rows:,}",
        "Batches learned": span,
        "Period learned": period,
        "Estimator": item.estimator,
        "Seed": str(item.seed),
        "Time to train": say.seconds(item.train_seconds),
        "Made": say.clock(item.created_at),
        "File": f"{say.size(item.size)}, SHA-256 {item.sha256[:12]}…",
        **{name: item.environment[name] for name in sorted(item.environment)},
    }


def _period(item: Version) -> str:
    """From when to when the data are that a version learned from."""
    ends = []
    for batch_id in (item.trained_on[0], item.trained_on[-1]) if item.trained_on else ():
        try:
            ends.append(history.batch(service().db, batch_id))
        except ProductError:
            return "no longer known"
    if not ends:
        return "–"
    first, last = ends[0].starts_at or ends[0].received_at, ends[-1].ends_at or ends[-1].received_at
    return f"{say.date(first)} to {say.date(last)}"


def _made_with(data: dict[str, Any], head: str = "") -> dict[str, str]:
    """Settings in force when a version was made, key by key."""
    out: dict[str, str] = {}
    for key, value in data.items():
        name = f"{head}{key}"
        out |= _made_with(value, f"{name}.") if isinstance(value, dict) else {f"setting {name}": str(value)}
    return out


def toggle(owner: Monitor, query: dict[str, str], only: bool) -> Any:
    """The switch between differences and everything."""
    options = (("1", "Differences"), ("0", "All"))
    return parts.segments("Show", f"{scope.base(owner)}/models/compare", query, "diff", options, "1" if only else "0")
