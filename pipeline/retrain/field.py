"""The rows of a contest laid out in time: what may be learned, what judges, what is kept apart. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models
from pipeline.retrain.order import Order
from storage.records import LabelledRows, Schema

JURY = 1000  # rows at most; more say little more about which window is best, and they are lost to the candidates
LEAST_TRUSTED, MOST_TRUSTED = 100, 1000  # rows of the reference that are kept apart
FROZEN_FROM = 2000  # rows of the reference from which no version ever learns them: below, it would cost too much


@dataclass(frozen=True)
class Trusted:
    """Which rows of the reference are kept apart to judge by: fixed at the founding, handed down by every version."""

    every: int  # every so-many-th row, counted by its place in the batch; 0: none
    frozen: bool = False  # True: learned by no version, not even the first; False: by none that is being judged

    def masked(self, rows: LabelledRows) -> NDArray[np.bool_]:
        """Where the trusted rows are among these rows of the reference, (n,)."""
        at = np.arange(rows.table.num_rows) if rows.positions is None else np.asarray(rows.positions)
        return at % self.every == self.every - 1 if self.every else np.zeros(len(at), dtype=bool)

    def as_details(self) -> dict[str, Any]:
        """As kept with a version."""
        return asdict(self)


def trust(rows: int, share: float) -> Trusted:
    """The trusted rows of a reference, spread evenly over time.

    Examples
    --------
    >>> trust(10_000, 0.1), trust(1_500, 0.1), trust(300, 0.1)
    (Trusted(every=10, frozen=True), Trusted(every=10, frozen=False), Trusted(every=0, frozen=False))
    """
    if share <= 0 or rows < 5 * LEAST_TRUSTED:
        return Trusted(0)
    wanted = min(max(rows * share, LEAST_TRUSTED), MOST_TRUSTED)
    return Trusted(max(2, int(rows / wanted), -(-rows // MOST_TRUSTED)), rows >= FROZEN_FROM)


def trusted_of(details: Mapping[str, Any], reference: LabelledRows, share: float) -> Trusted:
    """The trusted rows as the version with these details knows them."""
    kept = details.get("trusted")
    return Trusted(**kept) if kept else replace(trust(reference.table.num_rows, share), frozen=False)


@dataclass(frozen=True)
class Field:
    """All labelled rows in time order. Row i came with batch ``batch[i]``."""

    table: pa.Table
    labels: NDArray[Any]  # (n,)
    batch: NDArray[np.int64]  # (n,) batch ids
    reference: int  # rows of the reference that may be learned; they come first
    trusted: Trusted
    holdout: pa.Table  # the trusted rows of the reference, in no candidate
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


def known(rows: LabelledRows, schema: Schema) -> pa.Table:
    """The rows that have a label, features and target only."""
    names = [f.name for f in schema.watched] + [schema.target]
    table = rows.table.select(names)
    column = table.column(schema.target)
    return table.filter(pa.compute.is_valid(column)) if column.null_count else table


def apart(reference: LabelledRows, schema: Schema, trusted: Trusted) -> tuple[pa.Table, pa.Table]:
    """The labelled rows of the reference that may be learned, and the trusted ones."""
    kept = trusted.masked(reference)
    parts = (LabelledRows(reference.batch_id, reference.table.filter(pa.array(mask))) for mask in (~kept, kept))
    learn, holdout = (known(part, schema) for part in parts)
    return learn, holdout


def lay_out(order: Order) -> Field:
    """The field of an order.

    The jury is the newer half of what came since the change, or else since the champion learned, but at least the
    newest batch, and at most ``JURY`` rows (or as many as the settings ask for, if that is more). The older half is
    what candidates learn and the champion has not: were all the new rows to judge, a candidate would be judged without
    the very rows it was made for. The jury is judged in two steps, its first half by candidates that saw nothing of it,
    its second half by candidates that learned the first: a batch may be a world of its own, so that doing well within
    it is not enough.
    """
    schema = order.schema
    trusted = trusted_of(order.champion.details, order.reference, order.settings.retrain.holdout)
    learn, holdout = apart(order.reference, schema, trusted)
    parts = [learn] + [known(b, schema) for b in order.batches]
    ids = [order.reference.batch_id] + [b.batch_id for b in order.batches]
    table = unify(parts)
    batch = np.repeat(np.array(ids, dtype=np.int64), [p.num_rows for p in parts])
    learned = np.isin(batch, order.champion.trained_on)
    fresh = int(np.flatnonzero(learned)[-1]) + 1 if learned.any() else parts[0].num_rows
    changed = np.flatnonzero(batch == order.change_at) if order.change_at is not None else ()
    new = table.num_rows - max(fresh, int(changed[0]) if len(changed) else 0)
    wanted = max(JURY, order.settings.retrain.min_labelled)
    jury = table.num_rows - min(max((new + 1) // 2, min(parts[-1].num_rows, new)), wanted)
    labels = models.target(table, schema)
    return Field(table, labels, batch, parts[0].num_rows, trusted, holdout, models.target(holdout, schema), fresh, jury)


def unify(parts: Sequence[pa.Table]) -> pa.Table:
    """Tables of the same columns, one after the other; a column of nulls takes the others' type."""
    return pa.concat_tables(parts, promote_options="permissive").combine_chunks()
