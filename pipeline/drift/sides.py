"""A profile laid out for comparison: its features side by side, and what only a reference decides.

Pure but for a memory: the layouts of the last references are kept, because one reference meets many batches.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.profile import FeatureGrid, Profile
from pipeline.profile.blas import one_thread
from pipeline.profile.grid import CELLS
from pipeline.profile.joint import correlations
from pipeline.profile.layout import Lens, Levels, Numbers, grouped, lens_of, levels_of, numbers_of

Floats = NDArray[np.float64]
_SHARED = 5.0  # rows that two rare marks must be expected to share before their link is judged
_RIDGE = 0.02  # of correlations: nearly equal columns do not count twice
_FAR = 1e30  # spreads: squares of positions stay finite


@dataclass(frozen=True)
class Side:
    """One profile, laid out over the features that both sides of a comparison have."""

    profile: Profile
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    dates: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All features: numeric, categorical, dates."""
        return self.numeric + self.categorical + self.dates

    @cached_property
    def numbers(self) -> Numbers:
        """The numeric features."""
        return numbers_of(self.profile, self.numeric)

    @cached_property
    def levels(self) -> Levels:
        """The categorical features."""
        return levels_of(self.profile, self.categorical)

    @cached_property
    def present(self) -> list[int]:
        """Rows with a value of each feature, in the order of ``names``."""
        dates = [self.profile.features[name].present for name in self.dates]
        return [*map(int, self.numbers.present), *map(int, self.levels.present), *dates]

    @cached_property
    def wobble(self) -> Floats:
        """The reference's own wobble of each feature, in the order of ``names``."""
        return np.array([self.profile.grid.by_name[name].wobble for name in self.names])

    @cached_property
    def lens(self) -> Lens:
        """What this side, as a reference, decides about how batches are looked at."""
        grids = [self.profile.grid.by_name[name] for name in self.numeric]
        return lens_of(self.numbers, grids, self.levels, self.profile)

    @cached_property
    def groups(self) -> Floats:
        """Its own cells in its own coarse bins."""
        return grouped(self.numbers.cells, self.lens.group_of)

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
            needed=_SHARED * peaks[first] * peaks[second],
            wobble=np.array([grid.by_name[name].wobble for name in grid.linked]),
        )  # fmt: skip

    @cached_property
    def positions(self) -> Floats:
        """Where each cell of the numeric features lies: its middle, the ends at the outermost edges; in spreads."""
        return np.array([places(self.profile.grid.by_name[name]) for name in self.numeric])


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
    needed: Floats  # rows that a pair needs before its far tail can be trusted
    wobble: Floats

    @cached_property
    def varying(self) -> NDArray[np.intp]:
        """The features whose scores vary."""
        return np.flatnonzero(self.spreads**2 > 0.05)

    @cached_property
    def inverse(self) -> Floats:
        """The inverse of the correlations of those that vary."""
        return self.inverted(self.varying)

    def inverted(self, use: NDArray[np.intp]) -> Floats:
        """The inverse of the correlations of some features, made stable."""
        found = (1 - _RIDGE) * self.correlations[np.ix_(use, use)]
        np.fill_diagonal(found, 1.0)
        with one_thread():
            return np.linalg.inv(found)


def places(grid: FeatureGrid) -> Floats:
    """Positions of the cells of a numeric feature or date, in spreads from its median."""
    found = np.zeros(CELLS)
    if grid.edges:
        edges = np.clip(grid.bounds / grid.spread - grid.middle / grid.spread, -_FAR, _FAR)
        inner = np.r_[edges[0], (edges[:-1] + edges[1:]) / 2, edges[-1]]
        found[: len(inner)], found[len(inner) :] = inner, inner[-1]
    return found


def fisher(r: Floats) -> Floats:
    """Fisher's z of correlations."""
    return np.arctanh(np.clip(r, -0.999, 0.999))


_KNOWN: deque[Side] = deque(maxlen=16)  # newest last


def reference_side(reference: Profile) -> Side:
    """The layout of a reference, remembered."""
    for known in reversed(_KNOWN):
        if known.profile is reference:
            return known
    made = side(reference, tuple(reference.features))
    _KNOWN.append(made)
    return made


def side(profile: Profile, names: tuple[str, ...]) -> Side:
    """Lay out some features of a profile."""
    kinds = {name: profile.grid.by_name[name].kind for name in names}
    numeric, categorical, dates = (
        tuple(name for name in names if kinds[name] == kind) for kind in ("numeric", "categorical", "date")
    )
    return Side(profile, numeric, categorical, dates)


def sides(reference: Profile, batch: Profile) -> tuple[Side, Side]:
    """Both profiles over the features that both have."""
    base = reference_side(reference)
    if all(name in batch.features for name in base.names):
        return base, Side(batch, base.numeric, base.categorical, base.dates)
    both = tuple(name for name in base.names if name in batch.features)
    return side(reference, both), side(batch, both)
