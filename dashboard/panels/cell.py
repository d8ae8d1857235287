"""What is shown beside a chart when one of its cells is chosen: a feature in some batches, or one batch as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from dash import html

from dashboard import charts, parts, say, scope, stretch, theme
from dashboard.stretch import Stretch
from dashboard.window import Window
from storage import history, lines
from storage.errors import Missing
from storage.records import DriftReport, FeatureDrift, Monitor

if TYPE_CHECKING:
    from pipeline.service import Service

SCORED = 6000  # stored feature profiles: a longer stretch than this is not merged and judged while a person waits
CALM = "Merged over this stretch it is as in the reference."
LINKED = "By itself it is as in the reference; its link with another feature changed."


@dataclass(frozen=True)
class Chosen:
    """A stretch, and the sound batches in it."""

    key: str
    stretch: Stretch
    batches: tuple[int, ...]

    @property
    def title(self) -> str:
        """How a page writes it."""
        return stretch.title(self.stretch, self.batches)


def chosen(db: Any, monitor: Monitor, key: str) -> Chosen:
    """The batches that a text in an address names. Raises Missing."""
    asked = stretch.read(key)
    if asked is None:
        raise Missing(f"“{key[:40]}” names no batch, no stretch of batches (130-156), no day and no week (2026-W10).")
    if asked.single:
        found = history.batch(db, asked.first)
        if found.monitor_id != monitor.id:
            raise Missing(f"Batch #{asked.first} is not one of {monitor.name}.")
        history.reference_of(db, asked.first)
        return Chosen(key, asked, (asked.first,))
    line = history.timeline(db, monitor.id)
    value = line.batch if asked.steps == "batch" else line.at
    inside = np.flatnonzero((value >= asked.first) & (value <= asked.last)).tolist()
    sound = tuple(int(line.batch[at]) for at in inside if line.state[at] != "quarantined")
    if not sound:
        raise Missing(f"{monitor.name} has no sound batch in {key[:40]}.")
    return Chosen(key, asked, sound)


def worst(db: Any, view: Window, key: str, feature: str) -> str:
    """Of a column that holds several units, the one in which a feature (or the batch) scored worst; else the key."""
    if view.together == 1 or key not in view.keys:
        return key
    column = view.keys.index(key)
    units = view.units[view.cuts[column] : (*view.cuts, len(view.units))[column + 1]]
    if view.ask.steps == "batch":
        found = history.heatmap(db, units)
    else:
        known = history.periods(db, view.monitor.id, view.ask.steps)
        found = history.heatmap_of_periods(db, [known[one] for one in units if one in known])
    if not found.features:
        return key
    rows = [found.features.index(feature)] if feature in found.features else slice(None)
    scores = np.where(np.isnan(found.score), -1, found.score)[rows].max(axis=0)
    unit = found.batch[int(np.argmax(scores))]
    return stretch.name(view.ask.steps, (unit,), unit)


def drift_of(service: Service, monitor: Monitor, feature: str, where: Chosen) -> tuple[FeatureDrift, bool]:
    """One feature in a stretch, and whether its score is the calibrated one (a long stretch has none). Raises Missing.

    A day or week has its score from its merged profile; all else of it is read off this feature alone.
    """
    db = service.db
    if len(where.batches) == 1:
        found = next((one for one in history.report(db, where.batches[0]).features if one.name == feature), None)
        if found is None:
            raise Missing(f"Batch #{where.batches[0]} has no score of “{feature[:80]}”.")
        return found, True
    if not where.stretch.periodic and len(where.batches) * len(monitor.schema.watched) <= SCORED:
        report = service.together(monitor.name, where.batches)
        return next(one for one in report.features if one.name == feature), True
    alone = service.together_alone(monitor.name, where.batches, feature)
    if not where.stretch.periodic:
        return alone, False
    period = history.periods(db, monitor.id, where.stretch.steps).get(where.stretch.first)
    if period is None:
        return alone, False
    heat = history.heatmap_of_periods(db, [period])
    if feature not in heat.features:
        return alone, False
    at = heat.features.index(feature)
    word = lines.VERDICTS[int(heat.code[at, 0])] or "stable"
    text = alone.explanation if alone.drift and word == "drift" else LINKED if word == "drift" else CALM
    return replace(alone, score=float(heat.score[at, 0]), verdict=word, drift=word == "drift", explanation=text), True


def side(service: Service, owner: Monitor, feature: str, key: str, dark: bool) -> Any:
    """The chosen cell beside the chart; nothing when none is chosen."""
    if not key:
        return None
    close = html.Button(
        "×", id="drift-close", className="bar-button", type="button", n_clicks=0, **{"aria-label": "Close"}
    )
    try:
        where = chosen(service.db, owner, key)
        if feature:
            return html.Div(_feature_side(service, owner, feature, where, close, dark), className="side")
        return html.Div(_batch_side(service, owner, where, close), className="side")
    except Missing as error:
        return html.Div(parts.panel("Not found", parts.quiet(str(error)), tools=close), className="side")


def _feature_side(service: Service, owner: Monitor, feature: str, where: Chosen, close: Any, dark: bool) -> Any:
    item, judged = drift_of(service, owner, feature, where)
    shown = service.distribution(owner.name, feature, where.batches)
    figure = charts.distribution(shown, theme.palette(dark), narrow=True)
    single = len(where.batches) == 1
    return parts.panel(
        parts.clip(feature, 60),
        html.Div([parts.badge(_word(item)), html.Span(_score(item, judged), className="muted small")]),
        html.P(item.explanation),
        parts.legend(("reference", "reference"), ("batch" if shown.edges else "batch-fill", where.title)),
        parts.chart("cell", figure, f"{feature} in {where.title} against the reference", still=True),
        parts.facts(
            ("p-value", say.p_value(item.p_value)),
            ("Effect size", say.number(item.effect)),
            ("Missing", f"{say.percent(item.null_rate)} (reference {say.percent(item.reference_null_rate)})"),
        ),
        html.Div(
            [
                parts.link("Open feature", scope.feature_path(owner, feature, where.key), className="btn btn-main"),
                parts.link("Open batch", f"{scope.base(owner)}/batches/{where.batches[0]}", className="btn btn-quiet")
                if single
                else None,
            ],
            className="samples",
        ),
        sub=_when(service, where),
        tools=close,
    )


def _score(item: FeatureDrift, judged: bool) -> str:
    return f" score {say.score(item.score)}, alarm at 1" if judged else " not scored: too long a stretch to merge here"


def _word(item: FeatureDrift) -> say.Word:
    return say.VERDICTS["drift" if item.drift else item.verdict]


def _when(service: Service, where: Chosen) -> str:
    if len(where.batches) > 1:
        return f"{where.title}, merged"
    found = history.batch(service.db, where.batches[0])
    return f"{say.batch_title(found)}, {say.batch_time(found)}"


def _batch_side(service: Service, owner: Monitor, where: Chosen, close: Any) -> html.Section:
    if len(where.batches) > 1 and len(where.batches) * len(owner.schema.watched) > SCORED:
        return _period_side(service, owner, where, close)
    report: DriftReport = (
        history.report(service.db, where.batches[0])
        if len(where.batches) == 1
        else service.together(owner.name, where.batches)
    )
    worst_of = [(item.name, item.score, item.drift) for item in report.features[:6]]
    return _stretch_side(service, owner, where, close, report.verdict, report.score, report.explanation, worst_of)


def _period_side(service: Service, owner: Monitor, where: Chosen, close: Any) -> html.Section:
    """A long day or week, from what is kept of it."""
    period = None
    if where.stretch.periodic:
        period = history.periods(service.db, owner.id, where.stretch.steps).get(where.stretch.first)
    if period is None:
        raise Missing(f"{where.title}: this is too long a stretch to merge here; choose a day or a week.")
    heat = history.heatmap_of_periods(service.db, [period])
    order = np.argsort(-np.nan_to_num(heat.score[:, 0]))[:6].tolist()
    worst_of = [(heat.features[at], float(heat.score[at, 0]), bool(heat.drift[at, 0])) for at in order]
    return _stretch_side(
        service, owner, where, close, period.verdict, period.score, period.explanation, worst_of
    )  # fmt: skip


def _stretch_side(
    service: Service, owner: Monitor, where: Chosen, close: Any, verdict: str, score: float, text: str, worst_of: list
) -> html.Section:
    bars = [
        parts.Bar(
            parts.link(parts.clip(name, 24), scope.feature_path(owner, name, where.key)), value, say.score(value),
            "bad" if drift else "ok",
        )
        for name, value, drift in worst_of
    ]  # fmt: skip
    single = len(where.batches) == 1
    return parts.panel(
        _when(service, where),
        html.Div(
            [
                parts.badge(say.VERDICTS[verdict]),
                html.Span(f" score {say.score(score)}, alarm at 1", className="muted small"),
            ]
        ),
        html.P(text),
        parts.bars(bars, 1.0, "Worst features", top=3.0),
        parts.link("Open batch", f"{scope.base(owner)}/batches/{where.batches[0]}", className="btn btn-main")
        if single
        else None,
        tools=close,
    )
