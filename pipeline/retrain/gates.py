"""What must hold before anything is learned or promoted. Each gate gives a sentence of doubt, or nothing. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.models import Model, Predictions
from pipeline.retrain.field import Field, known
from pipeline.retrain.order import Order, Rival
from storage.records import Schema

LEAST = 50  # labels of a batch below which nothing is said about them
LOOK_BACK = 8  # newest batches whose labels are looked at
FALL = 0.05  # fall of the champion's accuracy below which labels are not doubted for what they carry
KEPT = 0.55  # share of what labels used to carry (area over one half) that they must still carry
CLASS_FALL = 0.05  # recall a class may lose


def labels(order: Order, champion: Model) -> dict[int, str]:
    """Batches whose labels look wrong rather than new, with the reason.

    Parameters
    ----------
    order : Order
    champion : Model

    Returns
    -------
    dict
        Batch id to a sentence. Looked at are the newest batches that the champion has not learned.
    """
    out: dict[int, str] = {}
    new = [b for b in order.batches if b.batch_id not in order.champion.trained_on][-LOOK_BACK:]
    for batch in new:
        table = known(batch, order.schema)
        if table.num_rows < LEAST or batch.batch_id in order.accepted:
            continue
        y = models.target(table, order.schema)
        said = models.predict(champion, table)
        if any(_explains(rival, table, y, order) for rival in order.retired):
            continue  # the world is back in a state that was learned, and accepted, before
        doubt = _doubt(order, table, y, said)
        if doubt:
            out[batch.batch_id] = f"Labels of batch {batch.batch_id}: {doubt}"
    return out


def _explains(rival: Rival, table: pa.Table, y: NDArray[Any], order: Order) -> bool:
    """Whether an earlier champion predicts these labels as well as it ever did."""
    name = performance.primary(order.schema, order.settings.retrain.metric).name
    then = rival.metrics.get(name)
    if then is None:
        return False
    model = rival.model if isinstance(rival.model, Model) else models.load(rival.model)
    said = models.predict(model, table)
    row = performance.primary(order.schema, order.settings.retrain.metric)
    now = performance.with_interval(row, performance.said(y, said.values, said.probabilities, order.schema))
    return row.gain(now.value, then.value) < (now.high - now.low + then.high - then.low) / 4


def _doubt(order: Order, table: pa.Table, y: NDArray[Any], said: Predictions) -> str:
    schema = order.schema
    if schema.task == "regression":
        return _numbers(y, said)
    for gate in (_one_class, _mirrored):
        doubt = gate(y, said, schema)
        if doubt:
            return doubt
    return ""


def _numbers(y: NDArray[np.float64], said: Predictions) -> str:
    """Of a regression: constant, or turned round."""
    if float(np.std(y)) == 0.0:
        return f"all {len(y)} are {y[0]:g}."
    if float(np.std(said.values)) == 0.0:
        return ""
    r = float(np.corrcoef(y, said.values)[0, 1])
    return f"they run against the predictions (correlation {r:.2f}): turned round?" if r < -0.3 else ""


def _one_class(y: NDArray[Any], said: Predictions, schema: Schema) -> str:
    """All the same although the champion expects others."""
    first = str(y[0])
    if any(str(v) != first for v in y) or said.probabilities is None or first not in schema.classes:
        return ""
    p = np.clip(said.probabilities[:, schema.classes.index(first)], 1e-6, 1 - 1e-6)
    if float(np.log(p).sum()) > -20.0:
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


def challenger(
    order: Order, field: Field, model: Model, said: Predictions, base: Predictions
) -> tuple[list[str], dict[str, Any]]:
    """Doubts about the winner, and what was checked.

    Parameters
    ----------
    order : Order
    field : Field
    model : Model
        The candidate as judged.
    said, base : Predictions
        Of candidate and champion on the jury.
    """
    doubts: list[str] = []
    figures = said.probabilities if said.probabilities is not None else said.values
    if figures.dtype != object and not np.isfinite(figures).all():
        doubts.append("Some of its predictions are not finite.")
    return doubts, {}
