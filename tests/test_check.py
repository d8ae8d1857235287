"""Files against a reference file: every format, odd tables, and the object that ``run.py check --json`` prints."""

from __future__ import annotations

import datetime as dt
import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.check import check, report_json
from storage.errors import Refused
from storage.records import DriftReport
from storage.settings import parse

ROOT = Path(__file__).parent.parent
ROWS = 1_000
BINDING = {"batch", "rows", "verdict", "drift", "score", "p_value", "features", "dependence"}
BINDING_FEATURE = {"name", "kind", "score", "p_value", "drift", "distances", "effect", "null_rate", "new_levels"}


def people(seed: int, rows: int = ROWS, shift: float = 0.0) -> pa.Table:
    """Adults; ``shift`` moves what they eat by standard deviations."""
    rng = np.random.default_rng(seed)
    age = rng.integers(20, 80, rows)
    days = np.sort(rng.integers(0, 90, rows))
    return pa.table(
        {
            "age": age,
            "bmi": pa.array(rng.normal(27, 5, rows) + age / 40, mask=rng.random(rows) < 0.02),
            "kcal": np.exp(rng.normal(7.6, 0.4, rows) + 0.4 * shift),
            "sex": rng.choice(["female", "male"], rows),
            "activity": rng.choice(["low", "middle", "high"], rows, p=[0.5, 0.3, 0.2]),
            "day": pa.array([dt.date(2024, 1, 1) + dt.timedelta(days=int(day)) for day in days]),
            "target": rng.choice(["no", "yes"], rows),
        }
    )  # fmt: skip


def to_parquet(folder: Path, name: str, table: pa.Table) -> Path:
    """A table as a file."""
    path = folder / f"{name}.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("check")


@pytest.fixture(scope="module")
def reference(folder) -> Path:
    return to_parquet(folder, "reference", people(0, 4_000))


def report(reference: Path, batch: Path, **options) -> DriftReport:
    """The report of one batch."""
    ((_, found),) = check(reference, [batch], target="target", **options)
    return found


def assert_sensible(found: DriftReport) -> None:
    """All figures are finite, shares are shares, and the object survives strict JSON."""
    text = json.dumps(report_json("x", found), allow_nan=False)
    assert json.loads(text)["verdict"] in ("stable", "drift", "too_few_rows")
    assert found.score >= 0
    for one in found.features:
        assert 0 <= one.p_value <= 1
        assert 0 <= one.null_rate <= 1
        assert one.score >= 0
        assert one.explanation


# --- what is said ---------------------------------------------------------------------------------------------------


def test_the_same_people_are_stable_and_others_drift(folder, reference):
    assert report(reference, to_parquet(folder, "same", people(1))).verdict == "stable"
    found = report(reference, to_parquet(folder, "moved", people(2, shift=0.5)))
    assert found.verdict == "drift"
    assert found.drifted[0] == "kcal"
    assert "rose by" in found.features[0].explanation
    assert "chance" in found.explanation


def test_a_batch_that_is_the_reference_is_stable(reference):
    found = report(reference, reference)
    assert found.verdict == "stable"
    assert found.score < 0.5


def test_several_batches_in_turn_by_name(folder, reference):
    paths = [to_parquet(folder, f"turn-{seed}", people(seed, 300)) for seed in (5, 6)]
    assert [name for name, _ in check(reference, paths, target="target")] == ["turn-5.parquet", "turn-6.parquet"]


def test_the_target_is_no_feature(folder, reference):
    names = {one.name for one in report(reference, to_parquet(folder, "t", people(3))).features}
    assert names == {"age", "bmi", "kcal", "sex", "activity", "day"}


def test_settings_reach_the_score(folder, reference):
    moved = to_parquet(folder, "moved2", people(2, shift=0.5))
    deaf = parse({"drift": {"min_effect": 5.0}})
    assert report(reference, moved, settings=deaf).verdict == "stable"
    ruled = parse({"drift": {"rule": "psi"}})
    found = report(reference, moved, settings=ruled)
    kcal = next(one for one in found.features if one.name == "kcal")
    assert kcal.score == pytest.approx(kcal.distances["psi"] / 0.2)


def test_the_command_takes_settings_of_scores_and_of_single_features(folder, reference):
    """``init`` takes the same; house rules of one feature leave the others to the calibrated score."""
    moved = to_parquet(folder, "moved3", people(2, shift=0.5))

    def run(*assignments: str) -> subprocess.CompletedProcess[str]:
        options = [part for text in assignments for part in ("--set", text)]
        command = [sys.executable, "run.py", "check", "--json", "--reference", reference, moved, *options]
        return subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)

    def features(*assignments: str) -> dict[str, dict]:
        return {one["name"]: one for one in json.loads(run(*assignments).stdout)["features"]}

    plain, ruled = features(), features("features.kcal.rule=ks", "features.kcal.threshold=0.4")
    assert ruled["kcal"]["score"] == pytest.approx(ruled["kcal"]["distances"]["ks"] / 0.4)
    assert ruled["bmi"]["p_value"] == plain["bmi"]["p_value"]
    assert not ruled["kcal"]["drift"]
    assert plain["kcal"]["drift"]
    strange = run("features.weight.rule=ks")
    assert (strange.returncode, strange.stdout) == (1, "")
    assert "weight" in strange.stderr
    assert "Traceback" not in strange.stderr


def test_csv_and_parquet_agree(folder):
    files = {}
    for name, seed in (("ref", 0), ("batch", 2)):
        table = people(seed, shift=0.5 * (seed > 0))
        files[name, "parquet"] = to_parquet(folder, f"agree-{name}", table)
        files[name, "csv"] = folder / f"agree-{name}.csv"
        pyarrow.csv.write_csv(table, files[name, "csv"])
    a = report(files["ref", "parquet"], files["batch", "parquet"])
    b = report(files["ref", "csv"], files["batch", "csv"])
    assert {one.name: round(one.score, 3) for one in a.features} == {
        one.name: round(one.score, 3) for one in b.features
    }
    assert a.score == pytest.approx(b.score, rel=1e-3)


def test_the_binding_object(folder, reference):
    found = report(reference, to_parquet(folder, "bound", people(2, shift=1)))
    line = report_json("bound.parquet", found)
    assert set(line) >= BINDING
    assert line["batch"] == "bound.parquet"
    assert (line["drift"], line["verdict"]) == (True, "drift")
    assert set(line["dependence"]) >= {"score", "drift", "pairs"}
    for one in line["features"]:
        assert set(one) >= BINDING_FEATURE
        assert one["kind"] in ("numeric", "categorical", "date")
        assert set(one["distances"]) >= {"psi", "js"}
        if one["kind"] == "numeric":
            assert set(one["distances"]) >= {"ks", "wasserstein"}


def test_the_command_imports_nothing_heavy(folder, reference):
    """pandas, SciPy's statistics and scikit-learn each take longer to import than 100,000 rows to check."""
    code = (
        "import sys; from pipeline.check import check\n"
        f"for _, report in check({str(reference)!r}, [{str(reference)!r}]): print(report.verdict)\n"
        "print([name for name in ('pandas', 'scipy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["stable", "[]"]


# --- tables nobody would send ---------------------------------------------------------------------------------------


def changed(name: str, values) -> pa.Table:
    """People of whom one column is something else."""
    table = people(9, 200)
    return table.set_column(
        table.column_names.index(name), name, values if isinstance(values, pa.Array) else pa.array(values)
    )


ODD = {
    "all null": ("bmi", pa.nulls(200, pa.float64())),
    "null type": ("bmi", pa.nulls(200)),
    "all NaN": ("bmi", [math.nan] * 200),
    "all infinite": ("bmi", [math.inf, -math.inf] * 100),
    "some infinite": ("bmi", [math.inf, *np.linspace(20, 30, 199)]),
    "widest floats": ("bmi", [1.7e308, -1.7e308] * 100),
    "smallest floats": ("bmi", [5e-324, -5e-324] * 100),
    "constant": ("bmi", [27.0] * 200),
    "text for numbers": ("bmi", ["x"] * 200),
    "numbers for text": ("sex", [1.5] * 200),
    "bool for text": ("sex", [True, False] * 100),
    "all levels new": ("activity", [f"new {at}" for at in range(200)]),
    "empty text": ("activity", [""] * 200),
    "dates long ago": ("day", [dt.date(1900, 1, 1)] * 200),
    "dates to come": ("day", [dt.date(2999, 1, 1)] * 200),
    "moments for days": ("day", [dt.datetime(2024, 2, 1, 12, tzinfo=dt.UTC)] * 200),
    "text for dates": ("day", ["soon"] * 200),
    "whole numbers beyond floats": ("age", [2**62] * 200),
    "small types": ("age", pa.array(np.full(200, 40, np.int8))),
    "dictionary": ("sex", pa.array(["female", "male"] * 100).dictionary_encode()),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_columns_get_a_sensible_verdict(folder, reference, case):
    found = report(reference, to_parquet(folder, f"odd-{case}", changed(*ODD[case])))
    assert_sensible(found)
    if case not in ("small types", "dictionary", "some infinite", "dates to come", "moments for days"):
        assert found.verdict == "drift"
        assert ODD[case][0] in found.drifted


@pytest.mark.parametrize("rows", [1, 2, 5, 29])
def test_few_rows_are_too_few_to_say(folder, reference, rows):
    found = report(reference, to_parquet(folder, f"few-{rows}", people(1, rows)))
    assert_sensible(found)
    assert found.verdict == "too_few_rows"
    assert not found.drifted


def test_no_rows_at_all(folder, reference):
    found = report(reference, to_parquet(folder, "none", people(1).slice(0, 0)))
    assert_sensible(found)
    assert (found.rows, found.verdict) == (0, "too_few_rows")


def test_one_row_against_one_row(folder):
    one = to_parquet(folder, "one", pa.table({"x": [1.0, 2.0, 3.0]}))
    ((_, found),) = check(one, [one])
    assert_sensible(found)
    assert found.verdict == "too_few_rows"


def test_a_column_that_is_not_there_is_missing_throughout(folder, reference):
    found = report(reference, to_parquet(folder, "lacking", people(1).drop_columns(["kcal"])))
    assert "kcal" in found.drifted
    assert any(fault.feature == "kcal" and fault.kind == "nulls" for fault in found.faults)


def test_columns_nobody_knows_and_another_order_change_nothing(folder, reference):
    table = people(1)
    other = table.select(table.column_names[::-1]).append_column("extra", pa.array(range(ROWS)))
    assert report(reference, to_parquet(folder, "other", other)) == report(
        reference, to_parquet(folder, "plain", table)
    )


def test_identifiers_constants_and_empty_columns_are_left_out(folder):
    def wide(seed: int) -> pa.Table:
        table = people(seed)
        table = table.append_column("user", pa.array([f"{seed}-{at}" for at in range(ROWS)]))
        return table.append_column("always", pa.array([1] * ROWS)).append_column("never", pa.nulls(ROWS, pa.float64()))

    found = report(to_parquet(folder, "wide-0", wide(0)), to_parquet(folder, "wide-1", wide(1)))
    assert found.verdict == "stable"
    assert {"user", "always", "never"}.isdisjoint(one.name for one in found.features)


cell = st.one_of(st.none(), st.floats(width=64), st.sampled_from([math.nan, math.inf, 0.0, 1e300]))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(cell, min_size=30, max_size=60),
    st.lists(st.sampled_from(["a", "b", None, "zz"]), min_size=30, max_size=30),
)
def test_whatever_comes_the_figures_are_finite(folder, numbers, texts):
    rng = np.random.default_rng(0)
    base = pa.table({"x": rng.normal(size=60), "t": rng.choice(["a", "b"], 60)})
    batch = pa.table({"x": pa.array(numbers[:30], pa.float64()), "t": pa.array(texts, pa.string())})
    paths = to_parquet(folder, "any-reference", base), to_parquet(folder, "any-batch", batch)
    ((_, found),) = check(paths[0], [paths[1]])
    assert_sensible(found)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_refusals_name_the_file_and_the_reason(folder, reference):
    good = to_parquet(folder, "good", people(1))
    cut = folder / "cut.parquet"
    cut.write_bytes(good.read_bytes()[:500])
    cases = {
        (reference, folder / "gone.parquet"): "gone.parquet.*cannot be opened",
        (folder / "gone.parquet", good): "gone.parquet.*cannot be opened",
        (reference, cut): "cut.parquet.*damaged",
        (reference, to_parquet(folder, "foreign", pa.table({"z": [1.0]}))): "foreign.parquet.*none of the reference",
        (to_parquet(folder, "bare", people(0).slice(0, 0)), good): "bare.parquet.*no row",
        (to_parquet(folder, "still", pa.table({"target": ["a"], "c": [1]})), good): "still.parquet.*No column",
    }
    for (base, batch), said in cases.items():
        with pytest.raises(Refused, match=said):
            report(base, batch)
    with pytest.raises(Refused, match=r"wish.*no such column"):
        list(check(reference, [good], target="wish"))
