"""Replays: every policy on the same rows, prequential, in the promised form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

from pipeline.backtest import backtest, backtest_file, scorer
from pipeline.backtest.rivals import adwin
from storage.errors import Refused
from storage.records import Feature, Schema
from storage.settings import Settings
from tests.benchmarks.streams import STREAMS, table

SETTINGS = Settings()
KEYS = {
    "batch", "rows", "metric", "value", "estimated", "drift", "score", "decision", "version", "trained_on", "trained",
}  # fmt: skip
SUMMARY = {"policy", "metric", "mean", "last_quarter", "batches", "retrains", "promotions", "train_seconds"}


def replayed(name: str, policy: str = "auto", *, rows: int = 400, batches: int = 16, drift: bool = False, **extra):
    data, schema = table(STREAMS[name], 1, rows, batches)
    score = scorer(data.slice(0, rows), schema, SETTINGS) if drift else None
    asked = {"estimator": "linear", **extra}
    lines = list(backtest(data, schema, SETTINGS, train=rows, batch=rows, policy=policy, score=score, **asked))
    return lines[:-1], lines[-1]["summary"]


@pytest.mark.parametrize("policy", ["auto", "never", "always", "window", "every:3", "usual", "adwin"])
def test_every_policy_speaks_the_same_form(policy: str) -> None:
    lines, summary = replayed("incremental", policy, batches=9)
    assert len(lines) == summary["batches"] == 9
    assert all(set(line) >= KEYS for line in lines)
    assert set(summary) == SUMMARY
    assert summary["mean"] == pytest.approx(np.mean([line["value"] for line in lines]))
    assert sum(line["trained"] for line in lines) == summary["retrains"]
    wanted = {"never": 0, "always": 9, "window": 9, "every:3": 3}
    assert summary["retrains"] == wanted.get(policy, summary["retrains"])
    assert {line["decision"] for line in lines} <= {"keep", "promote", "reject", "hold", "quarantine"}


def test_a_batch_is_predicted_before_anything_is_learned_from_it() -> None:
    lines, _ = replayed("incremental", "always", batches=4)
    same, _ = replayed("incremental", "never", batches=4)
    assert lines[0]["value"] == same[0]["value"]
    assert [line["version"] for line in lines] == [1, 2, 3, 4]
    assert [line["trained_on"]["rows"] for line in lines] == [400, 800, 1200, 1600]


def test_the_future_does_not_reach_an_earlier_decision() -> None:
    data, schema = table(STREAMS["incremental"], 1, 400, 8)
    ask = {"train": 400, "batch": 400, "estimator": "linear"}
    whole = list(backtest(data, schema, SETTINGS, **ask))[:4]
    cut = list(backtest(data.slice(0, 2000), schema, SETTINGS, **ask))[:4]
    drop = ("candidates",)
    assert [{k: v for k, v in line.items() if k not in drop} for line in whole] == [
        {k: v for k, v in line.items() if k not in drop} for line in cut
    ]


def test_after_abrupt_change_the_level_comes_back_with_few_trainings() -> None:
    lines, summary = replayed("late", rows=400, batches=8, estimator="boosting")
    _, still = replayed("late", "never", rows=400, batches=8, estimator="boosting")
    assert summary["mean"] > still["mean"] + 0.1
    assert summary["retrains"] <= 5
    assert lines[-1]["value"] > 0.7


def test_noise_alone_is_left_alone() -> None:
    _, summary = replayed("noise", rows=200, batches=30)
    assert summary["retrains"] <= 3
    assert summary["promotions"] <= 1


def test_drift_without_harm_is_told_and_seldom_trained() -> None:
    lines, summary = replayed("harmless", rows=400, batches=10, drift=True)
    assert any(line["drift"] for line in lines)
    assert not lines[0]["drift"]
    assert summary["retrains"] <= 2


def test_a_file_is_replayed_under_several_policies(tmp_path: Path) -> None:
    data, _ = table(STREAMS["incremental"], 1, 200, 5)
    csv.write_csv(data, tmp_path / "stream.csv")
    ask = {"target": "y", "train": 200, "batch": 200, "policies": ("auto", "never"), "estimator": "linear"}
    lines = list(backtest_file(tmp_path / "stream.csv", **ask))
    assert [line["summary"]["policy"] for line in lines if "summary" in line] == ["auto", "never"]
    assert all(line["score"] is not None for line in lines if "summary" not in line)


def test_a_regression_and_a_time_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, when = rng.normal(size=900), rng.permutation(900)
    y = np.where(when < 500, x, -x) + rng.normal(size=900) / 10
    csv.write_csv(pa.table({"x": x, "when": when, "y": y}), tmp_path / "numbers.csv")
    ask = {"target": "y", "time_column": "when", "train": 200, "batch": 100, "policies": ("never",)}
    lines = list(backtest_file(tmp_path / "numbers.csv", estimator="linear", **ask))
    assert lines[-1]["summary"]["metric"] == "rmse"
    assert lines[0]["value"] < 0.3 < 1.0 < lines[5]["value"]


def test_adwin_keeps_the_rows_since_the_change() -> None:
    rng = np.random.default_rng(0)
    errors = (rng.random(3000) < np.where(np.arange(3000) < 2000, 0.1, 0.4)).astype(float)
    assert 900 <= adwin(errors) <= 1100
    assert adwin(errors[:2000]) == 2000


def test_adwin_answers_a_change_and_leaves_noise_alone() -> None:
    lines, summary = replayed("late", "adwin", batches=12)
    assert 1 <= summary["retrains"] <= 6
    assert max(line["trained_on"]["rows"] for line in lines) < 12 * 400
    assert replayed("noise", "adwin", batches=12)[1]["retrains"] == 0


def test_the_usual_recipe_trains_on_drifted_inputs_alone() -> None:
    assert replayed("harmless", "usual", batches=9, drift=True)[1]["retrains"] == 0  # three of ten features move
    X = np.random.default_rng(0).normal(size=(1200, 4)) + np.repeat([0.0, 0.0, 1.0], 400)[:, None]
    data = pa.table({**{f"x{i}": X[:, i] for i in range(4)}, "y": np.where(X[:, 0] > 0, "a", "b")})
    schema = Schema(tuple(Feature(f"x{i}", "numeric") for i in range(4)), "y", "classification", ("a", "b"))
    score = scorer(data.slice(0, 400), schema, SETTINGS)
    asked = {"train": 400, "batch": 400, "policy": "usual", "estimator": "linear", "score": score}
    lines = list(backtest(data, schema, SETTINGS, **asked))
    assert [line["decision"] for line in lines[:-1]] == ["keep", "promote"]


@pytest.mark.parametrize("policy", ["every:K", "sometimes", "every:0", "every:x", "never:2"])
def test_an_unknown_policy_is_refused(policy: str) -> None:
    with pytest.raises(Refused, match="no policy"):
        next(backtest(pa.table({}), Schema((), "y", "classification"), SETTINGS, train=10, batch=10, policy=policy))


def test_too_few_rows_are_refused() -> None:
    data, schema = table(STREAMS["noise"], 1, 100, 1)
    with pytest.raises(Refused, match="none are left"):
        next(backtest(data, schema, SETTINGS, train=200, batch=100))
