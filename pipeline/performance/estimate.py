"""Performance before labels come: what a model's own calibrated confidence makes one expect. Pure.

Classification is confidence-based (CBPE): probabilities are mapped to observed frequencies on rows with labels, and the
expected confusion of a batch is added up from them. Where the rows tell that this misleads, a small model of what is
left over corrects it; of a regression, such a model is all there is (direct loss estimation, DLE). All this holds while
only the inputs drift; none of it can see the concept itself change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.performance.metrics import Z95, said
from storage.records import Metric, Schema

LEAST_ROWS = 50  # labelled rows needed to calibrate at all
LEANING = 2.0  # rows that moved lean on a part of the rows it was calibrated on: the variance is that of half of them
DOUBTED = 0.33  # standard error of a correction, as a share of it


def calibrate(
    labels: NDArray[Any], predictions: NDArray[Any], probabilities: NDArray[np.float64] | None, schema: Schema
) -> dict[str, Any]:
    """What turns a model's confidence into expected performance; plain values, kept with the version.

    Parameters
    ----------
    labels, predictions : array of shape (n,)
        Of rows the model was not fitted on.
    probabilities : ndarray of shape (n, classes) or None
    schema : Schema

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
        absolute = np.abs(s.truth - s.guess)
        return {"kind": "loss", "rows": n, "spread": [float(absolute.std()), float((absolute**2).std())]}
    right = (s.truth == s.guess).astype(np.float64)
    level, p = float(right.mean()), s.probabilities
    return {
        "kind": "confidence",
        "rows": n,
        "accuracy": level,
        "top": [[1.0, level]] if p is None else _isotonic(p.max(1), right),
        "classes": [] if p is None else [_isotonic(p[:, c], s.truth == c) for c in range(s.classes)],
    }


def misses(
    labels: NDArray[Any],
    predictions: NDArray[Any],
    probabilities: NDArray[np.float64] | None,
    calibration: dict[str, Any],
    schema: Schema,
) -> NDArray[np.float64]:
    """How far off each row was: what ``models.with_errors`` learns.

    Parameters
    ----------
    labels, predictions, probabilities, schema
        As in ``calibrate``.
    calibration : dict
        What it made of them.

    Returns
    -------
    ndarray of shape (n, 2) or (n, 1)
        Of a regression the absolute and the squared error; else right (1) or wrong (0), less what the confidence made
        one expect.
    """
    s = said(labels, predictions, probabilities, schema)
    if schema.task == "regression":
        absolute = np.abs(s.truth - s.guess)
        return np.column_stack([absolute, absolute**2])
    return ((s.truth == s.guess) - _right(s.guess, s.probabilities, calibration))[:, None]


def _right(
    predictions: NDArray[Any], probabilities: NDArray[np.float64] | None, calibration: dict[str, Any]
) -> NDArray[np.float64]:
    """How often rows of this confidence were right, (n,); of a classifier without probabilities all are alike."""
    sure = np.ones(len(predictions)) if probabilities is None else probabilities.max(1)
    return _on(calibration["top"], sure)


def _isotonic(x: NDArray[np.float64], y: NDArray[Any]) -> list[list[float]]:
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
    losses : ndarray of shape (n, m), optional
        ``Predictions.losses``.

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
    correction = np.zeros(n) if losses is None else losses[:, 0]
    right = _right(predictions, probabilities, calibration) + correction
    value = float(np.clip(right.mean(), 0.0, 1.0))  # of a row it may be beyond 0 or 1: cut off, the mean were too low
    half = _half(np.clip(right, 0.0, 1.0), float(correction.mean()), calibration)
    out = {"accuracy": Metric(value, max(value - half, 0.0), min(value + half, 1.0), n)}
    return out if probabilities is None else out | _expected_others(probabilities, correction, calibration, half)


def _half(right: NDArray[np.float64], correction: float, calibration: dict[str, Any]) -> float:
    """Half the 95% interval of the accuracy of rows that are right with these chances (n,)."""
    luck = float(np.sum(right * (1 - right))) / len(right) ** 2
    level = calibration["accuracy"]
    known = LEANING * max(level * (1 - level), 1e-4) / calibration["rows"]
    return Z95 * float(np.sqrt(luck + known + (DOUBTED * correction) ** 2))


def _expected_loss(losses: NDArray[np.float64], calibration: dict[str, Any]) -> dict[str, Metric]:
    """MAE and RMSE from the stated errors (n, 2)."""
    n, means = len(losses), np.maximum(losses, 0.0).mean(0) * calibration.get("scale", 1.0)
    out = {}
    for name, mean, spread in zip(("mae", "rmse"), means, calibration["spread"], strict=True):
        half = Z95 * spread * np.sqrt(1 / n + 1 / calibration["rows"])
        ends = np.array([mean, max(mean - half, 0.0), mean + half])
        value, low, high = np.sqrt(ends) if name == "rmse" else ends
        out[name] = Metric(float(value), float(low), float(high), n)
    return out


def _expected_others(
    probabilities: NDArray[np.float64], correction: NDArray[np.float64], calibration: dict[str, Any], half: float
) -> dict[str, Metric]:
    """Balanced accuracy, and for two classes F1 and ROC AUC, from the expected labels (n, classes)."""
    n, k = probabilities.shape
    guess = probabilities.argmax(1)
    shares = _corrected(chances(probabilities, calibration), guess, correction)
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


def _corrected(
    shares: NDArray[np.float64], guess: NDArray[np.intp], correction: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Expected labels (n, classes) with the share of the predicted class corrected, and the others in proportion."""
    at = np.arange(len(shares))
    told = shares[at, guess]
    corrected = shares * (1 - correction / np.maximum(1 - told, 1e-12))[:, None]
    corrected[at, guess] = told + correction
    return corrected


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
