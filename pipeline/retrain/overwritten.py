"""A plain group of rows in which one label took the place of all others. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models
from pipeline.retrain.look import SURE, Look, unlikely
from storage.records import Schema

REST = 3.0  # standard errors by which the rows outside an overwritten group may differ
FALL = 0.1  # of an error, relative to its level, by which they may
RISK = 0.002  # chance of calling a sound group overwritten, over all groups looked at
LEAST_GROUP, LEAST_SHARE = 20, 0.08  # rows of a group, and outside it; and as a share of the batch


def overwritten(look: Look) -> str:
    """A plain group in which one value took the place of all others, while the rest stayed as it was.

    Where the rest changed as well it is the world that changed: a feature that came to rule makes its groups pure.
    """
    for group, rows, needed in _pure(look):
        outside = ~rows
        if int(outside.sum()) >= LEAST_GROUP and _changed(look, outside):
            continue
        doubt = _against_past(look, group, rows, needed)
        if doubt:
            return doubt
    return ""


def _changed(look: Look, rows: NDArray[np.bool_]) -> bool:
    """Whether these rows fell by themselves."""
    if look.schema.task == "regression":
        n = int(rows.sum())
        usual = look.level.value if look.level else float("inf")
        now = math.sqrt(float(np.mean((look.y[rows] - look.said.values[rows]) ** 2)))
        return now > (1 + FALL + 2 / math.sqrt(n)) * usual
    return unlikely(look, rows) > REST


@dataclass(frozen=True)
class Group:
    """Rows with one label in common: a level, or a stretch of a number."""

    feature: str
    level: str | None
    low: float
    high: float

    @property
    def inner(self) -> bool:
        """Whether it is a stretch with both ends within the range."""
        return self.level is None and math.isfinite(self.low) and math.isfinite(self.high)

    def rows(self, table: pa.Table, schema: Schema) -> NDArray[np.bool_]:
        """Where it is, in any table."""
        feature = next(f for f in schema.watched if f.name == self.feature)
        values = models.column(table, feature)
        if self.level is not None:
            return values == self.level
        with np.errstate(invalid="ignore"):
            return (values >= self.low) & (values <= self.high)

    def __str__(self) -> str:
        if self.level is not None:
            return f"{self.feature} = {self.level}"
        if math.isinf(self.low):
            return f"{self.feature} up to {self.high:.4g}"
        return f"{self.feature} above {self.low:.4g}" if math.isinf(self.high) else (
            f"{self.feature} from {self.low:.4g} to {self.high:.4g}")  # fmt: skip


def _pure(look: Look) -> Iterator[tuple[Group, NDArray[np.bool_], float]]:
    """Groups whose labels are all the same although the champion made one expect others; most surprising first.

    With each the surprise that is needed, as it was picked from many: minus the log of a chance.
    """
    y = look.y.astype(str) if look.schema.task == "classification" else look.y
    looks, found = 1, []
    for feature in look.schema.watched:
        values = models.column(look.table, feature)
        runs = _levels(values, y) if feature.kind == "categorical" else _runs(values.astype(np.float64), y)
        looks += look.n if feature.kind != "categorical" else len(set(map(str, values)))
        for level, low, high, rows in runs:
            if max(LEAST_GROUP, LEAST_SHARE * look.n) <= len(rows) < look.n:
                found.append((_surprise(look, rows, y[rows[0]]), Group(feature.name, level, low, high), rows))
    for surprise, group, rows in sorted(found, key=lambda item: -item[0]):
        # A stretch in the middle may begin anywhere and end anywhere.
        needed = math.log(looks / RISK) + (math.log(look.n) if group.inner else 0.0)
        if surprise > needed:
            mask = np.zeros(look.n, dtype=bool)
            mask[rows] = True
            yield group, mask, needed


def _levels(values: NDArray, y: NDArray) -> Iterator[tuple[str | None, float, float, NDArray[np.intp]]]:
    for level in {v for v in values if isinstance(v, str)}:
        rows = np.flatnonzero(values == level)
        if len(set(y[rows].tolist())) == 1:
            yield level, 0.0, 0.0, rows


def _runs(values: NDArray[np.float64], y: NDArray) -> Iterator[tuple[str | None, float, float, NDArray[np.intp]]]:
    """Stretches of a number with one label, not cut within equal values."""
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    if len(order) < LEAST_GROUP:
        return
    x, z = values[order], y[order]
    starts = np.flatnonzero(np.r_[True, z[1:] != z[:-1]])
    ends = np.r_[starts[1:], len(z)]
    for start, end in zip(starts, ends, strict=True):
        if end - start < LEAST_GROUP:
            continue
        first = start if start == 0 or x[start] != x[start - 1] else int(np.searchsorted(x, x[start], "right"))
        last = end if end == len(z) or x[end - 1] != x[end] else int(np.searchsorted(x, x[end - 1], "left"))
        if last - first >= LEAST_GROUP:
            low = -math.inf if first == 0 else float(x[first])
            high = math.inf if last == len(z) else float(x[last - 1])
            yield None, low, high, order[first:last]


def _surprise(look: Look, rows: NDArray[np.intp], value: object) -> float:
    """Minus the log of the chance that all these rows have this label, by what the champion made one expect."""
    if look.schema.task == "regression":
        usual = look.level.value if look.level else float(np.std(look.y))
        error = math.sqrt(float(np.mean((look.y[rows] - look.said.values[rows]) ** 2)))
        return math.inf if error > 0.2 * usual else 0.0
    if value not in look.schema.classes:
        return math.inf
    p = np.maximum(look.chances[:, look.schema.classes.index(str(value))], SURE)
    return float(-np.log(np.minimum(p[rows], 1.0)).sum())


def _against_past(look: Look, group: Group, rows: NDArray[np.bool_], needed: float) -> str:
    """The sentence, if earlier labels of the group make it as surprising that all are the same."""
    past = look.past()
    then = group.rows(past, look.schema)
    m, n = int(then.sum()), int(rows.sum())
    if m < LEAST_GROUP:
        return ""
    old, value = models.target(past, look.schema)[then], look.y[rows][0]
    if look.schema.task == "regression":
        same = float(np.mean(old == value))
        return "" if same > 0.2 else f"all {n} where {group} are {value:g}: overwritten?"
    others = int(np.sum(old.astype(str) != str(value)))
    share = max(others - math.sqrt(others), 0.0) / m
    if -n * math.log1p(-min(share, 1 - SURE)) < needed:
        return ""
    return f"all {n} where {group} are {str(value)!r}, where {100 * others / m:.0f}% others came before: overwritten?"
