"""Tables of every type that Arrow and pandas have: counted, stored, merged and judged, without a warning."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.check import report_json
from pipeline.drift import score
from pipeline.profile import Grid, Profile, fit_grid, infer, merge, profile
from storage.records import Feature
from storage.settings import Settings

ZONES = (None, "UTC", "Europe/Berlin", "+05:30")
days = st.dates(dt.date(1700, 1, 1), dt.date(2250, 1, 1))
moments = st.datetimes(*map(dt.datetime.fromisoformat, ("1700-01-01", "2250-01-01")))
words = st.text(st.characters(codec="utf-8"), max_size=6)
few = st.sampled_from(["a", "b", "ß", ""])

COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy]] = {
    **{f"{sign}int{bits}": (pa.type_for_alias(f"{sign}int{bits}"),
                            st.integers(-(2 ** (bits - 1)) * (not sign), 2 ** (bits - 1) - 1))
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": (pa.float16(), st.floats(width=16).map(np.float16)),
    "float32": (pa.float32(), st.floats(width=32)),
    "float64": (pa.float64(), st.floats()),
    "decimal128": (pa.decimal128(12, 3), st.decimals(-1000, 1000, places=3)),
    "decimal256": (pa.decimal256(60, 5), st.decimals(-(10**9), 10**9, places=5)),
    "bool": (pa.bool_(), st.booleans()),
    "string": (pa.string(), words),
    "large_string": (pa.large_string(), words),
    "string_view": (pa.string_view(), words),
    "binary": (pa.binary(), st.binary(max_size=4)),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), few),
    "dictionary of large strings": (pa.dictionary(pa.uint32(), pa.large_string()), few),
    "dictionary of numbers": (pa.dictionary(pa.int16(), pa.float64()), st.floats(-3, 3).map(round)),
    **{f"timestamp[{unit}] {zone}": (pa.timestamp(unit, zone), moments)
       for unit in ("s", "us", "ns") for zone in ZONES},
    "date32": (pa.date32(), days),
    "date64": (pa.date64(), days),
    "time32": (pa.time32("s"), st.times().map(lambda one: one.replace(microsecond=0))),
    "time64": (pa.time64("us"), st.times()),
    "duration": (pa.duration("us"), st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "list": (pa.list_(pa.int64()), st.lists(st.integers(-2, 2), max_size=2)),
    "struct": (pa.struct({"a": pa.int64()}), st.fixed_dictionaries({"a": st.integers(-2, 2)})),
    "null": (pa.null(), st.none()),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def holds(reference: pa.Table, batch: pa.Table, cut: int, kinds: tuple[Feature, ...] | None = None) -> Profile:
    """What is true of any two tables over one grid; the profile of the batch."""
    grid = fit_grid(reference, kinds or infer(reference))
    assert Grid.from_json(grid.to_json()) == grid
    base, seen = profile(reference, grid), profile(batch, grid)
    stored = Profile.from_parts(Grid.from_json(grid.to_json()), seen.rows, seen.parts())
    assert stored == seen
    assert merge([profile(batch.slice(0, cut), grid), profile(batch.slice(cut), grid)]) == seen
    for one in seen.features.values():
        assert one.present + one.nulls == batch.num_rows
    report = score(base, seen, Settings())
    assert json.loads(json.dumps(report_json("batch", report), allow_nan=False))["rows"] == batch.num_rows
    return seen


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
def test_a_column_of_any_type(name, data):
    kind, cells = COLUMNS[name]
    rows = st.lists(st.one_of(st.none(), cells), max_size=80)
    sides = [pa.table({"x": pa.array(data.draw(rows), kind)}) for _ in range(2)]
    holds(*sides, data.draw(st.integers(0, max(sides[1].num_rows, 1))))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_reference_of_one_type_and_a_batch_of_another(name):
    """Somebody changed an export: whatever came before, nothing breaks."""
    kind, _ = COLUMNS[name]
    other = pa.table({"x": pa.nulls(60, kind)})
    for cells in (range(60), ["a", "b"] * 30, [dt.date(2026, 1, 1)] * 60):
        known = pa.table({"x": pa.array(cells)})
        holds(known, other, 20)
        holds(other, known, 20)


PANDAS = {
    "Int64": lambda rng: pd.array([None, *rng.integers(0, 9, 299)], "Int64"),
    "Float32": lambda rng: pd.array([None, *rng.normal(size=299)], "Float32"),
    "boolean": lambda rng: pd.array([None, *(rng.random(299) < 0.5)], "boolean"),
    "string": lambda rng: pd.array([None, *rng.choice(["a", "b"], 299)], "string"),
    "object": lambda rng: np.array([None, *rng.choice(["a", "b"], 299)], object),
    "category": lambda rng: pd.Categorical(rng.choice(["a", "b", "c"], 300), ["c", "never", "b", "a"], ordered=True),
    "category of numbers": lambda rng: pd.Categorical(rng.integers(0, 4, 300)),
    "datetime64[ns, zone]": lambda rng: pd.date_range("2026-01-01", periods=300, freq="h", tz="Asia/Tokyo"),
    "timedelta64": lambda rng: pd.to_timedelta(rng.integers(0, 9999, 300), unit="s"),
    "decimal": lambda rng: [Decimal(int(one)) / 8 for one in rng.integers(0, 99, 300)],
    "identifiers": lambda rng: [f"id-{one}" for one in rng.permutation(10_000)[:300]],
}


@pytest.mark.parametrize("name", PANDAS)
def test_a_column_of_a_pandas_frame(name):
    sides = [pa.Table.from_pandas(pd.DataFrame({"x": PANDAS[name](np.random.default_rng(seed))})) for seed in (1, 2)]
    holds(*sides, 100)


def test_ten_thousand_levels_are_counted_by_name_and_all_are_known():
    """More levels than are named: the rest are known but counted together, and only strangers are new."""
    rng = np.random.default_rng(1)
    levels = np.array([f"level {at}" for at in range(10_000)])
    shares = 1 / np.arange(1, 10_001)
    known = levels[np.r_[np.arange(10_000), rng.choice(10_000, 50_000, p=shares / shares.sum())]]
    reference = pa.table({"x": known})
    batch = pa.table({"x": [*rng.choice(levels, 3_000), *["stranger"] * 7]})
    found = holds(reference, batch, 1_000, (Feature("x", "categorical"),)).features["x"]
    assert dict(found.new) == {"stranger": 7}
