"""The cells that values are counted in, laid once over a reference. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import Unhealthy
from storage.records import Kind

FORMAT = 2  # of stored grids and profiles: raise it when an older reader would misread what is written
BLOCKS = (10, 20, 50, 100, 200, 500, 1_000)  # rows that may have something in common
CELLS = 128  # of a numeric feature or a date; unused ones stay empty, so that features lie in one matrix


@dataclass(frozen=True)
class FeatureGrid:
    """The cells of one feature.

    Attributes
    ----------
    name, kind
        Of the feature.
    edges : tuple of float
        Numeric and date (microseconds): cell ``i`` holds ``edges[i - 1] <= value < edges[i]``; ends are open.
    low, high : float
        Lowest and highest value of the reference.
    middle, spread : float
        Median and scale that the exact moments are counted in.
    levels : tuple of str
        Categorical: counted by name, most frequent first.
    rare : tuple of str
        Known, but counted together.
    scores : tuple of float
        One a cell or level: its place on a normal scale in the reference.
    due : tuple of float
        Where there are rare levels: share of the rows whose level was seen once, and twice; share of rows that are to
        be expected in the rare levels of another table.
    alike : tuple of float
        How much more than independent rows the reference's own blocks of ``BLOCKS`` consecutive rows vary, as far as
        they were seen; empty where they do not.
    wobble : float
        By how much that grows with every further row of a batch: the variance of what larger blocks have in common
        over that of one row.
    trend : float
        Dates: rank correlation with the place of the row in the reference; near 1 for one that passes.
    since : str
        Dates: the date that passes most, which this one is measured from; empty for that date itself.
    lag : FeatureGrid or None
        Dates: the cells of the microseconds from that date to this one.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    middle: float = 0.0
    spread: float = 1.0
    levels: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    due: tuple[float, ...] = ()
    alike: tuple[float, ...] = ()
    wobble: float = 0.0
    trend: float = 0.0
    since: str = ""
    lag: FeatureGrid | None = None

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """The edges as an array."""
        return np.array(self.edges, dtype=np.float64)

    @cached_property
    def marks(self) -> NDArray[np.float64]:
        """The scores as an array; one more, the last, for what has no cell: 0."""
        return np.append(np.array(self.scores, np.float64), 0.0)

    @cached_property
    def places(self) -> dict[str, int]:
        """Level to cell; rare ones share the last."""
        other = len(self.levels)
        return dict.fromkeys(self.rare, other) | {name: at for at, name in enumerate(self.levels)}

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.levels) + 1 if self.kind == "categorical" else CELLS


@dataclass(frozen=True)
class Grid:
    """The cells of all watched features of a monitor."""

    features: tuple[FeatureGrid, ...]
    linked: tuple[str, ...] = ()  # features whose dependence is counted
    peaks: tuple[float, ...] = ()  # kurtosis of each of their scores: 3 for a normal one, 1 / p for a rare mark
    bonds: tuple[float, ...] = ()  # of each pair of them: variance of Fisher's z times rows, upper triangle by rows
    knots: tuple[float, ...] = ()  # of each pair: excess kurtosis of what a row adds to that; empty where not known
    rests: tuple[tuple[float, float], ...] = ()  # skewness, kurtosis of what the others leave unexplained of each

    @cached_property
    def by_name(self) -> dict[str, FeatureGrid]:
        """Feature name to its cells."""
        return {feature.name: feature for feature in self.features}

    def to_json(self) -> str:
        """The grid as text; ``from_json`` gives back an equal grid."""
        features = [_plain(feature) for feature in self.features]
        ties = {key: getattr(self, key) for key in ("linked", "peaks", "bonds", "knots", "rests")}
        return json.dumps({"format": FORMAT, "features": features} | ties, allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Grid:
        """A grid from its text, of this format or an earlier one.

        Raises
        ------
        Unhealthy
            If the text is of a later format, or no grid.
        """
        try:
            data = json.loads(text)
            found = int(data["format"])
            if found > FORMAT:
                raise Unhealthy(
                    f"The stored profile cells are of format {found}; this program reads up to format {FORMAT}. "
                    "Use the newer program that wrote them."
                )
            features = tuple(_feature_grid(item) for item in data["features"])
            ties = (tuple(data[key]) for key in ("linked", "peaks", "bonds"))
            return Grid(features, *ties, tuple(data.get("knots", ())), tuple(map(tuple, data.get("rests", ()))))
        except (ValueError, KeyError, TypeError) as error:
            raise Unhealthy(f"The stored profile cells cannot be read ({error!r}). Restore a backup.") from error


_KEYS = tuple(FeatureGrid.__dataclass_fields__)


def _plain(feature: FeatureGrid) -> dict[str, Any]:
    """A feature's cells as a plain object; what is as by default is left out."""
    values = {key: getattr(feature, key) for key in _KEYS}
    values["lag"] = _plain(feature.lag) if feature.lag is not None else None
    defaults = {key: field.default for key, field in FeatureGrid.__dataclass_fields__.items()}
    return {key: value for key, value in values.items() if value != defaults[key]}


def _feature_grid(item: dict[str, Any]) -> FeatureGrid:
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
    if plain.get("lag") is not None:
        plain["lag"] = _feature_grid(plain["lag"])
    return FeatureGrid(**plain)
