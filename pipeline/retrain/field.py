"""The rows of a contest laid out in time: what may be learned, what judges, what is kept apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models
from pipeline.retrain.order import Order
from storage.records import LabelledRows, Schema

JURY = 1000  # rows; more say little more about which window is best, and they are lost to the candidates
MOST_HOLDOUT = 2000  # rows of the reference that are kept apart


@dataclass(frozen=True)
class Field:
    """All labelled rows in time order. Row i came with batch ``batch[i]``."""

    table: pa.Table
    labels: NDArray[Any]  # (n,)
    batch: NDArray[np.int64]  # (n,) batch ids
    reference: int  # rows of the reference that may be learned; they come first
    holdout: pa.Table  # trusted rows of the reference, in no candidate
    held_labels: NDArray[Any]
    fresh: int  # row at which those begin that the champion has not learned
    jury: int  # row at which the jury begins; it goes on to the end

    @property
    def middle(self) -> int:
        """Row at which the second half of the jury begins."""
        return (self.jury + self.rows) // 2

    @property
    def rows(self) -> int:
        """All rows, jury included, holdout not."""
        return len(self.labels)

    def batches(self, start: int, stop: int) -> tuple[int, ...]:
        """Ids of the batches that rows start..stop touch, in order."""
        return tuple(dict.fromkeys(self.batch[start:stop].tolist()))

    def touched(self, rows: NDArray[np.intp]) -> tuple[int, ...]:
        """Ids of the batches of these rows, in order."""
        return tuple(dict.fromkeys(self.batch[rows].tolist()))

    def rows_of(self, rows: NDArray[np.intp]) -> pa.Table:
        """These rows; without a copy where they follow one another."""
        if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
            return self.table.slice(int(rows[0]), len(rows))
        return self.table.take(pa.array(rows))


def split(rows: int, share: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row numbers to learn and row numbers to keep as the trusted holdout, spread evenly over time.

    Parameters
    ----------
    rows : int
    share : float
        Of the holdout; it never exceeds ``MOST_HOLDOUT`` rows.

    Examples
    --------
    >>> split(10, 0.2)[1].tolist()
    [4, 9]
    """
    wanted = min(round(rows * share), MOST_HOLDOUT)
    if wanted < 1:
        return np.arange(rows), np.arange(0)
    kept = (np.arange(1, wanted + 1) * rows // wanted) - 1
    return np.setdiff1d(np.arange(rows), kept), kept


def known(rows: LabelledRows, schema: Schema) -> pa.Table:
    """The rows that have a label, features and target only."""
    names = [f.name for f in schema.watched] + [schema.target]
    table = rows.table.select(names)
    column = table.column(schema.target)
    return table.filter(pa.compute.is_valid(column)) if column.null_count else table


def lay_out(order: Order) -> Field:
    """The field of an order.

    The jury is the newest of what came since the change, or else since the champion learned: at most ``JURY`` rows (or
    as many as the settings ask for, if that is more). It is judged in two steps: its first half by candidates that saw
    nothing of it, its second half by candidates that learned the first half.
    """
    schema = order.schema
    whole = known(order.reference, schema)
    learn, keep = split(whole.num_rows, order.settings.retrain.holdout)
    holdout = whole.take(keep)
    parts = [whole.take(learn)] + [known(b, schema) for b in order.batches]
    ids = [order.reference.batch_id] + [b.batch_id for b in order.batches]
    table = unify(parts)
    batch = np.repeat(np.array(ids, dtype=np.int64), [p.num_rows for p in parts])
    learned = np.isin(batch, order.champion.trained_on)
    fresh = int(np.flatnonzero(learned)[-1]) + 1 if learned.any() else parts[0].num_rows
    changed = np.flatnonzero(batch == order.change_at) if order.change_at is not None else ()
    new = table.num_rows - max(fresh, int(changed[0]) if len(changed) else 0)
    wanted = max(JURY, order.settings.retrain.min_labelled)
    jury = table.num_rows - min(new, wanted)
    labels = models.target(table, schema)
    return Field(table, labels, batch, parts[0].num_rows, holdout, models.target(holdout, schema), fresh, jury)


def unify(parts: Sequence[pa.Table]) -> pa.Table:
    """Tables of the same columns, one after the other; a column of nulls takes the others' type."""
    return pa.concat_tables(parts, promote_options="permissive").combine_chunks()
