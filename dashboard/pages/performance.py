"""``/m/<monitor>/performance``: how well the model does, as measured with labels and as estimated without."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
import numpy as np
from dash import Input, Output, State, callback, html

from dashboard import brief, by_part, charts, look, parts, say, scope, service, theme
from dashboard.guard import guarded
from storage import history
from storage.records import Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/performance",
    title=lambda monitor="": f"Performance - {unquote(monitor)}",
    order=105,
)
RECENT = 20  # batches behind the matrix and the tables


@guarded("performance", "monitor")
def layout(monitor: str = "", range: str = "", metric: str = "", **_: Any) -> html.Div:
    """The page, wholly from its path and query."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    key, last, complaint = scope.chosen_range(range, look().narrow)
    view = scope.window(serving.db, owner, last)
    known = scope.known_performance(serving.db, view)
    if not known.measured and not known.estimated:
        return parts.page(
            monitors,
            owner,
            "performance",
            parts.heading("Not known yet how well the model does", above=owner.name),
            html.Div(
                parts.empty(
                    "Labels show how well the model does. They may come with the rows or later, as a file with the id "
                    "column and the target.",
                    parts.link("Upload labels", f"{scope.base(owner)}/upload", className="btn btn-main"),
                ),
                className="panel",
            ),
        )
    chosen = metric if metric in known.names else known.primary
    options = [(name, say.metric_label(name)) for name in known.names]
    figure, label = _figure(owner, view, known, chosen)
    path = f"{scope.base(owner)}/performance"
    return parts.page(
        monitors,
        owner,
        "performance",
        parts.asked("performance", monitor=owner.name, range=range, metric=chosen),
        parts.live("performance-head", _head(owner, view, known, chosen)),
        parts.notice(complaint, "warn") if complaint else None,
        html.Div(
            [
                parts.segments("Metric", path, {"range": range}, "metric", options, chosen),
                parts.segments("Batches", path, {"metric": metric}, "range", scope.RANGES, key),
            ],
            className="heading-tools",
        ),
        parts.panel(
            label,
            brief.PERFORMANCE_LEGEND,
            parts.chart("performance", figure, label),
            sub=_how_to_read(view),
        ),
        html.Div(parts.live("performance-detail", _detail(owner, view, known), "stack")),
    )


def _figure(owner: Monitor, view: scope.Window, known: scope.Known, metric: str) -> tuple[Any, str]:
    shown = scope.metric_view(service().db, view, known, metric)
    figure = charts.metric_line(shown, theme.palette(look().dark))
    return figure, f"{shown.label}, {say.date(int(view.at[0]))} to {say.date(int(view.at[-1]))}"


def _how_to_read(view: scope.Window) -> str:
    beneath = "Beneath: what happened, and the share of rows that have labels by now."
    if len(view) <= charts.DENSE:
        return beneath
    return f"Lines are means of {charts.MEAN_OF} batches, dots are single batches. {beneath}"


def _mean(items: list[Any], metric: str) -> tuple[float, int]:
    found = [item.metrics[metric] for item in items if metric in item.metrics]
    if not found:
        return float("nan"), 0
    weights = [max(1, one.rows) for one in found]
    return float(np.average([one.value for one in found], weights=weights)), int(sum(one.rows for one in found))


def _ordered(view: scope.Window, items: dict[int, Any]) -> list[Any]:
    return [items[one] for one in view.batch.tolist() if one in items]


def _head(owner: Monitor, view: scope.Window, known: scope.Known, metric: str) -> Any:
    items = _ordered(view, known.measured)
    label = say.metric_label(metric)
    if not items:
        value, _ = _mean(_ordered(view, known.estimated)[-RECENT:], metric)
        text = "No labels have come for these batches: this is an estimate from the model's own probabilities."
        return parts.heading(f"{label} is estimated at {say.metric_value(metric, value)}", text, above=owner.name)
    now, rows = _mean(items[-RECENT:], metric)
    before, _ = _mean(items[-2 * RECENT : -RECENT], metric)
    change = now - before
    moved = ""
    if np.isfinite(change):
        better = (change > 0) == say.more_is_better(metric)
        sure = abs(change) > np.hypot(_noise(items[-RECENT:], metric), _noise(items[-2 * RECENT : -RECENT], metric))
        word = "within noise of" if not sure else "better than" if better else "worse than"
        moved = f"; {say.metric_change(metric, change)}, {word} the {RECENT} before"
    unlabelled = len(view) - len(items)
    wait = f" {say.count(unlabelled, 'batch waits', 'batches wait')} for labels." if unlabelled else ""
    recent = len(items[-RECENT:])
    text = f"Measured on {say.count(rows, 'labelled row')} of the last {recent} labelled batches{moved}.{wait}"
    return parts.heading(f"{label} is {say.metric_value(metric, now)}", text, above=owner.name)


def _detail(owner: Monitor, view: scope.Window, known: scope.Known) -> list[Any]:
    recent = scope.pooled(view, known, RECENT)
    if not recent["batches"]:
        return [
            html.Div(
                parts.quiet("Confusion, calibration and residuals are shown when labels have come."), className="panel"
            )
        ]
    colours = theme.palette(look().dark)
    about = (
        f"Last {say.count(recent['batches'], 'labelled batch', 'labelled batches')}, {say.count(recent['rows'], 'row')}"
    )
    row = []
    if "confusion" in recent:
        figure = charts.confusion(recent["confusion"].tolist(), recent["classes"], colours)
        row.append(
            parts.panel(
                _confusion_title(recent),
                parts.chart("confusion", figure, "Confusion matrix: truth against prediction", still=True),
                sub=f"{about}. Share of each truth's row, and rows.",
            )
        )
    if recent["calibration"]:
        said, came, rows = zip(*recent["calibration"], strict=True)
        gap = float(np.average(np.abs(np.array(said) - np.array(came)), weights=rows))
        figure = charts.calibration(said, came, rows, colours)
        row.append(
            parts.panel(
                f"What the model says and what comes true differ by {say.percent(gap)}",
                parts.chart(
                    "calibration", figure, "Calibration: stated confidence against the share that came true", still=True
                ),
                sub=f"{about}. On the dashed line the model is as right as it says; larger dots hold more rows.",
            )
        )
    if owner.schema.task == "regression":
        row.append(_residuals(owner, view, known, recent, about))
    tables = [_versus(view, known)]
    if "confusion" in recent:
        tables.insert(0, _classes(recent, about))
    by_part_of_rows = by_part.panel(view, service().settings(owner.id))
    return [
        html.Div(row, className="grid-2 grid-even"), html.Div(tables, className="grid-2"),
        *([by_part_of_rows] if by_part_of_rows is not None else []),
    ]  # fmt: skip


def _residuals(owner: Monitor, view: scope.Window, known: scope.Known, recent: dict[str, Any], about: str) -> Any:
    newest = _ordered(view, known.measured)[-3:]
    rows = [row for item in newest for row in history.rows_of(service().db, item.batch_id, limit=400)]
    pairs = [
        (float(row["label"]), float(row["prediction"]))
        for row in rows
        if row["label"] is not None and row["prediction"] is not None
    ]
    figure = charts.scatter_actual(
        [a for a, _ in pairs], [b for _, b in pairs], owner.schema.target, theme.palette(look().dark)
    )
    sub = f"{say.count(len(pairs), 'row')} of the last {len(newest)} labelled batches (at most 400 of each)."
    if "residuals" in recent:
        low, q25, middle, q75, high = recent["residuals"]
        sub += (
            f" Half of the errors lie between {say.number(q25)} and {say.number(q75)}, nine in ten between "
            f"{say.number(low)} and {say.number(high)}; median {say.number(middle)}."
        )
    return parts.panel(
        "Predicted against actual",
        parts.chart("residuals", figure, "Predicted against actual values", still=True),
        sub=sub,
    )


def _confusion_title(recent: dict[str, Any]) -> str:
    counts = recent["confusion"].copy()
    np.fill_diagonal(counts, 0)
    if not counts.sum():
        return "No row was taken for another class"
    truth, said = np.unravel_index(int(np.argmax(counts)), counts.shape)
    names = recent["classes"]
    return f"Most often “{names[truth]}” is taken for “{names[said]}”"


def _classes(recent: dict[str, Any], about: str) -> Any:
    counts = recent["confusion"]
    columns = [
        parts.Column("Class", wide=True),
        parts.Column("Rows", right=True),
        parts.Column("Recall", right=True),
        parts.Column("Precision", right=True),
    ]
    rows = []
    for at, name in enumerate(recent["classes"]):
        came, told, right = int(counts[at].sum()), int(counts[:, at].sum()), int(counts[at, at])
        rows.append(
            [
                parts.clip(name, 40),
                f"{came:,}",
                say.percent(right / came) if came else "–",
                say.percent(right / told) if told else "–",
            ]
        )
    return parts.panel("By class", parts.table(columns, rows, "Recall and precision by class"), sub=about, flush=True)


def _noise(items: list[Any], metric: str) -> float:
    """Half the width of the 95 % interval of the mean over these batches."""
    found = [item.metrics[metric] for item in items if metric in item.metrics]
    half = np.array([(one.high - one.low) / 2 for one in found])
    return float(np.sqrt(np.mean(half**2) / len(half))) if len(half) else float("nan")


def _versus(view: scope.Window, known: scope.Known) -> Any:
    items = _ordered(view, known.measured)
    late, early = items[-RECENT:], items[-2 * RECENT : -RECENT]
    columns = [
        parts.Column("Metric", wide=True), parts.Column(f"Last {len(late)}", right=True),
        parts.Column(f"{len(early)} before", right=True), parts.Column("Change", right=True),
    ]  # fmt: skip
    rows = []
    for name in known.names:
        now, before = _mean(late, name)[0], _mean(early, name)[0]
        change = now - before
        sure = abs(change) > np.hypot(_noise(late, name), _noise(early, name))
        better = (change > 0) == say.more_is_better(name)
        tone = "" if not sure else "good" if better else "worse"
        verdict = (
            "" if not np.isfinite(change) else " ▲ better" if tone == "good" else " ▼ worse" if tone else " (noise)"
        )
        words = html.Span(f"{say.metric_change(name, change)}{verdict}", className=tone or "muted")
        rows.append([say.metric_label(name), say.metric_value(name, now), say.metric_value(name, before), words])
    sub = "Means over labelled batches, weighted by rows. Noise: a change smaller than the intervals allow for."
    return parts.panel(
        "Against the batches before", parts.table(columns, rows, "Metrics now and before"), sub=sub, flush=True
    )


@callback(
    Output(parts.graph_id("performance"), "figure"),
    Output("performance-head", "children"),
    Output("performance-detail", "children"),
    Input("change", "data"),
    State("performance-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer data on the page as it stands; a zoom is kept."""
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    _, last, _ = scope.chosen_range(asked["range"], look().narrow)
    view = scope.window(serving.db, owner, last)
    known = scope.known_performance(serving.db, view)
    figure, _ = _figure(owner, view, known, asked["metric"])
    return charts.refreshed(figure), _head(owner, view, known, asked["metric"]), _detail(owner, view, known)
