"""A loss that something in the rows explains is a new world; one that nothing explains is spoilt labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from pipeline import models, retrain
from pipeline.retrain.look import Look
from pipeline.retrain.noise import noise
from storage.records import Feature, LabelledRows, Schema
from storage.settings import Settings

SCHEMA = Schema(tuple(Feature(f"x{i}", "numeric") for i in range(4)), "y", "classification", ("a", "b", "c"))


def rows(seed: int, n: int = 600, moved: bool = False) -> pa.Table:
    """Three classes that a line tells apart in part; in another world two of them change places on one side."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    y = np.where(np.abs(X[:, 0]) < 0.6, 0, np.where(X[:, 1] + 1.5 * X[:, 1] * X[:, 2] > 0, 1, 2))
    y = np.where((X[:, 3] > 0) & (y > 0), 3 - y, y) if moved else y
    return pa.table({f"x{i}": X[:, i] for i in range(4)} | {"y": np.array(SCHEMA.classes)[y]})


def flipped(table: pa.Table, share: float) -> pa.Table:
    """Another class, drawn by lot, for a share of the rows."""
    rng = np.random.default_rng(9)
    y = np.array([SCHEMA.classes.index(name) for name in table.column("y").to_pylist()])
    other = (y + rng.integers(1, 3, len(y))) % 3
    y = np.where(rng.random(len(y)) < share, other, y)
    return table.set_column(4, "y", pa.array(np.array(SCHEMA.classes)[y]))


def seer(learner: str) -> Callable[[pa.Table], Look]:
    """How a champion sees a table."""
    first = retrain.train_first(LabelledRows(1, rows(0, 1500)), SCHEMA, learner, Settings(), dump=False)

    def seen(table: pa.Table) -> Look:
        said = models.predict(first.model, table)
        return retrain.look_at(SCHEMA, table, said, first.details, first.metrics, lambda: table)

    return seen


@pytest.fixture(scope="module")
def look() -> Callable[[pa.Table], Look]:
    return seer("boosting")


def test_labels_turned_by_lot_are_doubted(look) -> None:
    (found,) = noise([look(flipped(rows(1), 0.4))], [look(rows(2))])
    assert found.doubtful
    assert found.z < 2
    assert found.kept < 0.75


def test_a_weak_champion_is_beaten_on_any_rows_so_calm_ones_stand_beside() -> None:
    weak = seer("linear")
    spoilt = weak(flipped(rows(1), 0.3))
    assert noise([spoilt])[0].z > 2
    assert noise([spoilt], [weak(rows(2))])[0].doubtful


def test_a_new_world_is_explained(look) -> None:
    (found,) = noise([look(rows(1, moved=True))], [look(rows(2))])
    assert found.z > 2
    assert not found.doubtful


def test_batches_that_fell_are_learned_together_and_judged_apart(look) -> None:
    few = [look(rows(seed, 200, moved=True)) for seed in (4, 5, 6)]
    spoilt = look(flipped(rows(7, 200), 0.5))
    found = noise([*few, spoilt], [look(rows(8, 800))])
    assert [what.doubtful for what in found] == [False, False, False, True]
