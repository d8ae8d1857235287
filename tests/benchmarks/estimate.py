"""Estimated against measured accuracy while only the inputs move: ``python -m tests.benchmarks estimate``.

Twelve worlds, first trainings of 1,000 and 3,000 rows, a batch of 1,000 rows for each move of the inputs. The estimate
is held against the labels of the batch, and against the law: the accuracy on 20,000 rows of the same move, without the
luck of the labels. What the labels themselves are off the law by is the last column: no estimate can be held to less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline import models, performance
from pipeline.retrain.first import train_first
from storage.records import LabelledRows
from storage.settings import Settings
from tests.benchmarks.covariates import CONFIRMED, TUNED, World

LEARNERS = {
    "boosting": "boosting",
    "forest": "forest",
    "linear": "linear",
    "neighbours": "sklearn.neighbors.KNeighborsClassifier",
    "vectors": "tests.benchmarks.quick.SupportVectors",
    "bayes": "sklearn.naive_bayes.GaussianNB",
}
FIRST = (1_000, 3_000)
BATCH, LARGE = 1_000, 20_000
POINTS = 100


@dataclass(frozen=True)
class Guess:
    """One batch: its accuracy estimated, by its labels, and by the law."""

    rows: int  # of the first training
    law: str
    move: str
    alone: float  # by confidence alone
    value: float
    low: float
    high: float
    labels: float
    truth: float


def guesses(world: World, learner: str, rows: int, seed: int, large: int = LARGE) -> Iterator[Guess]:
    """A first training in a world, then a batch for each of its moves; its law is read off so many rows more."""
    rng = np.random.default_rng([seed, world.seed, rows])
    schema = world.schema
    first = train_first(LabelledRows(1, world.draw(rng, rows)[0]), schema, LEARNERS[learner], Settings(), dump=False)
    model = first.model
    assert isinstance(model, models.Model)
    number = {name: at for at, name in enumerate(schema.classes)}
    for name, move in world.moves.items():
        batch, _ = world.draw(rng, BATCH, move)
        said = models.predict(model, batch)
        told = said.values, said.probabilities, first.details["calibration"], schema
        alone, found = (performance.estimate(*told, losses)["accuracy"] for losses in (None, said.losses))
        more, shares = world.draw(rng, large, move)
        hit = shares[np.arange(large), [number[value] for value in models.predict(model, more).values]]
        right = float(np.mean(models.target(batch, schema) == said.values))
        truth = float(hit.mean())
        yield Guess(rows, world.law, name, alone.value, found.value, found.low, found.high, right, truth)


def line(label: str, found: Sequence[Guess]) -> str:
    """A row of the table: all in points of accuracy."""
    names = ("alone", "value", "labels", "truth")
    alone, value, labels, truth = (np.array([getattr(one, name) for one in found]) for name in names)
    inside = np.mean([one.low <= one.labels <= one.high for one in found])
    half = np.mean([(one.high - one.low) / 2 for one in found])
    figures = (
        f"{POINTS * np.abs(alone - labels).mean():.2f}",
        f"{POINTS * np.abs(value - labels).mean():.2f}",
        f"{POINTS * np.abs(value - truth).mean():.2f}",
        f"{POINTS * (value - labels).mean():+.2f}",
        f"{inside:.0%}",
        f"±{POINTS * half:.1f}",
        f"{POINTS * np.abs(labels - truth).mean():.2f}",
    )
    return f"| {label} | {len(found)} | " + " | ".join(figures) + " |"


def compare(learner: str, worlds: Sequence[World], seed: int, by: Sequence[str]) -> None:
    """Print the rows of one learner."""
    began = time.perf_counter()
    found = [one for rows in FIRST for world in worlds for one in guesses(world, learner, rows, seed)]
    for rows in FIRST:
        print(line(f"{learner}, {rows:,}", [one for one in found if one.rows == rows]))
    print(line(learner, found), flush=True)
    for key in by:
        for name in dict.fromkeys(getattr(one, key) for one in found):
            print(line(f"{learner}, {name}", [one for one in found if getattr(one, key) == name]))
    print(f"<!-- {learner}: {time.perf_counter() - began:.0f} s -->", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learner", nargs="+", choices=LEARNERS, default=list(LEARNERS)[:3])
    parser.add_argument("--worlds", nargs="+", choices=("tuned", "confirmed"), default=("tuned", "confirmed"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="every so-many-th world only")
    parser.add_argument("--by", nargs="*", choices=("law", "move"), default=(), help="also a row each")
    options = parser.parse_args(arguments)
    for name in options.worlds:
        print(f"\n{name}: points of accuracy")
        print("| learner, first rows | batches | confidence alone | estimate | off the law | bias | covered | interval "
              "| labels |")  # fmt: skip
        print("|---|---|---|---|---|---|---|---|---|")
        worlds = {"tuned": TUNED, "confirmed": CONFIRMED}[name][:: options.every]
        for learner in options.learner:
            compare(learner, worlds, options.seed, options.by)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
