"""Decisions: the same situation, the same choice; each says with figures why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import LONGEST_WAIT, VAIN, Point, Situation, decide, loss_since, normal_of
from pipeline.performance import Paired, wilson
from storage.records import Fault, Feature, Metric, Schema
from storage.settings import Settings, changed

SCHEMA = Schema((Feature("a", "numeric"),), "y", "classification", ("no", "yes"))
SETTINGS = Settings()


def accuracy(value: float, rows: int = 1000) -> Metric:
    return Metric(value, *wilson(value, rows), rows)


def stream(values: list[float | None], rows: int = 1000, **extra) -> Situation:
    """Batches 1, 2, ... with these accuracies under champion 1."""
    points = tuple(
        Point(i, rows, "stable", 0.3, measured=None if v is None else accuracy(v, rows), version_id=1)
        for i, v in enumerate(values, start=1)
    )
    base = Situation(SCHEMA, points, 1, accuracy(0.9), champion_rows=1000, batches=len(points), new_rows=0)
    return replace(base, **extra)


def last(situation: Situation, **extra) -> Situation:
    """The same with the newest batch changed."""
    return replace(situation, points=(*situation.points[:-1], replace(situation.points[-1], **extra)))


def test_calm_is_kept_and_says_so() -> None:
    choice = decide(stream([0.9, 0.91, 0.89]), SETTINGS)
    assert (choice.action, choice.trigger) == ("keep", "none")
    assert "0.890" in choice.reason
    assert choice.details["score"] == 0.3


def test_a_measured_loss_trains_and_names_the_batch_and_the_figures() -> None:
    choice = decide(stream([0.9, 0.9, 0.9, 0.8, 0.8]), SETTINGS)
    assert (choice.action, choice.trigger, choice.change_at) == ("train", "performance", 4)
    assert "0.900 to 0.800 since batch 4" in choice.reason


def test_broken_data_is_quarantined_whatever_else_it_says() -> None:
    fault = Fault("a", "unit", 0.3, "30% of a look multiplied by 4.184.")
    choice = decide(last(stream([0.9, 0.5]), faults=(fault,)), SETTINGS)
    assert (choice.action, choice.trigger) == ("quarantine", "fault")
    assert "4.184" in choice.reason
    off = changed(SETTINGS, {"faults.watch": False})
    assert decide(last(stream([0.9, 0.5]), faults=(fault,)), off).action != "quarantine"


def test_drift_without_harm_is_told_as_such() -> None:
    calm = last(stream([0.9] * 4 + [0.895], onset=5, rejections=1), verdict="drift", score=3.0, drifted=("a",))
    choice = decide(calm, SETTINGS)
    assert choice.action == "keep"
    assert "harm not seen" in choice.reason
    waiting = last(stream([0.9] * 4 + [None], onset=5), verdict="drift", score=3.0, drifted=("a",))
    assert "the labels will tell" in decide(waiting, SETTINGS).reason


def test_drift_with_a_hint_of_harm_is_answered() -> None:
    """A loss too small to speak for itself is enough when the inputs drift from the same batch on."""
    drifting = last(stream([0.9] * 4 + [0.875], onset=5), verdict="drift", score=3.0, drifted=("a",))
    choice = decide(drifting, SETTINGS)
    assert (choice.action, choice.trigger, choice.change_at) == ("train", "drift", 5)
    assert decide(replace(drifting, onset=None), SETTINGS).action == "keep"
    assert decide(drifting, changed(SETTINGS, {"retrain.on_drift": False})).action == "keep"
    harmless = last(stream([0.9] * 5, onset=5), verdict="drift", score=3.0, drifted=("a",))
    assert decide(harmless, SETTINGS).action == "keep"


def test_a_hint_of_harm_has_to_be_the_clearer_the_longer_the_drift_lasts() -> None:
    dip = last(stream([0.9] * 11 + [0.872]), verdict="drift", score=3.0, drifted=("a",))
    assert decide(replace(dip, onset=12), SETTINGS).trigger == "drift"
    assert decide(replace(dip, onset=2), SETTINGS).trigger == "none"


LOST = [0.9, 0.9, 0.8, 0.8]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"since_training": 0}, "cool-down"),
        ({"since_promotion": 0, "points": ()}, ""),
        ({"trainings": 4}, "budget"),
        ({"held": True}, "waits for a person"),
    ],
)
def test_what_bars_a_training_is_named(extra: dict, words: str) -> None:
    choice = decide(stream(LOST, **extra), SETTINGS)
    assert choice.action == "keep"
    assert words in choice.reason


def test_a_heavy_loss_may_spend_the_budget_early_but_not_more_than_it() -> None:
    heavy, light = [0.9] * 6 + [0.8] * 2, [0.9] * 4 + [0.86] * 4
    assert decide(stream(heavy, trainings=3), SETTINGS).action == "train"
    assert "budget, 3 of 3" in decide(stream(light, trainings=3), SETTINGS).reason
    assert "budget, 4 of 4" in decide(stream(heavy, trainings=4), SETTINGS).reason
    assert "budget, 25 of 25" in decide(stream(heavy, trainings=25, batches=300), SETTINGS).reason


def test_where_champion_after_champion_has_lost_a_loss_needs_less_proof() -> None:
    mild = stream([0.9] * 9 + [0.86], champion_id=4, since_promotion=2)
    reigns = ([3] * 8 + [4] * 2, [1, 1, 1, 2, 2, 2, 3, 3, 4, 4])
    settled, turning = (
        replace(mild, points=tuple(replace(p, version_id=v) for p, v in zip(mild.points, of, strict=True)))
        for of in reigns
    )
    assert loss_since(settled, SETTINGS) == loss_since(turning, SETTINGS)
    assert decide(settled, SETTINGS).action == "keep"
    assert decide(turning, SETTINGS).trigger == "performance"


def test_a_barred_loss_still_asks_the_earlier_champions() -> None:
    choice = decide(stream(LOST, trainings=4, retired=True), SETTINGS)
    assert (choice.action, choice.fit) == ("train", False)
    assert decide(stream(LOST, trainings=4, retired=True, held=True), SETTINGS).action == "keep"


def test_a_person_is_obeyed_before_cool_down_and_budget() -> None:
    choice = decide(stream([0.9], person="asked in the page", trainings=99, since_training=0), SETTINGS)
    assert (choice.action, choice.trigger, choice.fit) == ("train", "person", True)


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    choice = decide(stream(LOST, failures=SETTINGS.retrain.breaker), SETTINGS)
    assert choice.action == "hold"
    assert "a person is needed" in choice.reason


def test_by_hand_only() -> None:
    assert decide(stream(LOST), changed(SETTINGS, {"retrain.auto": False})).action == "keep"


def test_a_young_champion_that_loses_to_its_predecessor_is_rolled_back() -> None:
    worse = Paired("accuracy", accuracy(0.9), accuracy(0.85), Metric(-0.05, -0.07, -0.03, 1000), 0.999, 1e-6, 80)
    noise = replace(worse, p_worse=0.2, gain=Metric(-0.005, -0.02, 0.01, 1000))
    young = stream([0.9, 0.9], since_promotion=2, rival=worse)
    assert decide(young, SETTINGS).action == "rollback"
    assert decide(replace(young, rival=noise), SETTINGS).action == "keep"
    assert decide(replace(young, since_promotion=SETTINGS.retrain.watch + 1), SETTINGS).action == "keep"


def test_labels_in_doubt_roll_nobody_back() -> None:
    """Spoilt labels make a young champion look worse than its predecessor; they are looked at before they count."""
    worse = Paired("accuracy", accuracy(0.9), accuracy(0.85), Metric(-0.05, -0.07, -0.03, 1000), 0.999, 1e-6, 80)
    odd = stream([0.9, 0.9], since_promotion=2, rival=worse, strange="All 500 are 'no'.")
    choice = decide(odd, SETTINGS)
    assert (choice.action, choice.trigger, choice.fit) == ("train", "labels", False)
    fallen = replace(odd, points=stream([0.9, 0.5]).points)
    assert (decide(fallen, SETTINGS).action, decide(fallen, SETTINGS).trigger) == ("train", "performance")


def test_new_rows_pay_by_the_learning_curve() -> None:
    many = stream([0.9] * 9, doubling=0.02, doubling_error=0.015, new_rows=9000)
    assert (decide(many, SETTINGS).action, decide(many, SETTINGS).trigger) == ("train", "rows")
    assert decide(replace(many, doubling=0.002), SETTINGS).action == "keep"
    assert decide(replace(many, new_rows=7000), SETTINGS).action == "keep"  # not steep for sure, so it waits for more
    assert decide(replace(many, rejections=3), SETTINGS).action == "keep"


def test_a_steep_learning_curve_need_not_wait_and_may_be_followed_again() -> None:
    steep = stream([0.9] * 3, doubling=0.06, doubling_error=0.01, new_rows=1500)
    assert decide(steep, SETTINGS).trigger == "rows"
    assert decide(replace(steep, grown=True), SETTINGS).trigger == "rows"
    flat = stream([0.9] * 9, doubling=0.02, doubling_error=0.015, new_rows=9000)
    assert decide(flat, SETTINGS).trigger == "rows"
    assert decide(replace(flat, grown=True), SETTINGS).action == "keep"


def harder(rejections: int, **extra) -> Situation:
    """The world has become harder: 0.9 is gone, and contests find nothing."""
    return stream([0.9] * 4 + [0.82] * 8, rejections=rejections, since_training=1, trainings=3, **extra)


def test_a_level_that_nothing_brings_back_becomes_the_new_normal() -> None:
    assert "normal" not in decide(harder(VAIN - 1), SETTINGS).details
    choice = decide(harder(VAIN), SETTINGS)
    assert choice.action == "keep"
    assert choice.reason.startswith("The new normal: accuracy 0.820")
    normal = normal_of(choice.details)
    assert (normal.since, normal.settled) == (5, 12)
    calm = decide(harder(VAIN, normal=normal), SETTINGS)
    assert (calm.trigger, calm.details["fired"]) == ("none", [])
    few = stream([0.9] * 4 + [0.6] * 11, rows=250, rejections=VAIN)
    assert "normal" not in decide(few, SETTINGS).details  # 2,750 rows are not enough to settle for less


def test_a_fall_below_the_new_normal_is_a_loss_again() -> None:
    normal = normal_of(decide(harder(VAIN), SETTINGS).details)
    again = stream([0.9] * 4 + [0.82] * 10 + [0.7] * 3, rejections=VAIN, normal=normal)
    choice = decide(again, SETTINGS)
    assert (choice.action, choice.trigger, choice.change_at) == ("train", "performance", 15)


def test_schedule_row_count_and_estimate_are_there_when_asked_for() -> None:
    calm = stream([0.9] * 5, new_rows=800)
    assert decide(calm, changed(SETTINGS, {"retrain.every_batches": 5})).trigger == "schedule"
    assert decide(calm, changed(SETTINGS, {"retrain.every_rows": 500})).trigger == "rows"
    doubtful = last(calm, estimated=accuracy(0.8), measured=None)
    assert decide(doubtful, changed(SETTINGS, {"retrain.on_estimate": True})).trigger == "estimate"
    assert decide(doubtful, SETTINGS).trigger == "none"


def test_a_level_that_was_not_brought_back_is_not_forgotten() -> None:
    points = tuple(
        Point(i, 1000, "stable", 0.3, measured=accuracy(0.9 if i <= 10 else 0.82), version_id=1 if i <= 10 else 2)
        for i in range(1, 15)
    )
    after = Situation(
        SCHEMA, points, 2, accuracy(0.82), champion_rows=1000, since_training=4, since_promotion=4, batches=14
    )
    choice = decide(after, SETTINGS)
    assert (choice.action, choice.trigger) == ("train", "performance")
    assert "short of the usual 0.900" in choice.reason
    assert decide(replace(after, rejections=2), SETTINGS).action == "keep"


def test_an_error_metric_is_a_loss_when_it_rises() -> None:
    schema = Schema((Feature("a", "numeric"),), "y", "regression")
    levels = [1.0, 1.0, 1.02, 1.5, 1.5]
    points = tuple(
        Point(i, 500, "stable", 0.1, measured=Metric(v, v - 0.06, v + 0.06, 500), version_id=1)
        for i, v in enumerate(levels, start=1)
    )
    situation = Situation(schema, points, 1, Metric(1.0, 0.95, 1.05, 800), batches=5)
    assert decide(situation, SETTINGS).change_at == 4
    falling = replace(situation, points=tuple(replace(p, measured=Metric(0.5, 0.45, 0.55, 500)) for p in points))
    assert loss_since(falling, SETTINGS).rise < 0
    assert decide(falling, SETTINGS).action == "keep"


@given(st.lists(st.integers(860, 930), min_size=1, max_size=25), st.integers(0, 9), st.integers(0, 5))
def test_a_decision_is_a_function_of_the_situation(values: list[int], since: int, rejections: int) -> None:
    situation = stream([v / 1000 for v in values], since_training=since, rejections=rejections, doubling=0.01)
    assert decide(situation, SETTINGS) == decide(situation, SETTINGS)


def test_noise_alone_seldom_speaks() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    spoke = 0
    for _ in range(40):
        values = (rng.binomial(500, 0.9, 60) / 500).tolist()
        spoke += any(decide(stream(values[:n], rows=500), SETTINGS).action == "train" for n in range(1, 61))
    assert spoke <= 3


def test_the_wait_after_contests_in_vain_is_bounded() -> None:
    asked = changed(SETTINGS, {"retrain.every_batches": 1})
    assert decide(stream([0.9] * 5, rejections=30, since_training=LONGEST_WAIT), asked).action == "train"
    assert decide(stream([0.9] * 5, rejections=30, since_training=LONGEST_WAIT - 1), asked).action == "keep"
