"""The learning curve of a winner at its end: what another doubling of its rows would bring. Pure, seeded fits."""

from __future__ import annotations

import math

from pipeline import models, performance
from pipeline.decide import DECAY
from pipeline.performance import Paired
from pipeline.retrain.entries import Entry, compared
from pipeline.retrain.field import Field
from pipeline.retrain.order import Order
from storage.errors import Refused

USUAL_GAIN = 0.01  # of a doubling of rows: points of accuracy, or a share of an error
USUAL_SPREAD = 0.02  # of that among tables


def doubling(order: Order, field_: Field, best: Entry) -> dict[str, float]:
    """What another doubling of its rows would bring the winner, judged on rows that it had not seen; see ``curve``."""
    own = best.own(field_)
    whole = best.early or best.model
    learned = best.rows.chosen(own) if best.rows else best.learned
    try:
        quarter = models.fit(order.estimator, field_.rows_of(learned[3::4]), order.schema, order.seed)
    except Refused:
        return {}
    unseen = field_.table.slice(own)
    few, all_ = (models.predict(model, unseen) for model in (quarter, whole))
    return curve(compared(order, field_.labels[own:], few, all_))


def curve(against: Paired) -> dict[str, float]:
    """The learning curve at its end, from the gain of all rows over a quarter of them.

    Parameters
    ----------
    against : Paired
        A quarter of the rows (first) and all of them (second), on rows of neither.

    Returns
    -------
    dict
        ``doubling``, the gain that the last doubling brought, and ``doubling_error``, how uncertain it is.

    Notes
    -----
    Each doubling is taken to bring ``DECAY`` times what the one before brought, as for an error that falls with a power
    of the rows, so that the two doublings between a quarter and all of the rows brought 1 + 1/DECAY times the last.
    The figure is drawn towards what a doubling usually brings by as much as it is uncertain.
    """
    both = 1 + 1 / DECAY
    gain, error = against.gain.value / both, max((against.gain.high - against.gain.low) / 3.92, 1e-9) / both
    row = performance.METRICS.get(against.metric)
    scale = abs(against.second.value) if row is not None and row.task == "regression" else 1.0
    usual, spread = USUAL_GAIN * scale, USUAL_SPREAD * scale
    trust = spread**2 / (spread**2 + error**2)
    return {"doubling": max(0.0, trust * gain + (1 - trust) * usual), "doubling_error": math.sqrt(trust) * error}
