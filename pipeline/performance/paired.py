"""Tests on losses: two models on the same rows, and one model over time. Pure: no I/O, no clock, seeded draws only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.performance.metrics import DRAWS, Measure, primary, said, with_interval
from storage.records import Metric, Schema


@dataclass(frozen=True)
class Paired:
    """Two models on the same n rows. ``gain`` is positive when the second is better, whatever the metric."""

    metric: str
    first: Metric
    second: Metric
    gain: Metric
    p_better: float  # one-sided: how surprising this lead of the second would be if there were none
    p_worse: float
    flips: int  # rows where the answers differ


def compare(
    labels: NDArray[Any],
    first: tuple[NDArray[Any], NDArray[np.float64] | None],
    second: tuple[NDArray[Any], NDArray[np.float64] | None],
    schema: Schema,
    primary_name: str = "auto",
    confidence: float = 0.95,
) -> Paired:
    """Whether the second of two models is better on the same rows.

    Parameters
    ----------
    labels : array of shape (n,)
    first, second : (predictions, probabilities)
        Shapes (n,) and (n, classes) or None.
    schema : Schema
    primary_name : str
        The metric that decides.
    confidence : float
        Of the interval of the gain.

    Notes
    -----
    Accuracy: McNemar's test with mid-p on the rows where just one of the two is right. Other means of row losses: the
    paired z test. The rest: a paired bootstrap.
    """
    row = primary(schema, primary_name)
    a, b = said(labels, *first, schema), said(labels, *second, schema)
    flips = int(np.sum(a.guess != b.guess))
    gain, better, worse = _gain(row, a, b, confidence)
    return Paired(row.name, with_interval(row, a), with_interval(row, b), gain, better, worse, flips)


def _gain(row: Measure, a: Any, b: Any, confidence: float) -> tuple[Metric, float, float]:
    """Gain of b over a with its interval, and the two one-sided p-values."""
    n = len(a.truth)
    z = _quantile(0.5 + confidence / 2)
    if row.rows is None:
        return _by_resampling(row, a, b, confidence)
    difference = row.rows(a) - row.rows(b)
    mean, error = float(difference.mean()), float(difference.std()) / math.sqrt(n)
    value = row.gain(row.value(a), row.value(b))
    scale = value / mean if mean and row.name == "rmse" else 1.0
    gain = Metric(value, value - z * error * scale, value + z * error * scale, n)
    if row.name == "accuracy":
        won, lost = int((difference > 0).sum()), int((difference < 0).sum())
        return gain, mid_p(won, lost), mid_p(lost, won)
    if not error:
        return gain, 0.5, 0.5
    return gain, upper_tail(mean / error), upper_tail(-mean / error)


def _by_resampling(row: Measure, a: Any, b: Any, confidence: float) -> tuple[Metric, float, float]:
    """The same for a metric that is no mean over rows."""
    n = len(a.truth)
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(DRAWS):
        rows = rng.integers(n, size=n)
        gains.append(row.gain(row.value(a.take(rows)), row.value(b.take(rows))))
    drawn = np.array([g for g in gains if np.isfinite(g)])
    value = row.gain(row.value(a), row.value(b))
    if not len(drawn) or not np.isfinite(value):
        return Metric(0.0, -math.inf, math.inf, n), 1.0, 1.0
    low, high = np.quantile(drawn, (0.5 - confidence / 2, 0.5 + confidence / 2))
    spread = float(drawn.std())
    if not spread:
        return Metric(value, float(low), float(high), n), 0.5, 0.5
    return Metric(value, float(low), float(high), n), upper_tail(value / spread), upper_tail(-value / spread)


def mid_p(won: int, lost: int) -> float:
    """P(at least ``won`` of the differing rows are won by chance), counting an equal outcome half.

    Examples
    --------
    >>> round(mid_p(5, 1), 4)
    0.0625
    >>> mid_p(0, 0)
    0.5
    """
    n = won + lost
    if n > 1000:
        return upper_tail((won - lost) / math.sqrt(n))
    total = 2.0**n if n < 1000 else math.inf
    if math.isinf(total):
        return upper_tail((won - lost) / math.sqrt(n))
    ways = math.comb(n, won)
    tail = ways / 2
    for k in range(won, n):  # each from the one before: a tenth of the time of as many binomial coefficients
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return float(tail / total)


def upper_tail(z: float) -> float:
    """P(a standard normal exceeds z)."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def _quantile(p: float) -> float:
    """Of the standard normal, by bisection of its tail."""
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - upper_tail(middle) < p else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True)
class Shift:
    """The most likely point at which a series of losses rose."""

    at: int  # number of the first batch after the change
    rise: float  # of the mean loss
    before: float
    after: float
    z: float
    p_value: float  # of a rise this clear anywhere, the places looked at allowed for
    rows: int  # after the change


def change_point(means: Sequence[float], errors: Sequence[float], rows: Sequence[int], first: int = 1) -> Shift | None:
    """Where a series of batch losses rose, if it did.

    Parameters
    ----------
    means : sequence of float, length m
        Mean loss of each batch, oldest first; the first entry may be the level the model was promoted with.
    errors : sequence of float
        Standard error of each mean.
    rows : sequence of int
        Rows behind each mean.
    first : int
        First place a change may have happened.

    Returns
    -------
    Shift or None
        None when there are fewer than two entries.

    Notes
    -----
    Generalised likelihood ratio for one change of a normal mean with known variances: the largest two-sample z over all
    splits. The p-value is Bonferroni's over splits that are a factor of two apart, since neighbours say much the same.
    """
    m = len(means)
    if m < 2:
        return None
    mean, n = np.asarray(means, float), np.asarray(rows, float)
    variance = np.maximum(np.asarray(errors, float), 1e-9) ** 2
    best: Shift | None = None
    for k in range(first, m):
        before = float(np.average(mean[:k], weights=n[:k]))
        after = float(np.average(mean[k:], weights=n[k:]))
        spread = math.sqrt(_of_mean(variance[:k], n[:k]) + _of_mean(variance[k:], n[k:]))
        z = (after - before) / spread
        if best is None or z > best.z:
            best = Shift(k, after - before, before, after, z, 1.0, int(n[k:].sum()))
    assert best is not None
    looks = 1 + 2 * math.log2(max(m - first, 1))
    return Shift(best.at, best.rise, best.before, best.after, best.z, min(1.0, upper_tail(best.z) * looks), best.rows)


def _of_mean(variance: NDArray[np.float64], n: NDArray[np.float64]) -> float:
    """Variance of the row-weighted mean of batch means."""
    share = n / n.sum()
    return float((share**2 * variance).sum())
