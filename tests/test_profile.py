"""Profiles: parts add up exactly, order has no effect, anything a table can bring is counted without a warning."""

from __future__ import annotations

import datetime as dt
import json
import math
import warnings
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.profile import Grid, Profile, distribution, fit_grid, infer, merge, profile, summary
from storage.errors import Unhealthy
from storage.records import Feature

ROWS = 400
KINDS = {"x": "numeric", "skewed": "numeric", "few": "numeric", "level": "categorical", "day": "date"}
FEATURES = tuple(Feature(name, kind) for name, kind in KINDS.items())


def people(seed: int, rows: int = ROWS) -> pa.Table:
    """A table with a feature of each kind, some values missing."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1),
            "skewed": rng.lognormal(size=rows),
            "few": rng.integers(0, 4, rows).astype(np.float64),
            "level": pa.array(rng.choice(list("abcd"), rows, p=[0.5, 0.3, 0.15, 0.05]), mask=rng.random(rows) < 0.05),
            "day": pa.array(rng.integers(0, 10**9, rows) * 10**6, pa.timestamp("us")),
        }
    )  # fmt: skip


REFERENCE = people(0)
GRID = fit_grid(REFERENCE, FEATURES)

odd = st.sampled_from([0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, 1e308])
numbers = st.one_of(st.none(), st.floats(width=64), odd)
levels = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "zz", ""]), st.text(max_size=3))
days = st.one_of(st.none(), st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1)))
rows = st.lists(st.tuples(numbers, numbers, numbers, levels, days), max_size=40)


def table(cells: list[tuple]) -> pa.Table:
    """Rows of cells as a table."""
    columns = list(zip(*cells, strict=True)) if cells else [()] * 5
    types = (pa.float64(), pa.float64(), pa.float64(), pa.string(), pa.date32())
    return pa.table({n: pa.array(c, t) for n, c, t in zip(KINDS, columns, types, strict=True)})


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- what is exact --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(rows, rows, rows)
def test_merge_of_parts_is_the_profile_of_the_whole(a, b, c):
    parts = [profile(table(cells), GRID) for cells in (a, b, c)]
    whole = profile(table(a + b + c), GRID)
    assert merge(parts) == whole
    assert merge([parts[2], merge([parts[1], parts[0]])]) == whole


@settings(max_examples=60)
@given(rows, st.randoms())
def test_the_order_of_rows_has_no_effect(cells, random):
    mixed = list(cells)
    random.shuffle(mixed)
    assert profile(table(mixed), GRID) == profile(table(cells), GRID)


@settings(max_examples=60)
@given(rows)
def test_parts_round_trip(cells):
    seen = profile(table(cells), GRID)
    assert Profile.from_parts(GRID, seen.rows, seen.parts()) == seen


@settings(max_examples=40)
@given(rows)
def test_every_row_is_counted_once_and_all_figures_are_finite(cells):
    seen = profile(table(cells), GRID)
    assert seen.rows == len(cells)
    base = profile(REFERENCE, GRID)
    for name, one in seen.features.items():
        assert one.present + one.nulls == seen.rows
        drawn = distribution(name, base, seen)
        assert sum(drawn.batch) + drawn.batch_null == pytest.approx(1.0 if cells else 0.0)
        assert np.isfinite([*drawn.edges, *drawn.reference, *drawn.batch, *drawn.batch_stats.values()]).all()
        figures = summary(name, seen)
        assert all(np.isfinite(value) for value in figures.values() if isinstance(value, float))


def test_pieces_of_any_size_give_the_same_profile():
    whole = profile(REFERENCE, GRID)
    assert profile(REFERENCE.to_batches(max_chunksize=7), GRID) == whole
    assert profile(iter([REFERENCE.slice(0, 100), REFERENCE.slice(100)]), GRID) == whole


def test_more_rows_than_a_piece_holds():
    many = pa.concat_tables([people(seed, 50_000) for seed in range(3)])
    grid = fit_grid(many, FEATURES)
    assert profile(many, grid) == merge([profile(many.slice(at, 30_000), grid) for at in range(0, 150_000, 30_000)])


def test_grid_round_trips_as_json():
    assert Grid.from_json(GRID.to_json()) == GRID


def test_a_grid_of_the_first_format_is_read_and_one_of_a_later_format_refused():
    plain = json.loads(GRID.to_json())
    plain["format"] = 1
    plain["features"][0]["wobble"] = 0.01  # format 1 knew no blocks: what moved was taken to move with every row
    old = Grid.from_json(json.dumps(plain))
    assert (old.features[0].wobble, old.features[0].alike) == (0.01, ())
    assert old.features[1:] == GRID.features[1:]
    with pytest.raises(Unhealthy, match="newer program"):
        Grid.from_json(json.dumps(plain | {"format": 99}))


def test_parts_of_features_the_grid_does_not_know_are_passed_over():
    seen = profile(REFERENCE, GRID)
    parts = seen.parts() | {"gone": b"?"}
    assert Profile.from_parts(GRID, seen.rows, parts) == seen
    few = Profile.from_parts(GRID, seen.rows, {"x": parts["x"]})
    assert list(few.features) == ["x"]
    assert few.joint is None


def test_moments_are_those_of_the_values():
    values = REFERENCE["skewed"].to_numpy()
    mean, sd = profile(REFERENCE, GRID).features["skewed"].moments(GRID.by_name["skewed"])
    assert mean == pytest.approx(values.mean(), rel=1e-4)
    assert sd == pytest.approx(values.std(), rel=1e-3)


def test_quantiles_are_close_to_those_of_the_values():
    many = people(3, 20_000)
    grid = fit_grid(many, FEATURES)
    told, values = summary("skewed", profile(many, grid)), many["skewed"].to_numpy()
    for name, rank in {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}.items():
        assert told[name] == pytest.approx(np.quantile(values, rank), rel=0.02)


# --- what a table can bring -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(10, 2), pa.bool_()],
    ids=str,
)
def test_numbers_of_any_type_are_counted_alike(kind):
    values = [0, 1, 1, 0, None, 1]
    plain = pa.array(values, pa.float64())
    if kind == pa.float16():
        typed = pa.array(np.array([0, 1, 1, 0, 0, 1], np.float16), mask=np.arange(6) == 4)
    elif kind == pa.decimal128(10, 2):
        typed = pa.array([None if value is None else Decimal(value) for value in values], kind)
    else:
        typed = pa.array(values).cast(kind)
    features = (Feature("v", "numeric"),)
    grid = fit_grid(pa.table({"v": plain}), features)
    assert profile(pa.table({"v": typed}), grid) == profile(pa.table({"v": plain}), grid)
    assert profile(pa.table({"v": typed.dictionary_encode()}), grid) == profile(pa.table({"v": plain}), grid)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda a: a.dictionary_encode(),
        lambda a: a.cast(pa.large_string()),
        lambda a: a.cast(pa.string_view()),
        lambda a: pa.chunked_array([a[:3], a[3:]]),
        lambda a: pa.chunked_array([a[:3].dictionary_encode(), a[3:].dictionary_encode()]),
        lambda a: pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0, 2, 3], pa.uint8()), ["a", "b", "new", "c"]),
        lambda a: pa.DictionaryArray.from_arrays(pa.array([0, 1, 4, 0, 2, 3]), pa.array(["a", "b", "new", "c", None])),
    ],
    ids=["dictionary", "large", "view", "chunks", "two dictionaries", "unsigned codes", "null in the dictionary"],
)
def test_text_of_any_type_is_counted_alike(wrap):
    plain = pa.array(["a", "b", None, "a", "new", "c"])
    grid = fit_grid(REFERENCE, FEATURES[3:4])
    seen = profile(pa.table({"level": wrap(plain)}), grid)
    assert seen == profile(pa.table({"level": plain}), grid)
    assert seen.features["level"].new == {"new": 1}
    assert seen.features["level"].nulls == 1


def test_a_column_that_is_missing_counts_as_all_null():
    seen = profile(REFERENCE.drop_columns(["x", "level"]), GRID)
    assert seen.features["x"].nulls == seen.features["level"].nulls == ROWS
    assert seen == profile(REFERENCE.set_column(0, "x", pa.nulls(ROWS)).set_column(3, "level", pa.nulls(ROWS)), GRID)


def test_numbers_where_text_was_and_text_where_numbers_were():
    seen = profile(pa.table({"level": [1.0, 2.5, None], "x": ["0.5", "abc", None]}), GRID)
    assert seen.features["level"].new == {"1": 1, "2.5": 1}
    assert (seen.features["x"].present, seen.features["x"].nulls) == (1, 2)


def test_new_levels_are_kept_by_name_at_most_200_whatever_the_order():
    names = [f"n{at}" for at in range(1_000)]
    seen = profile(pa.table({"level": names}), GRID).features["level"]
    turned = profile(pa.table({"level": names[::-1]}), GRID).features["level"]
    assert len(seen.new) == 200
    assert seen.new == turned.new
    assert seen.new_rows == 1_000


def test_a_value_that_piles_up_stands_out_in_its_cell():
    values = np.r_[np.random.default_rng(1).normal(size=5_000), np.full(500, 0.123)]
    grid = fit_grid(people(5, 5_000), FEATURES[:1])
    counts = profile(pa.table({"x": values}), grid).features["x"].counts
    assert counts.max() >= 500
    assert np.sort(counts.ravel())[-2] < 100


def test_values_far_beyond_the_reference_are_told_apart():
    grid = GRID.by_name["skewed"]
    high = grid.high
    far = [profile(pa.table({"skewed": [high * times]}), GRID).features["skewed"] for times in (1.2, 3, 10, 100, 1e6)]
    cells = [int(one.cells.argmax()) for one in far]
    assert cells == sorted(set(cells))


# --- kinds ----------------------------------------------------------------------------------------------------------


def kind_of(values, **options) -> Feature:
    return infer(pa.table({"v": values}), **options)[0]


@pytest.mark.parametrize(
    ("values", "kind", "note"),
    [
        ([1.5, 2.5, 3.5] * 20, "numeric", ""),
        ([0, 1] * 30, "categorical", "two values"),
        ([True, False] * 30, "categorical", "yes or no"),
        (["a", "b", None] * 20, "categorical", ""),
        ([dt.datetime(2024, 1, 1 + at % 28, tzinfo=dt.UTC) for at in range(60)], "date", ""),
        ([dt.date(2024, 1, 1 + at % 28) for at in range(60)], "date", ""),
        ([7] * 60, "ignored", "always 7"),
        (pa.nulls(60), "ignored", "no value"),
        (pa.array([None] * 60, pa.float64()), "ignored", "no value"),
        ([math.nan] * 60, "ignored", "no value"),
        ([f"user-{at}" for at in range(10_000)], "ignored", "identifier"),
        (list(range(500)), "ignored", "row number"),
        (list(range(500, 0, -1)), "ignored", "row number"),
        ([[1], [2]] * 30, "ignored", "cannot be compared"),
        ([{"a": 1}] * 60, "ignored", "cannot be compared"),
        ([b"x", b"y"] * 30, "ignored", "cannot be compared"),
    ],
)
def test_kinds_are_inferred_and_what_was_noticed_is_said(values, kind, note):
    feature = kind_of(values if isinstance(values, pa.Array) else pa.array(values))
    assert feature.kind == kind
    assert note in feature.note


def test_roles_are_no_features_and_a_person_has_the_last_word():
    given_ = pa.table({"id": [1, 2], "y": ["a", "b"], "at": [1, 2], "v": [7, 7]})
    found = infer(given_, target="y", id_column="id", time_column="at", kinds={"v": "numeric"})
    assert [(one.name, one.kind) for one in found] == [("v", "numeric")]


def test_no_rows_and_no_columns():
    assert infer(pa.table({})) == ()
    assert infer(iter([])) == ()
    assert [one.kind for one in infer(pa.table({"v": pa.array([], pa.float64())}))] == ["ignored"]
    features = (Feature("x", "numeric"), Feature("gone", "categorical"))
    grid = fit_grid(pa.table({"x": pa.array([], pa.float64())}), features)
    seen = profile(pa.table({"x": [1.0, None], "gone": ["a", "b"]}), grid)
    assert (seen.features["x"].present, seen.features["gone"].new_rows) == (1, 2)
    assert profile(iter([]), GRID).rows == 0


def test_kinds_come_from_a_stream_too():
    assert infer(iter(REFERENCE.to_batches(max_chunksize=50))) == infer(REFERENCE)
    assert fit_grid(iter(REFERENCE.to_batches(max_chunksize=50)), FEATURES) == GRID
