"""What pages read: the batches in view, and what happened along them, gathered from storage for drawing.

Reads, never writes. Everything a chart of a time line needs comes from a ``Window``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from dashboard.charts import Axis, DriftView, Mark, MetricView, Series, Span, axis, ordered
from dashboard.say import is_percent, metric_label
from storage import history
from storage.records import Batch, Decision, Episode, Monitor, Performance, Version

if TYPE_CHECKING:
    from pipeline.service import Service

RANGES: tuple[tuple[str, str], ...] = (("30", "30"), ("60", "60"), ("120", "120"), ("365", "365"), ("all", "All"))
MOST = 600  # batches on one chart; a page says so when there are more
TONES = {"drift": "drift", "performance": "warning", "fault": "quarantine"}
SHOWN = ("train", "promote", "reject", "hold", "rollback", "quarantine", "fail")


def base(monitor: Monitor | str) -> str:
    """The path of a monitor's pages."""
    return f"/m/{quote(monitor if isinstance(monitor, str) else monitor.name, safe='')}"


def feature_path(monitor: Monitor | str, feature: str, batch: int | None = None) -> str:
    """The path of a feature's page, at a batch."""
    return f"{base(monitor)}/features/{quote(feature, safe='')}" + (f"?batch={batch}" if batch else "")


@dataclass(frozen=True)
class Window:
    """The newest scored batches of a monitor, in order."""

    monitor: Monitor
    place: Axis
    batch: NDArray[np.int64]
    at: NDArray[np.int64]
    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    verdict: tuple[str, ...]
    state: tuple[str, ...]
    version: tuple[int | None, ...]
    names: tuple[str, ...]
    received: NDArray[np.int64]
    total: int  # scored batches there are

    def __len__(self) -> int:
        return len(self.batch)

    def position(self, batch_id: int) -> int | None:
        """Where a batch stands; for a delivery of labels, the rows that arrived just before it."""
        at = int(np.searchsorted(self.batch, batch_id, side="right")) - 1
        return at if at >= 0 else None

    def moment(self, when: int) -> int | None:
        """The batch that had arrived last at a moment."""
        at = int(np.searchsorted(self.received, when, side="right")) - 1
        return at if at >= 0 else None

    def span(self, first: int, last: int | None) -> tuple[int, int] | None:
        """Positions from the first batch at or after one id to the last at or before another; None if out of view."""
        start = int(np.searchsorted(self.batch, first))
        end = len(self) - 1 if last is None else int(np.searchsorted(self.batch, last, side="right")) - 1
        return (start, end) if start <= end and end >= 0 and start < len(self) else None


def chosen_range(text: str | None, narrow: bool) -> tuple[str, int, str]:
    """The range asked for: its key, its number of batches, and a complaint if it was not understood."""
    usual = "60" if narrow else "120"
    if not text:
        return usual, int(usual), ""
    if text == "all":
        return "all", MOST, ""
    if text in dict(RANGES):
        return text, int(text), ""
    return usual, int(usual), f"There is no range “{text[:40]}”; showing the last {usual} batches."


def window(db: Any, monitor: Monitor, last: int, x: str = "auto") -> Window:
    """The newest ``last`` scored batches."""
    line = history.timeline(db, monitor.id, last=min(last, MOST))
    total = history.count_batches(db, monitor.id)
    known = {item.id: item.received_at for item in history.batches(db, monitor.id, last=last + 200)}
    received = np.maximum.accumulate(np.array([known.get(int(one), 0) for one in line.batch], dtype=np.int64))
    place = axis(line.at, first=total - len(line.batch) + 1, mode={"time": "time", "count": "count"}.get(x, "auto"))
    return Window(
        monitor, place, line.batch, line.at, line.rows, line.score, line.verdict, line.state, line.version, line.names,
        received, total,
    )  # fmt: skip


def marks(db: Any, view: Window) -> tuple[Mark, ...]:
    """Trainings, promotions, refusals, rollbacks, quarantines and changes of settings along the window.

    A training is told with its ending, once it has one.
    """
    if not len(view):
        return ()
    found, why = [], {}
    for decision in reversed(history.decisions(db, view.monitor.id, last=4 * MOST)):
        if decision.action not in SHOWN or decision.trigger == "init":
            continue
        at = view.position(decision.batch_id) if decision.batch_id else view.moment(decision.created_at)
        if at is None:
            continue
        if decision.action == "train":
            why[decision.batch_id or -decision.id] = Mark(at, "train", decision.reason)
            continue
        before = why.pop(decision.batch_id, None)
        text = f"{before.text} {decision.reason}" if before else decision.reason
        found.append(Mark(at, decision.action, text))
    found += why.values()
    for row in history.settings_history(db, view.monitor.id)[:-1]:
        at = view.moment(row.created_at)
        if at is not None:
            found.append(Mark(at, "settings", f"Settings changed by {row.author}. {row.note}".strip()))
    return tuple(found)


def episode_spans(
    view: Window, episodes: Iterable[Episode], kinds: Sequence[str] = ("drift", "fault")
) -> tuple[Span, ...]:
    """Episodes as shaded stretches."""
    spans = []
    for episode in episodes:
        reach = view.span(episode.onset_batch, episode.end_batch)
        if reach and episode.kind in kinds:
            spans.append(Span(*reach, episode.summary, TONES[episode.kind], episode.end_batch is None))
    return tuple(_joined(spans))


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Stretches of one tone that overlap, as one: shades must not pile up."""
    out: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.tone, one.start)):
        if out and out[-1].tone == span.tone and span.start <= out[-1].end + 1:
            out[-1] = replace(out[-1], end=max(out[-1].end, span.end), open=out[-1].open or span.open)
        else:
            out.append(span)
    return out


def truth_spans(db: Any, view: Window) -> tuple[Span, ...]:
    """What the simulator did, as stretches; empty for real monitors."""
    spans = []
    for truth in history.truths(db, view.monitor.id):
        if not len(view):
            break
        start = int(np.searchsorted(view.at, truth.starts_at))
        end = len(view) - 1 if truth.ends_at is None else int(np.searchsorted(view.at, truth.ends_at, side="right")) - 1
        if start < len(view) and end >= start:
            spans.append(Span(start, end, f"Day {truth.day}: {truth.description}", "truth"))
    return tuple(spans)


def reign_spans(view: Window, versions: Sequence[Version], champion: int | None = None) -> tuple[Span, ...]:
    """Which version predicted which stretch of batches."""
    names = {version.id: f"v{version.number}" for version in versions}
    spans: list[Span] = []
    for at, version in enumerate(view.version):
        if version is None:
            continue
        name = names.get(version, "?")
        if spans and spans[-1].text == name:
            spans[-1] = Span(spans[-1].start, at, name, open=version == champion)
        else:
            spans.append(Span(at, at, name, open=version == champion))
    return tuple(spans)


def drift_view(service: Service, view: Window, sort: str, only: str = "") -> DriftView:
    """Everything the drift timeline shows."""
    db, monitor = service.db, view.monitor
    heat = history.heatmap(db, [int(one) for one in view.batch])
    champion = history.version(db, monitor.champion) if monitor.champion else None
    rows = ordered(heat.features, heat.score, champion.importance if champion else {}, sort)
    if only:
        rows = [at for at in rows if only.lower() in heat.features[at].lower()]
    elif len(rows) > 60:
        drifted = [at for at in rows if heat.drift[at].any()]
        rows = (drifted or rows)[:60]
    else:
        rows = rows[:60]
    return DriftView(
        place=view.place,
        batch=view.batch,
        rows=view.rows,
        score=view.score,
        verdict=view.verdict,
        names=view.names,
        features=tuple(heat.features[at] for at in rows),
        heat=heat.score[rows],
        heat_verdict=np.where(heat.few, "too_few_rows", "")[rows],
        band=service.band(monitor.name, int(np.median(view.rows))) if len(view) and monitor.champion else None,
        spans=episode_spans(view, history.episodes(db, monitor.id)),
        truths=truth_spans(db, view),
        marks=marks(db, view),
    )


@dataclass(frozen=True)
class Known:
    """What is known of the performance on the batches in view."""

    primary: str
    names: tuple[str, ...]  # metrics there are
    measured: dict[int, Performance]
    estimated: dict[int, Performance]


def known_performance(db: Any, view: Window) -> Known:
    """The newest word on each batch in view."""
    items = history.performance(db, view.monitor.id, last=2 * len(view) + 400)
    inside = set(view.batch.tolist())
    measured = {item.batch_id: item for item in items if item.basis == "measured" and item.batch_id in inside}
    estimated = {item.batch_id: item for item in items if item.basis == "estimated" and item.batch_id in inside}
    newest = next(iter(reversed(items)), None)
    names = dict.fromkeys(name for item in [*measured.values(), *estimated.values()] for name in item.metrics)
    primary = newest.primary if newest else ("accuracy" if view.monitor.schema.task == "classification" else "rmse")
    return Known(primary, tuple(names), measured, estimated)


def metric_view(db: Any, view: Window, known: Known, metric: str) -> MetricView:
    """Everything the line of performance shows, for one metric."""
    versions = history.versions(db, view.monitor.id)
    levels = {item.id: item.metrics[metric].value for item in versions if metric in item.metrics}
    coverage = np.full(len(view), 0.0)
    for at, batch_id in enumerate(view.batch):
        item = known.measured.get(int(batch_id))
        coverage[at] = item.labelled / item.rows if item and item.rows else 0.0
    return MetricView(
        place=view.place,
        batch=view.batch,
        label=metric_label(metric),
        percent=is_percent(metric),
        measured=_series(view, known.measured, metric),
        estimated=_series(view, known.estimated, metric),
        coverage=coverage,
        level=np.array([levels.get(one, np.nan) if one else np.nan for one in view.version], dtype=float),
        reigns=reign_spans(view, versions, view.monitor.champion),
        marks=marks(db, view),
        spans=episode_spans(view, history.episodes(db, view.monitor.id), ("performance",)),
    )


def _series(view: Window, items: dict[int, Performance], metric: str) -> Series:
    cells = np.full((3, len(view)), np.nan)
    for at, batch_id in enumerate(view.batch):
        item = items.get(int(batch_id))
        if item and metric in item.metrics:
            figure = item.metrics[metric]
            cells[:, at] = (figure.value, figure.low, figure.high)
    return Series(*cells)


def pooled(view: Window, known: Known, last: int = 10) -> dict[str, Any]:
    """Sums over the newest measured batches: confusion, calibration, classes, rows."""
    items = [known.measured[int(one)] for one in view.batch if int(one) in known.measured][-last:]
    if not items:
        return {"batches": 0, "rows": 0}
    out: dict[str, Any] = {"batches": len(items), "rows": sum(item.labelled for item in items)}
    out["first"], out["last"] = items[0].batch_id, items[-1].batch_id
    matrices = [item.details["confusion"] for item in items if "confusion" in item.details]
    if matrices and len({len(matrix) for matrix in matrices}) == 1:
        out["confusion"] = np.sum([np.array(matrix) for matrix in matrices], axis=0)
        out["classes"] = items[-1].details.get("classes", [])
    out["calibration"] = _pooled_calibration([item.details.get("calibration", []) for item in items])
    residuals = [item.details["residuals"] for item in items if "residuals" in item.details]
    if residuals:
        out["residuals"] = np.mean(np.array(residuals, dtype=float), axis=0).tolist()
    return out


def _pooled_calibration(curves: Sequence[Sequence[Sequence[float]]], bins: int = 10) -> list[tuple[float, float, int]]:
    """Reliability curves of several batches as one: said, came, rows a bin."""
    points = np.array([point for curve in curves for point in curve], dtype=float).reshape(-1, 3)
    if not len(points):
        return []
    home = np.minimum((points[:, 0] * bins).astype(int), bins - 1)
    out = []
    for bin_ in np.unique(home):
        here = points[home == bin_]
        rows = here[:, 2].sum()
        out.append(
            (float((here[:, 0] * here[:, 2]).sum() / rows), float((here[:, 1] * here[:, 2]).sum() / rows), int(rows))
        )
    return out


def last_decision(db: Any, monitor: Monitor) -> Decision | None:
    """The newest decision that did something, else the newest at all."""
    found = history.decisions(db, monitor.id, last=200)
    return next((item for item in found if item.action != "keep"), found[0] if found else None)


def newest(db: Any, monitor: Monitor) -> Batch | None:
    """The newest batch of rows."""
    found = history.batches(db, monitor.id, last=1)
    return found[0] if found else None
