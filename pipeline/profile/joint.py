"""How features hang together: sums of products of scores over rows, exact and mergeable.

Each linked feature brings one score a row, a small whole number, so that sums are exact in 32-bit floats over a piece
of rows and in any order of merging. A missing value scores 0.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.profile.blas import one_thread

if TYPE_CHECKING:
    from pipeline.profile.grid import FeatureGrid, Grid

Floats = NDArray[np.float64]
ROWS = 65_536  # in one piece
_STEPS = 4.0  # of a score in an interquartile range
_RIDGE = 0.02  # of correlations
MOST = 12.0  # steps; 12 * 12 * 65,536 rows stay below 2**24, the last whole number that 32-bit floats can count to


@dataclass(frozen=True, eq=False)
class Joint:
    """Sums over rows.

    Attributes
    ----------
    firsts : ndarray of int64, shape (linked,)
        Sum of each score.
    products : ndarray of int64, shape (linked, linked)
        Sum of the product of each pair of scores; squares on the diagonal.
    """

    firsts: NDArray[np.int64]
    products: NDArray[np.int64]

    def moments(self, rows: int) -> tuple[Floats, Floats]:
        """Means, shape (linked,), and covariances, shape (linked, linked), of the scores over so many rows."""
        means = self.firsts / max(rows, 1)
        return means, self.products / max(rows, 1) - np.outer(means, means)


def correlations(covariances: Floats) -> Floats:
    """Covariances as correlations; 0 where nothing varies."""
    sd = np.sqrt(np.maximum(np.diag(covariances), 0.0))
    both = np.outer(sd, sd)
    return np.clip(np.divide(covariances, both, out=np.zeros_like(both), where=both > 1e-9), -1.0, 1.0)


def association(one: Joint, rows: int, a: int, b: int) -> float:
    """The correlation of two linked features over so many rows; 0 where one of them does not vary."""
    pair = np.array([a, b])
    means = one.firsts[pair] / rows
    covariances = one.products[np.ix_(pair, pair)] / rows - np.outer(means, means)
    return float(correlations(covariances)[0, 1])


def inverse(found: Floats) -> Floats:
    """The inverse of correlations, made stable: nearly equal columns do not count twice."""
    ridged = (1 - _RIDGE) * found
    np.fill_diagonal(ridged, 1.0)
    with one_thread():
        return np.linalg.inv(ridged)


def nothing(grid: Grid) -> Joint:
    """The sums of no rows."""
    size = len(grid.linked)
    return Joint(np.zeros(size, np.int64), np.zeros((size, size), np.int64))


def count(columns: Mapping[str, NDArray], rows: int, grid: Grid) -> Joint:
    """The sums over at most 65,536 rows.

    Parameters
    ----------
    columns : mapping
        Feature to its values (numeric; NaN is missing) or to the cell of each row (categorical; -1 is missing).
        A feature that is missing scores 0 in every row.
    rows : int
    grid : Grid
    """
    if not grid.linked or not rows:
        return nothing(grid)
    scores = scored(columns, rows, [grid.by_name[name] for name in grid.linked])
    return Joint(scores.sum(axis=1, dtype=np.float64).astype(np.int64), np.rint(scores @ scores.T).astype(np.int64))


def scored(columns: Mapping[str, NDArray], rows: int, grids: Sequence[FeatureGrid]) -> NDArray[np.float32]:
    """The score of each row: steps from the median, or what its level is given; 0 where missing; (features, rows)."""
    scores = np.zeros((len(grids), rows), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # the widest floats leave the range; they are clipped
        for line, one in zip(scores, grids, strict=True):
            if one.name not in columns:
                continue
            if one.kind == "categorical":
                np.multiply(one.marks[columns[one.name]], _STEPS / 1.35, out=line, casting="unsafe")
            else:
                np.multiply(columns[one.name] - one.middle, _STEPS / one.spread, out=line, casting="unsafe")
    np.maximum(scores, -MOST, out=scores)
    np.minimum(scores, MOST, out=scores)
    np.rint(scores, out=scores)
    scores[scores != scores] = 0.0
    return scores


def add(parts: Sequence[Joint]) -> Joint:
    """The sums over all rows."""
    return Joint(np.sum([part.firsts for part in parts], axis=0), np.sum([part.products for part in parts], axis=0))


def pack(one: Joint) -> bytes:
    """The sums as bytes."""
    size = len(one.firsts)
    flat = np.r_[one.firsts, one.products[np.triu_indices(size)]]
    most = np.abs(flat).max(initial=0)
    kind = np.int16 if most < 2**15 else np.int32 if most < 2**31 else np.int64
    return zlib.compress(struct.pack("<IB", size, kind().itemsize) + flat.astype(kind).tobytes(), 1)


def unpack(blob: bytes) -> Joint:
    """The sums from bytes."""
    data = zlib.decompress(blob)
    size, width = struct.unpack_from("<IB", data)
    flat = np.frombuffer(data, {2: np.int16, 4: np.int32, 8: np.int64}[width], size + size * (size + 1) // 2, 5)
    products = np.zeros((size, size), np.int64)
    at = np.triu_indices(size)
    products[at] = flat[size:]
    products.T[at] = flat[size:]
    return Joint(flat[:size].astype(np.int64), products)
