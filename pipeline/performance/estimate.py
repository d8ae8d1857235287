"""Performance before labels come: what a model's own calibrated confidence makes one expect. Pure.

Classification is confidence-based (CBPE): probabilities are mapped to observed frequencies on rows with labels, and the
expected confusion of a batch is added up from them. Regression is direct loss estimation (DLE): a small model predicts
the error of each row. Both hold while only the inputs drift; neither can see the concept itself change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.performance.metrics import Z95, said
from storage.records import Metric, Schema

LEAST_ROWS = 50  # labelled rows needed to calibrate at all


def calibrate(
    labels: NDArray[Any],
    predictions: NDArray[Any],
    probabilities: NDArray[np.float64] | None,
    schema: Schema,
    losses: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """What turns a model's confidence into expected performance; plain values, kept with the version.

    Parameters
    ----------
    labels, predictions : array of shape (n,)
        Of rows the model was not fitted on.
    probabilities : ndarray of shape (n, classes) or None
    schema : Schema
    losses : ndarray of shape (n, 2), optional
        Regression: the expected absolute and squared errors that the model states.

    Returns
    -------
    dict
        Empty if nothing can be estimated from these rows.

    References
    ----------
    Zadrozny & Elkan 2002 (isotonic calibration).
    """
    s = said(labels, predictions, probabilities, schema)
    n = len(s.truth)
    if n < LEAST_ROWS:
        return {}
    if schema.task == "regression":
        if losses is None:
            return {}
        absolute, squared = np.abs(s.truth - s.guess), (s.truth - s.guess) ** 2
        means = losses.mean(0)
        return {
            "kind": "loss",
            "rows": n,
            "scale": [float(absolute.mean() / means[0]) if means[0] else 1.0,
                      float(squared.mean() / means[1]) if means[1] else 1.0],
            "spread": [float(absolute.std()), float(squared.std())],
        }  # fmt: skip
    if s.probabilities is None:
        return {}
    right = (s.truth == s.guess).astype(np.float64)
    curves = [_isotonic(s.probabilities[:, c], (s.truth == c).astype(np.float64)) for c in range(s.classes)]
    return {
        "kind": "confidence",
        "rows": n,
        "accuracy": float(right.mean()),
        "top": _isotonic(s.probabilities.max(1), right),
        "classes": curves,
    }


def _isotonic(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[float]]:
    """The rising curve closest to y, by pooling adjacent violators, as [x, y] knots; few and smooth.

    Rows are first pooled in small groups of equal size, so that a single row cannot make a step of 0 or 1.
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    parts = max(2, min(40, len(x) // 25))
    means = [(float(a.mean()), float(b.mean()), len(a)) for a, b in zip(
        np.array_split(x, parts), np.array_split(y, parts), strict=True)]  # fmt: skip
    blocks: list[list[float]] = []
    for at, value, weight in means:
        blocks.append([at, value, weight])
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1]:
            (a1, v1, w1), (a2, v2, w2) = blocks[-2:]
            w = w1 + w2
            blocks[-2:] = [[(a1 * w1 + a2 * w2) / w, (v1 * w1 + v2 * w2) / w, w]]
    return [[block[0], block[1]] for block in blocks]


def _on(curve: list[list[float]], x: NDArray[np.float64]) -> NDArray[np.float64]:
    knots = np.array(curve)
    return np.clip(np.interp(x, knots[:, 0], knots[:, 1]), 0.0, 1.0)


def estimate(
    predictions: NDArray[Any],
    probabilities: NDArray[np.float64] | None,
    calibration: dict[str, Any],
    schema: Schema,
    losses: NDArray[np.float64] | None = None,
) -> dict[str, Metric]:
    """Expected metrics of n rows without labels, with 95% intervals.

    Parameters
    ----------
    predictions : array of shape (n,)
    probabilities : ndarray of shape (n, classes) or None
    calibration : dict
        From ``calibrate``, of the version that predicted.
    schema : Schema
    losses : ndarray of shape (n, 2), optional
        Regression: ``Predictions.losses``.

    Returns
    -------
    dict
        accuracy, balanced_accuracy (two and more classes), f1 and roc_auc (two classes); or mae and rmse. Empty if
        there is nothing to go by.

    Notes
    -----
    The interval holds the chance of the labels to come and the uncertainty of the calibration. It does not hold a
    change of the concept.
    """
    n = len(predictions)
    if not n or not calibration:
        return {}
    if calibration["kind"] == "loss":
        return {} if losses is None else _expected_loss(losses, calibration)
    if probabilities is None:
        return {}
    top = _on(calibration["top"], probabilities.max(1))
    chance = float(np.sum(top * (1 - top))) / n**2
    level = calibration["accuracy"]
    half = Z95 * float(np.sqrt(chance + max(level * (1 - level), 1e-4) / calibration["rows"]))
    value = float(top.mean())
    out = {"accuracy": Metric(value, max(value - half, 0.0), min(value + half, 1.0), n)}
    return out | _expected_others(probabilities, top, calibration, half)


def _expected_loss(losses: NDArray[np.float64], calibration: dict[str, Any]) -> dict[str, Metric]:
    """MAE and RMSE from the stated errors (n, 2)."""
    n = len(losses)
    out = {}
    for at, name in enumerate(("mae", "rmse")):
        mean = float(losses[:, at].mean()) * calibration["scale"][at]
        half = Z95 * calibration["spread"][at] * np.sqrt(1 / n + 1 / calibration["rows"])
        ends = np.array([mean, max(mean - half, 0.0), mean + half])
        value, low, high = np.sqrt(ends) if name == "rmse" else ends
        out[name] = Metric(float(value), float(low), float(high), n)
    return out


def _expected_others(
    probabilities: NDArray[np.float64], top: NDArray[np.float64], calibration: dict[str, Any], half: float
) -> dict[str, Metric]:
    """Balanced accuracy, and for two classes F1 and ROC AUC, from the expected labels (n, classes)."""
    n, k = probabilities.shape
    shares = chances(probabilities, calibration)
    guess = probabilities.argmax(1)
    hit = np.array([shares[guess == c, c].sum() for c in range(k)])
    came = shares.sum(0)
    recalls = hit[came > 0.5] / came[came > 0.5]
    values = {"balanced_accuracy": float(recalls.mean())} if len(recalls) else {}
    if k == 2:
        told = float((guess == 1).sum())
        values["f1"] = float(2 * hit[1] / (came[1] + told)) if came[1] + told else 0.0
        values["roc_auc"] = _weighted_area(probabilities[:, 1], shares[:, 1])
    return {
        name: Metric(value, max(value - 1.5 * half, 0.0), min(value + 1.5 * half, 1.0), n)
        for name, value in values.items()
        if np.isfinite(value)
    }


def chances(probabilities: NDArray[np.float64], calibration: dict[str, Any]) -> NDArray[np.float64]:
    """Stated probabilities as the frequencies that were observed with them, (n, classes)."""
    shares = np.column_stack([_on(curve, probabilities[:, c]) for c, curve in enumerate(calibration["classes"])])
    return shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)


def expected_area(probabilities: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """The mean ROC AUC (of the second class for two) that rows with these expected shares (n, classes) would have."""
    k = probabilities.shape[1]
    areas = [_weighted_area(probabilities[:, c], shares[:, c]) for c in ([1] if k == 2 else range(k))]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else float("nan")


def _weighted_area(score: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """ROC AUC when each row is positive with a known share."""
    order = np.argsort(score)
    positive, negative = share[order], 1 - share[order]
    both = positive.sum() * negative.sum()
    if both <= 0:
        return float("nan")
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / both)
