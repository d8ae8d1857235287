"""Days of adults drawn from real ones, with every drift known. Pure: no clock, no unseeded randomness.

A day is made from its number and the seed alone, so day 300 is the same whether or not the days before were made.
What is real, what is simulated and where each figure comes from: SOURCES.md.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
from numpy.typing import NDArray

ROWS = 200  # adults a day
SEED = 2026
LABEL_DELAY_DAYS = 7  # the year until the next visit, compressed
FIRST_DAY = 1_735_689_600_000_000  # 2025-01-01, microseconds since 1970, UTC
DAY = 86_400_000_000  # microseconds
TARGET = "obese_next_year"
OBESE = 30.0  # kg/m2, WHO

_ADULTS = Path(__file__).with_name("adults.csv.gz")
_KCAL_SHIFT = 450.0
_KJ_PER_KCAL = 4.184
_FAULT_SHARE = 0.3
_NULL_SHARE = 0.15
_DRUG_UPTAKE, _DRUG_LOSS = 0.85, 4.5
_STRETCH = 50  # days between two events once the told story is over
_STORY_ENDS = 520


@dataclass(frozen=True)
class Event:
    """A known change of the simulated world. ``last_day`` None: it stays."""

    day: int
    last_day: int | None
    kind: str
    features: tuple[str, ...]
    description: str
    consequence: str


@dataclass(frozen=True)
class Day:
    """The adults seen on one day, and what became of them at their next visit."""

    number: int
    table: pa.Table
    labels: pa.Table


STORY: tuple[Event, ...] = (
    Event(120, None, "input drift", ("kcal",), "Everybody eats 450 kcal a day more.",
          "Drift without harm: the model knows what more calories mean."),
    Event(200, 260, "gradual drift", ("activity",),
          "Little by little more inactive people come (weight x 2.2) and fewer very active ones (x 0.4).",
          "Drift without harm."),
    Event(320, None, "concept drift", (TARGET,),
          "A drug takes 4.5 kg/m2 off 85% of those with a BMI of 30 or more by their next visit.",
          "No input moves; accuracy falls. Retraining pays."),
    Event(400, 413, "unit fault", ("kcal",), "30% of the rows report kilojoules instead of kilocalories.",
          "Broken data: nothing must be learned from it."),
    Event(440, 470, "missing values", ("bmi",), "The BMI is missing in 15% of the rows, until the source is repaired.",
          "Broken data: nothing must be learned from it."),
)  # fmt: skip


def truths(until_day: int) -> tuple[Event, ...]:
    """Every event up to a day: the told story, then one event every so many days in turn."""
    events = list(STORY)
    for turn, day in enumerate(range(_STORY_ENDS, until_day + 1, _STRETCH)):
        events.append(_later(turn, day))
    return tuple(event for event in events if event.day <= until_day)


def _later(turn: int, day: int) -> Event:
    """The events of a demo that is left running, in turn."""
    rows = (
        Event(day, day + 29, "input drift", ("kcal",), "For 30 days everybody eats 450 kcal less again.",
              "Drift without harm."),
        Event(day, day + 9, "unit fault", ("kcal",), "30% of the rows report kilojoules instead of kilocalories.",
              "Broken data: nothing must be learned from it."),
        Event(day, day + 29, "input drift", ("age",), "For 30 days many more people over 60 come (weight x 3).",
              "Drift without harm."),
        Event(day, day + 9, "missing values", ("waist",), "The waist is missing in 15% of the rows.",
              "Broken data: nothing must be learned from it."),
    )  # fmt: skip
    return rows[turn % len(rows)]


def date_of(number: int) -> int:
    """The date of a day, microseconds since 1970, UTC."""
    return FIRST_DAY + number * DAY


@functools.cache
def adults() -> dict[str, NDArray]:
    """The real adults, one array a column; missing numbers are NaN."""
    with gzip.open(_ADULTS) as file:
        table = pc.read_csv(file)
    columns: dict[str, NDArray] = {}
    for name in table.column_names:
        column = table.column(name)
        text = pa.types.is_string(column.type)
        columns[name] = np.array(column.to_pylist(), dtype=object) if text else column.to_numpy().astype(np.float64)
    return columns


def day(number: int, seed: int = SEED, rows: int = ROWS) -> Day:
    """One simulated day.

    Parameters
    ----------
    number : int
        0 is 2025-01-01.
    seed : int
    rows : int
        Adults seen.

    Returns
    -------
    Day
        ``table``: id, date, age (years), sex, bmi (kg/m2), waist (cm), kcal (a day), activity (none, moderate,
        vigorous), sedentary (minutes a day), income_ratio (family income to poverty line).
        ``labels``: id and obese_next_year (yes, no).
    """
    rng = np.random.default_rng([seed, number])
    people = adults()
    active = [event for event in truths(number) if event.last_day is None or number <= event.last_day]
    drawn = rng.choice(len(people["bmi"]), rows, p=_weights(people, number, active))
    kcal = people["kcal"][drawn] * rng.lognormal(0.0, 0.08, rows)
    bmi = people["bmi"][drawn] + rng.normal(0.0, 0.3, rows)
    kcal += _extra_kcal(number, active)
    obese = _next_bmi(rng, people, drawn, bmi, kcal, number) >= OBESE
    return _packed(rng, number, people, drawn, np.round(np.clip(bmi, 12, 90), 1), np.maximum(kcal, 200), obese, active)


def _weights(people: dict[str, NDArray], number: int, active: Sequence[Event]) -> NDArray[np.float64]:
    """How likely each adult is to come on a day."""
    way = float(np.clip((number - 200) / 60, 0.0, 1.0))  # of the gradual drift; it stays when it is done
    weights = np.ones(len(people["bmi"]))
    weights[people["activity"] == "none"] *= 1 + way * (2.2 - 1)
    weights[people["activity"] == "vigorous"] *= 1 + way * (0.4 - 1)
    if any(event.kind == "input drift" and event.features == ("age",) for event in active):
        weights[people["age"] > 60] *= 3
    return weights / weights.sum()


def _extra_kcal(number: int, active: Sequence[Event]) -> float:
    back = any(
        event.day >= _STORY_ENDS and event.features == ("kcal",) and event.kind == "input drift" for event in active
    )
    return _KCAL_SHIFT if number >= 120 and not back else 0.0


def _next_bmi(
    rng: np.random.Generator,
    people: dict[str, NDArray],
    drawn: NDArray[np.intp],
    bmi: NDArray[np.float64],
    kcal: NDArray[np.float64],
    number: int,
) -> NDArray[np.float64]:
    """The BMI at the next visit. The slope of kcal is an assumption; the rest agrees with NHEFS (SOURCES.md)."""
    usual = {sex: float(people["kcal"][people["sex"] == sex].mean()) for sex in ("female", "male")}
    surplus = kcal - np.array([usual[sex] for sex in people["sex"][drawn]])
    activity = people["activity"][drawn]
    moved = np.select([activity == "vigorous", activity == "moderate"], [-0.7, 0.0], 0.5)
    after = bmi + 0.35 + 0.0009 * surplus + moved - 0.3 * (people["age"][drawn] > 60) + rng.normal(0, 2.6, len(drawn))
    if number >= 320:
        after -= _DRUG_LOSS * ((bmi >= OBESE) & (rng.random(len(drawn)) < _DRUG_UPTAKE))
    return after


def _packed(
    rng: np.random.Generator,
    number: int,
    people: dict[str, NDArray],
    drawn: NDArray[np.intp],
    bmi: NDArray[np.float64],
    kcal: NDArray[np.float64],
    obese: NDArray[np.bool_],
    active: Sequence[Event],
) -> Day:
    """The day as tables, with what goes wrong in the source on that day."""
    rows = len(drawn)
    waist = people["waist"][drawn].copy()
    faulty = rng.random(rows)
    for event in active:
        if event.kind == "unit fault":
            kcal = np.where(faulty < _FAULT_SHARE, kcal * _KJ_PER_KCAL, kcal)
        elif event.kind == "missing values":
            gone = waist if event.features == ("waist",) else bmi
            gone[faulty < _NULL_SHARE] = np.nan
    ids = pa.array([f"d{number:04d}-{at:03d}" for at in range(rows)])
    table = pa.table(
        {
            "id": ids,
            "date": pa.array(np.full(rows, date_of(number)), pa.timestamp("us")).cast(pa.date32()),
            "age": people["age"][drawn].astype(np.int64),
            "sex": pa.array(people["sex"][drawn], pa.string()),
            "bmi": _numbers(bmi),
            "waist": _numbers(waist),
            "kcal": np.round(kcal).astype(np.int64),
            "activity": pa.array(people["activity"][drawn], pa.string()),
            "sedentary": _numbers(people["sedentary"][drawn]),
            "income_ratio": _numbers(people["income_ratio"][drawn]),
        }
    )
    return Day(number, table, pa.table({"id": ids, TARGET: np.where(obese, "yes", "no")}))


def _numbers(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)
