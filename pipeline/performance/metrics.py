"""Metrics of predictions whose labels are known, each with an interval. Pure: no I/O, no clock, seeded draws only.

A metric is a function and a row of ``METRICS``. Those that are a mean over rows also give the loss of each row, which
is what the paired and the sequential tests work on; the others are compared by resampling.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import Refused
from storage.records import Metric, Schema, Task

DRAWS = 200  # resamples behind the intervals that have no formula
Z95 = 1.959963984540054
_TINY = 1e-15


@dataclass(frozen=True)
class Said:
    """Labels and predictions as figures, in one place. Of n rows and k classes."""

    truth: NDArray[Any]  # (n,) class numbers, -1 for a class the schema does not know; float64 for regression
    guess: NDArray[Any]  # (n,) likewise
    probabilities: NDArray[np.float64] | None  # (n, k)
    classes: int
    labels: NDArray[Any]  # (n,) as they came
    predictions: NDArray[Any]

    def take(self, rows: NDArray[np.intp]) -> Said:
        """These rows, in this order."""
        p = self.probabilities
        return Said(
            self.truth[rows],
            self.guess[rows],
            None if p is None else p[rows],
            self.classes,
            self.labels[rows],
            self.predictions[rows],
        )


@dataclass(frozen=True)
class Measure:
    """A metric: one row of ``METRICS``."""

    name: str
    label: str
    task: Task
    higher: bool  # is more better?
    value: Callable[[Said], float]
    rows: Callable[[Said], NDArray[np.float64]] | None = None  # loss of each row, if the metric comes from their mean
    from_mean: Callable[[float], float] = lambda loss: loss  # mean loss -> metric
    needs_probabilities: bool = False
    cells: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None  # (draws, truth, guess) -> (draws,)

    def gain(self, old: float, new: float) -> float:
        """By how much ``new`` is better, in units of the metric."""
        return new - old if self.higher else old - new


def said(labels: NDArray[Any], predictions: NDArray[Any], probabilities: Any, schema: Schema) -> Said:
    """Labels and predictions as figures.

    Parameters
    ----------
    labels, predictions : array of shape (n,)
        Text of classes, or numbers.
    probabilities : ndarray of shape (n, classes) or None
    schema : Schema
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if schema.task == "regression":
        truth, guess = labels.astype(np.float64), predictions.astype(np.float64)
        return Said(truth, guess, None, 0, truth, guess)
    number = {name: i for i, name in enumerate(schema.classes)}
    truth = np.array([number.get(str(v), -1) for v in labels], dtype=np.int64)
    guess = np.array([number.get(str(v), -2) for v in predictions], dtype=np.int64)
    p = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    return Said(truth, guess, p, len(schema.classes), labels, predictions)


def _wrong(s: Said) -> NDArray[np.float64]:
    return (s.truth != s.guess).astype(np.float64)


def confusion(s: Said) -> NDArray[np.int64]:
    """Counts by truth and prediction, (classes, classes); rows with an unknown class are left out."""
    k = s.classes
    known = (s.truth >= 0) & (s.guess >= 0)
    return np.bincount(s.truth[known] * k + s.guess[known], minlength=k * k).reshape(k, k)


def _balanced(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean recall over the classes present, (draws,)."""
    came, hit = counts.sum(-1), np.diagonal(counts, axis1=-2, axis2=-1)
    present = came > 0
    return np.where(present, hit / np.maximum(came, 1), 0.0).sum(-1) / np.maximum(present.sum(-1), 1)


def _f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of the second class for two, the mean over classes that came or were said for more, (draws,)."""
    both = counts.sum(-1) + counts.sum(-2)
    score = 2 * np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(both, 1)
    if counts.shape[-1] == 2:
        return score[..., 1]
    present = both > 0
    return np.where(present, score, 0.0).sum(-1) / np.maximum(present.sum(-1), 1)


def area(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties half.

    Returns NaN when one side is empty. Mann-Whitney's U over its largest value.
    """
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    _, at, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[at]
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _auc(s: Said) -> float:
    """Area for the second class of two; for more the mean of each class against the rest."""
    return float("nan") if s.probabilities is None else mean_area(s.truth, s.probabilities)


def mean_area(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Area under the ROC curve for the second class of two; for more the mean of each class against the rest.

    Parameters
    ----------
    truth : ndarray of shape (n,)
        Class numbers.
    probabilities : ndarray of shape (n, classes)
    """
    k = probabilities.shape[1]
    areas = [area(truth == c, probabilities[:, c]) for c in ([1] if k == 2 else range(k))]
    known = [a for a in areas if np.isfinite(a)]
    return float(np.mean(known)) if known else float("nan")


def _own(s: Said) -> NDArray[np.float64]:
    """Probability given to the class that came true, (n,); 0 for an unknown class."""
    p = s.probabilities
    assert p is not None
    return np.where(s.truth >= 0, p[np.arange(len(p)), np.maximum(s.truth, 0)], 0.0)


def _log(s: Said) -> NDArray[np.float64]:
    return -np.log(np.clip(_own(s), _TINY, 1.0))


def _brier(s: Said) -> NDArray[np.float64]:
    """Half the squared distance to the truth: for two classes the usual (p - y)^2."""
    p = s.probabilities
    assert p is not None
    return ((p**2).sum(1) - 2 * _own(s) + 1.0) / 2


def _absolute(s: Said) -> NDArray[np.float64]:
    return np.abs(s.truth - s.guess)


def _squared(s: Said) -> NDArray[np.float64]:
    return (s.truth - s.guess) ** 2


def _r2(s: Said) -> float:
    spread = float(np.sum((s.truth - s.truth.mean()) ** 2))
    return 1.0 - float(_squared(s).sum()) / spread if spread > 0 else float("nan")


def _mean(rows: Callable[[Said], NDArray[np.float64]]) -> Callable[[Said], float]:
    return lambda s: float(rows(s).mean())


METRICS: dict[str, Measure] = {
    row.name: row
    for row in (
        Measure("accuracy", "Accuracy", "classification", True, lambda s: 1 - float(_wrong(s).mean()), _wrong,
                lambda loss: 1 - loss),
        Measure("balanced_accuracy", "Balanced accuracy", "classification", True,
                lambda s: float(_balanced(confusion(s))), cells=_balanced),
        Measure("f1", "F1", "classification", True, lambda s: float(_f1(confusion(s))), cells=_f1),
        Measure("roc_auc", "ROC AUC", "classification", True, _auc, needs_probabilities=True),
        Measure("log_loss", "Log loss", "classification", False, _mean(_log), _log, needs_probabilities=True),
        Measure("brier", "Brier score", "classification", False, _mean(_brier), _brier, needs_probabilities=True),
        Measure("rmse", "RMSE", "regression", False, lambda s: float(np.sqrt(_squared(s).mean())), _squared,
                lambda loss: float(np.sqrt(max(loss, 0.0)))),
        Measure("mae", "MAE", "regression", False, _mean(_absolute), _absolute),
        Measure("r2", "R²", "regression", True, _r2),
    )
}  # fmt: skip


def primary(schema: Schema, name: str = "auto") -> Measure:
    """The metric that decides.

    Parameters
    ----------
    schema : Schema
    name : str
        ``auto`` (accuracy or RMSE), a row of ``METRICS``, or the dotted path of ``function(labels, predictions)``. By
        scikit-learn's custom a name that ends in ``_error`` or ``_loss`` is better when it is lower.

    Raises
    ------
    Refused
        If there is no such metric or it is for another task.
    """
    if name == "auto":
        name = "accuracy" if schema.task == "classification" else "rmse"
    if name in METRICS:
        if METRICS[name].task != schema.task:
            raise Refused(f"The metric {name!r} is for {METRICS[name].task}, the monitor does {schema.task}.")
        return METRICS[name]
    return _custom(name, schema.task)


@functools.lru_cache(maxsize=32)
def _custom(path: str, task: Task) -> Measure:
    module, _, name = path.rpartition(".")
    try:
        function = getattr(importlib.import_module(module), name) if module else None
    except (ImportError, AttributeError) as error:
        raise Refused(f"The metric {path!r} cannot be imported: {error}.") from error
    if function is None:
        raise Refused(f"There is no metric {path!r}.", remedy=f"Name one of {', '.join(METRICS)} or a dotted path.")
    higher = not name.endswith(("_error", "_loss"))
    return Measure(path, name, task, higher, lambda s: float(function(s.labels, s.predictions)))


def measure(
    labels: NDArray[Any],
    predictions: NDArray[Any],
    probabilities: NDArray[np.float64] | None,
    schema: Schema,
    primary_name: str = "auto",
) -> tuple[dict[str, Metric], dict[str, Any]]:
    """Every metric of the task on n rows, with 95% intervals.

    Parameters
    ----------
    labels, predictions : array of shape (n,)
        Text of classes, or numbers.
    probabilities : ndarray of shape (n, classes) or None
    schema : Schema
    primary_name : str
        As in ``primary``; a dotted path adds that metric.

    Returns
    -------
    metrics : dict
        Name to Metric; a metric that is undefined on these rows (one class only, no probabilities) is left out.
    details : dict
        ``primary``, and for classes ``classes``, ``confusion`` (truth x prediction), ``per_class`` and ``calibration``.
    """
    s = said(labels, predictions, probabilities, schema)
    first = primary(schema, primary_name)
    details: dict[str, Any] = {"primary": first.name}
    if not len(s.truth):
        return {}, details
    wanted = {**{m.name: m for m in METRICS.values() if m.task == schema.task}, first.name: first}
    metrics = {}
    for row in wanted.values():
        if row.needs_probabilities and s.probabilities is None:
            continue
        found = with_interval(row, s)
        if np.isfinite(found.value):
            metrics[row.name] = found
    if schema.task == "classification":
        details |= _class_details(s, schema)
    else:
        details["residuals"] = [float(q) for q in np.quantile(s.guess - s.truth, (0.05, 0.25, 0.5, 0.75, 0.95))]
    return metrics, details


def with_interval(row: Measure, s: Said) -> Metric:
    """One metric with its 95% interval.

    Notes
    -----
    Accuracy: Wilson's score interval. Means of row losses: normal, carried through ``from_mean``. ROC AUC of two
    classes: Hanley & McNeil 1982. Of the confusion matrix: percentiles of multinomial draws of its cells. The rest:
    percentiles of seeded resamples of the rows.
    """
    n = len(s.truth)
    value = row.value(s)
    if not np.isfinite(value):
        return Metric(float("nan"), float("nan"), float("nan"), n)
    if row.name == "accuracy":
        return Metric(value, *wilson(value, n), n)
    if row.rows is not None:
        losses = row.rows(s)
        half = Z95 * float(losses.std()) / float(np.sqrt(n))
        mean = float(losses.mean())
        ends = sorted(float(row.from_mean(end)) for end in (mean - half, mean + half))
        return Metric(value, ends[0], ends[1], n)
    if row.name == "roc_auc" and s.classes == 2:
        half = Z95 * _hanley(value, int((s.truth == 1).sum()), int((s.truth == 0).sum()))
        return Metric(value, max(value - half, 0.0), min(value + half, 1.0), n)
    rng = np.random.default_rng(0)
    if row.cells is not None:
        counts = confusion(s)
        drawn = rng.multinomial(n, (counts / max(counts.sum(), 1)).ravel(), size=DRAWS).reshape(-1, *counts.shape)
        low, high = np.quantile(row.cells(drawn.astype(np.float64)), (0.025, 0.975))
        return Metric(value, float(low), float(high), n)
    draws = DRAWS if n <= 20_000 else 20
    values = [row.value(s.take(rng.integers(n, size=n))) for _ in range(draws)]
    low, high = np.nanquantile(values, (0.025, 0.975)) if np.isfinite(values).any() else (value, value)
    return Metric(value, float(low), float(high), n)


def wilson(share: float, rows: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share seen in so many rows (Wilson 1927)."""
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _hanley(area_: float, positives: int, negatives: int) -> float:
    """Standard error of an area under the ROC curve (Hanley & McNeil 1982)."""
    q1, q2 = area_ / (2 - area_), 2 * area_**2 / (1 + area_)
    variance = area_ * (1 - area_) + (positives - 1) * (q1 - area_**2) + (negatives - 1) * (q2 - area_**2)
    return float(np.sqrt(max(variance, 0.0) / (positives * negatives)))


def _class_details(s: Said, schema: Schema) -> dict[str, Any]:
    """Confusion matrix, recall and precision a class, reliability of the stated confidence."""
    counts = confusion(s)
    per_class = {}
    for i, name in enumerate(schema.classes):
        right, came, told = int(counts[i, i]), int((s.truth == i).sum()), int(counts[:, i].sum())
        per_class[name] = {
            "rows": came,
            "recall": right / came if came else None,
            "precision": right / told if told else None,
        }
    details: dict[str, Any] = {"classes": list(schema.classes), "confusion": counts.tolist(), "per_class": per_class}
    if s.probabilities is not None:
        details["calibration"] = _reliability(s)
    return details


def _reliability(s: Said, bins: int = 10) -> list[list[float]]:
    """[stated confidence, share right, rows] in equal steps of confidence."""
    assert s.probabilities is not None
    confidence = s.probabilities.max(1)
    right = s.truth == s.guess
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    out = []
    for b in np.unique(at):
        inside = at == b
        out.append([float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum())])
    return out
