"""The learning curve of a winner at its end: what another doubling of its rows would bring. Pure, seeded fits."""

from __future__ import annotations

import math

import pyarrow as pa

from pipeline import models, performance
from pipeline.decide import DECAY
from pipeline.models import Predictions
from pipeline.performance import Paired
from pipeline.retrain.entries import Entry, compared
from pipeline.retrain.field import Field
from pipeline.retrain.order import Order

USUAL_GAIN = 0.01  # of a doubling of rows: points of accuracy, or a share of an error
USUAL_SPREAD = 0.02  # of that among tables


def quarter(field_: Field, best: Entry) -> pa.Table:
    """A quarter of the rows that the winner learned for the jury."""
    own = best.own(field_)
    learned = best.rows.chosen(own) if best.rows else best.learned
    return field_.rows_of(learned[3::4])


def doubling(order: Order, field_: Field, best: Entry, few: Predictions | None) -> dict[str, float]:
    """What another doubling of its rows would bring the winner, judged on rows that it had not seen; see ``curve``.

    ``few`` is what a model of its ``quarter`` says of them; nothing is known without one.
    """
    if few is None:
        return {}
    own = best.own(field_)
    whole = models.predict(best.early or best.model, field_.table.slice(own))
    return curve(compared(order, field_.labels[own:], few, whole))


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
