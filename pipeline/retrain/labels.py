"""Do a batch's labels look wrong rather than new? Each check gives a sentence of doubt, or nothing. Pure.

A changed concept keeps labels learnable: something in the features still tells them apart. Labels that were shuffled,
partly turned round or overwritten do not, and are put before a person instead of being learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.models import Model, Predictions
from pipeline.retrain.field import known, unify
from pipeline.retrain.order import Order, Rival
from storage.errors import Refused
from storage.records import Schema

LEAST = 50  # labels of a batch below which nothing is said about them
LOOK_BACK = 3  # newest batches whose labels are looked at
MOST_ROWS = 1_500  # of a batch that are looked at
FALL = 0.05  # fall of the champion's level below which labels are not doubted for what they carry
KEPT = 0.55  # share of what labels used to carry (ROC AUC over one half, or correlation) that they must still carry
SURPRISE = 12.0  # expected rows of a class in a group where none came: chance below e^-12
LEAST_GROUP = 20  # rows of a group, and outside it
_QUICK = {"early_stopping": False, "max_iter": 30, "max_leaf_nodes": 8, "min_samples_leaf": 10}


def doubts(order: Order, champion: Model) -> dict[int, str]:
    """Batches whose labels should be seen by a person before they are learned.

    Parameters
    ----------
    order : Order
    champion : Model

    Returns
    -------
    dict
        Batch id to a sentence. Looked at are the newest batches that the champion has not learned.
    """
    new = [b for b in order.batches if b.batch_id not in order.champion.trained_on][-LOOK_BACK:]
    new = [b for b in new if b.batch_id not in order.accepted]
    past = _past(order, {b.batch_id for b in new})
    out: dict[int, str] = {}
    for batch in new:
        table = known(batch, order.schema)
        if table.num_rows < LEAST:
            continue
        table = table.slice(max(0, table.num_rows - MOST_ROWS))
        y = models.target(table, order.schema)
        said = models.predict(champion, table)
        fell = _fell(order, y, said)
        if fell and any(_explains(rival, table, y, order) for rival in order.retired):
            continue  # the world is back in a state that was learned before
        doubt = next(_found(order, past, table, y, said, fell), "")
        if doubt:
            out[batch.batch_id] = f"Labels of batch {batch.batch_id}: {doubt}"
    return out


def _past(order: Order, without: set[int]) -> pa.Table:
    """The newest sound rows before the batches that are looked at."""
    parts = [known(order.reference, order.schema)]
    parts += [known(b, order.schema) for b in order.batches if b.batch_id not in without]
    rows, kept = 0, []
    for part in reversed(parts):
        kept.append(part)
        rows += part.num_rows
        if rows >= 2 * MOST_ROWS:
            break
    return unify(kept[::-1])


def _found(
    order: Order, past: pa.Table, table: pa.Table, y: NDArray[Any], said: Predictions, fell: bool
) -> Iterator[str]:
    """Sentences of doubt, one after the other; cheap checks first."""
    schema = order.schema
    checks = (_numbers,) if schema.task == "regression" else (_one_class, _mirrored, _exchanged)
    for check in checks:
        doubt = check(y, said, schema)
        if doubt:
            yield doubt
    yield from _overwritten(order, past, table, y, said)
    if fell:
        yield from _empty(order, past, table)


def _fell(order: Order, y: NDArray[Any], said: Predictions) -> bool:
    """Whether the champion is clearly below the level it was promoted with."""
    name = "accuracy" if order.schema.task == "classification" else "rmse"
    then = order.champion.metrics.get(name)
    if then is None:
        return True
    row = performance.METRICS[name]
    now = row.value(performance.said(y, said.values, said.probabilities, order.schema))
    return row.gain(now, then.value) > FALL * (1.0 if row.task == "classification" else then.value)


def _explains(rival: Rival, table: pa.Table, y: NDArray[Any], order: Order) -> bool:
    """Whether an earlier champion predicts these labels as well as it ever did."""
    row = performance.primary(order.schema, order.settings.retrain.metric)
    then = rival.metrics.get(row.name)
    if then is None:
        return False
    model = rival.model if isinstance(rival.model, Model) else models.load(rival.model)
    said = models.predict(model, table)
    now = performance.with_interval(row, performance.said(y, said.values, said.probabilities, order.schema))
    return row.gain(now.value, then.value) < (now.high - now.low + then.high - then.low) / 4


def _numbers(y: NDArray[np.float64], said: Predictions, schema: Schema) -> str:
    """Of a regression: constant, or turned round."""
    if float(np.std(y)) == 0.0:
        return f"all {len(y)} are {y[0]:g}."
    if float(np.std(said.values)) == 0.0:
        return ""
    r = float(np.corrcoef(y, said.values)[0, 1])
    return f"they run against the predictions (correlation {r:.2f}): turned round, or the world is." if r < -0.3 else ""


def _one_class(y: NDArray[Any], said: Predictions, schema: Schema) -> str:
    """All the same although the champion expects others."""
    first = str(y[0])
    if any(str(v) != first for v in y) or said.probabilities is None or first not in schema.classes:
        return ""
    p = np.clip(said.probabilities[:, schema.classes.index(first)], 1e-6, 1 - 1e-6)
    if float(np.log(p).sum()) > -SURPRISE:
        return ""
    return f"all {len(y)} are {first!r}, where about {100 * (1 - p.mean()):.0f}% others were to be expected."


def _mirrored(y: NDArray[Any], said: Predictions, schema: Schema) -> str:
    """Two classes that came the other way round."""
    if said.probabilities is None or len(schema.classes) != 2:
        return ""
    area = performance.area(np.array([str(v) for v in y]) == schema.classes[1], said.probabilities[:, 1])
    if not np.isfinite(area) or area > 0.35:
        return ""
    return f"they say the opposite of the predictions (ROC AUC {area:.2f}): turned round, or the world is."


def _exchanged(y: NDArray[Any], said: Predictions, schema: Schema) -> str:
    """Three and more classes whose names changed places: predictions map on labels, but on other ones."""
    if len(schema.classes) < 3:
        return ""
    counts = performance.confusion(performance.said(y, said.values, None, schema))
    total = counts.sum()
    if not total:
        return ""
    right, mapped = np.trace(counts) / total, counts.max(axis=0).sum() / total
    if right > 0.35 * mapped or mapped < 0.6:
        return ""
    return (
        f"{100 * mapped:.0f}% follow the predictions under other names, {100 * right:.0f}% under their own: exchanged?"
    )


def _groups(
    past: pa.Table, table: pa.Table, schema: Schema
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Plain groups of rows: levels, halves and outer quarters of numbers; (words, in the past, in the batch)."""
    for feature in schema.watched:
        before, now = (models.column(t, feature) for t in (past, table))
        if feature.kind == "categorical":
            for level in {v for v in now if isinstance(v, str)}:
                yield f"{feature.name} = {level}", before == level, now == level
            continue
        seen = before[np.isfinite(before)]
        if not len(seen):
            continue
        low, middle, high = np.quantile(seen, (0.25, 0.5, 0.75))
        for words, at, above in (("above", middle, True), ("up to", middle, False),
                                 ("above", high, True), ("up to", low, False)):  # fmt: skip
            sides = [(v > at if above else v <= at) for v in (before, now)]
            yield f"{feature.name} {words} {at:.4g}", sides[0], sides[1]


def _overwritten(order: Order, past: pa.Table, table: pa.Table, y: NDArray[Any], said: Predictions) -> Iterator[str]:
    """A plain group in which one value took the place of all others, while the rest stayed as it was.

    Where the rest changed as well it is the world that changed: a feature that came to rule makes its groups pure.
    """
    schema, before = order.schema, models.target(past, order.schema)
    if schema.task == "regression":
        for words, then, now in _groups(past, table, schema):
            if now.sum() >= LEAST_GROUP and np.std(y[now]) == 0.0 and then.sum() and np.std(before[then]) > 0.0:
                yield f"all {int(now.sum())} where {words} are {y[now][0]:g}."
        return
    old, new = before.astype(str), y.astype(str)
    right = new == said.values.astype(str)
    usual = order.champion.metrics.get("accuracy")
    level = usual.value if usual else 0.0
    for words, then, now in _groups(past, table, schema):
        n = int(now.sum())
        if min(n, int(then.sum()), len(new) - n) < LEAST_GROUP or len(set(new[now])) != 1:
            continue
        value = str(new[now][0])
        others = float(np.mean(old[then] != value))
        if (
            others < 0.03
            or others * n < SURPRISE
            or right[~now].mean() < level - FALL
            or right[now].mean() > level - FALL
        ):
            continue
        yield f"all {n} where {words} are {value!r}, where {100 * others:.0f}% others came before: overwritten?"


def _empty(order: Order, past: pa.Table, table: pa.Table) -> Iterator[str]:
    """Labels that the features tell far less about than they told about earlier ones."""
    n = min(table.num_rows, past.num_rows)
    now = _carried(order, table.slice(table.num_rows - n))
    then = _carried(order, past.slice(past.num_rows - n))
    if now is None or then is None or then < 0.05:
        return
    if now < KEPT * then:
        yield (
            f"the features tell {100 * max(now, 0) / then:.0f}% of what they told about earlier labels "
            f"({now:.2f} against {then:.2f}): shuffled, or partly turned round?"
        )


def _carried(order: Order, table: pa.Table) -> float | None:
    """What the features of these rows tell about their own labels, cross-fitted in two halves.

    Returns
    -------
    float or None
        ROC AUC over one half, times two; correlation for regression; None when it cannot be told.
    """
    schema, n = order.schema, table.num_rows
    turn = np.arange(n) % 2
    y = models.target(table, schema)
    parts, at = [], []
    for k in range(2):
        try:
            model = models.fit(models.DEFAULT, table.take(np.flatnonzero(turn != k)), schema, 0, params=_QUICK)
        except Refused:
            return None
        keep = np.flatnonzero(turn == k)
        parts.append(models.predict(model, table.take(keep)))
        at.append(keep)
    y = y[np.concatenate(at)]
    values = np.concatenate([p.values for p in parts])
    if schema.task == "regression":
        return float(np.corrcoef(y, values)[0, 1]) if np.std(values) and np.std(y) else None
    p = np.concatenate([p.probabilities for p in parts if p.probabilities is not None])
    area = performance.METRICS["roc_auc"].value(performance.said(y, values, p, schema))
    return 2 * (area - 0.5) if np.isfinite(area) else None
