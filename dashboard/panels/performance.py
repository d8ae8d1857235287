"""What the performance page says and shows: the metric over time, the range in view against the one before it, where
the model errs and whether it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dash import html

from dashboard import charts, parts, say, theme
from dashboard.panels.known import POOLED, Known, Pooled, metric_view, now
from dashboard.window import Window
from storage import history
from storage.records import Metric, Monitor

if TYPE_CHECKING:
    from pipeline.service import Service

RECENT = 20  # batches behind the figure in the title


def figure(db: Any, view: Window, found: Known, dark: bool) -> tuple[Any, str]:
    """The line of the metric, and what it is."""
    shown = metric_view(db, view, found)
    drawn = charts.metric_line(shown, theme.palette(dark))
    return drawn, f"{shown.label}, {say.date(int(view.at[0]))} to {say.date(int(view.at[-1]))}"


def title(view: Window, found: Known) -> str:
    """What is drawn, and of how much."""
    batches = say.count(len(view.ids), "batch", "batches")
    span = f"{say.date(int(view.at[0]))} to {say.date(int(view.at[-1]))}"
    return f"{say.metric_label(found.metric)}, {span}, {batches}" + (
        f" of {view.total:,}" if view.total > len(view.ids) else ""
    )


def how_to_read(view: Window) -> str:
    """What a point is, and what was put together."""
    beneath = "Beneath: the champion, what happened, and the share of rows that have labels by now."
    if view.together > 1:
        return f"Downsampled: a point is the mean of {view.together} batches with the interval of that mean. {beneath}"
    if len(view) <= charts.DENSE:
        return beneath
    return f"Lines are means of {charts.MEAN_OF} batches, dots are single batches. {beneath}"


def heading(owner: Monitor, view: Window, found: Known) -> Any:
    """How well it does now, and whether that is better than before."""
    label, name = say.metric_label(found.metric), found.metric
    mean, batches = now(found.measured, RECENT)
    if mean is None:
        guess, _ = now(found.estimated, RECENT)
        if guess is None:
            return parts.heading(f"{label} is not known for these batches", above=owner.name)
        text = "No labels have come for these batches: this is an estimate from the model's own probabilities."
        return parts.heading(f"{label} is estimated at {say.metric_value(name, guess.value)}", text, above=owner.name)
    told = found.measured
    before, _ = now(told.but(batches), RECENT)
    moved = ""
    if before is not None:
        word = {"": "within noise of", "good": "better than", "worse": "worse than"}[tone(name, mean, before)]
        moved = f"; {say.metric_change(name, mean.value - before.value)}, {word} the {RECENT} before"
    waits = len(view.ids) - len(told.batch)
    wait = f" {say.count(waits, 'batch waits', 'batches wait')} for labels." if waits > 0 else ""
    text = f"Measured on {say.count(mean.rows, 'labelled row')} of the last {batches} labelled batches{moved}.{wait}"
    return parts.heading(f"{label} is {say.metric_value(name, mean.value)}", text, above=owner.name)


def tone(name: str, late: Metric, early: Metric) -> str:
    """``good`` or ``worse`` where two means differ by more than their intervals allow for; empty for noise."""
    change = late.value - early.value
    noise = np.hypot((late.high - late.low) / 2, (early.high - early.low) / 2)
    if not np.isfinite(change) or not abs(change) > noise:
        return ""
    return "good" if (change > 0) == say.more_is_better(name) else "worse"


def detail(service: Service, owner: Monitor, late: Pooled, early: Pooled, names: tuple[str, ...], dark: bool) -> list:
    """Confusion or residuals, calibration, classes, and the range against the one before it."""
    if not late.batches:
        sentence = "Confusion, calibration and residuals are shown when labels have come."
        return [html.Div(parts.quiet(sentence), className="panel")]
    about = about_range(late)
    pictures = []
    if late.confusion is not None:
        pictures.append(_confusion(late, about, dark))
    if owner.schema.task == "regression":
        pictures.append(_residuals(service, owner, late, dark))
    if late.calibration:
        pictures.append(_calibration(late, early, about, dark))
    tables = [_versus(late, early, names)]
    if late.confusion is not None:
        tables.append(_classes(late, early, about))
    return [html.Div(pictures, className="grid-2 grid-even"), html.Div(tables, className="grid-2 grid-even")]


def about_range(pooled: Pooled) -> str:
    """Of how many batches and rows a table speaks."""
    newest = "Newest " if pooled.batches >= POOLED else ""
    labelled = say.count(pooled.batches, "labelled batch", "labelled batches")
    text = f"{newest}{labelled} in view, {say.count(pooled.rows, 'row')}"
    return text[0].upper() + text[1:]


def _confusion(late: Pooled, about: str, dark: bool) -> Any:
    counts = late.confusion.copy()
    np.fill_diagonal(counts, 0)
    heading_ = "No row was taken for another class"
    if counts.sum():
        truth, said = np.unravel_index(int(np.argmax(counts)), counts.shape)
        heading_ = f"Most often “{late.classes[truth][:40]}” is taken for “{late.classes[said][:40]}”"
    drawn = charts.confusion(late.confusion.tolist(), late.classes, theme.palette(dark))
    return parts.panel(
        heading_,
        parts.chart("confusion", drawn, f"Confusion matrix: {heading_}", still=True),
        sub=f"{about}. Share of each truth's row, and rows.",
    )


def _calibration(late: Pooled, early: Pooled, about: str, dark: bool) -> Any:
    gap, before = _gap(late), _gap(early)
    said, came, rows = zip(*late.calibration, strict=True)
    drawn = charts.calibration(said, came, rows, theme.palette(dark))
    sentence = f"What the model says and what comes true differ by {say.percent(gap)}"
    was = f" In the range before it was {say.percent(before)}." if np.isfinite(before) else ""
    return parts.panel(
        sentence,
        parts.chart("calibration", drawn, f"Calibration: {sentence.lower()}", still=True),
        sub=f"{about}. On the dashed line the model is as right as it says; larger dots hold more rows.{was}",
    )


def _gap(pooled: Pooled) -> float:
    """The mean distance between what was said and what came true, weighted by rows."""
    if not pooled.calibration:
        return float("nan")
    said, came, rows = np.array(pooled.calibration, dtype=float).T
    return float(np.average(np.abs(said - came), weights=rows))


def _residuals(service: Service, owner: Monitor, late: Pooled, dark: bool) -> Any:
    newest = late.items[-3:]
    rows = [row for item in newest for row in history.rows_of(service.db, item.batch_id, limit=400)]
    pairs = [
        (float(row["label"]), float(row["prediction"]))
        for row in rows
        if row["label"] is not None and row["prediction"] is not None
    ]
    drawn = charts.scatter_actual(
        [a for a, _ in pairs], [b for _, b in pairs], owner.schema.target, theme.palette(dark)
    )
    sub = f"{say.count(len(pairs), 'row')} of the last {len(newest)} labelled batches (at most 400 of each)."
    if late.residuals:
        low, q25, middle, q75, high = late.residuals
        sub += (
            f" Half of the errors lie between {say.number(q25)} and {say.number(q75)}, nine in ten between "
            f"{say.number(low)} and {say.number(high)}; median {say.number(middle)}."
        )
    return parts.panel(
        "Predicted against actual",
        parts.chart("residuals", drawn, "Predicted against actual values", still=True),
        sub=sub,
    )


def _classes(late: Pooled, early: Pooled, about: str) -> Any:
    """Recall and precision of each class, and how they changed."""
    before = early.confusion if early.confusion is not None and early.classes == late.classes else None
    columns = [
        parts.Column("Class", wide=True), parts.Column("Rows", right=True), parts.Column("Recall", right=True),
        parts.Column("Change", right=True, hide=True), parts.Column("Precision", right=True),
        parts.Column("Change", right=True, hide=True),
    ]  # fmt: skip
    rows = []
    for at, name in enumerate(late.classes):
        row: list[Any] = [parts.clip(name, 40), f"{int(late.confusion[at].sum()):,}"]
        for axis in (1, 0):
            share = _share(late.confusion, at, axis)
            was = _share(before, at, axis) if before is not None else float("nan")
            row += [say.percent(share), html.Span(say.metric_change("accuracy", share - was), className="muted")]
        rows.append(row)
    sub = f"{about}. Recall: of its rows, those found. Precision: of what is taken for it, what is right."
    return parts.panel("By class", parts.table(columns, rows, "Recall and precision by class"), sub=sub, flush=True)


def _share(counts: Any, at: int, axis: int) -> float:
    """Recall (axis 1) or precision (axis 0) of a class."""
    total = int((counts[at] if axis else counts[:, at]).sum())
    return int(counts[at, at]) / total if total else float("nan")


def _versus(late: Pooled, early: Pooled, names: tuple[str, ...]) -> Any:
    """Every metric in view and in as many labelled batches before it."""
    columns = [
        parts.Column("Metric", wide=True), parts.Column("In view", right=True),
        parts.Column(f"{early.batches} before" if early.batches else "Before", right=True, hide=True),
        parts.Column("Change", right=True),
    ]  # fmt: skip
    rows = []
    for name in names:
        a, b = late.mean(name), early.mean(name)
        if a is None:
            continue
        words: Any = "–"
        if b is not None:
            kind = tone(name, a, b)
            verdict = {"good": " ▲ better", "worse": " ▼ worse", "": " (noise)"}[kind]
            words = html.Span(f"{say.metric_change(name, a.value - b.value)}{verdict}", className=kind or "muted")
        rows.append(
            [
                say.metric_label(name),
                [say.metric_value(name, a.value), html.Div(say.metric_interval(name, a), className="muted small")],
                say.metric_value(name, b.value) if b is not None else "–",
                words,
            ]
        )
    sub = (
        "Means over labelled batches, weighted by rows, with 95% intervals. Noise: a change smaller than the intervals "
        "allow for."
    )
    head = "Against the range before" if early.batches else "There are no labelled batches before these"
    return parts.panel(head, parts.table(columns, rows, "Metrics in view and before"), sub=sub, flush=True)
