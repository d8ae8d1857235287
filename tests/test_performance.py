"""Metrics against scikit-learn, tests against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as known

from pipeline import performance
from storage.errors import Refused
from storage.records import Feature, Schema

TWO = Schema((Feature("a", "numeric"),), "y", "classification", ("no", "yes"))
THREE = Schema((Feature("a", "numeric"),), "y", "classification", ("a", "b", "c"))
NUMBER = Schema((Feature("a", "numeric"),), "y", "regression")


def drawn(schema: Schema, n: int = 400, seed: int = 0):
    rng = np.random.default_rng(seed)
    k = len(schema.classes)
    p = rng.dirichlet(np.ones(k), n)
    classes = np.array(schema.classes, dtype=object)
    y = classes[[rng.choice(k, p=row) for row in p]]
    return y, classes[p.argmax(1)], p


@pytest.mark.parametrize("schema", [TWO, THREE], ids=["two", "three"])
def test_class_metrics_agree_with_scikit_learn(schema: Schema) -> None:
    y, said, p = drawn(schema)
    found, details = performance.measure(y, said, p, schema)
    two = schema is TWO
    yes = p[:, 1] if two else p
    wanted = {
        "accuracy": known.accuracy_score(y, said),
        "balanced_accuracy": known.balanced_accuracy_score(y, said),
        "f1": known.f1_score(y, said, pos_label="yes") if two else known.f1_score(y, said, average="macro"),
        "roc_auc": known.roc_auc_score(y, yes) if two else known.roc_auc_score(y, yes, multi_class="ovr"),
        "log_loss": known.log_loss(y, p, labels=list(schema.classes)),
    }
    if two:
        wanted["brier"] = known.brier_score_loss(y == "yes", p[:, 1])
    for name, value in wanted.items():
        assert found[name].value == pytest.approx(value), name
        assert found[name].low <= value <= found[name].high, name
    assert details["confusion"] == known.confusion_matrix(y, said, labels=schema.classes).tolist()


def test_number_metrics_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=300)
    said = y + rng.normal(size=300) / 3
    found, _ = performance.measure(y, said, None, NUMBER)
    assert found["mae"].value == pytest.approx(known.mean_absolute_error(y, said))
    assert found["rmse"].value == pytest.approx(known.root_mean_squared_error(y, said))
    assert found["r2"].value == pytest.approx(known.r2_score(y, said))


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        right = rng.random(250) < 0.85
        m = performance.measure(np.where(right, "yes", "no"), np.full(250, "yes"), None, TWO)[0]["accuracy"]
        inside += m.low <= 0.85 <= m.high
    assert 0.92 <= inside / 400 <= 0.98


def test_wilson_is_scipys() -> None:
    wanted = stats.binomtest(85, 100).proportion_ci(0.95, method="wilson")
    assert performance.wilson(0.85, 100) == pytest.approx((wanted.low, wanted.high))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mid_p_is_the_mean_of_two_binomial_tails(won: int, lost: int) -> None:
    n = won + lost
    wanted = 0.5 if not n else (stats.binom.sf(won - 1, n, 0.5) + stats.binom.sf(won, n, 0.5)) / 2
    assert performance.mid_p(won, lost) == pytest.approx(wanted)


def test_own_metrics_by_dotted_path_and_their_direction() -> None:
    y, said, p = drawn(TWO)
    found, details = performance.measure(y, said, p, TWO, "sklearn.metrics.matthews_corrcoef")
    assert found[details["primary"]].value == pytest.approx(known.matthews_corrcoef(y, said))
    assert performance.primary(TWO, "sklearn.metrics.hamming_loss").higher is False
    with pytest.raises(Refused, match="no metric"):
        performance.primary(TWO, "nonsense")
    with pytest.raises(Refused, match="is for regression"):
        performance.primary(TWO, "rmse")


def test_nothing_measured_on_no_rows_and_unknown_classes_count_as_wrong() -> None:
    assert performance.measure(np.array([]), np.array([]), None, TWO)[0] == {}
    found, _ = performance.measure(np.array(["yes", "new"]), np.array(["yes", "yes"]), None, TWO)
    assert found["accuracy"].value == 0.5


@pytest.mark.parametrize("metric", ["accuracy", "f1", "roc_auc", "log_loss"])
def test_a_better_model_wins_the_paired_test_and_equals_do_not(metric: str) -> None:
    y, said, p = drawn(TWO, 600)
    blurred = 0.35 * p + 0.65 * np.random.default_rng(1).dirichlet((1, 1), len(p))
    worse = (np.array(TWO.classes, dtype=object)[blurred.argmax(1)], blurred)
    found = performance.compare(y, worse, (said, p), TWO, metric)
    assert found.gain.value > 0
    assert found.p_better < 0.01
    same = performance.compare(y, (said, p), (said, p), TWO, metric)
    assert same.flips == 0
    assert same.p_better >= 0.5


def test_paired_test_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(500):
        y = np.full(300, "yes", dtype=object)
        a, b = (np.where(rng.random(300) < 0.8, "yes", "no") for _ in range(2))
        hits += performance.compare(y, (a, None), (b, None), TWO).p_better < 0.05
    assert hits / 500 < 0.09


def test_a_change_is_found_where_it_is_and_seldom_where_it_is_not() -> None:
    rng = np.random.default_rng(0)
    error = np.sqrt(0.15 * 0.85 / 500)
    at, false = [], 0
    for _ in range(200):
        calm = rng.normal(0.15, error, 30)
        false += performance.change_point(calm, [error] * 30, [500] * 30).p_value < 0.001
        moved = np.r_[calm[:20], calm[20:] + 0.06]
        shift = performance.change_point(moved, [error] * 30, [500] * 30)
        assert shift.p_value < 1e-6
        at.append(shift.at)
    assert false <= 2
    assert np.mean(np.abs(np.array(at) - 20) <= 1) > 0.95
    assert performance.change_point([0.1], [0.01], [10]) is None


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_area_is_the_mann_whitney_statistic(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(30) < 0.4
    score = rng.integers(0, 6, 30).astype(float)
    if 0 < truth.sum() < 30:
        u = stats.mannwhitneyu(score[truth], score[~truth]).statistic
        assert performance.area(truth, score) == pytest.approx(u / (truth.sum() * (~truth).sum()))
