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
from pipeline.profile.grid import CELLS
from pipeline.profile.layout import Lens, Levels, Numbers, grouped, lens_of, levels_of, numbers_of

Floats = NDArray[np.float64]
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
    def positions(self) -> Floats:
        """Where each cell of the numeric features lies: its middle, the ends at the outermost edges; in spreads."""
        return np.array([places(self.profile.grid.by_name[name]) for name in self.numeric])


def places(grid: FeatureGrid) -> Floats:
    """Positions of the cells of a numeric feature or date, in spreads from its median."""
    found = np.zeros(CELLS)
    if grid.edges:
        edges = np.clip(grid.bounds / grid.spread - grid.middle / grid.spread, -_FAR, _FAR)
        inner = np.r_[edges[0], (edges[:-1] + edges[1:]) / 2, edges[-1]]
        found[: len(inner)], found[len(inner) :] = inner, inner[-1]
    return found


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
