"""Tables with known shifts, for the benchmarks: healthy rows of many shapes, and ten ways a batch may differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_MOST = 0.6  # of a level that more rows have, 12% of the rows move the share by less than 0.1 (Cohen's h)
LEVELS = (3, 5, 8, 20, 60, 200)  # of the text columns, in turn
SHAPES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "normal": lambda z: 50 + 10 * z,
    "lognormal": lambda z: np.exp(3 + 0.9 * z),
    "heavy": lambda z: np.sign(z) * np.expm1(np.abs(z)) ** 2,
    "whole": lambda z: np.floor(40 + 12 * z),
    "zeros": lambda z: np.where(z < 0.2, 0.0, np.exp(1 + z)),
    "uniform": lambda z: 100 / (1 + np.exp(-1.7 * z)),
}


@dataclass(frozen=True)
class World:
    """Healthy rows: numeric columns of several shapes hanging on shared factors, text columns of few to many levels.

    Parameters
    ----------
    columns : int
        A third of them text.
    nulls : float
        Share of missing values in every other numeric column.
    linked : float
        Share of a numeric column's variance that a factor explains.
    """

    columns: int = 12
    nulls: float = 0.02
    linked: float = 0.5

    @property
    def numeric(self) -> list[str]:
        """Names of the numeric columns."""
        return [f"x{at}" for at in range(self.columns - self.columns // 3)]

    @property
    def text(self) -> list[str]:
        """Names of the text columns."""
        return [f"c{at}" for at in range(self.columns // 3)]

    def moved(self, tilt: float) -> set[str]:
        """The columns that hang on the first factor."""
        factors = max(len(self.numeric) // 4, 1)
        moved = {name for at, name in enumerate(self.numeric) if at % factors == 0}
        return moved | {name for at, name in enumerate(self.text) if at % 2 == 0} if tilt else set()

    def draw(self, rng: np.random.Generator, rows: int, tilt: float = 0.0) -> dict[str, NDArray]:
        """Columns of so many healthy rows; ``tilt`` moves the first factor by so many standard deviations."""
        factors = rng.standard_normal((max(len(self.numeric) // 4, 1), rows))
        factors[0] += tilt
        made: dict[str, NDArray] = {}
        shapes = list(SHAPES.values())
        for at, name in enumerate(self.numeric):
            own = rng.standard_normal(rows)
            latent = np.sqrt(self.linked) * factors[at % len(factors)] + np.sqrt(1 - self.linked) * own
            values = shapes[at % len(shapes)](latent)
            holes = self.nulls if at % 2 else 0.0
            made[name] = np.where(rng.random(rows) < holes, np.nan, values) if holes else values
        for at, name in enumerate(self.text):
            made[name] = self.levels(rng, LEVELS[at % len(LEVELS)], rows, factors[0] if at % 2 == 0 else None)
        return made

    @staticmethod
    def levels(rng: np.random.Generator, size: int, rows: int, factor: NDArray | None, tilt: float = 0.0) -> NDArray:
        """Codes of levels with falling shares; a factor moves rows towards the front."""
        shares = 1 / np.arange(1, size + 1) ** 0.7
        shares[0] *= 1 + tilt
        ends = np.cumsum(shares / shares.sum())
        place = (
            rng.random(rows) if factor is None else 1 / (1 + np.exp(1.7 * (factor + rng.standard_normal(rows)) / 1.414))
        )
        return np.minimum(np.searchsorted(ends, place), size - 1)


def table(made: dict[str, NDArray]) -> pa.Table:
    """Columns as a table: floats with nulls for NaN, codes as text."""
    arrays = {}
    for name, values in made.items():
        if values.dtype.kind in "iu":
            names = pa.array([f"level {at}" for at in range(int(values.max(initial=0)) + 1)])
            arrays[name] = pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int32)), names)
        elif values.dtype.kind == "f":
            arrays[name] = pa.array(values, from_pandas=True)
        else:
            arrays[name] = pa.array(values)
    return pa.table(arrays)


class Source(Protocol):
    """What healthy and tilted rows are drawn from: ``World`` here, ``real.Copied``."""

    @property
    def numeric(self) -> list[str]: ...
    @property
    def text(self) -> list[str]: ...
    def moved(self, tilt: float) -> set[str]: ...
    def draw(self, rng: np.random.Generator, rows: int, tilt: float = 0.0) -> dict[str, NDArray]: ...


Changed = tuple[dict[str, NDArray], set[str]]


def _sd(values: NDArray) -> float:
    """A spread that heavy tails leave alone; the standard deviation where most values are one and the same."""
    low, high = np.nanquantile(values, [0.16, 0.84])
    return float(high - low) / 2 or float(np.nanstd(values))


def shifted(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """The mean of one column rises by a quarter of its spread."""
    made, name = world.draw(rng, rows), str(rng.choice(world.numeric))
    made[name] = made[name] + 0.25 * _sd(made[name])
    return made, {name}


def scaled(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """One column spreads 1.3 times as wide around its median."""
    made, name = world.draw(rng, rows), str(rng.choice(world.numeric))
    middle = np.nanmedian(made[name])
    made[name] = middle + 1.3 * (made[name] - middle)
    return made, {name}


def noised(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """Noise as wide as the column is added to one column."""
    made, name = world.draw(rng, rows), str(rng.choice(world.numeric))
    made[name] = made[name] + rng.standard_normal(rows) * _sd(made[name])
    return made, {name}


def wrong_unit(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """5% of one column's rows are in another unit."""
    made, name = world.draw(rng, rows), str(rng.choice(world.numeric))
    factor = rng.choice([1000.0, 4.184, 0.001])
    made[name] = np.where(rng.random(rows) < 0.05, made[name] * factor, made[name])
    return made, {name}


def piled_up(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """5% of one column's rows have one and the same value."""
    made, name = world.draw(rng, rows), str(rng.choice(world.numeric))
    value = np.nanquantile(made[name][made[name] != 0], rng.uniform(0.2, 0.9))
    made[name] = np.where(rng.random(rows) < 0.05, value, made[name])
    return made, {name}


def more_nulls(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """6% more of one column is missing."""
    made, name = world.draw(rng, rows), str(rng.choice(world.numeric))
    made[name] = np.where(rng.random(rows) < 0.06, np.nan, made[name])
    return made, {name}


def new_level(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """3% of one text column's rows have a level never seen before."""
    made, name = world.draw(rng, rows), str(rng.choice(world.text))
    made[name] = np.where(rng.random(rows) < 0.03, 999, made[name])
    return made, {name}


def tilted_levels(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """12% of one text column's rows get its most frequent level, or the second where most have the first already."""
    made, name = world.draw(rng, rows), str(rng.choice(world.text))
    level = int((made[name] == 0).mean() > _MOST)
    made[name] = np.where(rng.random(rows) < 0.12, level, made[name])
    return made, {name}


def tilted_population(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """Other people come: the first factor moves by a third of a standard deviation, and all that hangs on it."""
    return world.draw(rng, rows, tilt=0.35), world.moved(0.35)


def broken_link(world: Source, rng: np.random.Generator, rows: int) -> Changed:
    """One column is shuffled: its own distribution stands still, its links are gone."""
    made, name = world.draw(rng, rows), str(rng.choice(world.numeric))
    made[name] = rng.permutation(made[name])
    return made, {name}


SHIFTS: dict[str, Callable[[Source, np.random.Generator, int], Changed]] = {
    "mean +.25 sd": shifted,
    "scale x1.3": scaled,
    "noise": noised,
    "wrong unit 5%": wrong_unit,
    "pile-up 5%": piled_up,
    "nulls +6%": more_nulls,
    "new level 3%": new_level,
    "category tilt": tilted_levels,
    "population tilt": tilted_population,
    "broken link": broken_link,
}
