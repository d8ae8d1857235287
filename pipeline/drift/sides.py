"""A profile laid out for comparison: its features side by side, and what only a reference decides.

Pure but for a memory: the layouts of the last references are kept, because one reference meets many batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.profile import FeatureGrid, FeatureProfile, Profile
from pipeline.profile.charts import quantiles
from pipeline.profile.counted import SHARDS
from pipeline.profile.grid import BLOCKS, CELLS
from pipeline.profile.joint import MOST, correlations, inverse
from pipeline.profile.layout import Lens, Levels, Numbers, due, grouped, lens_of, levels_of, lone, numbers_of, rare

Floats = NDArray[np.float64]
_CHUNKS = 20  # moving parts that a reference averages over
_AVERAGED = np.array([1 / _CHUNKS, *(1.0,) * len(BLOCKS)])
_SHARED = 5.0  # rows that two rare marks must be expected to share before their link is judged
_AXES = 3  # principal components along which the means of a crowd are compared
_FAR = 1e30  # spreads: squares of positions stay finite
NO_LAG = FeatureProfile(np.zeros((CELLS, SHARDS), np.int64))
NO_CELLS = FeatureGrid("", "numeric", scores=(0.0,) * CELLS)


@dataclass(frozen=True)
class Board:
    """Numbers laid out over one kind of feature: a line a profile and feature, profile by profile."""

    parts: tuple[FeatureProfile, ...]
    grids: tuple[FeatureGrid, ...]
    rows: Floats

    @cached_property
    def numbers(self) -> Numbers:
        """The counts."""
        return numbers_of(self.parts, self.rows)

    @cached_property
    def lens(self) -> Lens:
        """What this side, as a reference, decides about how batches are looked at."""
        return lens_of(self.numbers, self.grids)

    @cached_property
    def lone(self) -> tuple[NDArray[np.float32], Floats, Floats]:
        """What this side, as a reference, has not seen, and how often something unseen is due: ``layout.lone``."""
        return lone(self.numbers)

    @cached_property
    def means(self) -> tuple[Floats, Floats]:
        """Its own powers of scores and shares of tails, through its own lens."""
        return self.lens.means(self.numbers.shares)

    @cached_property
    def groups(self) -> Floats:
        """Its own cells in its own coarse bins."""
        return grouped(self.numbers.cells, self.lens.group_of)

    @cached_property
    def wobble(self) -> Floats:
        """The reference's own wobble, a line each: ``wobbles``."""
        return wobbles(self.grids)

    @cached_property
    def outline(self) -> Floats:
        """Ends of each line without its outer fiftieths, its middle, the last hundredth, the end; (lines, 5)."""
        ranks = np.array([0.02, 0.98, 0.5, 0.99, 1.0])
        found = np.array([quantiles(grid, one, ranks) for grid, one in zip(self.grids, self.parts, strict=True)])
        return found.reshape(-1, 5)

    @cached_property
    def positions(self) -> Floats:
        """Where each cell lies: its middle, the ends at the outermost edges; in spreads."""
        return np.array([places(grid) for grid in self.grids])


@dataclass(frozen=True)
class Side:
    """One side of a comparison, laid out over the features that both sides have.

    Several batches are judged at once: their features lie one below the other, a line each, and the reference is
    repeated beside them.
    """

    profiles: tuple[Profile, ...]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    dates: tuple[str, ...]

    @property
    def profile(self) -> Profile:
        """The first, or only, profile."""
        return self.profiles[0]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All features: numeric, categorical, dates."""
        return self.numeric + self.categorical + self.dates

    def parts(self, names: tuple[str, ...]) -> tuple[FeatureProfile, ...]:
        """Some features of all profiles, a line each."""
        return tuple(profile.features[name] for profile in self.profiles for name in names)

    def grids(self, names: tuple[str, ...]) -> tuple[FeatureGrid, ...]:
        """The cells of some features, a line each."""
        return tuple(self.profile.grid.by_name[name] for name in names) * len(self.profiles)

    def rows(self, names: tuple[str, ...]) -> Floats:
        """Rows of the profile of each line."""
        return np.repeat([float(profile.rows) for profile in self.profiles], len(names))

    @cached_property
    def board(self) -> Board:
        """The numeric features."""
        return Board(self.parts(self.numeric), self.grids(self.numeric), self.rows(self.numeric))

    @cached_property
    def moments(self) -> Board:
        """The dates."""
        return Board(self.parts(self.dates), self.grids(self.dates), self.rows(self.dates))

    @cached_property
    def lags(self) -> Board:
        """The times between each date and the one that passes; no rows where there is no such pair."""
        parts = tuple(part.lag or NO_LAG for part in self.parts(self.dates))
        grids = tuple(grid.lag or NO_CELLS for grid in self.grids(self.dates))
        return Board(parts, grids, self.rows(self.dates))

    @cached_property
    def levels(self) -> Levels:
        """The categorical features."""
        return levels_of(self.parts(self.categorical), self.rows(self.categorical))

    @cached_property
    def rare(self) -> tuple[Floats, Floats]:
        """Of each categorical line: rows of levels seen once; rows of levels seen twice for each of those."""
        return rare(self.parts(self.categorical), self.grids(self.categorical))

    @cached_property
    def wobble(self) -> Floats:
        """The reference's own wobble of the categorical features, a line each: ``wobbles``."""
        return wobbles(self.grids(self.categorical))

    @cached_property
    def due(self) -> Floats:
        """Its own rows a level, as they are due in another table; (categorical lines, levels)."""
        return due(self.levels.counts, self.grids(self.categorical))

    @cached_property
    def ties(self) -> Ties | None:
        """How its linked features hang together; None where that was not counted."""
        if self.profile.joint is None:
            return None
        grid = self.profile.grid
        means, covariance = self.profile.joint.moments(self.profile.rows)
        found, peaks = correlations(covariance), np.array(grid.peaks)
        first, second = np.triu_indices(len(means), 1)
        return Ties(
            means=means, spreads=np.sqrt(np.maximum(np.diag(covariance), 0.0)), correlations=found, first=first,
            second=second, z=fisher(found[first, second]), bonds=np.array(grid.bonds),
            knots=np.array(grid.knots or (0.0,) * len(first)),
            rests=np.array(grid.rests or ((0.0, 3.0),) * len(means)).reshape(-1, 2),
            needed=_SHARED * peaks[first] * peaks[second],
            wobble=wobbles([grid.by_name[name] for name in grid.linked]),
        )  # fmt: skip


@dataclass(frozen=True)
class Ties:
    """How the linked features of a reference hang together: arrays of shape (linked,), (linked, linked), (pairs,)."""

    means: Floats
    spreads: Floats
    correlations: Floats
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    z: Floats  # Fisher's, of each pair
    bonds: Floats  # variance of each pair's z, times rows
    knots: Floats  # excess kurtosis of what a row adds to each pair's correlation
    rests: Floats  # (linked, 2), skewness and kurtosis of what the others leave unexplained
    needed: Floats  # rows that a pair needs before its far tail can be trusted
    wobble: Floats  # ``wobbles``

    @cached_property
    def reach(self) -> Floats:
        """The most that a row may be off the middle, in standard deviations."""
        return np.divide(MOST, self.spreads, out=np.zeros_like(self.spreads), where=self.spreads > 1e-9)

    @cached_property
    def pair_wobble(self) -> Floats:
        """The wobble of each pair's products; (pairs, 8).

        What the products of rows have in common is the product of what the two features have; twice that, since it is
        not the same over all of a block.
        """
        ways = np.r_[1.0, np.array(BLOCKS) - 1.0]  # the first is of each row already
        return 2 * self.wobble[self.first] * self.wobble[self.second] / ways

    @cached_property
    def varying(self) -> NDArray[np.intp]:
        """The features whose scores vary."""
        return np.flatnonzero(self.spreads**2 > 0.05)

    @cached_property
    def inverse(self) -> Floats:
        """The inverse of the correlations of those that vary."""
        return self.inverted(self.varying)

    def inverted(self, use: NDArray[np.intp]) -> Floats:
        """The inverse of the correlations of some features."""
        return inverse(self.correlations[np.ix_(use, use)])

    @cached_property
    def axes(self) -> Floats:
        """The main axes of those that vary."""
        return self.axes_of(self.varying)

    def axes_of(self, use: NDArray[np.intp]) -> Floats:
        """The axes on which features vary most together, the first first, to unit variance; (up to 3, features)."""
        values, vectors = np.linalg.eigh(self.correlations[np.ix_(use, use)])
        return (vectors[:, : -_AXES - 1 : -1] / np.sqrt(np.maximum(values[: -_AXES - 1 : -1], 1e-9))).T

    @cached_property
    def left(self) -> Floats:
        """What ``left_by`` says of all that vary."""
        return self.left_by(self.inverse, self.varying)

    def left_by(self, inverse: Floats, use: NDArray[np.intp]) -> Floats:
        """Variance, for each of some features, of its row of the inverse times all scores."""
        known = self.correlations[np.ix_(use, use)]
        return np.maximum(((inverse @ known) * inverse).sum(axis=1), 1e-9)


def wobbles(grids: Sequence[FeatureGrid]) -> Floats:
    """The reference's own wobble of some features: what each row adds, then the excess of blocks; (features, 8)."""
    found = np.zeros((len(grids), 1 + len(BLOCKS)))
    for line, grid in zip(found, grids, strict=True):
        line[0] = grid.wobble
        line[1 : 1 + len(grid.alike)] = grid.alike
    return found


def effective(n: Floats, m: Floats, wobble: Floats) -> tuple[Floats, Floats]:
    """Rows of batch and reference that as many independent ones would be worth; at least 1. ``wobble`` as above."""
    n, m = np.maximum(n, 1.0), np.maximum(m, 1.0)
    if not wobble.any():
        return n, m
    return n / (1 + _excess(n, wobble)), m / (1 + _excess(m, wobble * _AVERAGED))


def _excess(rows: Floats, wobble: Floats) -> Floats:
    """How much more than independent rows so many rows vary."""
    within = np.minimum(rows[..., None] / BLOCKS, 1.0) * wobble[:, 1:]
    return np.maximum(rows * wobble[:, 0], within.max(axis=1))


def places(grid: FeatureGrid) -> Floats:
    """Positions of the cells of a numeric feature or date, in spreads from its median."""
    found = np.zeros(CELLS)
    if grid.edges:
        with np.errstate(over="ignore"):  # the widest floats, or the smallest spread: clipped right after
            edges = np.clip((grid.bounds - grid.middle) / grid.spread, -_FAR, _FAR)
        inner = np.r_[edges[0], (edges[:-1] + edges[1:]) / 2, edges[-1]]
        found[: len(inner)], found[len(inner) :] = inner, inner[-1]
    return found


def fisher(r: Floats) -> Floats:
    """Fisher's z of correlations."""
    return np.arctanh(np.clip(r, -0.999, 0.999))


_KNOWN: deque[Side] = deque(maxlen=16)  # newest last


def reference_side(reference: Profile, times: int = 1) -> Side:
    """The layout of a reference, repeated so many times, remembered."""
    for known in reversed(_KNOWN):
        if known.profile is reference and len(known.profiles) == times:
            return known
    made = side((reference,) * times, tuple(reference.features))
    _KNOWN.append(made)
    return made


def side(profiles: tuple[Profile, ...], names: tuple[str, ...]) -> Side:
    """Lay out some features of profiles."""
    kinds = {name: profiles[0].grid.by_name[name].kind for name in names}
    numeric, categorical, dates = (
        tuple(name for name in names if kinds[name] == kind) for kind in ("numeric", "categorical", "date")
    )
    return Side(profiles, numeric, categorical, dates)


def sides(reference: Profile, batches: Sequence[Profile]) -> tuple[Side, Side]:
    """A reference and some batches, which have the same features, over the features that both sides have."""
    base, seen = reference_side(reference, len(batches)), tuple(batches)
    if all(name in seen[0].features for name in base.names):
        return base, Side(seen, base.numeric, base.categorical, base.dates)
    both = tuple(name for name in base.names if name in seen[0].features)
    return side(base.profiles, both), side(seen, both)
