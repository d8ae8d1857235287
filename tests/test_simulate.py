"""The worked example: what is drawn, what is known about it, and the figures it was built to show."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st

from seed_data import extract, samples, simulate

FEATURES = ["age", "sex", "bmi", "waist", "kcal", "activity", "sedentary", "income_ratio"]
MAY_BE_NULL = {"waist", "sedentary", "income_ratio"}  # as in the file of adults
STORY_DAYS = [0, 119, 120, 199, 230, 260, 319, 320, 400, 413, 414, 440, 470, 471]


def digest(day: simulate.Day) -> str:
    """Of the values as text, so that it does not hang on how a version of Arrow lays out memory."""
    sink = io.BytesIO()
    for table in (day.table, day.labels):
        pyarrow.csv.write_csv(table, sink)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:16]


# --- the file of adults --------------------------------------------------------------------------------------------


def test_adults_have_the_figures_computed_from_the_package():
    people = simulate.adults()
    assert {len(values) for values in people.values()} == {4691}
    women, men = people["kcal"][people["sex"] == "female"], people["kcal"][people["sex"] == "male"]
    assert (round(people["kcal"].mean()), round(women.mean()), round(men.mean())) == (2027, 1740, 2331)
    assert (round(people["kcal"].std(ddof=1)), round(women.std(ddof=1)), round(men.std(ddof=1))) == (876, 663, 967)
    shares = [np.mean(people["activity"] == level) for level in ("vigorous", "moderate", "none")]
    assert np.round(shares, 2).tolist() == [0.41, 0.34, 0.25]
    assert (people["age"].min(), people["age"].max()) == (20, 80)
    missing = {name: int(np.isnan(v).sum()) for name, v in people.items() if v.dtype != object and np.isnan(v).any()}
    assert missing == {"waist": 130, "sedentary": 34, "income_ratio": 554}


def test_extract_keeps_adults_with_measures_and_turns_codes_into_values():
    raw = pd.DataFrame(
        {
            "AgeInYearsAtScreening": [19, 20, 45, 70, 50],
            "Gender": ["Male", "Male", "Female", "Female", "Male"],
            "BodyMassIndexKgm2": [22.0, 25.04, 31.0, None, 28.0],
            "WaistCircumferenceCm": [80.0, None, 99.96, 90.0, 100.0],
            "EnergyKcal_DR1TOT": [2000.0, 1800.0, 1500.0, 1500.0, None],
            "EnergyKcal_DR2TOT": [2000.0, None, 2000.0, 1500.0, None],
            "MinutesSedentaryActivity": [100, 9999, 5.397605e-79, 60, 60],
            "RatioOfFamilyIncomeToPoverty": [1.0, 2.0, None, 3.0, 4.0],
            "VigorousRecreationalActivities": [0, 0, 0, 1, 0],
            "VigorousWorkActivity": [0, 1, None, 0, 0],
            "ModerateRecreationalActivities": [0, 1, 0, 0, 0],
            "ModerateWorkActivity": [0, 0, 0, 0, 0],
            "WalkOrBicycle": [0, 0, 1, 0, 0],
        }
    )
    kept = extract.adults(raw)
    assert kept["age"].tolist() == [20, 45]  # the others: too young, no BMI, no diet
    assert kept["sex"].tolist() == ["male", "female"]
    assert kept["bmi"].tolist() == [25.0, 31.0]
    assert kept["kcal"].tolist() == [1800, 1750]  # one day told, mean of two days
    assert kept["activity"].tolist() == ["vigorous", "moderate"]
    assert kept["sedentary"].isna().tolist() == [True, False]
    assert kept["sedentary"].tolist()[1] == 0  # SAS writes zero as 5.4e-79


# --- one day -------------------------------------------------------------------------------------------------------


def test_a_day_has_the_promised_columns():
    seen = simulate.day(123)
    assert seen.table.column_names == ["id", "date", *FEATURES]
    assert seen.labels.column_names == ["id", simulate.TARGET]
    assert seen.table["id"].to_pylist() == seen.labels["id"].to_pylist() == [f"d0123-{at:03d}" for at in range(200)]
    assert {str(date) for date in seen.table["date"].to_pylist()} == {"2025-05-04"}
    assert pd.Timestamp(seen.date, unit="us") == pd.Timestamp("2025-05-04")
    assert set(seen.labels[simulate.TARGET].to_pylist()) == {"yes", "no"}
    assert set(seen.table["activity"].to_pylist()) == {"none", "moderate", "vigorous"}
    types = {name: str(seen.table.schema.field(name).type) for name in FEATURES}
    assert {name for name, kind in types.items() if kind == "string"} == {"sex", "activity"}
    assert {name for name, kind in types.items() if kind == "int64"} == {"age", "kcal"}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "aba0b3048af848d0"),
        (230, "2b546bc128076f1e"),
        (330, "81f176d7d2b92a3d"),
        (405, "bda9fd9e222dc7d6"),
        (450, "dfc402e33ae401e5"),
        (800, "6f1e707b333c922a"),
    ],
)
def test_the_stream_is_the_same_on_any_machine(number: int, expected: str):
    assert digest(simulate.day(number)) == expected


def test_a_day_does_not_hang_on_the_days_before():
    alone = digest(simulate.day(300))
    for number in (5, 299, 301):
        simulate.day(number)
    assert digest(simulate.day(300)) == alone


def test_days_and_seeds_have_streams_of_their_own():
    made = [digest(simulate.day(number, seed)) for number in range(20) for seed in (1, 2026)]
    assert len(set(made)) == len(made)


@settings(max_examples=60)
@given(number=st.integers(0, 5000), seed=st.integers(0, 2**32), rows=st.integers(1, 300))
def test_values_are_plausible_on_any_day(number: int, seed: int, rows: int):
    table = simulate.day(number, seed, rows).table
    state = simulate.world(number, seed)
    assert table.num_rows == rows
    other_unit = {name for name, _ in state.other_unit}
    limits = {"age": (20, 80), "bmi": (12, 90), "waist": (50, 180), "kcal": (200, 16_000), "sedentary": (0, 1440),
              "income_ratio": (0, 5)}  # fmt: skip
    for name, (low, high) in limits.items():
        known = table[name].drop_null().to_numpy()
        assert name in other_unit or ((known >= low) & (known <= high)).all()
        assert np.isfinite(known).all()
    null = {name for name in table.column_names if table[name].null_count}
    assert null <= MAY_BE_NULL | {name for name, _ in state.missing}


def test_nothing_heavier_than_arrow_is_imported():
    code = "import sys; from seed_data import simulate; print(bool({'pandas', 'scipy', 'sklearn'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


# --- truths --------------------------------------------------------------------------------------------------------


def test_the_told_story():
    told = [(truth.day, truth.last_day, truth.kind, truth.features) for truth in simulate.truths(500)]
    assert told == [
        (120, None, "input drift", ("kcal",)),
        (200, 260, "gradual drift", ("activity",)),
        (320, None, "concept drift", ("obese_next_year",)),
        (400, 413, "unit fault", ("kcal",)),
        (440, 470, "missing values", ("bmi",)),
    ]


def test_truths_only_grow_with_the_day():
    every = simulate.truths(2000)
    for until in (0, 119, 120, 440, 530, 1234):
        assert simulate.truths(until) == tuple(truth for truth in every if truth.day <= until)
    assert simulate.truths(2000, seed=1) != every


@pytest.mark.parametrize("seed", [0, 7, 2026])
def test_later_events_are_apart_and_each_comes_in_every_round(seed: int):
    every = simulate.truths(4000, seed)
    later = every[len(simulate.TRUTHS) :]
    assert len(later) > 36
    for before, after in pairwise(every[len(simulate.TRUTHS) - 1 :]):
        quiet = after.day - (before.last_day or before.day) - 1
        assert 40 <= quiet <= 60
    for start in range(0, 36, 6):
        seen = sorted((truth.kind, truth.features) for truth in later[start : start + 6])
        assert len(set(seen)) == 6
    drug = [dict(truth.change)["drug"] for truth in later if truth.kind == "concept drift"]
    assert drug == [float(turn % 2) for turn in range(len(drug))]  # withdrawn, sold again, withdrawn, ...


@pytest.mark.parametrize("number", STORY_DAYS)
def test_the_world_follows_the_story(number: int):
    state = simulate.world(number)
    assert state.extra_kcal == (450 if number >= 120 else 0)
    assert state.less_active == pytest.approx(np.clip((number - 200) / 60, 0, 1))
    assert state.drug == (number >= 320)
    assert state.other_unit == ((("kcal", 0.3),) if 400 <= number <= 413 else ())
    assert state.missing == ((("bmi", 0.15),) if 440 <= number <= 470 else ())


def test_after_a_passing_event_the_world_is_as_before():
    for truth in simulate.truths(4000)[len(simulate.TRUTHS) :]:
        before, during = simulate.world(truth.day - 1), simulate.world(truth.day)
        assert before != during
        if truth.last_day is not None:
            assert simulate.world(truth.last_day) == during
            assert simulate.world(truth.last_day + 1) == before


def test_faults_break_rows_but_never_labels(monkeypatch: pytest.MonkeyPatch):
    broken = {number: simulate.day(number, rows=5000) for number in (405, 450)}
    unbroken = simulate.World(extra_kcal=450.0, less_active=1.0, drug=1.0)
    monkeypatch.setattr(simulate, "world", lambda number, seed: unbroken)
    whole = {number: simulate.day(number, rows=5000) for number in broken}
    for number in broken:
        assert broken[number].labels == whole[number].labels
    times = pc.divide(broken[405].table["kcal"].cast(pa.float64()), whole[405].table["kcal"]).to_numpy()
    assert set(np.round(times, 1)) == {1.0, 4.2}
    assert np.mean(times > 2) == pytest.approx(0.3, abs=0.03)
    missing = broken[450].table["bmi"].is_null().to_numpy()
    assert missing.mean() == pytest.approx(0.15, abs=0.02)
    assert broken[450].table["bmi"].drop_null() == whole[450].table["bmi"].filter(pa.array(~missing))
    for name in set(FEATURES) - {"kcal"}:
        assert broken[405].table[name] == whole[405].table[name]


# --- the sample files ----------------------------------------------------------------------------------------------


def test_committed_samples_are_those_the_script_makes():
    made = samples.samples()
    assert {path.name for path in samples.FOLDER.iterdir()} == set(made)
    for name, data in made.items():
        assert (samples.FOLDER / name).read_bytes() == data, name


def test_samples_can_stand_beside_the_running_example_and_each_other():
    tables = {name: pyarrow.csv.read_csv(io.BytesIO(data)) for name, data in samples.samples().items()}
    labels = tables.pop("labels.csv")
    assert labels["id"].to_pylist() == tables["normal.csv"]["id"].to_pylist()
    ids = [key for table in tables.values() for key in table["id"].to_pylist()]
    assert len(set(ids)) == len(ids)
    assert not any(key.startswith("d0") for key in ids)
    more = pc.subtract(tables["drifted.csv"]["kcal"], tables["normal.csv"]["kcal"])
    assert set(more.to_pylist()) == {450}
    assert tables["text-in-numbers.csv"].schema.field("kcal").type == pa.string()
    assert "bmi" not in tables["missing-column.csv"].column_names


# --- the figures the example was built to show ---------------------------------------------------------------------


def rows_of(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Features as numbers, and the target, of the days ``first`` to ``last - 1``."""
    days = [simulate.day(number) for number in range(first, last)]
    table = pa.concat_tables([day.table for day in days]).select(FEATURES).to_pandas()
    table["sex"] = table["sex"] == "male"
    table["activity"] = table["activity"].map({"none": 0, "moderate": 1, "vigorous": 2})
    target = pa.concat_tables([day.labels for day in days])[simulate.TARGET]
    return table.to_numpy(np.float64), pc.equal(target, "yes").to_numpy(zero_copy_only=False)


def psi(reference: np.ndarray, batch: np.ndarray, edges: np.ndarray) -> float:
    """Population stability index: the sum of (p - q) ln(p / q) over cells."""
    counts = [np.histogram(values[~np.isnan(values)], edges)[0] for values in (reference, batch)]
    p, q = (np.clip(count / count.sum(), 1e-4, 1) for count in counts)
    return float(np.sum((p - q) * np.log(p / q)))


class Trial:
    """A model of the days 0-59 that is never trained again, seen through windows of 20 days."""

    def __init__(self) -> None:
        self.reference, target = rows_of(0, 60)
        self.static = self.fitted(self.reference, target)
        self.windows = {first: rows_of(first, first + 20) for first in range(60, 400, 20)}

    @staticmethod
    def fitted(rows: np.ndarray, target: np.ndarray):
        from sklearn.ensemble import HistGradientBoostingClassifier

        few = {"max_iter": 120, "learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 60}
        return HistGradientBoostingClassifier(**few, early_stopping=False, random_state=0).fit(rows, target)

    def accuracy(self, first: int, last: int, model=None) -> float:
        windows = [window for day, window in self.windows.items() if first <= day < last]
        rows, target = (np.concatenate(part) for part in zip(*windows, strict=True))
        return float(np.mean((model or self.static).predict(rows) == target))

    def psi(self, first: int, feature: str) -> float:
        at = FEATURES.index(feature)
        inner = [0.5, 1.5] if feature == "activity" else np.nanquantile(self.reference[:, at], np.arange(0.1, 1, 0.1))
        if feature == "sex":
            inner = [0.5]
        return psi(self.reference[:, at], self.windows[first][0][:, at], np.array([-np.inf, *inner, np.inf]))

    def positive(self, first: int) -> float:
        return float(self.windows[first][1].mean())


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    import sklearn.ensemble  # noqa: F401  (a pool can only be limited once its library is loaded)

    with threadpoolctl.threadpool_limits(1):  # on a busy machine, OpenMP's threads wait for each other
        yield Trial()


def test_quiet_days_are_quiet(trial: Trial):
    from sklearn.metrics import roc_auc_score

    assert trial.accuracy(60, 120) == pytest.approx(0.89, abs=0.01)
    rows, target = (np.concatenate([trial.windows[day][part] for day in (60, 80, 100)]) for part in (0, 1))
    assert roc_auc_score(target, trial.static.predict_proba(rows)[:, 1]) == pytest.approx(0.96, abs=0.005)
    assert max(trial.psi(first, name) for first in (60, 80, 100) for name in FEATURES) < 0.01
    assert all(0.42 < trial.positive(first) < 0.46 for first in (60, 80, 100))


def test_more_calories_are_drift_without_harm(trial: Trial):
    assert all(0.3 < trial.psi(first, "kcal") < 0.47 for first in (120, 140, 160, 180))
    assert trial.accuracy(60, 120) - trial.accuracy(120, 200) <= 0.015


def test_activity_drifts_window_by_window(trial: Trial):
    moved = [trial.psi(first, "activity") for first in (200, 220, 240, 260)]
    assert moved == pytest.approx([0.02, 0.13, 0.32, 0.47], abs=0.07)
    assert moved == sorted(moved)
    assert abs(trial.accuracy(120, 200) - trial.accuracy(200, 320)) < 0.01


def test_the_drug_moves_no_input_and_retraining_pays(trial: Trial):
    """At least half of what the change cost comes back; all of it cannot (see SOURCES.md)."""
    assert all(trial.psi(first, name) < 0.01 for first in (320, 340, 360, 380) for name in ("bmi", "waist"))
    assert all(0.33 < trial.positive(first) < 0.37 < 0.47 < trial.positive(280) for first in (320, 340, 360, 380))
    before, static = trial.accuracy(200, 320), trial.accuracy(360, 400)
    assert before == pytest.approx(0.88, abs=0.01)
    assert static == pytest.approx(0.745, abs=0.015)
    learned = trial.accuracy(360, 400, trial.fitted(*rows_of(320, 360)))
    assert learned - static >= 0.5 * (before - static)
