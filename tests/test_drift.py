"""Drift: the laws against SciPy, the verdict's budget, each eye on what it is there for, faults, rules, episodes."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.signal import lfilter

from pipeline import drift
from pipeline.check import report_json
from pipeline.drift import episodes, eyes, healthy_band, laws, score
from pipeline.profile import Grid, Profile, fit_grid, infer, merge, profile
from storage.records import DriftReport, Fault, Feature, FeatureDrift
from storage.settings import Settings, changed
from tests.benchmarks.tables import SHIFTS, World, table

PLAIN = Settings()
WORLD = World(12)


class Watched:
    """A reference of the worked kind, and batches judged against it."""

    def __init__(self, reference: pa.Table) -> None:
        self.grid = fit_grid(reference, infer(reference))
        self.base = profile(reference, self.grid)

    def judge(self, batch: pa.Table, chosen: Settings = PLAIN) -> DriftReport:
        return score(self.base, profile(batch, self.grid), chosen)


def adults(rng: np.random.Generator, rows: int) -> pa.Table:
    waist = rng.normal(95, 14, rows)
    return pa.table(
        {
            "age": rng.integers(20, 80, rows),
            "waist": waist,
            "bmi": waist * 0.3 + rng.normal(0, 3, rows),
            "kcal": rng.normal(2100, 850, rows).clip(300),
            "activity": rng.choice(["none", "some", "much"], rows, p=[0.4, 0.4, 0.2]),
        }
    )


def with_column(batch: pa.Table, name: str, values: object) -> pa.Table:
    return batch.set_column(batch.schema.get_field_index(name), name, pa.array(values))


@pytest.fixture(scope="module")
def people() -> Watched:
    return Watched(adults(np.random.default_rng(0), 6_000))


@pytest.fixture(scope="module")
def world() -> Watched:
    return Watched(table(WORLD.draw(np.random.default_rng(1), 6_000)))


# --- laws -------------------------------------------------------------------------------------------------------------


def test_normal_tail_is_scipys():
    z = np.linspace(-6, 37, 400)
    assert np.allclose(laws.log_normal(z), stats.norm.logsf(z), rtol=1e-6, atol=3e-7)


def test_chi2_tail_is_scipys():
    x, freedom = np.meshgrid([0.0, 0.1, 1, 5, 20, 50, 100, 300, 1000], [1, 2, 3, 9, 15.5, 60, 300])
    assert np.allclose(laws.log_chi2(x, freedom), stats.chi2.logsf(x, freedom), rtol=1e-4, atol=1e-6)


def test_gamma_is_scipys():
    x = np.r_[1e-3, 0.5, 1, 5, 100, 1e5, 9.9e5, 1.1e6, 1e9]
    assert np.allclose(laws.log_gamma(x), special.gammaln(x), rtol=1e-9, atol=1e-8)


@given(st.integers(1, 60), st.integers(0, 200), st.integers(50, 3000), st.integers(200, 9000))
def test_fishers_tail_is_scipys_mid_p(x: int, y: int, n: int, m: int):
    if x > n or y > m or x * m <= y * n:
        return
    whole = stats.hypergeom.sf(x - 1, n + m, x + y, n)
    exact = math.log(whole - stats.hypergeom.pmf(x, n + m, x + y, n) / 2)
    got = float(laws.log_more(np.float64(x), np.float64(n), np.float64(y), np.float64(m)))
    if exact < -5:
        assert exact - 1e-3 <= got <= exact + 0.25


def test_moments_of_chi_square_are_those_of_permutations():
    rng = np.random.default_rng(3)
    total, n, m = np.array([60, 200, 30, 10.0]), 50, 250
    rows = np.repeat(np.arange(4), total.astype(int))
    found = []
    for _ in range(4_000):
        x = np.bincount(rng.permutation(rows)[:n], minlength=4)
        expected = total * n / (n + m)
        found.append(((x - expected) ** 2 / expected).sum() * (n + m) / m)
    mean, variance = eyes.permuted_moments(total[None], np.array([50.0]), np.array([250.0]), np.array([4]))
    assert mean[0] == pytest.approx(np.mean(found), rel=0.05)
    assert variance[0] == pytest.approx(np.var(found), rel=0.15)


def test_pooled_values_are_uniform_and_small_ones_add():
    p = np.random.default_rng(4).random((40_000, 8))
    pooled = np.exp(laws.pool(np.log(p), np.full(8, 1 / 8)))
    assert np.mean(pooled <= 0.01) == pytest.approx(0.01, rel=0.25)
    assert laws.pool(np.array([-500.0, -1.0]), np.array([0.5, 0.5])) == pytest.approx(-500 + math.log(2), abs=1e-6)
    assert np.isfinite(laws.pool(np.array([-20_000.0, 0.0]), np.array([0.5, 0.5])))


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [50, 200, 1_000])
def test_healthy_batches_stay_within_the_budget(rows: int):
    rng = np.random.default_rng([7, rows])
    alarms = 0
    for _ in range(8):
        watched = Watched(table(WORLD.draw(rng, 3_000)))
        alarms += sum(watched.judge(table(WORLD.draw(rng, rows))).drift for _ in range(15))
    assert alarms <= 5  # of 120: at the budget of 1% more have a chance of 1 in 700


@pytest.mark.parametrize("kind", list(SHIFTS))
def test_each_kind_of_shift_is_found_and_named(world: Watched, kind: str):
    rng = np.random.default_rng(11)
    found = named = 0
    for _ in range(8):
        made, truth = SHIFTS[kind](WORLD, rng, 5_000)
        report = world.judge(table(made))
        found += report.drift
        named += bool(truth & set(report.drifted))
    assert min(found, named) >= 7


def test_a_feature_at_or_above_one_drifts_and_below_does_not(world: Watched):
    rng = np.random.default_rng(12)
    for kind in SHIFTS:
        report = world.judge(table(SHIFTS[kind](WORLD, rng, 1_000)[0]))
        assert (report.score >= 1.0) == report.drift
        for feature in report.features:
            assert (feature.score >= 1.0) == feature.drift
        assert json.dumps(report_json("batch", report), allow_nan=False)


def test_a_trifle_is_no_drift_however_many_rows(people: Watched):
    rng = np.random.default_rng(13)
    base = Watched(adults(rng, 60_000))
    batch = adults(rng, 60_000)
    moved = with_column(batch, "waist", batch["waist"].to_numpy() + 0.6)
    report = base.judge(moved)
    assert not report.drift
    assert next(one for one in report.features if one.name == "waist").p_value < 1e-3
    assert base.judge(moved, changed(PLAIN, {"drift.min_effect": 0.0})).drift


def test_a_tighter_budget_alarms_less(people: Watched):
    batch = adults(np.random.default_rng(14), 200)
    moved = profile(with_column(batch, "kcal", batch["kcal"].to_numpy() + 260), people.grid)
    scores = [score(people.base, moved, changed(PLAIN, {"drift.budget": budget})).score for budget in (0.1, 0.01, 1e-4)]
    assert scores == sorted(scores, reverse=True)


def test_450_kcal_more_are_found_in_words(people: Watched):
    batch = adults(np.random.default_rng(15), 200)
    report = people.judge(with_column(batch, "kcal", batch["kcal"].to_numpy() + 450))
    assert report.drifted == ("kcal",)
    assert "kcal rose by 4" in report.explanation
    assert "healthy batch of 200" in report.explanation


def test_rows_where_the_reference_has_none_are_seen_within_its_range():
    """Amounts that are 0 or at least 3.3; 5% of a batch are a thousand times too small: 2% lie between the two."""
    rng = np.random.default_rng(8)

    def amounts(rows: int) -> np.ndarray:
        z = rng.normal(size=rows)
        return np.where(z < 0.2, 0.0, np.exp(1 + z))

    watched = Watched(pa.table({"amount": amounts(6_000), "x": rng.normal(size=6_000)}))
    for _ in range(5):
        values = amounts(1_000)
        values[:50] *= 0.001
        report = watched.judge(pa.table({"amount": values, "x": rng.normal(size=1_000)}))
        assert [one.name for one in report.features if one.drift] == ["amount"]


def test_other_people_are_found_along_what_the_features_share():
    """Sixteen features move by 0.16 standard deviations each: too little to be seen one by one in 200 rows.

    In all directions at once (Hotelling's T-squared alone) 15 of 40 such batches were found, along the main axis 31.
    """
    rng = np.random.default_rng(9)

    def people(rows: int, tilt: float = 0.0) -> pa.Table:
        shared = rng.normal(size=rows) + tilt
        return pa.table({f"x{at}": np.sqrt(0.2) * shared + np.sqrt(0.8) * rng.normal(size=rows) for at in range(16)})

    found = calm = 0
    for _ in range(4):
        watched = Watched(people(6_000))
        found += sum(watched.judge(people(200, 0.35)).drift for _ in range(10))
        calm += sum(watched.judge(people(200)).drift for _ in range(10))
    assert found >= 25
    assert calm <= 2


def test_what_the_others_leave_unexplained_is_more_in_rows_that_the_place_was_not_fitted_to():
    """Sixty features, nothing moved: against 1,500 rows a large batch scatters 8% wider by the fitting alone."""
    rng = np.random.default_rng(10)
    alarms = 0
    for _ in range(3):
        watched = Watched(pa.table({f"x{at}": rng.normal(size=1_500) for at in range(60)}))
        batches = (pa.table({f"x{at}": rng.normal(size=10_000) for at in range(60)}) for _ in range(5))
        alarms += sum(watched.judge(batch).drift for batch in batches)
    assert alarms <= 1


def test_values_that_crowd_into_a_narrow_range_are_named_and_told():
    rng = np.random.default_rng(8)
    watched = Watched(pa.table({name: rng.normal(size=6_000) for name in "abcd"}))
    values = rng.normal(size=1_000)
    values[:50] /= 100  # 5% in another unit: all near 0, where the middle of a normal curve is anyway
    report = watched.judge(with_column(pa.table({name: rng.normal(size=1_000) for name in "abcd"}), "b", values))
    assert report.drifted == ("b",)
    assert (report.features[0].eye, "of rows between" in report.features[0].explanation) == ("narrow range", True)


def test_values_that_the_reference_never_had_are_named_and_told():
    rng = np.random.default_rng(9)
    watched = Watched(pa.table({name: rng.integers(0, 400, 6_000) * 2.0 for name in "ab"}))
    values = rng.integers(0, 400, 1_000) * 2.0
    values[:60] += 1.0  # odd where the reference has even numbers only
    report = watched.judge(pa.table({"a": rng.integers(0, 400, 1_000) * 2.0, "b": values}))
    assert report.drifted == ("b",)
    assert "the reference does not know" in report.features[0].explanation


def test_a_broken_link_is_found_though_margins_stand_still(people: Watched):
    rng = np.random.default_rng(16)
    batch = adults(rng, 1_000)
    report = people.judge(with_column(batch, "bmi", rng.permutation(batch["bmi"].to_numpy())))
    assert report.drift
    assert {report.links[0].a, report.links[0].b} == {"waist", "bmi"}
    assert report.links[0].drift
    assert report.drifted == ("bmi",)  # what else hangs on waist still does


def test_the_column_that_was_shuffled_is_named_and_not_a_ratio_of_it():
    def gems(rows: int) -> pa.Table:
        size = rng.lognormal(0, 0.3, rows)
        x, y = size * rng.normal(1, 0.004, rows), size * rng.normal(1, 0.004, rows)
        z = size * rng.normal(0.6, 0.014, rows)
        held = np.where(rng.random(rows) < 0.003, 0.0, z)  # a few gross errors, as every large table has
        return pa.table(
            {"x": x, "y": y, "z": held, "depth": z / (x + y), "price": size**3 * rng.lognormal(0, 0.2, rows)}
        )

    rng = np.random.default_rng(14)
    watched, batch = Watched(gems(6_000)), gems(3_000)
    assert watched.judge(with_column(batch, "z", rng.permutation(batch["z"].to_numpy()))).drifted == ("z",)


def test_rare_marks_raise_no_false_links():
    rng = np.random.default_rng(31)

    def rows(count: int) -> pa.Table:
        return pa.table(
            {f"m{at}": (rng.random(count) < share).astype(float) for at, share in enumerate((0.01, 0.02, 0.03))}
        )

    features = tuple(Feature(f"m{at}", "numeric") for at in range(3))
    reference = rows(6_000)
    grid = fit_grid(reference, features)
    base = profile(reference, grid)
    assert sum(score(base, profile(rows(200), grid), PLAIN).drift for _ in range(60)) <= 3


def test_level_scores_owe_nothing_to_the_counts_of_a_small_reference():
    """Halves of 200 even levels chosen by frequency were fuller in the reference than in nearly all healthy batches."""
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(40):
        even = [pa.table({f"c{at}": rng.integers(0, 200, 1_000).astype(str) for at in range(4)}) for _ in range(2)]
        alarms += Watched(even[0]).judge(even[1]).drift
    assert alarms <= 3


def test_wobble_of_the_reference_widens_the_null():
    rng = np.random.default_rng(17)

    def days(count: int) -> pa.Table:
        return pa.table({"x": np.concatenate([rng.normal(rng.normal(0, 0.2), 1, 300) for _ in range(count)])})

    feature = (Feature("x", "numeric"),)
    reference = days(40)
    grid = fit_grid(reference, feature)
    assert max(grid.features[0].alike) == pytest.approx(12.0, rel=0.65)  # 300 rows of which 0.04 is in common
    base = profile(reference, grid)
    alarms = sum(score(base, profile(days(1), grid), PLAIN).drift for _ in range(60))
    still = Grid((replace(grid.features[0], wobble=0.0, alike=()),), grid.linked, grid.peaks, grid.bonds, grid.rests)
    deaf = Profile(still, base.rows, base.features, base.joint)
    without = sum(score(deaf, replace(profile(days(1), grid), grid=still), PLAIN).drift for _ in range(60))
    assert alarms <= 4 < without


def test_rows_that_are_alike_over_a_short_stretch_widen_the_null_and_no_more_than_that():
    rng = np.random.default_rng(18)

    def hours(count: int) -> pa.Table:
        common = rng.normal(0, np.sqrt(0.05), (3, count)).repeat(50, axis=1)
        return pa.table({f"x{at}": one + rng.normal(size=50 * count) for at, one in enumerate(common)})

    reference = hours(120)
    grid = fit_grid(reference, tuple(Feature(f"x{at}", "numeric") for at in range(3)))
    assert all(1.2 < max(one.alike) < 6 for one in grid.features)  # 49 rows with 0.05 in common, or a little more
    base = profile(reference, grid)
    alarms = sum(score(base, profile(hours(20), grid), PLAIN).drift for _ in range(60))
    still = replace(grid, features=tuple(replace(one, wobble=0.0, alike=()) for one in grid.features))
    deaf = Profile(still, base.rows, base.features, base.joint)
    without = sum(score(deaf, replace(profile(hours(20), grid), grid=still), PLAIN).drift for _ in range(60))
    assert alarms <= 6 < without
    moved = hours(20)
    moved = with_column(moved, "x1", moved["x1"].to_numpy() + 0.4)
    assert [one.name for one in score(base, profile(moved, grid), PLAIN).features if one.drift] == ["x1"]


def test_links_of_rows_that_resemble_the_one_before_are_known_less_closely():
    """Of 1,000 such rows a correlation varies as of 340 independent ones: one healthy batch in five had alarmed."""
    rng = np.random.default_rng(20)

    def chain(rows: int) -> pa.Table:
        noise = np.sqrt(0.51) * rng.normal(size=(6, rows + 100))
        return pa.table({f"x{at}": one[100:] for at, one in enumerate(lfilter([1.0], [1.0, -0.7], noise))})

    reference = chain(6_000)
    grid = fit_grid(reference, tuple(Feature(f"x{at}", "numeric") for at in range(6)))
    base = profile(reference, grid)
    assert sum(score(base, profile(chain(1_000), grid), PLAIN).drift for _ in range(60)) <= 2
    tied = chain(1_000)
    tied = with_column(tied, "x1", tied["x1"].to_numpy() + 0.6 * tied["x0"].to_numpy())
    report = score(base, profile(tied, grid), PLAIN)
    assert {"x0", "x1"} & {one.name for one in report.features if one.drift}


def test_rows_in_no_order_and_rows_sorted_by_a_feature_have_no_wobble():
    rng = np.random.default_rng(19)
    values = rng.normal(size=(4, 6_000))
    values[3].sort()
    features = tuple(Feature(f"x{at}", "numeric") for at in range(4))
    grid = fit_grid(pa.table({f"x{at}": line for at, line in enumerate(values)}), features)
    assert [(one.wobble, one.alike) for one in grid.features] == [(0.0, ())] * 4


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "factor"), [("kcal", 4.184), ("waist", 1 / 2.54), ("waist", 10.0), ("kcal", 0.001)])
def test_a_wrong_unit_is_a_fault(people: Watched, name: str, factor: float):
    rng = np.random.default_rng(18)
    batch = adults(rng, 200)
    values = batch[name].to_numpy()
    report = people.judge(with_column(batch, name, np.where(rng.random(200) < 0.3, values * factor, values)))
    assert [(fault.feature, fault.kind) for fault in report.faults] == [(name, "unit")]
    assert 0.15 < report.faults[0].share < 0.45


@pytest.mark.parametrize("rows", [200, 1000, 5000])
@pytest.mark.parametrize(("low", "moved"), [("uniform", 0.87), ("normal", 30.0)])
def test_a_shift_is_no_unit(low: str, moved: float, rows: int):
    """Everybody three standard deviations higher is not everybody in another unit: the spread stayed."""
    rng = np.random.default_rng(23)
    draw = {"uniform": lambda n: rng.uniform(0, 1, n), "normal": lambda n: rng.normal(50, 10, n)}[low]
    report = Watched(pa.table({"x": draw(2000), "y": rng.normal(size=2000)})).judge(
        pa.table({"x": draw(rows) + moved, "y": rng.normal(size=rows)})
    )
    assert report.faults == ()
    assert report.drifted[0] == "x"


@pytest.mark.parametrize("zeros", [0.5, 0.502, 0.505, 0.51])
def test_a_unit_is_sought_where_half_of_the_values_are_zero(zeros: float):
    """The median of the reference lies within the cell of the zeros, as small as a float can be."""
    rng = np.random.default_rng(24)

    def rows(count: int, share: float) -> np.ndarray:
        return np.where(np.arange(count) < share * count, 0.0, rng.lognormal(2, 0.5, count))

    known = Watched(pa.table({"x": rows(4_000, zeros), "y": rng.normal(size=4_000)}))
    batch = rows(1_000, 0.45)
    batch[::10] *= 1_000.0
    with np.errstate(all="raise", under="ignore"):
        report = known.judge(pa.table({"x": batch, "y": rng.normal(size=1_000)}))
    assert [(fault.feature, fault.kind) for fault in report.faults] == [("x", "unit")]


@pytest.mark.parametrize("rows", [200, 1000])
def test_a_column_moved_or_stretched_as_a_whole_is_no_unit(rows: int):
    """Two piles of rows of which one is in another unit can look much like one pile that moved: then it moved."""
    rng = np.random.default_rng(24)
    shapes = {
        "normal": lambda n: rng.normal(100, 15, n),
        "eaten": lambda n: rng.lognormal(7.6, 0.35, n),
        "gamma": lambda n: rng.gamma(3, 20, n),
        "exponential": lambda n: rng.exponential(50, n),
    }
    reference = pa.table({name: draw(3000) for name, draw in shapes.items()})
    watched, drifted = Watched(reference), 0
    for amount in (-0.9, -0.55, -0.3, 0.3, 0.55, 0.9):
        moved = {name: draw(rows) + amount * np.std(reference[name].to_numpy()) for name, draw in shapes.items()}
        stretched = {name: draw(rows) * np.exp(amount / 2) for name, draw in shapes.items()}
        for batch in (moved, stretched):
            report = watched.judge(pa.table(batch))
            assert [fault for fault in report.faults if fault.kind == "unit"] == [], amount
            drifted += len(report.drifted)
    assert drifted > 30


def test_real_drift_is_no_fault(people: Watched):
    rng = np.random.default_rng(19)
    for more in (450, 1_700):
        batch = adults(rng, 400)
        report = people.judge(with_column(batch, "kcal", batch["kcal"].to_numpy() + more))
        assert report.drift
        assert report.faults == ()


def test_a_null_burst_is_a_fault_and_can_be_switched_off(people: Watched):
    rng = np.random.default_rng(20)
    batch = adults(rng, 200)
    burst = with_column(batch, "bmi", pa.array(batch["bmi"].to_numpy(), mask=rng.random(200) < 0.18))
    assert [fault.kind for fault in people.judge(burst).faults] == ["nulls"]
    assert people.judge(burst, changed(PLAIN, {"faults.watch": False})).faults == ()
    assert people.judge(burst, changed(PLAIN, {"faults.null_rise": 0.5})).faults == ()


def test_a_feature_that_stands_still_is_a_fault(people: Watched):
    batch = adults(np.random.default_rng(21), 200)
    assert people.judge(with_column(batch, "kcal", np.full(200, 2000.0))).faults[0].kind == "constant"
    assert people.judge(with_column(batch, "activity", ["none"] * 200)).faults[0].kind == "constant"


# --- rules and odd tables ---------------------------------------------------------------------------------------------


def test_house_rules_take_the_place_of_the_score(people: Watched):
    batch = adults(np.random.default_rng(22), 500)
    moved = with_column(batch, "kcal", batch["kcal"].to_numpy() + 450)
    rule = changed(PLAIN, {"features.kcal.rule": "psi", "features.kcal.threshold": 9.0})
    report = people.judge(moved, rule)
    kcal = next(one for one in report.features if one.name == "kcal")
    assert not report.drift
    assert kcal.score == pytest.approx(kcal.distances["psi"] / 9.0)
    assert people.judge(moved, changed(PLAIN, {"drift.rule": "ks", "drift.threshold": 0.1})).drifted == ("kcal",)
    assert not people.judge(moved, changed(PLAIN, {"features.kcal.watch": False})).drift


@pytest.mark.parametrize("rows", [0, 1, 29])
def test_too_few_rows_is_a_verdict(people: Watched, rows: int):
    report = people.judge(adults(np.random.default_rng(23), rows))
    assert (report.verdict, report.score, report.p_value) == ("too_few_rows", 0.0, 1.0)
    assert "at least 30" in report.explanation


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.none(), st.floats(), st.integers(-3, 3).map(float)), min_size=0, max_size=80),
    st.lists(st.one_of(st.none(), st.floats(), st.integers(-3, 3).map(float)), min_size=0, max_size=80),
)
def test_any_numbers_give_finite_reports(first: list, second: list):
    features = (Feature("x", "numeric"), Feature("c", "categorical"))
    made = [
        pa.table(
            {
                "x": pa.array(one, pa.float64()),
                "c": pa.array([None if v is None else str(v)[:2] for v in one], pa.string()),
            }
        )
        for one in (first, second)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid = fit_grid(made[0], features)
        report = score(profile(made[0], grid), profile(made[1], grid), PLAIN)
    assert json.dumps(report_json("x", report), allow_nan=False)


@pytest.mark.parametrize("size", [1e308, 1e-308, 5e-324])
@pytest.mark.parametrize("other", [1.0, 1e308, math.inf, math.nan])
def test_the_widest_and_the_smallest_numbers_are_compared_without_a_warning(size: float, other: float):
    rng = np.random.default_rng(31)
    watched = Watched(pa.table({"x": rng.uniform(-1, 1, 600) * size, "y": rng.normal(size=600)}))
    batch = pa.table({"x": np.where(rng.random(300) < 0.9, other, 0.0), "y": rng.normal(size=300)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = watched.judge(batch)
    assert "x" in report.drifted
    assert json.dumps(report_json("x", report), allow_nan=False)


@pytest.mark.parametrize("name", ["x", "c", "d"])
def test_one_feature_of_any_kind_is_enough(name: str):
    def rows(count: int, seed: int) -> pa.Table:
        rng = np.random.default_rng(seed)
        days = pa.array(rng.integers(0, 10**9, count) * 10**6, pa.int64()).cast(pa.timestamp("us"))
        return pa.table({"x": rng.normal(size=count), "c": rng.choice(["a", "b"], count), "d": days}).select([name])

    watched = Watched(rows(2_000, 1))
    assert watched.judge(rows(300, 2)).verdict == "stable"
    gone = pa.table({name: pa.nulls(300, rows(1, 1).schema.field(name).type)})
    assert [fault.kind for fault in watched.judge(gone).faults] == ["nulls"]
    assert watched.judge(gone).drifted == (name,)
    assert Watched(gone).judge(rows(300, 2)).features == ()


def test_merged_references_judge_as_the_whole(people: Watched):
    rng = np.random.default_rng(24)
    whole = adults(rng, 2_000)
    parts = merge([profile(whole.slice(0, 700), people.grid), profile(whole.slice(700), people.grid)])
    batch = profile(adults(rng, 300), people.grid)
    assert score(parts, batch, PLAIN) == score(profile(whole, people.grid), batch, PLAIN)


def test_the_band_holds_healthy_scores(people: Watched):
    rng = np.random.default_rng(25)
    low, high = healthy_band(people.base, 200, PLAIN)
    scores = [people.judge(adults(rng, 200)).score for _ in range(80)]
    assert 0 <= low < high < 1
    assert np.mean([one <= high for one in scores]) >= 0.85


# --- episodes ---------------------------------------------------------------------------------------------------------


def report(
    p: float, hits: tuple[str, ...] = (), faults: tuple[str, ...] = (), value: float | None = None
) -> DriftReport:
    features = tuple(
        FeatureDrift(name, "numeric", 2.0, p, True, "drift", 0.5, {}, 0.0, 0.0, (), "location", f"{name} rose.")
        for name in hits
    )
    value = (2.0 if hits else 0.6) if value is None else value
    broken = tuple(Fault(name, "unit", 0.3, f"{name} is broken.") for name in faults)
    return DriftReport(200, "drift" if hits else "stable", value, p, features, faults=broken)


def test_ten_drifting_batches_are_one_episode():
    history = [(at, report(0.4)) for at in range(1, 20)]
    history += [(at, report(1e-9, ("kcal",))) for at in range(20, 30)]
    history += [(at, report(0.4)) for at in range(30, 40)]
    (one,) = episodes(history, PLAIN)
    assert (one.kind, one.onset_batch, one.found_batch, one.end_batch, one.features) == ("drift", 20, 20, 29, ("kcal",))
    assert "kcal rose" in one.summary


def test_slow_drift_adds_up():
    history = [(at, report(0.5)) for at in range(1, 30)] + [(at, report(0.03)) for at in range(30, 40)]
    (one,) = episodes(history, PLAIN)
    assert 29 <= one.onset_batch <= 31
    assert one.found_batch <= 37
    assert "slow" in one.summary
    assert episodes([(at, report(0.03, value=0.1)) for at in range(90)], PLAIN) == ()  # too small to matter


def test_healthy_histories_hold_their_own_budget():
    rng = np.random.default_rng(26)
    found = sum(len(episodes([(at, report(p)) for at, p in enumerate(rng.random(500))], PLAIN)) for _ in range(20))
    assert found <= 8  # 10,000 healthy batches at one in 5,000: more than 8 have a chance below 1 in 1,000


def test_faults_are_episodes_of_their_own():
    history = [(at, report(1e-9, ("kcal",), ("kcal",))) for at in range(5, 9)] + [
        (at, report(0.5)) for at in range(9, 15)
    ]
    (one,) = episodes(history, PLAIN)
    assert (one.kind, one.found_batch, one.end_batch, one.features) == ("fault", 5, 8, ("kcal",))


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.9, 0.4, 0.04, 1e-8]), min_size=5, max_size=60))
def test_a_longer_history_keeps_its_episodes(surprises: list[float]):
    history = [(at, report(p, ("a",) if p < 1e-4 else ())) for at, p in enumerate(surprises)]
    whole = {(one.kind, one.found_batch): one for one in drift.episodes(history, PLAIN)}
    for cut in range(1, len(history)):
        for early in drift.episodes(history[:cut], PLAIN):
            late = whole[early.kind, early.found_batch]
            assert (late.onset_batch, late.summary) == (early.onset_batch, early.summary)
            assert early.end_batch is None or early == late


def test_many_batches_at_once_are_judged_as_one_by_one():
    reference = mixed(1, 3_000)
    grid = fit_grid(reference, infer(reference))
    base = profile(reference, grid)
    tables = [mixed(seed, rows) for seed, rows in zip(range(2, 42), (200, 20, 1_000, 0, 500) * 8, strict=True)]
    tables[7] = tables[7].drop_columns(["x"])
    seen = [profile(table, grid) for table in tables]
    seen[9] = seen[9].only(["x", "level"])
    together = list(drift.scores(base, iter(seen), Settings()))
    for one, report in zip(seen, together, strict=True):
        alone = score(base, one, Settings())
        assert [feature.name for feature in report.features] == [feature.name for feature in alone.features]
        assert report.verdict == alone.verdict
        assert report.score == pytest.approx(alone.score, rel=1e-4)
        assert report.explanation == alone.explanation
        for a, b in zip(report.features, alone.features, strict=True):
            assert a.distances == pytest.approx(b.distances, rel=1e-9, abs=1e-12)
            assert a.p_value == pytest.approx(b.p_value, rel=1e-3, abs=1e-9)


def mixed(seed: int, rows: int) -> pa.Table:
    """A number, a text and a day; batches of an even seed are moved."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "x": pa.array(rng.normal(seed % 2 == 0 and seed > 1, 1, rows), mask=rng.random(rows) < 0.05),
            "level": pa.array([f"level {at}" for at in rng.integers(0, 6 + seed % 3, rows)], pa.string()),
            "day": pa.array(rng.integers(19_000, 19_200, rows).astype(np.int32), pa.date32()),
        }
    )
