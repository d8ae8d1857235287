"""Tables whose inputs move while what a row says of its label stays: pure covariate shift, its law known. Seeded.

A world is a law, the columns it is seen through and the number of classes. A batch is drawn by one of several moves of
the inputs; its labels are drawn by the law. ``TUNED`` is what methods are chosen on, ``CONFIRMED`` what they are then
measured on: other laws, other moves, other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage.records import Feature, Schema

WIDTH = 6
LEVELS = (3, 8)  # of the text columns
SHARP = 1.6  # how clear the labels are: the best possible accuracy is mostly 0.75 to 0.88
Rows = tuple[NDArray[np.float64], list[NDArray[np.int64]]]  # (n, WIDTH) standard normal before they move; level codes
Law = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Move = Callable[[np.random.Generator, int], Rows]


def _healthy(rng: np.random.Generator, n: int, tilt: float = 0.0) -> Rows:
    """Columns that hang together a little; a tilt moves rows to the first levels."""
    z = 0.9 * rng.standard_normal((n, WIDTH)) + np.sqrt(1 - 0.81) * rng.standard_normal((n, 1))
    codes = []
    for size in LEVELS:
        shares = np.exp(-(0.25 + tilt) * np.arange(size))
        codes.append(rng.choice(size, n, p=shares / shares.sum()))
    return z, codes


def _moved(rng: np.random.Generator, n: int, columns: slice, by: float, spread: float) -> Rows:
    """Some columns moved and spread."""
    z, codes = _healthy(rng, n)
    z[:, columns] = by + spread * z[:, columns]
    return z, codes


def _chosen(rng: np.random.Generator, n: int, keep: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> Rows:
    """Only rows of one part."""
    z, codes = _healthy(rng, 4 * n)
    rows = np.flatnonzero(keep(z))[:n]
    return z[rows], [code[rows] for code in codes]


def _mixed(rng: np.random.Generator, n: int) -> Rows:
    """A third of the rows come from one corner."""
    z, codes = _healthy(rng, n)
    z[: n // 3] = 1.2 * np.array([1, -1, 1, 1, -1, 1]) + 0.5 * z[: n // 3]
    return z, codes


def _unlinked(rng: np.random.Generator, n: int) -> Rows:
    """One column turns round and both spread a little: their links to the others change."""
    z, codes = _healthy(rng, n)
    z[:, :2] = np.array([1.3, -1.3]) * z[:, :2]
    return z, codes


ALL, FIRST, SOME = slice(0, WIDTH), slice(0, 1), slice(1, 4)
_TUNED: Mapping[str, Move] = {
    "nothing": _healthy,
    "one column's mean": lambda rng, n: _moved(rng, n, FIRST, 0.8, 1.0),
    "three means": lambda rng, n: _moved(rng, n, SOME, -0.5, 1.0),
    "spread x1.5": lambda rng, n: _moved(rng, n, ALL, 0.0, 1.5),
    "half the rows": lambda rng, n: _chosen(rng, n, lambda z: z[:, 0] > 0),
    "levels": lambda rng, n: _healthy(rng, n, 0.5),
}
_CONFIRMED: Mapping[str, Move] = {
    "nothing": _healthy,
    "all means": lambda rng, n: _moved(rng, n, ALL, 0.4, 1.0),
    "one spread x2": lambda rng, n: _moved(rng, n, FIRST, 0.0, 2.0),
    "all spread x1.5": lambda rng, n: _moved(rng, n, ALL, 0.0, 1.5),
    "narrower": lambda rng, n: _moved(rng, n, ALL, 0.0, 0.65),
    "a corner": _mixed,
    "other links": _unlinked,
    "near the middle": lambda rng, n: _chosen(rng, n, lambda z: np.abs(z[:, 0] + z[:, 1]) < 0.8),
    "levels back": lambda rng, n: _healthy(rng, n, -0.5),
}

_LAWS: Mapping[str, Law] = {
    "straight": lambda z: 1.6 * z[:, 0] - 1.1 * z[:, 1] + 0.7 * z[:, 2],
    "curved": lambda z: 1.3 * z[:, 0] ** 2 - 1.5 + 1.2 * z[:, 1] - 0.5 * z[:, 3],
    "crossed": lambda z: 1.5 * z[:, 0] * z[:, 1] + 1.2 * z[:, 2] - 0.6 * z[:, 4],
    "wavy": lambda z: 2.2 * np.sin(1.8 * z[:, 0]) + 1.3 * z[:, 1] + 0.5 * z[:, 2],
    "stepped": lambda z: 1.8 * np.sign(z[:, 0] - 0.3) + 1.4 * (z[:, 1] > 0.5) - 1.2 * (z[:, 2] > 0) * (z[:, 3] > 0),
    "saddle": lambda z: z[:, 0] ** 2 - 0.9 * z[:, 1] ** 2 + 1.3 * z[:, 2] + 0.3,
    "ring": lambda z: 2.2 * (np.sqrt((z[:, :3] ** 2).sum(1)) - 1.5) + 0.9 * z[:, 4],
    "bent": lambda z: 2.0 * np.maximum(z[:, 0], -0.2) - 1.5 * np.abs(z[:, 1]) + 0.8 * z[:, 2] + 0.6,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """One law, seen through columns.

    Parameters
    ----------
    law : str
        A row of ``_LAWS``.
    classes : int
    text : bool
        Whether two text columns belong to it, some numbers are missing, and some are far from normal.
    seed : int
        Draws the effects of levels and the further classes.
    moves : mapping
        Name to how the rows of a batch are drawn.
    """

    law: str
    classes: int
    text: bool
    seed: int
    moves: Mapping[str, Move] = field(repr=False)

    @property
    def name(self) -> str:
        """Law, classes, and whether text belongs to it."""
        return f"{self.law}, {self.classes} classes" + (", text" if self.text else "")

    @property
    def schema(self) -> Schema:
        """What its tables look like."""
        features = [Feature(f"x{i}", "numeric") for i in range(WIDTH)]
        features += [Feature(f"c{i}", "categorical") for i in range(len(LEVELS)) if self.text]
        return Schema(tuple(features), "y", "classification", tuple(f"k{i}" for i in range(self.classes)))

    def shares(self, z: NDArray[np.float64], codes: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        """How likely each class is, (n, classes); a missing value counts as 0."""
        rng = np.random.default_rng(self.seed)
        effects = [rng.normal(0, 0.8, size) for size in LEVELS]
        z = np.nan_to_num(z)
        scores = np.zeros((len(z), self.classes))
        scores[:, 1] = _LAWS[self.law](z)
        if self.text:
            scores[:, 1] += sum(effect[code] for effect, code in zip(effects, codes, strict=True))
        for k in range(2, self.classes):
            scores[:, k] = z @ rng.normal(0, 0.9, WIDTH) - 0.3
        odds = np.exp(SHARP * (scores - scores.max(1, keepdims=True)))
        return odds / odds.sum(1, keepdims=True)

    def draw(self, rng: np.random.Generator, n: int, move: Move = _healthy) -> tuple[pa.Table, NDArray[np.float64]]:
        """A labelled table of n rows, and how likely each class was, (n, classes)."""
        z, codes = move(rng, n)
        if self.text:
            z[:, [1, 4]] = np.where(rng.random((n, 2)) < 0.06, np.nan, z[:, [1, 4]])
        shares = self.shares(z, codes)
        truth = (rng.random((n, 1)) > shares.cumsum(1)[:, :-1]).sum(1)
        seen = z.copy()
        if self.text:
            seen[:, 0], seen[:, 2] = np.exp(0.8 * z[:, 0]), np.sign(z[:, 2]) * z[:, 2] ** 2
        columns = {f"x{i}": pa.array(seen[:, i], from_pandas=True) for i in range(WIDTH)}
        if self.text:
            columns |= {f"c{i}": pa.array(np.char.add("level ", code.astype(str))) for i, code in enumerate(codes)}
        columns["y"] = pa.array(np.array(self.schema.classes)[truth])
        return pa.table(columns), shares


def _worlds(laws: tuple[str, ...], seed: int, moves: Mapping[str, Move]) -> tuple[World, ...]:
    """Each law with two classes, with text and gaps, and with three classes."""
    forms = ((2, False), (2, True), (3, True))
    return tuple(
        World(law, classes, text, seed + 10 * i + j, moves)
        for i, law in enumerate(laws)
        for j, (classes, text) in enumerate(forms)
    )


TUNED = _worlds(("straight", "curved", "crossed", "wavy"), 100, _TUNED)
CONFIRMED = _worlds(("stepped", "saddle", "ring", "bent"), 900, _CONFIRMED)
