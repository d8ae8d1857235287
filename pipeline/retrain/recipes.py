"""Which rows a candidate learns: all history, recent windows, since the change, recent rows weighing more. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.retrain.field import Field

LEAST = 50  # rows worth fitting
ALIKE = 0.75  # of two windows whose lengths have a ratio above this, one is enough
MOST = 6  # fits in a contest


@dataclass(frozen=True)
class Rows:
    """A recipe: the rows it learns, told so that it can be repeated with newer ones."""

    name: str
    length: int | None = None  # newest so many rows; None: see ``since``
    since: int = 0  # from this row on
    half_life: int | None = None  # rows after which a row weighs half

    def start(self, stop: int) -> int:
        """First row learned when rows up to ``stop`` are there."""
        return max(0, stop - self.length) if self.length is not None else self.since

    def weights(self, stop: int) -> NDArray[np.float64] | None:
        """Weight of each row from start to stop, mean 1; None when all weigh the same."""
        if self.half_life is None:
            return None
        age = stop - 1 - np.arange(self.start(stop), stop)
        raw = 0.5 ** (age / self.half_life)
        return raw / raw.mean()


def recipes(field: Field, change_at: int | None, newest: int) -> list[Rows]:
    """The candidates of a contest, those with most rows first.

    Parameters
    ----------
    field : Field
    change_at : int or None
        Batch id of the estimated change.
    newest : int
        Rows of the newest batch.
    """
    stop = field.jury
    out = [Rows("all history")]
    taken = [stop]

    def add(row: Rows) -> None:
        length = stop - row.start(stop)
        if length >= LEAST and all(min(length, t) / max(length, t) <= ALIKE for t in taken):
            out.append(row)
            taken.append(length)

    if change_at is not None:
        after = np.flatnonzero(field.batch == change_at)
        if len(after):
            add(Rows(f"since batch {change_at}", since=int(after[0])))
    fresh = stop - field.fresh
    for length in (fresh, field.reference, 2 * newest, 4 * newest, newest, 8 * newest, 16 * newest):
        if length < stop:
            add(Rows(f"last {length:,} rows", length=length))
    out = out[: MOST - 1]
    half = max(fresh, newest, LEAST)
    if stop > 2 * half:
        out.append(Rows("all history, recent rows weigh more", half_life=half))
    return out
