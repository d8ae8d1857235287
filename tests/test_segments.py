"""Parts of the rows: cut once, added up from sums, compared with what chance allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import performance
from pipeline.performance import segments
from storage.records import Feature, Schema

FEATURES = (Feature("x", "numeric"), Feature("city", "categorical"), Feature("day", "date"))
CLASSES = Schema(FEATURES, "y", "classification", ("no", "yes"))
NUMBERS = Schema(FEATURES, "y", "regression")


def columns(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    x[rng.random(n) < 0.05] = np.nan
    city = rng.choice(np.array(["Oslo", "Bergen", "Tromsø"], dtype=object), n, p=[0.6, 0.35, 0.05])
    return {"x": x, "city": city, "day": rng.normal(size=n)}


def answers(cols: dict[str, np.ndarray], seed: int, weak: float = 0.1) -> performance.Said:
    """Wrong in one row of ten, and in Bergen as often as asked."""
    rng = np.random.default_rng(seed)
    n = len(cols["x"])
    y = rng.choice(["no", "yes"], n)
    wrong = rng.random(n) < np.where(cols["city"] == "Bergen", weak, 0.1)
    guess = np.where(wrong, np.where(y == "yes", "no", "yes"), y)
    return performance.said(y, guess, None, CLASSES)


def test_every_row_is_in_one_part_of_each_feature() -> None:
    cols = columns(1000)
    cuts = segments.cut(cols, CLASSES)
    assert set(cuts) == {"x", "city"}
    assert cuts["city"]["levels"] == ["Oslo", "Bergen", "Tromsø"]
    at = segments.place(cols["x"], cuts["x"])
    counts = np.bincount(at, minlength=5)
    assert len(segments.words(cuts["x"])) == 5
    assert counts[4] == np.isnan(cols["x"]).sum()
    assert np.ptp(counts[:4]) <= 4
    strangers = segments.place(np.array(["Oslo", "Rome", np.nan], dtype=object), cuts["city"])
    assert [segments.words(cuts["city"])[i] for i in strangers] == ["Oslo", segments.OTHER, segments.MISSING]


def test_a_feature_of_one_value_has_no_parts_and_ties_make_fewer() -> None:
    one = {"x": np.ones(50), "city": np.full(50, "Oslo", dtype=object), "day": np.ones(50)}
    assert segments.cut(one, CLASSES) == {}
    tied = one | {"x": np.repeat([0.0, 1.0], [40, 10])}
    assert segments.words(segments.cut(tied, CLASSES)["x"]) == ["below 1", "1 and above", segments.MISSING]
    empty = one | {"x": np.full(50, np.nan)}
    assert segments.cut(empty, CLASSES) == {}


@given(st.integers(20, 300), st.integers(0, 99))
@settings(max_examples=20)
def test_sums_of_batches_are_the_sums_of_all_rows(n: int, seed: int) -> None:
    cols = columns(2 * n, seed)
    cuts = segments.cut(cols, CLASSES)
    said = answers(cols, seed)
    halves = [
        segments.tally({name: v[rows] for name, v in cols.items()}, said.take(rows), CLASSES, cuts)
        for rows in (np.arange(n), np.arange(n, 2 * n))
    ]
    whole = segments.tally(cols, said, CLASSES, cuts)
    for feature in cuts:
        added = np.array(halves[0]["of"][feature]["sums"]) + np.array(halves[1]["of"][feature]["sums"])
        assert added == pytest.approx(np.array(whole["of"][feature]["sums"]))
        assert added[:, 0].sum() == 2 * n


def test_a_part_that_fell_is_named_with_its_figures() -> None:
    cols = columns(4000)
    cuts = segments.cut(cols, CLASSES)
    now = segments.tally(cols, answers(cols, 1, weak=0.3), CLASSES, cuts)
    before = segments.tally(cols, answers(cols, 2), CLASSES, cuts)
    metric, whole, parts = segments.read([now], [before])
    worst = parts[0]
    assert (metric, worst.feature, worst.words) == ("accuracy", "city", "Bergen")
    bergen = cols["city"] == "Bergen"
    assert worst.now.rows == bergen.sum()
    assert worst.now.value == pytest.approx(0.7, abs=0.04)
    assert worst.now.low < 0.7 < worst.now.high
    assert worst.lag == pytest.approx(0.2, abs=0.04)
    assert worst.change == pytest.approx(-0.2, abs=0.04)
    assert worst.lag_sure
    assert worst.change_sure
    assert whole.value == pytest.approx(0.83, abs=0.02)
    assert segments.read([], [])[2] == []


def test_without_a_difference_seldom_a_part_is_named() -> None:
    sure = 0
    for seed in range(100):
        cols = columns(600, seed)
        cuts = segments.cut(cols, CLASSES)
        now, before = (segments.tally(cols, answers(cols, 2 * seed + k), CLASSES, cuts) for k in (0, 1))
        sure += any(part.lag_sure or part.change_sure for part in segments.read([now], [before])[2])
    assert sure <= 14  # at most 1 in 20 for each of the two questions


def test_a_challenger_that_loses_in_one_part_is_seen_in_pairs() -> None:
    cols = columns(3000)
    cuts = segments.cut(cols, CLASSES)
    champion, equal, worse = answers(cols, 1), answers(cols, 1), answers(cols, 1, weak=0.25)
    assert segments.falls(cols, champion, equal, CLASSES, cuts) == []
    (part, before, after, rows, weakest_gains), *_ = segments.falls(cols, champion, worse, CLASSES, cuts)
    assert part == "city: Bergen"
    assert (before, after) == (pytest.approx(0.9, abs=0.03), pytest.approx(0.75, abs=0.04))
    assert rows == (cols["city"] == "Bergen").sum()
    assert not weakest_gains
    assert segments.falls(cols, champion, worse, CLASSES, cuts, allowed=0.5) == []
    better = segments.falls(cols, worse, champion, CLASSES, cuts)
    assert better == []


def test_numbers_go_by_their_error() -> None:
    cols = columns(3000)
    cuts = segments.cut(cols, NUMBERS)
    rng = np.random.default_rng(0)
    y = rng.normal(size=3000)
    off = np.where(cols["city"] == "Bergen", 2.0, 1.0)
    first = performance.said(y, y + rng.normal(size=3000), None, NUMBERS)
    second = performance.said(y, y + off * (first.guess - y), None, NUMBERS)
    metric, whole, parts = segments.read([segments.tally(cols, second, NUMBERS, cuts)])
    assert metric == "rmse"
    assert (parts[0].words, parts[0].now.value) == ("Bergen", pytest.approx(2.0, rel=0.1))
    assert parts[0].lag_sure
    assert parts[0].before is None
    assert whole.low < whole.value < whole.high
    assert segments.falls(cols, first, second, NUMBERS, cuts)[0][0] == "city: Bergen"
