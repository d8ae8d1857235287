"""What is known of the performance on the batches in view: one metric over columns, sums over a range, and the range
before it. Reads, never writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard.charts import MetricView, Series
from dashboard.say import is_percent, metric_label
from dashboard.scope import episode_spans, marks, reign_spans
from dashboard.window import Window
from storage import history
from storage.history import Measured, Told
from storage.records import Metric, Monitor

POOLED = 200  # labelled batches that are summed at most


@dataclass(frozen=True)
class Known:
    """One metric on the batches in view."""

    metric: str
    measured: Told
    estimated: Told


def metrics(db: Any, monitor: Monitor) -> tuple[str, tuple[str, ...]]:
    """The metric that decides, and all there are."""
    primary, names = history.newest_metrics(db, monitor.id)
    return primary or ("accuracy" if monitor.schema.task == "classification" else "rmse"), names


def known(db: Any, view: Window, metric: str = "") -> Known:
    """One metric (that which decides, if none is named) on the batches in view."""
    chosen = metric or metrics(db, view.monitor)[0]
    ends = (int(view.ids[0]), int(view.ids[-1])) if len(view) else (0, -1)
    return Known(
        chosen, *(history.metric_line(db, view.monitor.id, chosen, basis, *ends) for basis in ("measured", "estimated"))
    )


def now(told: Told, last: int) -> tuple[Metric | None, int]:
    """The mean over the newest ``last`` batches, weighted by rows, with its interval; and over how many it is."""
    value, low, high, rows = (part[-last:] for part in (told.value, told.low, told.high, told.labelled))
    if not len(value):
        return None, 0
    weight = np.maximum(rows, 1).astype(np.float64)
    mean, reach = _mean(value, (high - low) / 2, weight)
    return Metric(mean, mean - reach, mean + reach, int(rows.sum())), len(value)


def _mean(value: NDArray, half: NDArray, weight: NDArray) -> tuple[float, float]:
    """The weighted mean of independent figures, and half the width of its 95% interval (NaN if that is not known)."""
    total = weight.sum()
    return float((value * weight).sum() / total), float(np.sqrt(((half * weight) ** 2).sum()) / total)


def metric_view(db: Any, view: Window, found: Known) -> MetricView:
    """Everything the line of performance shows."""
    versions = history.versions_in_short(db, view.monitor.id)
    levels = {item.id: item.metrics[found.metric].value for item in versions if found.metric in item.metrics}
    told = found.measured
    labelled, rows = (np.zeros(len(view.ids)) for _ in range(2))
    at = np.searchsorted(view.ids, told.batch)
    labelled[at], rows[at] = told.labelled, told.rows
    most = np.maximum(np.bincount(view.home, rows, len(view)), 1)
    share = np.bincount(view.home, labelled, len(view)) / most
    there = np.bincount(view.home[at], minlength=len(view)) / np.maximum(np.bincount(view.home, minlength=len(view)), 1)
    return MetricView(
        place=view.place,
        keys=view.keys,
        label=metric_label(found.metric),
        percent=is_percent(found.metric),
        measured=_series(view, found.measured),
        estimated=_series(view, found.estimated),
        coverage=share * there,
        level=np.array([levels.get(one, np.nan) if one else np.nan for one in view.version], dtype=float),
        reigns=reign_spans(view, versions, view.monitor.champion),
        marks=marks(db, view),
        spans=episode_spans(view, history.episodes(db, view.monitor.id), ("performance",)),
    )


def _series(view: Window, told: Told) -> Series:
    """A metric over columns: of several batches the mean, with the interval of the mean."""
    cells = np.full((3, len(view)), np.nan)
    at = np.searchsorted(view.ids, told.batch)
    inside = (at < len(view.ids)) & (view.ids[np.minimum(at, max(len(view.ids) - 1, 0))] == told.batch)
    home = view.home[at[inside]]
    weight = np.maximum(told.labelled, 1)[inside].astype(np.float64)
    total = np.bincount(home, weight, len(view))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(home, weight * told.value[inside], len(view)) / total
        half = weight * (told.high - told.low)[inside] / 2
        reach = np.sqrt(np.bincount(home, half**2, len(view))) / total
    cells[:] = mean, mean - reach, mean + reach
    return Series(*cells)


@dataclass(frozen=True)
class Pooled:
    """Sums over some labelled batches."""

    items: tuple[Measured, ...]
    confusion: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    calibration: tuple[tuple[float, float, int], ...] = ()  # said, came true, rows
    residuals: tuple[float, ...] = ()

    @property
    def batches(self) -> int:
        """How many batches are summed."""
        return len(self.items)

    @property
    def rows(self) -> int:
        """Their labelled rows."""
        return sum(item.labelled for item in self.items)

    def mean(self, metric: str) -> Metric | None:
        """A metric over all of them, weighted by rows, with its interval; None where it is not known."""
        found = [item.metrics[metric] for item in self.items if metric in item.metrics]
        if not found:
            return None
        value, low, high = np.array([(one.value, one.low, one.high) for one in found]).T
        rows = np.array([max(1, one.rows) for one in found], dtype=np.float64)
        mean, reach = _mean(value, (high - low) / 2, rows)
        return Metric(mean, mean - reach, mean + reach, int(rows.sum()))


def range_and_before(db: Any, view: Window) -> tuple[Pooled, Pooled]:
    """The labelled batches in view (the newest 200), and as many of those that came before them."""
    first, last = (int(view.ids[0]), int(view.ids[-1])) if len(view) else (0, -1)
    items = history.measured(db, view.monitor.id, first, last, POOLED)
    if not items:
        return pooled(()), pooled(())
    return pooled(items), pooled(history.measured(db, view.monitor.id, 0, items[0].batch_id - 1, len(items)))


def pooled(items: Sequence[Measured]) -> Pooled:
    """Sums over labelled batches: confusion, calibration, residuals."""
    if not items:
        return Pooled(())
    matrices = [item.details["confusion"] for item in items if "confusion" in item.details]
    same = bool(matrices) and len({len(matrix) for matrix in matrices}) == 1
    residuals = [item.details["residuals"] for item in items if "residuals" in item.details]
    return Pooled(
        tuple(items),
        np.sum([np.array(matrix) for matrix in matrices], axis=0) if same else None,
        tuple(items[-1].details.get("classes", ())),
        tuple(_calibration([item.details.get("calibration", []) for item in items])),
        tuple(np.mean(np.array(residuals, dtype=float), axis=0).tolist()) if residuals else (),
    )


def _calibration(curves: Sequence[Sequence[Sequence[float]]], bins: int = 10) -> list[tuple[float, float, int]]:
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
