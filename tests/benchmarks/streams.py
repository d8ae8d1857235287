"""Simulated streams whose truth is known: ten numeric features, a target, rows in time order. Seeded.

Each stream is a function of (rng, batches, rows) and a row of ``STREAMS``. The first piece of every stream is for the
first training. After the generators of SEA (Street & Kim 2001), rotating hyperplanes (Hulten et al. 2001), moving RBF
centres (MOA) and the taxonomy of Gama et al. 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage.records import Feature, Schema

WIDTH = 10
Data = tuple[NDArray[np.float64], NDArray[np.int64]]
Make = Callable[[np.random.Generator, int, int], Data]


@dataclass(frozen=True)
class Stream:
    """One stream: what it is and how it is made."""

    name: str
    label: str
    make: Make
    classes: int = 2
    batches: int = 40


def table(stream: Stream, seed: int, rows: int = 1000, batches: int | None = None) -> tuple[pa.Table, Schema]:
    """A stream as a table with its schema; the first ``rows`` are for the first training.

    Parameters
    ----------
    stream : Stream
    seed : int
    rows : int
        A batch.
    batches : int, optional
        After the first piece; the stream's own number if not given.
    """
    count = (batches or stream.batches) + 1
    X, y = stream.make(np.random.default_rng(seed), count, rows)
    names = [f"x{i}" for i in range(WIDTH)]
    columns = {name: pa.array(X[:, i]) for i, name in enumerate(names)}
    classes = tuple(f"c{i}" for i in range(stream.classes))
    columns["y"] = pa.array(np.array(classes, dtype=object)[y].tolist())
    schema = Schema(tuple(Feature(name, "numeric") for name in names), "y", "classification", classes)
    return pa.table(columns), schema


def _concept(rng: np.random.Generator) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A random smooth concept: linear part, a product and a bend; positive means class 1."""
    w = rng.normal(size=WIDTH) * (rng.random(WIDTH) < 0.5)
    i, j, k = rng.choice(WIDTH, 3, replace=False)
    a, b = rng.normal(1.2, 0.3, 2) * rng.choice([-1, 1], 2)

    def value(X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X @ w + a * X[:, i] * X[:, j] + b * (np.abs(X[:, k]) - 0.8)

    return value


def _noisy(rng: np.random.Generator, y: NDArray[np.bool_], share: float) -> NDArray[np.int64]:
    return (y ^ (rng.random(len(y)) < share)).astype(np.int64)


def _time(batches: int, rows: int) -> NDArray[np.float64]:
    """Batch number of each row, 0 for the first piece."""
    return np.repeat(np.arange(batches), rows)


def _noise(rng: np.random.Generator, batches: int, rows: int) -> Data:
    X = rng.normal(size=(batches * rows, WIDTH))
    return X, _noisy(rng, _concept(rng)(X) > 0, 0.1)


def _switching(phases: int, pool: int, noise: float) -> Make:
    """Abrupt changes between ``pool`` concepts, in turn."""

    def make(rng: np.random.Generator, batches: int, rows: int) -> Data:
        X = rng.normal(size=(batches * rows, WIDTH))
        concepts = [_concept(rng) for _ in range(pool)]
        phase = (_time(batches, rows) * phases // batches) % pool
        y = np.choose(phase, [c(X) > 0 for c in concepts])
        return X, _noisy(rng, y.astype(bool), noise)

    return make


def _gradual(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """Two slow hand-overs from one concept to the next, each over a quarter of the stream."""
    X = rng.normal(size=(batches * rows, WIDTH))
    a, b, c = (_concept(rng)(X) > 0 for _ in range(3))
    t = _time(batches, rows) / batches
    chance = rng.random(len(X))
    y = np.where(chance < np.clip((t - 0.15) / 0.25, 0, 1), b, a)
    y = np.where(chance < np.clip((t - 0.6) / 0.25, 0, 1), c, y)
    return X, _noisy(rng, y, 0.05)


def _rotating(speed: float) -> Make:
    """A hyperplane that turns by ``speed`` radians a batch."""

    def make(rng: np.random.Generator, batches: int, rows: int) -> Data:
        X = rng.normal(size=(batches * rows, WIDTH))
        angle = _time(batches, rows) * speed
        u, v, bend = rng.normal(size=(3, WIDTH))
        u /= np.linalg.norm(u)
        v -= u * (u @ v)
        v /= np.linalg.norm(v)
        value = (X @ u) * np.cos(angle) + (X @ v) * np.sin(angle) + 0.2 * (X @ bend) / np.linalg.norm(bend)
        return X, _noisy(rng, value > 0, 0.05)

    return make


def _flips(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """The same concept whose labels are turned round every seven batches."""
    X = rng.normal(size=(batches * rows, WIDTH))
    turned = (_time(batches, rows) // 7) % 2 == 1
    return X, _noisy(rng, (_concept(rng)(X) > 0) ^ turned, 0.05)


def _late(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """A small first piece of one world, then for ever another in which old rows mislead."""
    X = rng.normal(size=(batches * rows, WIDTH))
    a, b = _concept(rng), _concept(rng)
    t = _time(batches, rows)
    y = np.where(t < batches // 2, a(X) > 0, np.where(X[:, 0] > -1, a(X) < 0, b(X) > 0))
    return X, _noisy(rng, y, 0.03)


def _harmless(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """Inputs move along directions the concept does not use."""
    X = rng.normal(size=(batches * rows, WIDTH))
    w = rng.normal(size=WIDTH)
    w[5:] = 0
    y = X @ w + X[:, 0] * X[:, 1] > 0
    t = _time(batches, rows)
    X[:, 5] += 1.0 * (t > batches // 3)
    X[:, 6] *= 1 + 1.0 * (t > 2 * batches // 3)
    X[:, 7] += t / batches * 2
    return X, _noisy(rng, y, 0.08)


def _prototypes(rng: np.random.Generator, classes: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return rng.normal(size=(count, WIDTH)) * 1.6, np.arange(count) % classes


def _rich(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """A concept of many pieces: every new row is worth having."""
    centres, of = _prototypes(rng, 5, 80)
    at = rng.integers(len(centres), size=batches * rows)
    return centres[at] + rng.normal(size=(len(at), WIDTH)) * 0.9, of[at]


def _regions(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """A concept of many pieces of which each batch visits a few: forgetting costs."""
    centres, of = _prototypes(rng, 4, 60)
    n, t = batches * rows, _time(batches, rows)
    visited = np.array([rng.choice(len(centres), 12, replace=False) for _ in range(batches)])
    at = visited[t, rng.integers(12, size=n)]
    return centres[at] + rng.normal(size=(n, WIDTH)) * 0.8, of[at]


def _moving(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """Classes around centres that wander."""
    centres, of = _prototypes(rng, 4, 16)
    n, t = batches * rows, _time(batches, rows)
    speed = rng.normal(size=centres.shape)
    speed *= 0.22 / np.linalg.norm(speed, axis=1, keepdims=True)
    at = rng.integers(len(centres), size=n)
    return centres[at] + speed[at] * t[:, None] + rng.normal(size=(n, WIDTH)) * 1.0, of[at]


def _local(rng: np.random.Generator, batches: int, rows: int) -> Data:
    """The concept changes only where one feature is high."""
    X = rng.normal(size=(batches * rows, WIDTH))
    a, b = _concept(rng), _concept(rng)
    t = _time(batches, rows)
    changed = (t > batches // 3) & (X[:, 3] > 0.5)
    return X, _noisy(rng, np.where(changed, b(X) > 0, a(X) > 0), 0.05)


STREAMS: dict[str, Stream] = {
    row.name: row
    for row in (
        Stream("noise", "No change at all", _noise),
        Stream("harmless", "Inputs drift, nothing is lost", _harmless),
        Stream("abrupt", "Abrupt changes", _switching(4, 4, 0.05)),
        Stream("gradual", "Gradual hand-over", _gradual),
        Stream("incremental", "Slowly turning", _rotating(0.06)),
        Stream("fast", "Quickly turning", _rotating(0.2)),
        Stream("recurring", "Two worlds in turn", _switching(6, 2, 0.05)),
        Stream("flips", "Labels turned round and back", _flips, batches=42),
        Stream("late", "Old rows mislead", _late),
        Stream("rich", "Every new row is worth having", _rich, classes=5, batches=30),
        Stream("regions", "Forgetting costs", _regions, classes=4, batches=30),
        Stream("moving", "Wandering classes", _moving, classes=4, batches=30),
        Stream("local", "Change in one corner", _local),
    )
}
