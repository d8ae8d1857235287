"""Tables as people have them, for the benchmarks: real columns, as many rows as one likes.

The values of every column are those of a real table (scikit-learn's packaged ones and the project's own adults), with
their ties, rounding and gaps. Rows are drawn by a Gaussian copula with the real table's rank correlations, so that any
number of healthy rows can be had from one law.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

_ADULTS = Path(__file__).parents[2] / "seed_data" / "adults.csv.gz"
_FEW = 8  # distinct values up to which a column of whole numbers is text
_MOVED = 0.1  # standard deviations that a population's tilt moves a column by before it counts as moved


@dataclass(frozen=True)
class Copied:
    """Rows like those of a real table.

    Parameters
    ----------
    columns : dict
        Name to values: floats for numbers, codes by falling frequency for text.
    """

    columns: dict[str, NDArray]

    @property
    def numeric(self) -> list[str]:
        """Names of the numeric columns."""
        return [name for name, values in self.columns.items() if values.dtype.kind == "f"]

    @property
    def text(self) -> list[str]:
        """Names of the text columns."""
        return [name for name, values in self.columns.items() if values.dtype.kind == "i"]

    @cached_property
    def _known(self) -> list[NDArray]:
        """The values of each column, sorted."""
        return [np.sort(values[~np.isnan(values)]) for values in self.columns.values()]

    @cached_property
    def _factor(self) -> NDArray:
        """The Cholesky factor of the correlations of normal scores, made positive; (columns, columns)."""
        scores = []
        for values in self.columns.values():
            ranks = np.where(np.isnan(values), np.nan, rankdata(values, nan_policy="omit"))
            score = ndtri(ranks / (np.nanmax(ranks) + 1))
            scores.append(np.where(np.isnan(score), 0.0, score))
        found = np.corrcoef(scores) * 0.98
        np.fill_diagonal(found, 1.0)
        return np.linalg.cholesky(found)

    @cached_property
    def _main(self) -> NDArray:
        """How strongly each column hangs on the first common factor."""
        values, vectors = np.linalg.eigh(self._factor @ self._factor.T)
        return vectors[:, -1] * np.sqrt(values[-1])

    def moved(self, tilt: float) -> set[str]:
        """The columns that a tilt of the population moves visibly."""
        return {name for name, weight in zip(self.columns, self._main, strict=True) if abs(weight * tilt) >= _MOVED}

    def draw(self, rng: np.random.Generator, rows: int, tilt: float = 0.0) -> dict[str, NDArray]:
        """Columns of so many healthy rows; ``tilt`` moves the first common factor by so many standard deviations."""
        latent = self._factor @ rng.standard_normal((len(self.columns), rows)) + tilt * self._main[:, None]
        made = {}
        for name, known, place in zip(self.columns, self._known, ndtr(latent), strict=True):
            values = known[np.minimum((place * len(known)).astype(int), len(known) - 1)]
            holes = np.isnan(self.columns[name]).mean()
            made[name] = np.where(rng.random(rows) < holes, np.nan, values) if holes else values.astype(known.dtype)
        return made


@cache
def adults() -> Copied:
    """The project's adults: eight columns, text and numbers, most of them rounded."""
    with gzip.open(_ADULTS, "rt") as file:
        lines = list(csv.DictReader(file))
    return Copied({name: _column([line[name] for line in lines]) for name in lines[0]})


@cache
def packaged(name: str) -> Copied:
    """One of scikit-learn's packaged tables: ``breast_cancer``, ``wine``, ``diabetes`` or ``digits``."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    wide = bunch.data[:, bunch.data.std(axis=0) > 0]
    columns = {f"x{at}": np.ascontiguousarray(wide[:, at]) for at in range(wide.shape[1])}
    return Copied({name: _coded(line) if len(np.unique(line)) <= _FEW else line for name, line in columns.items()})


def _column(cells: list[str]) -> NDArray:
    """Numbers where all cells are, else codes."""
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return _coded(np.array(cells))


def _coded(values: NDArray) -> NDArray:
    """Codes of values, the most frequent first."""
    _, codes, times = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.empty(len(times), np.int64)
    rank[np.argsort(-times, kind="stable")] = np.arange(len(times))
    return rank[codes]


def tables() -> dict[str, Copied]:
    """All of them by name."""
    named = {name.replace("_", " "): packaged(name) for name in ("breast_cancer", "wine", "diabetes", "digits")}
    return {"adults": adults()} | named
