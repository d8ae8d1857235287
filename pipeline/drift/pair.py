"""A reference and a batch side by side: what the eyes look at. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.distances import DISTANCES
from pipeline.drift import eyes
from pipeline.drift.laws import log_more
from pipeline.profile import Profile
from pipeline.profile.layout import Lens, Levels, Numbers, grouped, lens_of, levels_of, numbers_of
from storage.settings import Settings

Floats = NDArray[np.float64]
_CHUNKS = 20.0  # consecutive parts the reference averages over


@dataclass(frozen=True)
class Pair:
    """Two profiles over one grid, laid out."""

    reference: Profile
    batch: Profile
    settings: Settings
    base_numbers: Numbers
    numbers: Numbers
    base_levels: Levels
    levels: Levels
    lens: Lens
    dates: tuple[str, ...]
    unwatched: tuple[str, ...]

    def effective(self, names: tuple[str, ...], n: Floats, m: Floats) -> tuple[Floats, Floats]:
        """Rows of batch and reference after the reference's own wobble; at least 1."""
        wobble = np.array([self.reference.grid.by_name[name].wobble for name in names])
        n, m = np.maximum(n, 1.0), np.maximum(m, 1.0)
        return np.maximum(n / (1 + n * wobble), 1.0), np.maximum(m / (1 + m * wobble / _CHUNKS), 1.0)

    def enough(self, n: Floats, m: Floats) -> NDArray[np.bool_]:
        """Whether there are values enough to judge, on both sides."""
        return np.minimum(n, m) >= self.settings.drift.min_rows

    def nulls(self, names: tuple[str, ...], x: Floats, y: Floats) -> eyes.Seen:
        """The eye for the null rate."""
        rows = np.full(len(x), float(max(self.batch.rows, 1)))
        n, m = self.effective(names, rows, np.full(len(x), float(max(self.reference.rows, 1))))
        return eyes.counted(x / rows * n, n, y / max(self.reference.rows, 1) * m, m)

    def new_levels(self, n: Floats, m: Floats) -> eyes.Seen:
        """The eye for levels the reference lacks.

        How often an unseen level is to be expected shows in the levels that the reference saw once (Good and Turing).
        A single new name is judged by itself too.
        """
        base, seen, names = self.base_levels, self.levels, self.base_levels.names
        ratio = n / np.maximum(seen.present, 1)
        known = [self.reference.features[name].new or {} for name in names]
        fresh = [
            [count for level, count in (self.batch.features[name].new or {}).items() if level not in old]
            for name, old in zip(names, known, strict=True)
        ]
        total = np.array([float(sum(counts)) for counts in fresh]) * ratio
        top = np.array([float(max(counts, default=0)) for counts in fresh]) * ratio
        all_new, effect = eyes.counted(total, n, self.lens.once * m / np.maximum(base.present, 1), m)
        one_new = log_more(top, n, np.zeros_like(m), m) + np.log1p(self.lens.once)
        del seen
        together = np.minimum(np.minimum(all_new, one_new) + np.log(2.0), 0.0)
        return np.where(total > 0, together, 0.0), np.where(total > 0, effect, 0.0)

    def grouped(self, cells: Floats) -> Floats:
        """Cells of numeric features in the reference's coarse bins."""
        return grouped(cells, self.lens.group_of)

    def rule(self, name: str) -> tuple[str, float] | None:
        """The house rule of a feature and its threshold; None for the calibrated score."""
        own, all_ = self.settings.of(name), self.settings.drift
        rule = own.rule or all_.rule
        if rule == "calibrated" or self.reference.grid.by_name[name].kind not in DISTANCES[rule].kinds:
            return None
        return rule, own.threshold or (all_.threshold if own.rule is None else None) or DISTANCES[rule].usual_threshold

    def least_effect(self, name: str) -> float:
        """The smallest effect of a feature that counts as drift."""
        own = self.settings.of(name).min_effect
        return max(self.settings.drift.min_effect if own is None else own, 1e-9)

    def distances(self) -> dict[str, dict[str, float]]:
        """All distances of all features."""
        return self._distances

    @cached_property
    def _distances(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {name: {} for name in self.reference.features}
        base, seen = self.base_numbers, self.numbers
        if base.names:
            at = self.reference_positions
            coarse = [grouped(one.shares, self.lens.group_of) for one in (base, seen)]
            self._fill(found, base.names, "numeric", (base.shares, seen.shares), coarse, at)
        for name in self.dates:
            one = [self._shares(part.features[name].cells) for part in (self.reference, self.batch)]
            places = np.arange(one[0].shape[1], dtype=np.float64)[None]
            self._fill(found, (name,), "date", one, one, places)
        if self.base_levels.names:
            sides = [
                self._shares(np.concatenate([one.counts, one.new[:, None]], axis=1)) for one in (self.base_levels, self.levels)
            ]
            self._fill(found, self.base_levels.names, "categorical", sides, sides, np.zeros_like(sides[0]))
        for name in self.unwatched:
            found.setdefault(name, {})
        return found

    @staticmethod
    def _shares(counts: Floats) -> Floats:
        counts = np.atleast_2d(counts)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)

    @staticmethod
    def _fill(found: dict, names: tuple[str, ...], kind: str, fine: tuple, coarse: list, at: Floats) -> None:
        for row in DISTANCES.values():
            if kind in row.kinds:
                p, q = fine if row.bins == "fine" else coarse
                values = row.measure(p, q, at if row.bins == "fine" else np.zeros_like(p))
                empty = (p.sum(axis=1) == 0) | (q.sum(axis=1) == 0)
                for name, value in zip(names, np.where(empty, 0.0, values).tolist(), strict=True):
                    found[name][row.name] = value

    @property
    def reference_positions(self) -> Floats:
        """Where each cell of the numeric features lies: its middle, ends at the outermost edge."""
        lines = []
        for name in self.base_numbers.names:
            edges = self.reference.grid.by_name[name].bounds
            line = np.zeros(self.base_numbers.cells.shape[1])
            if len(edges):
                inner = np.r_[edges[0], (edges[:-1] + edges[1:]) / 2, edges[-1]]
                line[: len(inner)] = inner
                line[len(inner) :] = inner[-1]
            lines.append(line)
        return np.array(lines)


def pair_of(reference: Profile, batch: Profile, settings: Settings) -> Pair:
    """Lay out the watched features that both profiles have."""
    kinds = {grid.name: grid.kind for grid in reference.grid.features}
    both = [name for name in reference.features if name in batch.features]
    watched = [name for name in both if settings.of(name).watch]
    numeric = tuple(name for name in watched if kinds[name] == "numeric")
    levels = tuple(name for name in watched if kinds[name] == "categorical")
    base_numbers, base_levels = numbers_of(reference, numeric), levels_of(reference, levels)
    grids = [reference.grid.by_name[name] for name in numeric]
    return Pair(
        reference, batch, settings, base_numbers, numbers_of(batch, numeric), base_levels, levels_of(batch, levels),
        lens_of(base_numbers, grids, base_levels, reference), tuple(name for name in watched if kinds[name] == "date"),
        tuple(name for name in both if name not in watched),
    )  # fmt: skip


