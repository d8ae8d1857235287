"""The contest: the right rows win, nothing wins by chance, doubtful labels are held, a child process does the work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import models, retrain
from pipeline.apart import call
from pipeline.retrain import gates, labels
from pipeline.retrain.entries import stand
from pipeline.retrain.field import Trusted, apart, lay_out, trust
from pipeline.retrain.recipes import Rows
from storage.errors import Unhealthy
from storage.records import Feature, LabelledRows, Metric, Schema
from storage.settings import Settings, changed

FEATURES = (*(Feature(f"x{i}", "numeric") for i in range(4)), Feature("g", "categorical"))
SCHEMA = Schema(FEATURES, "y", "classification", ("no", "yes"))
NUMBERS = Schema(FEATURES, "y", "regression")
SETTINGS = Settings()
LINEAR = "linear"  # fast; what is tested here does not depend on the estimator


def rows(n: int, seed: int, turn: float = 0.0, task: str = "classification") -> pa.Table:
    """A linear world, turned by an angle."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    value = np.cos(turn) * X[:, 0] + np.sin(turn) * X[:, 1] + 0.3 * X[:, 2] + 0.2 * rng.normal(size=n)
    y = pa.array(np.where(value > 0, "yes", "no")) if task == "classification" else pa.array(value)
    return pa.table({**{f"x{i}": X[:, i] for i in range(4)}, "g": rng.choice(["f", "m"], n), "y": y})


def order(turns: list[float], *, task: str = "classification", n: int = 600, estimator: str = LINEAR, **extra):
    """A first version from batch 1 and production batches 2, 3, ..., each turned by its angle."""
    schema = SCHEMA if task == "classification" else NUMBERS
    reference = LabelledRows(1, rows(1500, 0, task=task))
    first = retrain.train_first(reference, schema, estimator, SETTINGS, dump=False)
    champion = retrain.Rival(1, first.model, (1,), "all history", 1500, first.metrics, first.details)
    batches = tuple(LabelledRows(i, rows(n, i, turn, task)) for i, turn in enumerate(turns, start=2))
    base = retrain.Order(schema, estimator, SETTINGS, 0, reference, batches, champion, dump=False)
    return replace(base, **extra)


def relabelled(batch: LabelledRows, new) -> LabelledRows:
    at = batch.table.schema.get_field_index("y")
    return replace(batch, table=batch.table.set_column(at, "y", pa.array(list(new))))


def test_after_a_change_the_rows_since_win_and_the_level_is_brought_back() -> None:
    outcome = retrain.contest(order([0, 0, 1.4, 1.4], change_at=4, trigger="performance"))
    assert outcome.action == "promote"
    assert 4 in outcome.trained_on
    assert 1 not in outcome.trained_on
    assert outcome.metrics["accuracy"].value > 0.85
    assert outcome.judged_on == (5,)  # the older half of the new rows is learned
    assert {"recipe", "rows", "value", "low", "high", "p_better", "seconds"} <= set(outcome.candidates[0])
    assert "p = " in outcome.reason


def test_what_was_learned_within_the_newest_batch_waits_where_haste_has_cost_before() -> None:
    """Judged within its own batch it is far ahead; that batch may be a world of its own."""
    asked = order([0, 1.4], change_at=3, trigger="performance")
    assert retrain.contest(asked).recipe == "since batch 3"
    overthrown = retrain.Rival(2, models.fit(LINEAR, rows(300, 9, -1.4), SCHEMA, 0), (2,), "since batch 2", 300)
    assert retrain.contest(replace(asked, retired=(overthrown,))).recipe != "since batch 3"


def test_without_a_change_nothing_wins() -> None:
    outcome = retrain.contest(order([0, 0, 0]))
    assert outcome.action == "reject"
    assert "not better by more than noise" in outcome.reason
    assert outcome.model is None


def test_equal_rivals_seldom_win_by_chance() -> None:
    wins = 0
    for seed in range(10):
        batches = tuple(LabelledRows(i, rows(400, 100 * seed + i)) for i in (2, 3))
        wins += retrain.contest(replace(order([0]), batches=batches)).action == "promote"
    assert wins <= 1


def test_the_same_order_gives_the_same_outcome() -> None:
    asked = order([0, 1.4, 1.4], change_at=3, trigger="performance")
    first, second = retrain.contest(asked), retrain.contest(asked)
    table = rows(50, 99)
    assert (models.predict(first.model, table).values == models.predict(second.model, table).values).all()
    assert [c["value"] for c in first.candidates] == [c["value"] for c in second.candidates]


def test_no_candidate_has_seen_the_rows_that_judge_it() -> None:
    asked = order([0, 0, 1.4, 1.4], change_at=4)
    field = lay_out(asked)
    assert field.batches(field.jury, field.rows) == (5,)
    for recipe in (Rows("all"), Rows("", length=300), Rows("", since=10), Rows("", thin=50)):
        for stop in (field.jury, field.middle):
            chosen = recipe.chosen(stop)
            assert chosen.max() < stop
            assert (np.diff(chosen) > 0).all()
    learned = set(map(tuple, field.table.select(["x0", "x1"]).to_pandas().to_numpy()))
    assert not learned & set(map(tuple, field.holdout.select(["x0", "x1"]).to_pandas().to_numpy()))


@given(st.integers(500, 300_000), st.floats(0.01, 0.9))
@settings(max_examples=50)
def test_the_trusted_rows_are_bounded_and_spread_over_time(n: int, share: float) -> None:
    mask = trust(n, share).masked(LabelledRows(1, pa.table({"x": np.zeros(n)})))
    assert 100 <= mask.sum() <= 1000
    assert np.ptp(np.diff(np.flatnonzero(mask))) == 0
    assert trust(n, share).frozen == (n >= 2000)
    assert trust(n, 0.0) == trust(499, share) == Trusted(0)


def test_the_trusted_rows_stay_the_same_when_other_rows_go() -> None:
    table = rows(3000, 0)
    trusted = trust(3000, 0.1)
    whole = LabelledRows(1, table, positions=np.arange(3000))
    fewer = LabelledRows(1, table.slice(7), positions=np.arange(7, 3000))
    first, second = (apart(part, SCHEMA, trusted)[1].column("x0").to_pylist() for part in (whole, fewer))
    assert second == [x for x in first if x in set(second)]
    assert len(first) - len(second) <= 1


@pytest.mark.parametrize(("n", "frozen"), [(3000, True), (1500, False)])
def test_trusted_rows_are_learned_by_no_version_not_even_the_first(n: int, frozen: bool, monkeypatch) -> None:
    learned: list[float] = []
    fit = models.fit

    def spying(estimator, table, *more, **options):
        learned.extend(table.column("x0").to_pylist())
        return fit(estimator, table, *more, **options)

    reference = LabelledRows(1, rows(n, 0))
    monkeypatch.setattr(models, "fit", spying)
    first = retrain.train_first(reference, SCHEMA, LINEAR, SETTINGS, dump=False)
    champion = retrain.Rival(1, first.model, (1,), "all history", n, first.metrics, first.details)
    batches = tuple(LabelledRows(i, rows(600, i, turn)) for i, turn in enumerate([0, 0.4, 0.4], start=2))
    asked = retrain.Order(SCHEMA, LINEAR, changed(SETTINGS, {"retrain.holdout": 0.3}), 0, reference, batches, champion,
                          trigger="performance", dump=False)  # fmt: skip
    second = retrain.contest(asked)
    assert second.action == "promote"
    assert second.details["trusted"] == first.details["trusted"] == {"every": 10, "frozen": frozen}
    trusted = {
        x for x, kept in zip(reference.table.column("x0").to_pylist(), np.arange(n) % 10 == 9, strict=True) if kept
    }
    assert bool(trusted & set(learned)) != frozen
    assert ("no version learns" in first.reason) == frozen
    assert first.rows == (2700 if frozen else 1500)


def test_an_earlier_champion_is_recalled_without_a_fit() -> None:
    asked = order([1.4, 1.4], change_at=2, trigger="performance")
    old = retrain.contest(asked)
    rival = retrain.Rival(2, old.model, old.trained_on, old.recipe, old.rows, old.metrics)
    later = replace(asked, batches=tuple(LabelledRows(i, rows(600, 50 + i, 1.4)) for i in (8, 9)), change_at=8)
    outcome = retrain.contest(replace(later, retired=(rival,), fit=False))
    assert (outcome.action, outcome.recalled, outcome.fitted, outcome.artefact) == ("promote", 2, 0, None)
    elsewhere = replace(later, batches=(LabelledRows(8, rows(600, 77, 2.4)),), retired=(rival,), fit=False)
    assert retrain.contest(elsewhere).recalled is None or retrain.contest(elsewhere).action == "reject"


POISONS = {
    "turned round": lambda y, rng, t: np.where(y == "yes", "no", "yes"),
    "shuffled": lambda y, rng, t: rng.permutation(y),
    "partly turned": lambda y, rng, t: np.where(rng.random(len(y)) < 0.3, np.where(y == "yes", "no", "yes"), y),
    "constant": lambda y, rng, t: np.full(len(y), "no"),
    "group overwritten": lambda y, rng, t: np.where(np.array(t.column("g").to_pylist()) == "m", "no", y),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("poison", POISONS)
def test_poisoned_labels_are_never_promoted_and_a_person_is_told(poison: str, seed: int) -> None:
    asked = order([0, 0, 0], trigger="performance", change_at=4)
    clean = LabelledRows(4, rows(1000, 300 + seed))
    y = np.array(clean.table.column("y").to_pylist(), dtype=object)
    bad = relabelled(clean, POISONS[poison](y, np.random.default_rng(seed), clean.table))
    outcome = retrain.contest(replace(asked, batches=(*asked.batches[:2], bad)))
    assert outcome.action == "hold"
    assert outcome.suspect == (4,)
    assert outcome.fitted == 0
    assert "A person has to look" in outcome.reason


def test_a_changed_world_is_not_doubted() -> None:
    for seed in range(3):
        asked = order([0, 0], trigger="performance")
        moved = tuple(LabelledRows(i, rows(700, 40 + 10 * seed + i, 1.2)) for i in (4, 5))
        asked = replace(asked, batches=(*asked.batches, *moved))
        assert labels.doubts(asked, asked.champion.model) == {}


def test_who_is_clearly_behind_on_the_second_half_of_the_jury_is_not_tried_on_the_first() -> None:
    asked = order([0, 0, 1.4, 1.4, 1.4], change_at=4, trigger="performance")
    field = lay_out(asked)
    entries, _ = stand(asked, field, asked.champion.model, lambda message: None)
    tried = {entry.name: entry.early is not None for entry in entries}
    assert not tried["all history"]
    assert tried["since batch 4"]
    assert [entry.name for entry in entries if entry.behind] == [name for name, both in tried.items() if not both]


def test_labels_that_a_person_accepted_are_learned() -> None:
    asked = order([0, 3.14159, 3.14159], change_at=3, trigger="performance")
    assert retrain.contest(asked).action == "hold"
    assert retrain.contest(asked).turned
    outcome = retrain.contest(replace(asked, accepted=(3, 4)))
    assert outcome.action == "promote"
    assert outcome.metrics["accuracy"].value > 0.85


def test_ten_poisoned_rows_among_good_ones_change_nothing() -> None:
    asked = order([0, 0])
    bad = rows(10, 5, 3.14159)
    mixed = LabelledRows(3, pa.concat_tables([asked.batches[1].table, bad]))
    assert retrain.contest(replace(asked, batches=(asked.batches[0], mixed))).action == "reject"


def trial(said: models.Predictions, **extra) -> gates.Trial:
    asked = replace(order([0, 0]), **extra)
    field = lay_out(asked)
    base = models.predict(asked.champion.model, field.table.slice(field.jury))
    return gates.Trial(asked, field, asked.champion.model, said, base)


def test_what_a_challenger_must_not_do() -> None:
    good = trial(models.Predictions(np.array([]), None)).base
    assert gates.challenger(trial(good)) == []
    broken = models.Predictions(good.values, np.where(good.probabilities > 0.9, np.nan, good.probabilities))
    assert "not finite" in gates.challenger(trial(broken))[0]
    silent = models.Predictions(np.full(len(good.values), "no", dtype=object), good.probabilities)
    assert "never says 'yes'" in gates.challenger(trial(silent))[0]
    rng = np.random.default_rng(0)
    shy = np.where((good.values == "yes") & (rng.random(len(good.values)) < 0.2), "no", good.values)
    assert "Recall of 'yes' falls" in gates.challenger(trial(models.Predictions(shy, good.probabilities)))[0]


def test_the_trusted_rows_guard_where_no_loss_was_measured() -> None:
    asked = order([0, 0], trigger="schedule")
    field = lay_out(asked)
    base = models.predict(asked.champion.model, field.table.slice(field.jury))
    stranger = models.fit(LINEAR, rows(800, 9, 1.2), SCHEMA, 0)
    doubts = gates.challenger(gates.Trial(asked, field, stranger, base, base))
    assert "trusted rows" in doubts[0]
    assert gates.challenger(gates.Trial(replace(asked, trigger="performance"), field, stranger, base, base)) == []


def test_promotion_by_hand_only_holds_the_winner_with_its_bytes() -> None:
    by_hand = changed(SETTINGS, {"retrain.auto_promote": False})
    outcome = retrain.contest(order([1.4, 1.4], change_at=2, settings=by_hand, dump=True))
    assert outcome.action == "hold"
    assert models.load(outcome.artefact).classes == ("no", "yes")
    assert outcome.importance
    assert outcome.details["calibration"]["kind"] == "confidence"


def test_a_regression_goes_the_same_way() -> None:
    outcome = retrain.contest(order([0, 1.4, 1.4], task="regression", change_at=3, trigger="performance"))
    assert outcome.action == "promote"
    assert outcome.metrics["rmse"].value < 0.4
    table = rows(100, 7, 1.4, "regression")
    said = models.predict(outcome.model, table)
    assert said.losses.shape == (100, 2)
    constant = order([0, 0], task="regression", trigger="performance")
    bad = relabelled(constant.batches[1], np.zeros(600))
    held = retrain.contest(replace(constant, batches=(constant.batches[0], bad)))
    assert held.action == "hold"


def test_the_first_version_is_measured_on_rows_it_had_not_seen() -> None:
    rng = np.random.default_rng(0)
    table = rows(400, 0).set_column(5, "y", pa.array(rng.choice(["no", "yes"], 400)))
    outcome = retrain.train_first(LabelledRows(1, table), SCHEMA, "boosting", SETTINGS)
    assert 0.35 < outcome.metrics["accuracy"].value < 0.65
    assert outcome.artefact
    assert outcome.trained_on == (1,)


def test_a_child_process_does_the_same_work_and_reports() -> None:
    asked = order([0, 1.4, 1.4], change_at=3, trigger="performance", dump=True)
    told: list[dict] = []
    outcome = call(retrain.contest, (asked,), 120, told.append, "training")
    here = retrain.contest(asked)
    assert outcome.action == here.action == "promote"
    assert [c["value"] for c in outcome.candidates] == [c["value"] for c in here.candidates]
    assert told[0]["done"] == 1
    table = rows(50, 99)
    kept, own = (models.predict(models.load(o.artefact), table).values for o in (outcome, here))
    assert (kept == own).all()


def test_a_child_that_takes_too_long_is_ended_and_one_that_breaks_says_why() -> None:
    asked = order([0, 1.4, 1.4])
    with pytest.raises(Unhealthy, match="did not finish"):
        call(retrain.contest, (asked,), 0.001)
    broken = replace(asked, champion=replace(asked.champion, model=b"no artefact"))
    with pytest.raises(Unhealthy, match="cannot be read"):
        call(retrain.contest, (broken,), 60)


def test_an_earlier_champion_short_of_its_level_is_recalled_only_where_nothing_may_be_fitted() -> None:
    asked = order([1.4, 1.4], change_at=2, trigger="performance")
    promised = {"accuracy": Metric(0.97, 0.96, 0.98, 900)}
    ahead = retrain.Rival(2, models.fit(LINEAR, rows(800, 9, 0.6), SCHEMA, 0), (), "old", 800, promised)
    alike = retrain.Rival(3, models.fit(LINEAR, rows(800, 9, 0.02), SCHEMA, 0), (), "old", 800, promised)
    assert retrain.contest(replace(asked, retired=(ahead,))).recalled is None
    assert retrain.contest(replace(asked, retired=(ahead, alike), fit=False)).recalled == 2
    assert retrain.contest(replace(asked, retired=(alike,), fit=False)).action == "reject"
