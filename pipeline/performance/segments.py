"""Performance by parts of the rows: levels of a category, bands of a number. Pure: no I/O, no clock, no randomness.

The parts are cut once, when a monitor is founded, so that they mean the same in every batch. Of each batch only sums
are kept, a few figures a part, which add up over any range of batches.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.performance.metrics import METRICS, Z95, Measure, Said, primary, wilson
from pipeline.performance.paired import upper_tail
from storage.records import Metric, Schema

BANDS = 4  # of a number
MOST_LEVELS = 8  # of a category; the others share a part
LEAST_SHARE = 0.02  # of the founding rows that a level has, to be a part of its own
MISSING, OTHER = "missing", "another value"
MOST_FEATURES = 12  # whose parts are kept with each batch


@dataclass(frozen=True)
class Part:
    """One part of the rows over a range of batches, beside all rows and beside another range."""

    feature: str
    words: str
    now: Metric
    before: Metric | None  # in the range before; None: too few rows there
    lag: float  # how much worse than all other rows, in units of the metric; negative: better
    lag_sure: bool  # by more than chance, all parts allowed for
    change: float | None  # against the range before; positive is better
    change_sure: bool


def cut(columns: Mapping[str, NDArray[Any]], schema: Schema) -> dict[str, Any]:
    """Where the parts of each feature begin and end.

    Parameters
    ----------
    columns : mapping
        Feature to its values in the founding rows: text, or float64; missing is NaN.
    schema : Schema

    Returns
    -------
    dict
        Feature to ``{"edges": [...]}`` (inner edges of a number's bands) or ``{"levels": [...]}``; plain values, kept
        with the version. A feature of one value only, or a date, has no parts.
    """
    out: dict[str, Any] = {}
    for feature in schema.watched:
        if feature.kind == "date":
            continue
        values = columns[feature.name]
        if feature.kind == "categorical":
            names, counts = np.unique([v for v in values if isinstance(v, str)], return_counts=True)
            common = [str(names[i]) for i in np.argsort(-counts, kind="stable")[:MOST_LEVELS]
                      if counts[i] >= LEAST_SHARE * len(values)]  # fmt: skip
            if len(names) > 1 and common:
                out[feature.name] = {"levels": common}
            continue
        seen = values[np.isfinite(values)]
        edges = np.unique(np.quantile(seen, np.arange(1, BANDS) / BANDS)) if len(seen) else np.empty(0)
        above = seen[seen > seen.min()] if len(seen) else seen
        edges = edges[edges > seen.min()] if len(seen) else edges
        if not len(edges) and len(above):
            edges = np.array([above.min()])  # most rows share the lowest value, zero as a rule
        if len(edges):
            out[feature.name] = {"edges": [float(edge) for edge in edges]}
    return out


def words(parts: Mapping[str, Any]) -> list[str]:
    """The parts of one feature in words, in order; the last is for missing values.

    Examples
    --------
    >>> words({"edges": [10.0, 20.5]})
    ['below 10', '10 to 20.5', '20.5 and above', 'missing']
    >>> words({"levels": ["Oslo", "Bergen"]})
    ['Oslo', 'Bergen', 'another value', 'missing']
    """
    if "levels" in parts:
        return [*parts["levels"], OTHER, MISSING]
    edges = [f"{edge:.4g}" for edge in parts["edges"]]
    inner = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]}", *inner, f"{edges[-1]} and above", MISSING]


def place(values: NDArray[Any], parts: Mapping[str, Any]) -> NDArray[np.intp]:
    """Number of the part each row belongs to, (n,)."""
    if "levels" in parts:
        at = {level: i for i, level in enumerate(parts["levels"])}
        other, missing = len(at), len(at) + 1
        return np.array([at.get(v, other) if isinstance(v, str) else missing for v in values], dtype=np.intp)
    where = np.searchsorted(parts["edges"], values, side="right")
    return np.where(np.isfinite(values), where, len(parts["edges"]) + 1)


def by_rows(schema: Schema, name: str = "auto") -> Measure:
    """The deciding metric where it is a mean over rows, else accuracy or RMSE: parts need a loss of each row."""
    row = primary(schema, name)
    return row if row.rows is not None else primary(schema)


def tally(
    columns: Mapping[str, NDArray[Any]], said: Said, schema: Schema, cuts: Mapping[str, Any], name: str = "auto"
) -> dict[str, Any]:
    """Sums over the parts of n rows with labels; sums of several batches add up.

    Parameters
    ----------
    columns : mapping
        Feature to its values, (n,); of the features whose parts are wanted.
    said : Said
        Labels and predictions of these rows.
    schema : Schema
    cuts : mapping
        From ``cut``.
    name : str
        As in ``primary``.

    Returns
    -------
    dict
        ``metric``; ``all``, the sums of all rows; ``of``, feature to ``{"words": [...], "sums": [[rows, losses, squared
        losses], ...]}``.
    """
    row = by_rows(schema, name)
    if row.needs_probabilities and said.probabilities is None:
        row = primary(schema)
    losses = row.rows(said)
    of = {}
    for feature, values in columns.items():
        if feature not in cuts:
            continue
        at, names = place(values, cuts[feature]), words(cuts[feature])
        sums = [np.bincount(at, w, len(names)) for w in (None, losses, losses**2)]
        of[feature] = {"words": names, "sums": np.round(np.array(sums, dtype=float).T, 6).tolist()}
    total = [float(len(losses)), float(losses.sum()), float((losses**2).sum())]
    return {"metric": row.name, "all": total, "of": of}


def read(
    now: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]] = (), min_rows: int = 50
) -> tuple[str, Metric | None, list[Part]]:
    """Parts over a range of batches, beside the range before it.

    Parameters
    ----------
    now, before : iterable of dict
        From ``tally``, one a batch; those of another metric than the newest are left out.
    min_rows : int
        Rows below which nothing is said of a part.

    Returns
    -------
    metric : str
    whole : Metric or None
        Over all rows.
    parts : list of Part
        Worst first.

    Notes
    -----
    A part is sure to differ when the difference exceeds what a normal law allows at 5% over all parts together
    (Bonferroni). It is compared with all other rows, which it shares none with.
    """
    now, before = list(now), list(before)
    if not now:
        return "", None, []
    metric = now[-1]["metric"]
    row = METRICS[metric]
    here, there = (_added([t for t in many if t["metric"] == metric]) for many in (now, before))
    total = here.pop(("", ""))
    there.pop(("", ""), None)
    kept = {key: sums for key, sums in here.items() if sums[0] >= min_rows and total[0] - sums[0] >= min_rows}
    limit = _limit(2 * len(kept))
    whole = _metric(row, total)
    out = []
    for key, sums in kept.items():
        earlier = there.get(key)
        past = _metric(row, earlier) if earlier is not None and earlier[0] >= min_rows else None
        level, others = _metric(row, sums), total - sums
        out.append(
            Part(
                *key, level, past,
                lag=row.gain(level.value, _metric(row, others).value), lag_sure=abs(_z(sums, others)) > limit,
                change=None if past is None else row.gain(past.value, level.value),
                change_sure=past is not None and abs(_z(sums, earlier)) > limit,
            )
        )  # fmt: skip
    return metric, whole, sorted(out, key=lambda part: -part.lag)


def _added(tallies: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """(feature, words) -> rows, losses, squared losses; ("", "") for all rows."""
    out = {("", ""): np.array([one["all"] for one in tallies], dtype=np.float64).reshape(-1, 3).sum(0)}
    alike: dict[tuple[str, tuple[str, ...]], list[Sequence[Sequence[float]]]] = {}  # cut in the same way
    for one in tallies:
        for feature, parts in one["of"].items():
            alike.setdefault((feature, tuple(parts["words"])), []).append(parts["sums"])
    for (feature, names), sums in alike.items():
        for name, total in zip(names, np.array(sums, dtype=np.float64).sum(0), strict=True):
            out[feature, name] = out.get((feature, name), 0.0) + total
    return out


def _metric(row: Measure, sums: NDArray[np.float64]) -> Metric:
    n, total, squares = sums
    mean = total / n
    if row.name == "accuracy":
        return Metric(1 - mean, *wilson(1 - mean, int(n)), int(n))
    half = Z95 * math.sqrt(max(squares / n - mean**2, 0.0) / n)
    ends = sorted(float(row.from_mean(end)) for end in (mean - half, mean + half))
    return Metric(float(row.from_mean(mean)), ends[0], ends[1], int(n))


def _z(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Standard errors between the mean losses of two sets of rows."""
    means, spreads = [], []
    for n, total, squares in (a, b):
        mean = total / n
        means.append(mean)
        spreads.append(max(squares / n - mean**2, 0.25 / n**2) / n)
    return (means[0] - means[1]) / math.sqrt(sum(spreads))


def _limit(looks: int, risk: float = 0.05) -> float:
    """Standard errors that so many looks at nothing exceed, either way, at this risk over all of them."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 2 * upper_tail(middle) * max(looks, 1) > risk else (low, middle)
    return high


def falls(
    columns: Mapping[str, NDArray[Any]], first: Said, second: Said, schema: Schema, cuts: Mapping[str, Any],
    name: str = "auto", min_rows: int = 50, allowed: float = 0.05,
) -> list[tuple[str, float, float, int, bool]]:  # fmt: skip
    """Parts in which the second of two models is worse than the first, on the same n rows.

    Returns
    -------
    list of (words, level of the first, level of the second, rows, weakest gains)
        Those that lose more than ``allowed`` (of an error: as a share of its level) and more than chance, all parts
        allowed for; the largest fall first. ``weakest gains``: the feature's weakest part is better off all the same.
    """
    row = by_rows(schema, name)
    if row.needs_probabilities and (first.probabilities is None or second.probabilities is None):
        row = primary(schema)
    a, b = row.rows(first), row.rows(second)
    looked, out = 0, []
    for feature, values in columns.items():
        if feature not in cuts:
            continue
        parts = cuts[feature]
        at = place(values, parts)
        levels = []
        for number, text in enumerate(words(parts)):
            rows = np.flatnonzero(at == number)
            if len(rows) < min_rows:
                continue
            levels.append((text, float(row.from_mean(a[rows].mean())), float(row.from_mean(b[rows].mean())), rows))
        looked += len(levels)
        if levels:
            weakest = [max(levels, key=lambda level: row.gain(level[k], 0.0))[k] for k in (1, 2)]
            gains = row.gain(weakest[0], weakest[1]) > 0
            out += [(f"{feature}: {text}", old, new, rows, gains) for text, old, new, rows in levels]
    limit = _limit(2 * looked)  # one-sided
    found = []
    for text, old, new, rows, gains in out:
        worse = b[rows] - a[rows]
        error = float(worse.std()) / math.sqrt(len(rows))
        scale = 1.0 if row.task == "classification" else max(abs(old), 1e-12)
        if -row.gain(old, new) > allowed * scale and worse.mean() > limit * error:
            found.append((text, old, new, len(rows), gains))
    return sorted(found, key=lambda one: row.gain(one[1], one[2]))
