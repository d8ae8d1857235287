"""Performance before labels come: estimates against labels and against the law that drew them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import models, performance
from pipeline.retrain import train_first
from storage.records import Feature, LabelledRows, Schema
from storage.settings import Settings
from tests.benchmarks.covariates import TUNED, World
from tests.benchmarks.estimate import guesses

TWO = Schema((Feature("a", "numeric"),), "y", "classification", ("no", "yes"))
NUMBER = Schema((Feature("a", "numeric"),), "y", "regression")


def world(law: str, classes: int = 2, text: bool = False) -> World:
    """One of those that are benchmarked."""
    return next(w for w in TUNED if (w.law, w.classes, w.text) == (law, classes, text))


def founded(place: World, learner: str, rows: int = 1_000, dump: bool = False):
    """A first version in a world."""
    table, _ = place.draw(np.random.default_rng(1), rows)
    return train_first(LabelledRows(1, table), place.schema, learner, Settings(), dump=dump)


@pytest.mark.parametrize("seed", range(3))
def test_estimated_accuracy_is_within_two_points_under_covariate_shift(seed: int) -> None:
    """Rows are moved to where the model is unsure (or sure); what the labels are, given the features, stays."""
    rng = np.random.default_rng(seed)

    def world(n: int, centre: float):
        x = rng.normal(centre, 1.0, n)
        true = 1 / (1 + np.exp(-1.8 * x))
        stated = 1 / (1 + np.exp(-4.0 * x))  # overconfident
        y = np.where(rng.random(n) < true, "yes", "no")
        return y, np.where(stated > 0.5, "yes", "no"), np.column_stack([1 - stated, stated])

    y, said, p = world(2000, 0.0)
    calibration = performance.calibrate(y, said, p, TWO)
    misses, inside = [], 0
    centres = np.linspace(-1.5, 1.5, 31)
    for centre in centres:
        y, said, p = world(1000, centre)
        found = performance.estimate(said, p, calibration, TWO)["accuracy"]
        real = float(np.mean(y == said))
        misses.append(abs(found.value - real))
        inside += found.low <= real <= found.high
    assert np.mean(misses) < 0.02
    assert inside / len(centres) > 0.85


def test_a_straight_line_knows_where_the_border_is_curved() -> None:
    """Spread 1.5 times as wide, its confidence alone is off by four points."""
    place, rng = world("curved"), np.random.default_rng(5)
    first = founded(place, "linear")
    calibration, more = first.details["calibration"], place.draw(rng, 20_000, place.moves["spread x1.5"])[0]
    said = models.predict(first.model, more)
    real = np.mean(models.target(more, place.schema) == said.values)
    blind = performance.estimate(said.values, said.probabilities, calibration, place.schema)["accuracy"]
    found = performance.estimate(said.values, said.probabilities, calibration, place.schema, said.losses)["accuracy"]
    assert abs(blind.value - real) > 0.035
    assert abs(found.value - real) < 0.03


def test_the_interval_holds_the_measured_accuracy() -> None:
    places = [w for w in TUNED if w.law in ("curved", "crossed") and w.classes == 2]
    found = [one for w in places for one in guesses(w, "linear", 1_000, 3, 1_000)]
    assert np.mean([one.low <= one.labels <= one.high for one in found]) >= 0.9
    assert np.mean([abs(one.value - one.labels) for one in found]) < 0.022


def test_a_classifier_without_probabilities_is_estimated_too() -> None:
    place, rng = world("curved"), np.random.default_rng(7)
    first = founded(place, "sklearn.svm.LinearSVC", 3_000)
    table, _ = place.draw(rng, 20_000, place.moves["spread x1.5"])
    said = models.predict(first.model, table)
    told = performance.estimate(said.values, None, first.details["calibration"], place.schema, said.losses)
    assert set(told) == {"accuracy"}
    assert abs(told["accuracy"].value - np.mean(models.target(table, place.schema) == said.values)) < 0.03


def test_where_confidence_says_it_all_nothing_is_added() -> None:
    assert founded(world("straight"), "linear").model.errors == ()


def test_what_corrects_the_confidence_is_kept_with_the_model() -> None:
    place = world("curved", 3, text=True)
    first = founded(place, "linear", dump=True)
    table, _ = place.draw(np.random.default_rng(2), 200, place.moves["levels"])
    again = models.predict(models.load(first.artefact), table)
    assert again.losses.shape == (200, 1)
    found = performance.estimate(
        again.values, again.probabilities, first.details["calibration"], place.schema, again.losses
    )
    assert set(found) == {"accuracy", "balanced_accuracy"}
    assert 0.5 < found["balanced_accuracy"].value < 1


def test_corrected_metrics_come_true() -> None:
    """F1 and ROC AUC follow the correction as the accuracy does."""
    place, rng = world("curved"), np.random.default_rng(6)
    first = founded(place, "linear", 3_000)
    table, _ = place.draw(rng, 20_000, place.moves["spread x1.5"])
    said = models.predict(first.model, table)
    real, _ = performance.measure(models.target(table, place.schema), said.values, said.probabilities, place.schema)
    told = said.values, said.probabilities, first.details["calibration"], place.schema
    blind, found = performance.estimate(*told), performance.estimate(*told, said.losses)
    for name in ("balanced_accuracy", "f1", "roc_auc"):
        assert abs(found[name].value - real[name].value) < 0.05, name
        assert abs(found[name].value - real[name].value) < abs(blind[name].value - real[name].value), name


def test_estimated_error_of_a_regression_follows_the_shift() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    spread = 0.2 + np.abs(x)
    y = x + rng.normal(size=3000) * spread
    stated = np.column_stack([0.798 * spread, spread**2])
    calibration = performance.calibrate(y[:2000], x[:2000], None, NUMBER)
    far = np.abs(x[2000:]) > 1
    found = performance.estimate(x[2000:][far], None, calibration, NUMBER, stated[2000:][far])
    assert found["mae"].value == pytest.approx(np.abs(y - x)[2000:][far].mean(), rel=0.15)
    assert performance.estimate(x, None, calibration, NUMBER) == {}


def test_calibrations_of_older_versions_are_understood() -> None:
    """Regressions were kept with a scale; classifiers state no losses."""
    kept = {"kind": "loss", "rows": 500, "scale": [2.0, 4.0], "spread": [1.0, 1.0]}
    found = performance.estimate(np.zeros(100), None, kept, NUMBER, np.full((100, 2), 0.5))
    assert (found["mae"].value, found["rmse"].value) == pytest.approx((1.0, 2.0**0.5))
    curve = [[0.5, 0.6], [1.0, 0.9]]
    kept = {"kind": "confidence", "rows": 500, "accuracy": 0.8, "top": curve, "classes": [[[0, 0.1], [1, 0.9]]] * 2}
    sure = np.tile([0.25, 0.75], (100, 1))
    assert performance.estimate(np.full(100, "yes"), sure, kept, TWO)["accuracy"].value == pytest.approx(0.75)
