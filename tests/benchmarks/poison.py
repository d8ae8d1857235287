"""Poisoned labels against true concept drift: what is promoted, what is held, what is told, in the same cycle.

Five tables x five poisons x seeds: nothing may be promoted, and each must be told. Five tables x three changes x seeds:
most must be answered by a promotion within five batches. Learners and batch sizes go round with the seeds. Run with
``make bench``; ``python -m tests.benchmarks.poison --seeds 7 8`` takes other worlds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.backtest import backtest
from seed_data.simulate import adults
from storage.records import Feature, Schema
from storage.settings import Settings

LEARNERS = ("boosting", "linear", "forest")
SIZES = (1000, 300, 2000, 500)
CALM, AFTER = 3, 5  # batches before the poison or the change, and after a change
LEVELS = (2, 5)  # of the text columns
WIDTH = 8
Columns = dict[str, NDArray]
Sample = Callable[[np.random.Generator, int, str], tuple[Columns, NDArray]]  # (rng, rows, change or "")


@dataclass(frozen=True)
class World:
    """One table: its schema and how rows of it are drawn."""

    schema: Schema
    sample: Sample


def _value(rng: np.random.Generator) -> Callable[[NDArray, Sequence[NDArray]], NDArray]:
    """A concept: linear part, a product, a bend, and an effect of each level."""
    w = rng.normal(size=WIDTH) * (rng.random(WIDTH) < 0.6)
    i, j, k = rng.choice(WIDTH, 3, replace=False)
    a, b = rng.normal(1.0, 0.3, 2) * rng.choice([-1, 1], 2)
    effects = [rng.normal(size=count) for count in LEVELS]
    return lambda X, C: (
        X @ w + a * X[:, i] * X[:, j] + b * (np.abs(X[:, k]) - 0.8)
        + sum(effect[c] for effect, c in zip(effects, C, strict=True))
    )  # fmt: skip


def _drawn(rng: np.random.Generator, n: int) -> tuple[NDArray, list[NDArray]]:
    return rng.normal(size=(n, WIDTH)), [rng.integers(count, size=n) for count in LEVELS]


def _columns(X: NDArray, C: Sequence[NDArray]) -> Columns:
    numbers = {f"x{i}": X[:, i] for i in range(WIDTH)}
    return numbers | {f"c{i}": np.array([f"l{j}" for j in c], dtype=object) for i, c in enumerate(C)}


def _features(width: int = WIDTH) -> tuple[Feature, ...]:
    texts = [Feature(f"c{i}", "categorical") for i in range(len(LEVELS))]
    return (*(Feature(f"x{i}", "numeric") for i in range(width)), *texts)


def _blended(seed: int) -> tuple[Callable, NDArray]:
    """The value of rows under a change, and values of many rows of the world before."""
    made = np.random.default_rng(seed)
    old, new, corner = _value(made), _value(made), int(made.integers(WIDTH))
    before = old(*_drawn(made, 20_000))

    def value(X: NDArray, C: Sequence[NDArray], change: str) -> NDArray:
        a = (old(X, C) - before.mean()) / before.std()
        b = new(X, C)
        b = (b - b.mean()) / b.std()
        if change == "another world":
            return b
        if change == "one side":
            return np.where(X[:, corner] > 0, b, a)
        return (a + 1.5 * b) / 1.8 if change == "half way" else a

    return value, (before - before.mean()) / before.std()


def _classes(share: float) -> Callable[[int], World]:
    def make(seed: int) -> World:
        value, before = _blended(seed)
        line = np.quantile(before, 1 - share)

        def sample(rng: np.random.Generator, n: int, change: str) -> tuple[Columns, NDArray]:
            X, C = _drawn(rng, n)
            y = (value(X, C, change) > line) ^ (rng.random(n) < 0.04)
            return _columns(X, C), np.where(y, "yes", "no")

        return World(Schema(_features(), "y", "classification", ("no", "yes")), sample)

    return make


def _amount(seed: int) -> World:
    value, _ = _blended(seed)

    def sample(rng: np.random.Generator, n: int, change: str) -> tuple[Columns, NDArray]:
        X, C = _drawn(rng, n)
        return _columns(X, C), 10 + value(X, C, change) + 0.3 * rng.normal(size=n)

    return World(Schema(_features(), "y", "regression"), sample)


def _five(seed: int) -> World:
    made = np.random.default_rng(seed)
    centres, of = made.normal(size=(30, WIDTH)) * 1.6, np.arange(30) % 5
    other = made.permutation(of)

    def sample(rng: np.random.Generator, n: int, change: str) -> tuple[Columns, NDArray]:
        at = rng.integers(30, size=n)
        _, C = _drawn(rng, n)
        moved = {"": at < 0, "another world": at >= 0, "one side": at < 15, "half way": at % 2 == 0}[change]
        y = np.where(moved, other[at], of[at])
        y = np.where(rng.random(n) < 0.05, rng.integers(5, size=n), y)
        return _columns(centres[at] + 0.8 * rng.normal(size=(n, WIDTH)), C), np.array([f"k{v}" for v in y])

    return World(Schema(_features(), "y", "classification", tuple(f"k{i}" for i in range(5))), sample)


def _real(seed: int) -> World:
    """The packaged adults: who is obese, from the rest; what counts as obese changes."""
    people = adults()
    numbers = [n for n in ("age", "waist", "kcal", "sedentary", "income_ratio") if n in people]
    texts = [n for n in ("sex", "activity") if n in people]
    line = {"": 30.0, "another world": 24.0, "one side": 25.0, "half way": 26.0}

    def sample(rng: np.random.Generator, n: int, change: str) -> tuple[Columns, NDArray]:
        at = rng.integers(len(people["bmi"]), size=n)
        bmi = people["bmi"][at].astype(float)
        y = bmi >= (np.where(people["age"][at] > 40, line[change], 30.0) if change == "one side" else line[change])
        return {name: people[name][at] for name in numbers + texts}, np.where(y, "yes", "no")

    features = (*(Feature(n, "numeric") for n in numbers), *(Feature(n, "categorical") for n in texts))
    return World(Schema(features, "y", "classification", ("no", "yes")), sample)


TABLES: dict[str, Callable[[int], World]] = {
    "even": _classes(0.5), "rare": _classes(0.12), "five classes": _five, "adults": _real, "amount": _amount,
}  # fmt: skip
CHANGES = ("another world", "one side", "half way")


def _turned(y: NDArray, schema: Schema, rng: np.random.Generator) -> NDArray:
    """Another class, drawn by lot; a number mirrored at the mean."""
    if schema.task == "regression":
        return 2 * y.mean() - y
    names = np.array(schema.classes)
    number = np.searchsorted(names, y) if list(names) == sorted(names) else None
    assert number is not None
    return names[(number + rng.integers(1, len(names), size=len(y))) % len(names)]


def poisoned(kind: str, columns: Columns, y: NDArray, schema: Schema, rng: np.random.Generator) -> NDArray:
    """Labels under one of ``POISONS``."""
    zero = 0.0 if schema.task == "regression" else schema.classes[0]
    if kind == "30% turned":
        return np.where(rng.random(len(y)) < 0.3, _turned(y, schema, rng), y)
    if kind == "all turned":
        return _turned(y, schema, rng)
    if kind == "shuffled":
        return rng.permutation(y)
    if kind == "constant":
        return np.full(len(y), zero)
    text = next(f.name for f in schema.features if f.kind == "categorical")
    levels, counts = np.unique(columns[text].astype(str), return_counts=True)
    return np.where(columns[text].astype(str) == levels[np.argmax(counts)], zero, y)


POISONS = ("30% turned", "all turned", "shuffled", "one group zeroed", "constant")


def stream(
    world: World, seed: int, rows: int, poison: str = "", change: str = ""
) -> tuple[pa.Table, int]:  # fmt: skip
    """A table in time order, and its first training rows: calm batches, then one poisoned, or several changed."""
    rng = np.random.default_rng(seed)
    train = max(1000, rows)
    sizes = [(train, ""), *[(rows, "")] * CALM, *([(rows, change)] * AFTER if change else [(rows, "")])]
    pieces = []
    for number, (size, now) in enumerate(sizes):
        columns, y = world.sample(rng, size, now)
        if poison and number == len(sizes) - 1:
            y = poisoned(poison, columns, y, world.schema, rng)
        kind = pa.float64() if world.schema.task == "regression" else pa.string()
        made = {name: pa.array(values.tolist()) for name, values in columns.items()}
        pieces.append(pa.table(made | {"y": pa.array(y.tolist(), kind)}))
    return pa.concat_tables(pieces, promote_options="permissive"), train


def replayed(world: World, seed: int, rows: int, learner: str, poison: str = "", change: str = "") -> list[dict]:
    """What was decided after each batch from the poison or the change on."""
    table, train = stream(world, seed, rows, poison, change)
    lines = backtest(table, world.schema, Settings(), train=train, batch=rows, estimator=learner, seed=seed)
    return [line for line in lines if "summary" not in line][CALM:]


def runs(seeds: Sequence[int], kinds: Sequence[str]) -> Iterator[tuple[str, str, int, str, int]]:
    """(table, kind, seed, learner, rows of a batch)."""
    for seed in seeds:
        for number, table in enumerate(TABLES):
            for kind in kinds:
                yield table, kind, seed, LEARNERS[(seed + number) % 3], SIZES[(seed + number) % 4]


def poison(seeds: Sequence[int]) -> tuple[int, int, int, int]:
    """Runs, promotions, held, told; a line a run that was not held."""
    count = promoted = held = told = 0
    for table, kind, seed, learner, rows in runs(seeds, POISONS):
        line = replayed(TABLES[table](seed), 1000 + seed, rows, learner, poison=kind)[0]
        count += 1
        promoted += line["decision"] == "promote"
        held += line["decision"] in ("hold", "quarantine")
        told += line["decision"] in ("hold", "quarantine") or line["trigger"] in ("performance", "labels")
        if line["decision"] not in ("hold", "quarantine"):
            print(f"  {table}, {kind}, seed {seed}, {learner}, {rows} rows: {line['decision']}. {line['reason']}",
                  flush=True)  # fmt: skip
    return count, promoted, held, told


def change(seeds: Sequence[int]) -> tuple[int, int, int]:
    """Runs, answered by a promotion without a person, lost too little to need an answer; a line a run that was not."""
    count = answered = harmless = 0
    for table, kind, seed, learner, rows in runs(seeds, CHANGES):
        lines = replayed(TABLES[table](seed), 2000 + seed, rows, learner, change=kind)
        count += 1
        done = any(line["decision"] == "promote" and "answered_by" not in line for line in lines)
        answered += done
        if not done:
            what = "; ".join(f"{line['value']:.3f} {line['decision']}: {line['reason'][:90]}" for line in lines)
            print(f"  {table}, {kind}, seed {seed}, {learner}, {rows} rows: {what}", flush=True)
    return count, answered, harmless


def main(arguments: Sequence[str] | None = None) -> int:
    """Both sides; status 1 if a poison was promoted or not told, or too few changes were answered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--only", choices=("poison", "change"))
    options = parser.parse_args(arguments)
    failed = False
    if options.only != "change":
        count, promoted, held, told = poison(options.seeds)
        print(f"poisoned: {count} runs, {promoted} promoted, {held} held, {told} told in the same cycle")
        failed |= promoted > 0 or told < count
    if options.only != "poison":
        count, answered, _ = change(options.seeds)
        print(f"changed: {count} runs, {answered} answered by a promotion within {AFTER} batches")
        failed |= answered < 0.8 * count
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
