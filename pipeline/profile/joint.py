"""How features hang together: sums of products of scores over rows, exact and mergeable.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.profile.grid import Grid

_STEPS = 16.0  # steps of a score a unit: small whole numbers, so that sums are exact
_MOST = 48.0


@dataclass(frozen=True, eq=False)
class Joint:
    """Sums over rows, each of shape (linked, linked).

    Attributes
    ----------
    pairs : ndarray of int64
        Rows where both features have a value.
    firsts : ndarray of int64
        Sum of the row feature's score where the column feature has a value.
    squares : ndarray of int64
        Sum of its squared score there.
    products : ndarray of int64
        Sum of the product of both scores.
    """

    pairs: NDArray[np.int64]
    firsts: NDArray[np.int64]
    squares: NDArray[np.int64]
    products: NDArray[np.int64]

    def correlations(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Correlation of scores of each pair over rows that have both, and the number of those rows."""
        pairs = np.maximum(self.pairs, 1)
        mean, mean_of_other = self.firsts / pairs, self.firsts.T / pairs
        variance = np.maximum(self.squares / pairs - mean**2, 0.0)
        both = np.sqrt(variance * np.maximum(self.squares.T / pairs - mean_of_other**2, 0.0))
        covariance = self.products / pairs - mean * mean_of_other
        return np.clip(np.divide(covariance, both, out=np.zeros_like(both), where=both > 0), -1, 1), self.pairs


def nothing(grid: Grid) -> Joint:
    """The sums of no rows."""
    size = len(grid.linked)
    return Joint(*(np.zeros((size, size), np.int64) for _ in range(4)))


def count(columns: Mapping[str, NDArray[np.float64]], rows: int, grid: Grid) -> Joint:
    """The sums over the rows of numeric columns; a column that is missing has no value."""
    if not grid.linked:
        return nothing(grid)
    scores = np.zeros((rows, len(grid.linked)), np.float64)
    there = np.zeros((rows, len(grid.linked)), np.float64)
    for at, name in enumerate(grid.linked):
        if name not in columns:
            continue
        one = grid.by_name[name]
        score = np.rint(np.clip((columns[name] - one.middle) / one.spread * _STEPS, -_MOST, _MOST))
        missing = np.isnan(score)
        there[:, at] = ~missing
        scores[:, at] = np.where(missing, 0.0, score)
    sums = (there.T @ there, scores.T @ there, (scores * scores).T @ there, scores.T @ scores)
    return Joint(*(np.rint(one).astype(np.int64) for one in sums))


def add(parts: Sequence[Joint]) -> Joint:
    """The sums over all rows."""
    names = ("pairs", "firsts", "squares", "products")
    return Joint(*(np.sum([getattr(part, name) for part in parts], axis=0) for name in names))


def pack(one: Joint) -> bytes:
    """The sums as bytes."""
    size = len(one.pairs)
    stacked = np.stack([one.pairs, one.firsts, one.squares, one.products])
    kind = np.int32 if stacked.size == 0 or np.abs(stacked).max() < 2**31 else np.int64
    return zlib.compress(struct.pack("<IB", size, kind().itemsize) + stacked.astype(kind).tobytes(), 1)


def unpack(grid: Grid, blob: bytes) -> Joint:
    """The sums from bytes."""
    data = zlib.decompress(blob)
    size, width = struct.unpack_from("<IB", data)
    stacked = np.frombuffer(data, np.int32 if width == 4 else np.int64, 4 * size * size, 5).astype(np.int64)
    return Joint(*stacked.reshape(4, size, size))
