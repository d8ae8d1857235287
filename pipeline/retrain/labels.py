"""Which batches have labels that a person should see before they are learned. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.hands import ONE, Hands
from pipeline.models import Model, Predictions
from pipeline.retrain import signs
from pipeline.retrain.entries import part
from pipeline.retrain.field import known, unify
from pipeline.retrain.look import Look
from pipeline.retrain.noise import noise
from pipeline.retrain.order import Order, Rival
from storage.records import LabelledRows, Metric, Schema

LEAST = 50  # labels of a batch below which nothing is said about them
LOOK_BACK = 3  # newest batches whose labels are looked at
CALM = 3  # batches before them, looked at for what is usual where one of them fell
MOST_ROWS = 1_500  # of a batch that are looked at


def doubts(order: Order, champion: Model, hands: Hands = ONE) -> dict[int, str]:
    """Batches whose labels should be seen by a person before they are learned.

    Parameters
    ----------
    order : Order
    champion : Model
    hands : Hands, optional

    Returns
    -------
    dict
        Batch id to a sentence. Looked at are the newest batches that the champion has not learned, and those whose
        labels seemed strange when they came.
    """
    new = [b for b in order.batches if b.batch_id not in order.champion.trained_on]
    wanted = {b.batch_id for b in new[-LOOK_BACK:]} | set(order.look)
    seen = {b.batch_id for b in new if b.batch_id in wanted and b.batch_id not in order.accepted}
    past = past_of(order, seen)
    looks = _looks(order, champion, [b for b in new if b.batch_id in seen], past)
    found: dict[int, str] = {}
    fell: dict[int, Look] = {}
    calm: list[Look] = []
    for key, look in looks.items():
        doubt = next(signs.plain(look), "")
        if doubt:
            found[key] = doubt
        elif signs.fell(look):
            fell[key] = look
        else:
            calm.append(look)
    if fell:
        older = _looks(order, champion, [b for b in new if b.batch_id not in wanted][-CALM:], past)
        others = [look for look in [*older.values(), *calm][::-1] if not signs.fell(look)]
        found |= _unexplained(fell, others, hands)
    return {key: f"Labels of batch {key}: {found[key]}" for key in sorted(found) if not _back(order, looks[key])}


def _unexplained(fell: Mapping[int, Look], calm: Sequence[Look], hands: Hands) -> dict[int, str]:
    """Losses that no feature tells anything about; ``calm`` batches, newest first, are put beside as many rows."""
    rows = np.cumsum([0, *(look.n for look in calm)])
    enough = [look for look, before in zip(calm, rows, strict=False) if before < sum(look.n for look in fell.values())]
    return {
        key: f"where the champion errs, no feature tells so: with a model of these very rows they tell "
        f"{100 * max(what.kept, 0):.0f}% of what labels are expected to tell. Shuffled, or partly turned round?"
        for key, what in zip(fell, noise(list(fell.values()), enough, hands), strict=False)
        if what.doubtful
    }


def _looks(order: Order, champion: Model, batches: Sequence[LabelledRows], past: pa.Table) -> dict[int, Look]:
    """The newest labelled rows of batches that have enough of them to say anything."""
    tables = {b.batch_id: known(b, order.schema) for b in batches}
    tables = {key: t.slice(max(0, t.num_rows - MOST_ROWS)) for key, t in tables.items() if t.num_rows >= LEAST}
    if not tables:
        return {}
    said, stop, looks = models.predict(champion, unify(list(tables.values()))), 0, {}
    for key, table in tables.items():
        start, stop = stop, stop + table.num_rows
        own, live = part(said, slice(start, stop)), order.champion
        looks[key] = look_at(order.schema, table, own, live.details, live.metrics, lambda: past)
    return looks


def strange(look: Look) -> str:
    """Why these labels should be looked at closely, from what costs little; empty if there is no reason."""
    if look.n < LEAST:
        return ""
    doubt = next(signs.plain(look), "")
    if doubt:
        return doubt[0].upper() + doubt[1:]
    return "The labels agree with the champion clearly less than it made one expect." if signs.fell(look) else ""


def look_at(
    schema: Schema,
    table: pa.Table,
    said: Predictions,
    details: Mapping[str, Any],
    metrics: Mapping[str, Metric],
    past: Callable[[], pa.Table],
) -> Look:
    """Labelled rows beside what the version that predicted them made one expect.

    Parameters
    ----------
    schema : Schema
    table : pyarrow.Table
        Features and target; every row has a label.
    said : Predictions
    details, metrics : mapping
        Of the version.
    past : callable
        Gives earlier sound rows; called only when they are needed.
    """
    level = metrics.get("accuracy" if schema.task == "classification" else "rmse")
    chances = None if schema.task == "regression" else _chances(said, schema, details, level)
    return Look(schema, table, models.target(table, schema), said, chances, level, past)


def _chances(
    said: Predictions, schema: Schema, details: Mapping[str, Any], level: Metric | None
) -> NDArray[np.float64]:
    """How likely each class is for each row, by what came true before: of the confidence, else of the answer."""
    calibration = details.get("calibration") or {}
    if said.probabilities is not None and calibration.get("kind") == "confidence":
        return performance.chances(said.probabilities, calibration)
    k = len(schema.classes)
    right = level.value if level else 0.5
    seen = details.get("confusion")
    counts = np.array(seen or np.full((k, k), (1 - right) / max(k - 1, 1)), dtype=np.float64)
    if not seen:
        np.fill_diagonal(counts, right)
    shares = (counts + 0.5 / k) / (counts.sum(0) + 0.5)
    return shares.T[performance.said(said.values, said.values, None, schema).truth]


def past_of(order: Order, without: set[int]) -> pa.Table:
    """The newest sound rows before the batches that are looked at."""
    parts = [known(order.reference, order.schema)]
    parts += [known(b, order.schema) for b in order.batches if b.batch_id not in without]
    rows, kept = 0, []
    for one in reversed(parts):
        kept.append(one)
        rows += one.num_rows
        if rows >= 2 * MOST_ROWS:
            break
    return unify(kept[::-1])


def _back(order: Order, look: Look) -> bool:
    """Whether the champion fell because the world is back in a state that was learned before."""
    return signs.fell(look) and any(_explains(rival, look, order) for rival in order.retired)


def _explains(rival: Rival, look: Look, order: Order) -> bool:
    """Whether an earlier champion predicts these labels as well as it ever did."""
    row = performance.primary(order.schema, order.settings.retrain.metric)
    then = rival.metrics.get(row.name)
    if then is None:
        return False
    model = rival.model if isinstance(rival.model, Model) else models.load(rival.model)
    said = models.predict(model, look.table)
    now = performance.with_interval(row, performance.said(look.y, said.values, said.probabilities, order.schema))
    return row.gain(now.value, then.value) < (now.high - now.low + then.high - then.low) / 4
