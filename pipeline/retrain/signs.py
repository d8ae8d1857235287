"""Signs that labels are wrong rather than new, read off one set of rows and what the champion made one expect. Pure.

A changed concept keeps labels learnable: where the champion errs, something in the features tells so. Labels that were
shuffled, partly turned round or overwritten do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.models import Predictions
from pipeline.retrain.noise import noise
from storage.records import Metric, Schema

FALL = 0.05  # of accuracy, or of an error relative to its level: less is not doubted for the loss it brings
CLEAR = 4.0  # standard errors beyond which a loss is no chance
REST = 3.0  # standard errors by which the rows outside an overwritten group may differ
RISK = 0.002  # chance of calling a sound group overwritten, over all groups looked at
LEAST_GROUP, LEAST_SHARE = 20, 0.08  # rows of a group, and outside it; and as a share of the batch
SURE = 0.02  # least chance the champion is credited with for a label


@dataclass(frozen=True)
class Look:
    """Labelled rows as they are looked at."""

    schema: Schema
    table: pa.Table  # n rows
    y: NDArray  # (n,) labels as they came
    said: Predictions  # of the champion
    chances: NDArray[np.float64] | None  # (n, classes) what it made one expect, calibrated; None for regression
    level: Metric | None  # its accuracy or RMSE when it was promoted
    past: Callable[[], pa.Table]  # earlier sound rows, read only when they are needed

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    @property
    def number(self) -> NDArray[np.intp]:
        """Class number of each label, -1 for an unknown one."""
        at = {name: i for i, name in enumerate(self.schema.classes)}
        return np.array([at.get(str(value), -1) for value in self.y], dtype=np.intp)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Where the champion is right; of a regression, where it errs by less than twice its usual error."""
        if self.schema.task == "classification":
            return self.y.astype(str) == self.said.values.astype(str)
        usual = self.level.value if self.level else float(np.std(self.y))
        return np.abs(self.y - self.said.values) < 2 * usual


def plain(look: Look) -> Iterator[str]:
    """Sentences of doubt from what costs next to nothing."""
    checks = (_constant, _against) if look.schema.task == "regression" else (_one_class, _turned, _exchanged)
    for check in (*checks, _overwritten):
        doubt = check(look)
        if doubt:
            yield doubt


def fell(look: Look) -> bool:
    """Whether the champion does clearly worse on these rows than it made one expect."""
    if look.schema.task == "regression":
        if look.level is None:
            return True
        squared = (look.y - look.said.values) ** 2
        error = float(squared.std()) / math.sqrt(look.n)
        usual = look.level.value
        return squared.mean() - usual**2 > CLEAR * error and math.sqrt(squared.mean()) > (1 + 2 * FALL) * usual
    return _lost_accuracy(look) or _lost_order(look)


def _lost_accuracy(look: Look) -> bool:
    now = float(look.right.mean())
    then = look.level.value if look.level else float(_expected(look).max(1).mean())
    error = math.sqrt(max(then * (1 - then), 0.01) * (1 / look.n + 1 / max(look.level.rows if look.level else 1, 200)))
    return then - now > max(FALL, 0.75 * CLEAR * error)


def _lost_order(look: Look) -> bool:
    """Whether the labels are less likely than they should be, and less well ordered by the stated chances."""
    p, y = _expected(look), look.number
    if look.said.probabilities is None or (y < 0).any() or _unlikely(look) < CLEAR:
        return False
    now = performance.mean_area(y, look.said.probabilities)
    then = performance.expected_area(look.said.probabilities, p)
    return bool(np.isfinite(now) and np.isfinite(then) and now - 0.5 < 0.7 * (then - 0.5))


def _unlikely(look: Look, rows: NDArray[np.bool_] | slice = slice(None)) -> float:
    """By how many standard errors these labels are less likely than the champion made one expect."""
    p, y = _expected(look)[rows], look.number[rows]
    logs = np.log(p)
    mean = (p * logs).sum(1)
    spread = (p * logs**2).sum(1) - mean**2
    came = np.where(y >= 0, logs[np.arange(len(y)), np.maximum(y, 0)], math.log(SURE))
    return float((mean - came).sum()) / math.sqrt(float(spread.sum()) + 1e-9)


def _expected(look: Look) -> NDArray[np.float64]:
    """Chances (n, classes), none below ``SURE``."""
    assert look.chances is not None
    p = np.maximum(look.chances, SURE)
    return p / p.sum(1, keepdims=True)


def unexplained(look: Look, beside: Sequence[Look] = ()) -> str:
    """A loss that no feature tells anything about, not even with the help of the other rows that fell."""
    others = [(other.table, other.said) for other in beside]
    found = noise(look.table, look.y, look.said, look.schema, _expected_order(look), others)
    if found is None or not found.doubtful:
        return ""
    return (
        f"where the champion errs, no feature tells so: with a model of these very rows they tell "
        f"{100 * max(found.kept, 0):.0f}% of what labels are expected to tell. Shuffled, or partly turned round?"
    )


def _expected_order(look: Look) -> float:
    """What sound labels would carry: ROC AUC over one half, times two; or the correlation."""
    if look.schema.task == "regression":
        spread = float(np.var(look.y))
        usual = look.level.value**2 if look.level else 0.0
        return math.sqrt(max(1 - usual / spread, 0.0)) if spread else 0.0
    if look.said.probabilities is None:
        return float("nan")
    return 2 * (performance.expected_area(look.said.probabilities, _expected(look)) - 0.5)


# --- the plain signs --------------------------------------------------------------------------------------------------


def _constant(look: Look) -> str:
    return f"all {look.n} are {look.y[0]:g}." if float(np.std(look.y)) == 0.0 else ""


def _against(look: Look) -> str:
    if float(np.std(look.said.values)) == 0.0 or float(np.std(look.y)) == 0.0:
        return ""
    r = float(np.corrcoef(look.y, look.said.values)[0, 1])
    if r > -0.2 or r > -3 / math.sqrt(look.n):
        return ""
    return f"they run against the predictions (correlation {r:.2f}): turned round, or the world is."


def _one_class(look: Look) -> str:
    """All the same although the champion expects others."""
    first = str(look.y[0])
    if any(str(v) != first for v in look.y) or first not in look.schema.classes:
        return ""
    p = _expected(look)[:, look.schema.classes.index(first)]
    if float(np.log(p).sum()) > math.log(RISK):
        return ""
    return f"all {look.n} are {first!r}, where about {100 * (1 - p.mean()):.0f}% others were to be expected."


def _turned(look: Look) -> str:
    """Two classes that came the other way round."""
    if look.said.probabilities is None or len(look.schema.classes) != 2:
        return ""
    truth = look.number == 1
    area = performance.area(truth, look.said.probabilities[:, 1])
    few = min(int(truth.sum()), int((~truth).sum()))
    if not np.isfinite(area) or area > 0.5 - max(0.15, 1.2 / math.sqrt(max(few, 1))):
        return ""
    return f"they say the opposite of the predictions (ROC AUC {area:.2f}): turned round, or the world is."


def _exchanged(look: Look) -> str:
    """Three and more classes: predictions follow the labels under other names, or fewer are right than by guessing."""
    if len(look.schema.classes) < 3:
        return ""
    counts = performance.confusion(performance.said(look.y, look.said.values, None, look.schema))
    total = counts.sum()
    if not total:
        return ""
    right, mapped = np.trace(counts) / total, counts.max(axis=0).sum() / total
    if right <= 0.35 * mapped and mapped >= 0.6:
        share, own = 100 * mapped, 100 * right
        return f"{share:.0f}% follow the predictions under other names, {own:.0f}% under their own: turned round?"
    by_lot = float((counts.sum(0) * counts.sum(1)).sum()) / total**2
    if right > 0.5 * by_lot or by_lot - right < CLEAR * math.sqrt(by_lot * (1 - by_lot) / total):
        return ""
    return f"{100 * right:.0f}% agree with the predictions, fewer than by lot ({100 * by_lot:.0f}%): turned round?"


def _overwritten(look: Look) -> str:
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
        return now > (1 + 2 * FALL + 2 / math.sqrt(n)) * usual
    return _unlikely(look, rows) > REST


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
