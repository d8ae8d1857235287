"""Estimators: any table in, the same predictions after being kept, nothing foreign let in."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import models
from storage.errors import Refused, Unhealthy
from storage.records import Feature, Schema

KINDS = (
    Feature("a", "numeric"),
    Feature("b", "numeric"),
    Feature("c", "categorical"),
    Feature("d", "date"),
    Feature("empty", "numeric"),
    Feature("blank", "categorical"),
)
SCHEMAS = {
    "two": Schema(KINDS, "y", "classification", ("no", "yes")),
    "three": Schema(KINDS, "y", "classification", ("high", "low", "mid")),
    "numbers": Schema(KINDS, "y", "regression"),
}


def rows(task: str, n: int = 300, seed: int = 0) -> pa.Table:
    """A table with every kind of column, nulls, an empty number and an empty category."""
    rng = np.random.default_rng(seed)
    a, level = rng.normal(size=n), rng.choice(["x", "y", "z"], n)
    value = a + (level == "x")
    y = {
        "two": np.where(value > 0.3, "yes", "no"),
        "three": np.array(["low", "mid", "high"])[np.digitize(value, (-0.2, 0.8))],
        "numbers": value + rng.normal(size=n) / 10,
    }[task]
    return pa.table(
        {
            "a": pa.array([None if i % 9 == 0 else v for i, v in enumerate(a)], pa.float64()),
            "b": rng.normal(size=n),
            "c": pa.array([None if i % 7 == 0 else v for i, v in enumerate(level)], pa.string()),
            "d": pa.array(rng.integers(0, 10**15, n), pa.int64()).cast(pa.timestamp("us")),
            "empty": pa.nulls(n, pa.float64()),
            "blank": pa.nulls(n, pa.string()),
            "y": y,
        }
    )


@pytest.mark.parametrize("task", SCHEMAS)
@pytest.mark.parametrize("estimator", [*models.RECIPES, "tree"])
def test_every_recipe_learns_predicts_and_survives_being_kept(estimator: str, task: str) -> None:
    schema, table = SCHEMAS[task], rows(task)
    if estimator == "tree":
        kind = "Classifier" if schema.task == "classification" else "Regressor"
        estimator = f"sklearn.tree.DecisionTree{kind}"
    model = models.fit(estimator, table, schema, seed=1)
    again = models.load(models.dump(model, table))
    first, second = models.predict(model, table), models.predict(again, table)
    assert (first.values == second.values).all()
    labels = models.target(table, schema)
    if schema.task == "classification":
        assert np.mean(first.values == labels) > 0.8
        assert first.probabilities.shape == (300, len(schema.classes))
        np.testing.assert_allclose(first.probabilities.sum(1), 1)
    else:
        assert np.corrcoef(first.values, labels)[0, 1] > 0.9


@pytest.mark.parametrize("task", SCHEMAS)
def test_levels_and_nulls_that_training_never_showed_are_predicted(task: str) -> None:
    table = rows(task)
    model = models.fit("boosting", table, SCHEMAS[task], seed=1)
    strange = pa.table(
        {
            "a": pa.array([None, 1e300], pa.float64()),
            "b": pa.array([None, -1e300], pa.float64()),
            "c": pa.array(["never seen", None]),
            "d": pa.array([None, 0], pa.int64()).cast(pa.timestamp("us")),
            "empty": pa.array([5.0, None]),
            "blank": pa.array(["now there", None]),
        }
    )
    said = models.predict(model, strange)
    assert len(said.values) == 2
    figures = said.probabilities if said.probabilities is not None else said.values
    assert np.isfinite(figures).all()


@given(st.permutations(range(40)), st.integers(0, 3))
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
def test_predictions_do_not_depend_on_the_order_of_rows_or_change_the_table(order: list[int], seed: int) -> None:
    table = rows("two", 120, seed)
    model = models.fit("linear", table, SCHEMAS["two"], seed=1)
    part = table.slice(0, 40)
    before = part.to_pydict()
    said = models.predict(model, part).values[order]
    assert (models.predict(model, part.take(pa.array(order))).values == said).all()
    assert part.to_pydict() == before


def test_same_seed_same_model_and_rows_without_label_are_not_learned() -> None:
    table = rows("two")
    y = table.column("y").to_pylist()
    holes = table.set_column(6, "y", pa.array([None if i >= 200 else v for i, v in enumerate(y)]))
    first = models.predict(models.fit("boosting", holes, SCHEMAS["two"], 3), table).probabilities
    second = models.predict(models.fit("boosting", table.slice(0, 200), SCHEMAS["two"], 3), table).probabilities
    np.testing.assert_array_equal(first, second)


def test_a_class_that_training_lacked_has_probability_zero_in_its_column() -> None:
    table = rows("three")
    part = table.filter(pa.array([v != "low" for v in table.column("y").to_pylist()]))
    said = models.predict(models.fit("boosting", part, SCHEMAS["three"], 1), table)
    assert (said.probabilities[:, 1] == 0).all()
    assert "low" not in said.values


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        ("nothing", "no estimator"),
        ("sklearn.ensemble.Nothing", "cannot be imported"),
        ("os.path.join", "not an estimator"),
        ("sklearn.linear_model.Ridge", "does not do classification"),
    ],
)
def test_what_is_no_estimator_for_the_task_is_refused(estimator: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        models.build(estimator, SCHEMAS["two"], 0)


def test_what_cannot_be_learned_is_refused() -> None:
    table = rows("two", 20)
    one = table.set_column(6, "y", pa.array(["yes"] * 20))
    with pytest.raises(Refused, match="nothing to tell apart"):
        models.fit("boosting", one, SCHEMAS["two"], 0)
    with pytest.raises(Refused, match="labelled rows"):
        models.fit("boosting", table.slice(0, 1), SCHEMAS["two"], 0)


def test_foreign_types_and_damaged_bytes_are_refused() -> None:
    import pickle

    from skops.io import dumps

    table = rows("two", 60)
    data = models.dump(models.fit("linear", table, SCHEMAS["two"], 0), table)
    with pytest.raises(Unhealthy, match="not trusted"):
        models.load(dumps({"format": 1, "pipeline": zipfile.ZipFile(io.BytesIO(data)).filename, "x": io.StringIO}))
    for bad in (b"", b"no artefact", pickle.dumps({"a": 1}), data[: len(data) // 2]):
        with pytest.raises(Unhealthy):
            models.load(bad)
    with pytest.raises(Unhealthy, match="format"):
        models.load(dumps({"format": 99}))


def test_an_artefact_of_another_scikit_learn_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.models import artefact

    table = rows("two", 60)
    data = models.dump(models.fit("linear", table, SCHEMAS["two"], 0), table)
    monkeypatch.setattr(artefact, "environment", lambda: {"scikit-learn": "0.1.0"})
    with pytest.raises(Unhealthy, match=r"here is 0\.1\.0"):
        models.load(data)


def test_no_value_of_a_training_row_is_kept_in_the_artefact() -> None:
    table = rows("two", 200)
    marked = table.set_column(1, "b", pa.array([123456.78901234 + i / 7 for i in range(200)]))
    data = models.dump(models.fit("linear", marked, SCHEMAS["two"], 0), marked)
    plain = b"".join(zipfile.ZipFile(io.BytesIO(data)).read(n) for n in zipfile.ZipFile(io.BytesIO(data)).namelist())
    assert not any(np.float64(v).tobytes() in plain for v in marked.column("b").to_pylist())


def test_shuffling_the_feature_that_matters_hurts_most() -> None:
    table, schema = rows("two"), SCHEMAS["two"]
    model = models.fit("boosting", table, schema, 0)
    y = models.target(table, schema)
    found = models.importance(model, table, lambda s: float(np.mean(s.values != y)), np.random.default_rng(0))
    assert max(found, key=found.get) == "a"
    assert abs(found["empty"]) < 1e-9
