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
    def rows(self) -> int:
        """All rows, jury included, holdout not."""
        return len(self.labels)

    def batches(self, start: int, stop: int) -> tuple[int, ...]:
        """Ids of the batches that rows start..stop touch, in order."""
        ids = self.batch[start:stop]
        return tuple(int(i) for i in dict.fromkeys(ids.tolist()))


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

    The jury is the newest half of what the champion has not learned, at most ``JURY`` rows (or the rows that the
    settings ask for, if that is more).
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
    new = table.num_rows - fresh
    wanted = max(JURY, order.settings.retrain.min_labelled)
    jury = table.num_rows - min(new // 2, wanted)
    labels = models.target(table, schema)
    return Field(table, labels, batch, parts[0].num_rows, holdout, models.target(holdout, schema), fresh, jury)


def unify(parts: Sequence[pa.Table]) -> pa.Table:
    """Tables of the same columns, one after the other; a column of nulls takes the others' type."""
    return pa.concat_tables(parts, promote_options="permissive").combine_chunks()
