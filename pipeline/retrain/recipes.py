"""Which rows a candidate learns: all history, recent windows, since the change, thinned towards the past. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.retrain.field import Field

LEAST = 50  # rows worth fitting
ALIKE = 0.75  # of two windows whose lengths have a ratio above this, one is enough
MOST = 5  # recipes in a contest


@dataclass(frozen=True)
class Rows:
    """A recipe: the rows it learns, told so that it can be repeated with newer ones."""

    name: str
    length: int | None = None  # newest so many rows; None: see ``since``
    since: int = 0  # from this row on
    thin: int | None = None  # newest rows kept whole; of as many before half, of twice as many before a quarter, ...

    def chosen(self, stop: int) -> NDArray[np.intp]:
        """Numbers of the rows learned when rows up to ``stop`` are there, in order.

        Examples
        --------
        >>> Rows("", thin=2).chosen(14).tolist()
        [6, 10, 12, 13]
        """
        if self.length is not None:
            return np.arange(max(0, stop - self.length), stop)
        if self.thin is None:
            return np.arange(min(self.since, stop), stop)
        age = stop - 1 - np.arange(stop)
        step = 2 ** np.ceil(np.log2(np.maximum((age + 1) / self.thin, 1.0))).astype(np.int64)
        return np.flatnonzero((age + 1) % step == 0)


def recipes(field: Field, change_at: int | None, newest: int) -> list[Rows]:
    """The candidates of a contest.

    Parameters
    ----------
    field : Field
    change_at : int or None
        Batch id of the estimated change.
    newest : int
        Rows of the newest batch.
    """
    stop = field.middle
    out = [Rows("all history")]
    taken = [stop]

    def add(row: Rows) -> None:
        length = len(row.chosen(stop))
        if length >= LEAST and all(min(length, t) / max(length, t) <= ALIKE for t in taken):
            out.append(row)
            taken.append(length)

    if change_at is not None:
        after = np.flatnonzero(field.batch == change_at)
        if len(after):
            add(Rows(f"since batch {change_at}", since=int(after[0])))
    wide = max(newest, LEAST)
    if stop > 8 * wide:
        add(Rows("all history, thinned towards the past", thin=wide))
    fresh = stop - field.fresh
    for length in (2 * newest, field.reference, fresh, 4 * newest, newest, 8 * newest):
        if length < stop and len(out) < MOST:
            add(Rows(f"last {length:,} rows", length=length))
    return out
