"""Days of adults drawn from real ones, with every drift known. Pure: no clock, no unseeded randomness.

Nothing is read but the file of adults, once. A day is made from its number and the seed alone, so day 300 is the same
whether or not the days before were made. What is real, what is simulated and where each figure comes from: SOURCES.md.
"""

from __future__ import annotations

import functools
import gzip
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

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
OBESE = 30.0  # kg/m2, the WHO's line

_ADULTS = Path(__file__).with_name("adults.csv.gz")
_UPTAKE, _LOSS = 0.85, 5.5  # of the drug: share of those with a BMI of 30 or more, kg/m2
_PER_UNIT = {"kcal": 4.184, "waist": 1 / 2.54}  # kilojoules a kilocalorie, inches a centimetre
_QUIET = (40, 60)  # fewest and most days between two later events

Kind = Literal["input drift", "gradual drift", "concept drift", "unit fault", "missing values"]


@dataclass(frozen=True)
class World:
    """What differs on one day from the adults of the file.

    Attributes
    ----------
    extra_kcal : float
        Added to everybody's kilocalories a day.
    less_active : float
        How far the visitors have moved to the inactive, 0 (as in the file) to 1 (weight of the inactive x 2.2, of the
        very active x 0.4).
    drug : float
        1 while the drug is sold, else 0.
    other_unit, missing : tuple of (feature, share of rows)
        What goes wrong in the source.
    """

    extra_kcal: float = 0.0
    less_active: float = 0.0
    drug: float = 0.0
    other_unit: tuple[tuple[str, float], ...] = ()
    missing: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Truth:
    """A known change of the simulated world.

    Attributes
    ----------
    day : int
        The first day on which rows (or, for concept drift, their later labels) are touched.
    last_day : int or None
        The last such day; None: the change stays. A gradual drift is complete on that day and stays.
    kind : str
        One of ``Kind``.
    features : tuple of str
        The columns touched; the target for a concept drift.
    description, consequence : str
        What happens, and what a monitor is expected to say.
    change : tuple of (field of ``World``, new value)
    """

    day: int
    last_day: int | None
    kind: Kind
    features: tuple[str, ...]
    description: str
    consequence: str
    change: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Day:
    """The adults seen on one day (``table``), and what became of them at their next visit (``labels``).

    ``date`` is in microseconds since 1970, UTC.
    """

    number: int
    date: int
    table: pa.Table
    labels: pa.Table


_HARMLESS = "Drift without harm: inputs move, accuracy does not."
_HARMFUL = "No input moves; accuracy falls once labels arrive. Retraining pays."
_BROKEN = "Broken data: to be reported as such, and nothing to be learned from it."
_KILOJOULES = "30% of the rows report kilojoules instead of kilocalories."

TRUTHS: tuple[Truth, ...] = (
    Truth(120, None, "input drift", ("kcal",), "Everybody eats 450 kcal a day more.", _HARMLESS,
          (("extra_kcal", 450.0),)),
    Truth(200, 260, "gradual drift", ("activity",),
          "Little by little more inactive people come (weight x 2.2) and fewer very active ones (x 0.4); it stays so.",
          _HARMLESS, (("less_active", 1.0),)),
    Truth(320, None, "concept drift", (TARGET,),
          "A drug takes 5.5 kg/m2 off 85% of those with a BMI of 30 or more by their next visit.",
          _HARMFUL, (("drug", 1.0),)),
    Truth(400, 413, "unit fault", ("kcal",), _KILOJOULES, _BROKEN, (("other_unit", (("kcal", 0.3),)),)),
    Truth(440, 470, "missing values", ("bmi",), "The BMI is missing in 15% of the rows, until the source is repaired.",
          _BROKEN, (("missing", (("bmi", 0.15),)),)),
)  # fmt: skip

_WITHDRAWN = Truth(0, None, "concept drift", (TARGET,), "The drug is withdrawn: nobody loses weight by it any more.",
                   _HARMFUL, (("drug", 0.0),))  # fmt: skip
_BACK = replace(_WITHDRAWN, description="The drug is sold again and works as before.", change=(("drug", 1.0),))

# What happens, in an order drawn anew for each round, to a demo that is left running. ``last_day`` counts from 0.
_LATER: tuple[Truth, ...] = (
    Truth(0, 29, "input drift", ("kcal",), "For 30 days everybody eats 450 kcal less, as in the beginning.", _HARMLESS,
          (("extra_kcal", 0.0),)),
    Truth(0, 29, "input drift", ("activity",), "For 30 days as many active people come as in the beginning.", _HARMLESS,
          (("less_active", 0.0),)),
    Truth(0, 13, "unit fault", ("kcal",), _KILOJOULES, _BROKEN, (("other_unit", (("kcal", 0.3),)),)),
    Truth(0, 13, "unit fault", ("waist",), "30% of the rows report the waist in inches instead of centimetres.",
          _BROKEN, (("other_unit", (("waist", 0.3),)),)),
    Truth(0, 13, "missing values", ("waist",), "The waist is missing in 15% of the rows.", _BROKEN,
          (("missing", (("waist", 0.15),)),)),
    _WITHDRAWN,
)  # fmt: skip


def truths(until_day: int, seed: int = SEED) -> tuple[Truth, ...]:
    """Every event that begins up to a day: the told story, then one event after another, quiet days between them.

    Parameters
    ----------
    until_day : int
    seed : int
        Of the calendar of later events; the told story is the same for every seed.

    Returns
    -------
    tuple of Truth
        In the order of their first days. ``truths(a)`` is the beginning of ``truths(b)`` for ``a <= b``.
    """
    begun = itertools.takewhile(lambda truth: truth.day <= until_day, itertools.chain(TRUTHS, _later(seed)))
    return tuple(begun)


def _later(seed: int) -> Iterator[Truth]:
    """The events after the told story, without end."""
    free = max(truth.last_day or truth.day for truth in TRUTHS) + 1
    for turn in itertools.count(1):
        rng = np.random.default_rng([seed, 0, turn])  # three words: shares no stream with a day's two
        for at in rng.permutation(len(_LATER)):
            truth = _LATER[at]
            if truth is _WITHDRAWN and turn % 2 == 0:
                truth = _BACK
            first = free + int(rng.integers(_QUIET[0], _QUIET[1] + 1))
            last = None if truth.last_day is None else first + truth.last_day
            free = (last or first) + 1
            yield replace(truth, day=first, last_day=last)


def world(number: int, seed: int = SEED) -> World:
    """The state of the world on a day, as its truths made it."""
    state = World()
    for truth in truths(number, seed):
        if truth.kind == "gradual drift":
            way = min(1.0, (number - truth.day) / (truth.last_day - truth.day))
            change = {name: value * way for name, value in truth.change}
        elif truth.last_day is not None and number > truth.last_day:
            continue
        else:
            change = dict(truth.change)
        state = replace(state, **change)
    return state


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
        columns[name].flags.writeable = False
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

    Notes
    -----
    Labels follow from what is true of a person, so a fault of the source changes the rows but never the labels.

    Examples
    --------
    >>> seen = day(3)
    >>> seen.table.num_rows, seen.table["id"][0].as_py()
    (200, 'd0003-000')
    """
    rng = np.random.default_rng([seed, number])
    now = world(number, seed)
    people = adults()
    drawn = rng.choice(len(people["bmi"]), rows, p=_weights(people, now))
    seen = {name: values[drawn] for name, values in people.items()}
    seen["kcal"] = seen["kcal"] * rng.lognormal(0.0, 0.08, rows) + now.extra_kcal
    seen["bmi"] = seen["bmi"] + rng.normal(0.0, 0.3, rows)
    obese = _next_bmi(rng, seen, now) >= OBESE
    seen["bmi"] = np.round(np.clip(seen["bmi"], 12, 90), 1)
    seen["kcal"] = np.maximum(seen["kcal"], 200)
    _break(rng, seen, now)
    seen["kcal"], seen["waist"] = np.round(seen["kcal"]), np.round(seen["waist"], 1)
    ids = pa.array([f"d{number:04d}-{at:03d}" for at in range(rows)])
    labels = pa.table({"id": ids, TARGET: np.where(obese, "yes", "no")})
    return Day(number, date_of(number), _table(ids, date_of(number), seen), labels)


def _weights(people: dict[str, NDArray], now: World) -> NDArray[np.float64]:
    """How likely each adult of the file is to come, summing to 1."""
    weights = np.ones(len(people["bmi"]))
    weights[people["activity"] == "none"] *= 1 + now.less_active * (2.2 - 1)
    weights[people["activity"] == "vigorous"] *= 1 + now.less_active * (0.4 - 1)
    return weights / weights.sum()


@functools.cache
def _usual_kcal() -> dict[str, float]:
    """Mean kilocalories a day of each sex in the file."""
    people = adults()
    return {sex: float(people["kcal"][people["sex"] == sex].mean()) for sex in ("female", "male")}


def _next_bmi(rng: np.random.Generator, seen: dict[str, NDArray], now: World) -> NDArray[np.float64]:
    """The BMI at the next visit; where its terms come from: SOURCES.md."""
    surplus = seen["kcal"] - np.array([_usual_kcal()[sex] for sex in seen["sex"]])
    moved = np.select([seen["activity"] == "vigorous", seen["activity"] == "moderate"], [-0.7, 0.0], 0.5)
    rows = len(surplus)
    after = seen["bmi"] + 0.35 + 0.0009 * surplus + moved - 0.3 * (seen["age"] > 60) + rng.normal(0, 2.6, rows)
    if now.drug:
        after -= now.drug * _LOSS * ((seen["bmi"] >= OBESE) & (rng.random(rows) < _UPTAKE))
    return after


def _break(rng: np.random.Generator, seen: dict[str, NDArray], now: World) -> None:
    """Do to the rows, in place, what goes wrong in the source."""
    luck = rng.random(len(seen["bmi"]))
    for name, share in now.other_unit:
        seen[name] = np.where(luck < share, seen[name] * _PER_UNIT[name], seen[name])
    for name, share in now.missing:
        seen[name] = np.where(luck < share, np.nan, seen[name])


def _table(ids: pa.Array, date: int, seen: dict[str, NDArray]) -> pa.Table:
    dates = pa.array([date] * len(ids), pa.timestamp("us")).cast(pa.date32())
    columns: dict[str, pa.Array] = {"id": ids, "date": dates}
    for name, values in seen.items():
        if name in ("age", "kcal"):
            columns[name] = pa.array(values.astype(np.int64))
        elif values.dtype == object:
            columns[name] = pa.array(values, pa.string())
        else:
            columns[name] = pa.array(values, pa.float64(), from_pandas=True)
    return pa.table(columns)
