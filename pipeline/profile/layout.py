"""The features of a profile side by side, as matrices, so that all are judged at once.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.profile.counted import SHARDS, FeatureProfile
from pipeline.profile.grid import CELLS, FeatureGrid

Floats = NDArray[np.float64]
GROUPS = 10  # coarse bins, each about a tenth of the reference
_STEEP = 3.0  # normal scores beyond count as this far where they are raised to a power of e
_OUTER = 0.006  # share of the reference that counts as its outer tail, each side


@dataclass(frozen=True)
class Numbers:
    """Numbers of profiles, a line a profile and feature: arrays of shape (lines, 128), (lines, 1024) and (lines,)."""

    cells: Floats
    shards: NDArray[np.float32]  # half the memory to walk through; exact up to 16 million rows of one value
    nulls: Floats
    rows: Floats

    @cached_property
    def present(self) -> Floats:
        """Rows with a value."""
        return self.cells.sum(axis=1)

    @cached_property
    def shares(self) -> Floats:
        """Share of the rows with a value in each cell."""
        return self.cells / np.maximum(self.present, 1.0)[:, None]


@dataclass(frozen=True)
class Levels:
    """Levels of profiles, a line a profile and feature, padded with empty levels: (lines, levels) and (lines,)."""

    counts: Floats  # known levels, the last of each feature for rare ones
    new: Floats  # rows of levels the grid does not know
    nulls: Floats
    rows: Floats

    @cached_property
    def present(self) -> Floats:
        """Rows with a value."""
        return self.counts.sum(axis=1) + self.new


@dataclass(frozen=True)
class Lens:
    """What only the reference decides about its numbers: what is averaged over the cells, and coarse bins."""

    views: Floats  # (lines, 16, 128): first, second and third power of 4 scores, then 4 marks of tails
    group_of: NDArray[np.intp]  # (lines, 128)

    def means(self, shares: Floats) -> tuple[Floats, Floats]:
        """Means over shares (lines, 128): powers of scores, (lines, 4, 3), and shares of the tails, (lines, 4)."""
        found = (self.views @ shares[:, :, None])[:, :, 0]
        return found[:, :12].reshape(-1, 4, 3), found[:, 12:]


def numbers_of(parts: Sequence[FeatureProfile], rows: Floats) -> Numbers:
    """Counted numbers side by side.

    Parameters
    ----------
    parts : sequence of FeatureProfile
        Numeric features or dates, a line each.
    rows : ndarray of shape (lines,)
        Of the profile that each belongs to.
    """
    counts = np.array([part.counts for part in parts], np.int64).reshape(len(parts), CELLS, SHARDS)
    shards = counts.reshape(len(parts), CELLS * SHARDS).astype(np.float32)
    nulls = np.array([part.nulls for part in parts], np.float64)
    cells = np.einsum("lcs->lc", counts)  # four times as quick as a sum over so short an axis
    return Numbers(cells.astype(np.float64), shards, nulls, rows)


def levels_of(parts: Sequence[FeatureProfile], rows: Floats) -> Levels:
    """Counted levels side by side; arguments as for ``numbers_of``."""
    counts = np.zeros((len(parts), max((len(part.counts) for part in parts), default=1)))
    for line, part in zip(counts, parts, strict=True):
        line[: len(part.counts)] = part.counts
    new, nulls = np.array([(part.new_rows, part.nulls) for part in parts], np.float64).reshape(-1, 2).T
    return Levels(counts, new, nulls, rows)


def lens_of(numbers: Numbers, grids: Sequence[FeatureGrid]) -> Lens:
    """What a reference decides about how the numbers of batches are looked at."""
    shares = numbers.shares
    scores = np.array([grid.scores for grid in grids], np.float64).reshape(len(grids), CELLS)
    scores = _standard(scores, shares)
    up_to = np.cumsum(shares, axis=1)
    from_here = np.cumsum(shares[:, ::-1], axis=1)[:, ::-1]
    middle = up_to - shares / 2
    group_of = np.clip((middle * GROUPS).astype(np.intp), 0, GROUPS - 1)
    tails = [up_to <= _OUTER, from_here <= _OUTER, up_to <= 0, from_here <= 0]  # lowest, highest, below, above
    held = np.clip(scores, -_STEEP, _STEEP)
    scored = [scores, *(_standard(view, shares) for view in (scores**2, np.exp(held), np.exp(-held)))]
    powers = [view**power for view in scored for power in (1, 2, 3)]
    return Lens(np.stack([*powers, *tails], axis=1).astype(np.float64), group_of)


def rare(parts: Sequence[FeatureProfile], grids: Sequence[FeatureGrid]) -> tuple[Floats, Floats]:
    """Rows of levels seen once, and rows of levels seen twice for each of those; (lines,) each."""
    found = np.zeros((2, len(parts)))
    for at, (part, grid) in enumerate(zip(parts, grids, strict=True)):
        rows = np.r_[part.counts[:-1], list((part.new or {}).values())]
        found[:, at] = (rows == 1).sum(), 2 * (rows == 2).sum()
        if grid.due:
            found[:, at] = np.array(grid.due[:2]) * part.present
    once, twice = found
    return once, np.divide(twice, once, out=np.zeros_like(once), where=once > 0)


def due(counts: Floats, grids: Sequence[FeatureGrid]) -> Floats:
    """A reference's counts of levels, (lines, levels), with as many rows in the rare ones as are due elsewhere."""
    found = counts
    for at, grid in enumerate(grids):
        if grid.due:
            found = counts.copy() if found is counts else found
            found[at, len(grid.levels)] = max(counts[at, len(grid.levels)], grid.due[2] * counts[at].sum())
    return found


def lone(numbers: Numbers) -> tuple[NDArray[np.float32], Floats, Floats]:
    """Slots without a row, (lines, 1024); slots with one, rows in slots with two for each of those, (lines,)."""
    once = (numbers.shards == 1).sum(axis=1).astype(np.float64)
    twice = 2.0 * (numbers.shards == 2).sum(axis=1)
    empty = (numbers.shards == 0).astype(np.float32)
    return empty, once, np.divide(twice, once, out=np.zeros_like(once), where=once > 0)


def _standard(scores: Floats, shares: Floats) -> Floats:
    """Scores with mean 0 and standard deviation 1 over shares, row by row; 0 where nothing varies."""
    scores = scores - (scores * shares).sum(axis=1, keepdims=True)
    sd = np.sqrt((scores**2 * shares).sum(axis=1, keepdims=True))
    return np.divide(scores, sd, out=np.zeros_like(scores), where=sd > 1e-9)


def grouped(cells: Floats, group_of: NDArray[np.intp], groups: int = GROUPS) -> Floats:
    """Cells summed into coarse bins; (features, 128) to (features, groups)."""
    features = len(cells)
    at = group_of + np.arange(features)[:, None] * groups
    return np.bincount(at.ravel(), weights=cells.ravel(), minlength=features * groups).reshape(features, groups)
