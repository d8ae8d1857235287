"""What keeps a challenger from being promoted although it won: each gate, with its reason."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline import models, retrain
from pipeline.models import Predictions
from pipeline.retrain import gates
from pipeline.retrain.field import lay_out
from storage.records import LabelledRows
from storage.settings import changed
from tests.test_retrain import LINEAR, SCHEMA, SETTINGS, order, rows


class Slow:
    """A pipeline that takes its time."""

    def __init__(self, inner, seconds: float) -> None:
        self.inner, self.seconds = inner, seconds

    def predict_proba(self, X):
        time.sleep(self.seconds)
        return self.inner.predict_proba(X)


def trial(said: Predictions | None = None, model=None, artefact: bytes | None = None, **extra) -> gates.Trial:
    asked = replace(order([0, 0]), **extra)
    field = lay_out(asked)
    champion = asked.champion.model
    base = models.predict(champion, field.table.slice(field.jury))
    return gates.Trial(asked, field, model or champion, said or base, base, artefact=artefact)


def right_on(trial: gates.Trial, mask: np.ndarray, share: float, seed: int = 0) -> Predictions:
    """The champion's answers, but on some rows right only so often."""
    labels = trial.field.labels[trial.field.jury :].astype(str)
    other = np.where(labels == "yes", "no", "yes")
    right = np.random.default_rng(seed).random(len(labels)) < share
    values = np.where(mask, np.where(right, labels, other), trial.base.values)
    return Predictions(values.astype(object), trial.base.probabilities)


def test_an_equal_challenger_passes_every_gate() -> None:
    assert gates.challenger(trial()) == []
    assert gates.winner(trial()) == []


def test_one_part_of_the_rows_that_pays_for_the_others_holds_it() -> None:
    plain = trial(trigger="schedule")
    women = np.array(plain.field.table.slice(plain.field.jury).column("g").to_pylist()) == "f"
    level = float(np.mean(plain.base.values[women] == plain.field.labels[plain.field.jury :][women]))
    lost = trial(right_on(plain, women, level - 0.15), trigger="schedule")
    doubts = gates.challenger(lost)
    assert any("Where " in doubt and "Accuracy falls from" in doubt for doubt in doubts), doubts
    found = {item["part"]: item for item in lost.details["segments"]}
    assert found["g: f"]["champion"] == pytest.approx(level)
    assert found["g: f"]["rows"] == women.sum()
    assert "g: m" not in found
    lenient = trial(lost.said, settings=changed(SETTINGS, {"segments.fall": 0.9}))
    assert not any("Where" in doubt for doubt in gates.challenger(lenient))


def test_after_a_measured_loss_a_part_may_fall_if_the_weakest_gains() -> None:
    """The champion is lost in one half of the world; the challenger is good in both, if less so in the other."""
    asked = trial(trigger="performance")
    labels = asked.field.labels[asked.field.jury :]
    women = np.array(asked.field.table.slice(asked.field.jury).column("g").to_pylist()) == "f"
    base = right_on(asked, women, 0.4)
    new = right_on(asked, women, 0.85, seed=1)
    new = Predictions(np.where(women, new.values, right_on(asked, ~women, 0.84, seed=2).values), new.probabilities)
    assert np.mean(new.values[~women] == labels[~women]) < np.mean(base.values[~women] == labels[~women]) - 0.06
    swapped = replace(asked, said=new, base=base)
    assert gates.challenger(swapped) == []
    calm = replace(swapped, order=replace(asked.order, trigger="rows"))
    assert any("Where g: m" in doubt for doubt in gates.challenger(calm))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_figures_that_are_not_finite_hold_it(value: float) -> None:
    plain = trial()
    p = plain.base.probabilities.copy()
    p[3] = value
    assert gates.challenger(trial(Predictions(plain.base.values, p))) == ["Some of its predictions are not finite."]


def test_a_model_ten_times_slower_is_held(monkeypatch) -> None:
    champion = trial().order.champion.model
    slow = trial(model=replace(champion, pipeline=Slow(champion.pipeline, 0.05)))
    assert gates._seconds(slow.model, slow.field.table) >= 0.05
    # How long the champion takes depends on how busy the machine is; what follows from it must not.
    monkeypatch.setattr(gates, "_seconds", lambda model, rows: 0.05 if model is slow.model else 0.004)
    (doubt,) = gates.winner(slow)
    assert doubt == "It predicts 12 times as slowly as the champion (50 ms for 1,000 rows)."
    assert slow.details["speed"] == {"ms": 50.0, "times": 12.5}
    patient = changed(SETTINGS, {"retrain.slower": 100_000})
    assert gates.winner(trial(model=slow.model, settings=patient)) == []
    strict = changed(SETTINGS, {"retrain.max_ms": 0.0001})
    assert "are allowed" in gates.winner(trial(settings=strict))[0]


def test_a_model_ten_times_larger_is_held() -> None:
    champion = replace(trial().order.champion, size=2_000_000)
    assert gates.winner(trial(artefact=bytes(15_000_000), champion=champion)) == []
    assert "21.0 MB, 10 times as much" in gates.winner(trial(artefact=bytes(21_000_000), champion=champion))[0]
    strict = changed(SETTINGS, {"retrain.max_bytes": 100})
    assert "more than the 100 allowed" in gates.winner(trial(artefact=bytes(101), settings=strict))[0]


def test_a_rare_class_that_its_rows_lack_holds_it() -> None:
    schema = replace(SCHEMA, classes=("no", "odd", "yes"))
    rng = np.random.default_rng(0)

    def table(n: int, seed: int, odd: float) -> pa.Table:
        made = rows(n, seed)
        y = np.array(made.column("y").to_pylist(), dtype=object)
        y[rng.random(n) < odd] = "odd"
        return made.set_column(made.schema.get_field_index("y"), "y", pa.array(y.tolist()))

    reference = LabelledRows(1, table(1500, 0, 0.02))
    first = retrain.train_first(reference, schema, LINEAR, SETTINGS, dump=False)
    champion = retrain.Rival(1, first.model, (1,), "all history", 1500, first.metrics, first.details)
    asked = retrain.Order(schema, LINEAR, SETTINGS, 0, reference, (LabelledRows(2, table(300, 2, 0.0)),), champion)
    field = lay_out(asked)
    without = models.fit(LINEAR, table(300, 2, 0.0), schema, 0)
    base = models.predict(champion.model, field.table.slice(field.jury))
    assert gates.winner(gates.Trial(asked, field, without, base, base)) == [
        "Its rows do not hold 'odd', which is rare: it could never say it."
    ]
    assert gates.winner(gates.Trial(asked, field, champion.model, base, base)) == []


def test_the_reason_is_shown_with_the_held_version() -> None:
    strict = changed(SETTINGS, {"retrain.max_bytes": 100})
    outcome = retrain.contest(order([1.4, 1.4], change_at=2, trigger="performance", settings=strict, dump=True))
    assert outcome.action == "hold"
    assert outcome.artefact
    assert "100 allowed" in outcome.reason
    assert "A person has to confirm" in outcome.reason
    assert outcome.doubts
