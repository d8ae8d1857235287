"""Dates: what drifts is found and named, what merely passes is not. Orders of half a year against later ones."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from pipeline import drift
from pipeline.profile import Grid, Profile, fit_grid, infer, merge, profile
from storage.settings import Settings

DAY = 86_400_000_000
ALL = ("order", "delivery", "birth", "signup")


def moments(days: np.ndarray) -> pa.Array:
    """Days since 1970 as a column."""
    return pa.array((days * DAY).astype(np.int64)).cast(pa.timestamp("us"))


def orders(seed: int, rows: int = 1_000, first: int = 180, days: int = 30, mixed: bool = False,
           names: tuple[str, ...] = ALL, younger: float = 0.0, lag: float = 3.0) -> pa.Table:  # fmt: skip
    """Orders by day in working hours, deliveries after them, customers' births, and when they signed up."""
    rng = np.random.default_rng(seed)
    order = np.floor(np.sort(rng.uniform(first, first + days, rows))) + 19_000
    order = order + np.clip(rng.normal(0.6, 0.1, rows), 0, 0.999)
    order = rng.permutation(order) if mixed else order
    made = {
        "order": order,
        "delivery": order + rng.gamma(4, lag / 4, rows),
        "birth": np.floor(4_400 + rng.normal(0, 4_400, rows) + 365 * younger),
        "signup": order - rng.exponential(400, rows),
    }
    return pa.table({name: moments(made[name]) for name in names} | {"x": rng.normal(size=rows)})


def replaced(table: pa.Table, name: str, year: int, seed: int, share: float = 0.03) -> pa.Table:
    """The same with a default date in some rows."""
    at = table.column_names.index(name)
    days = (dt.date(year, 1, 1) - dt.date(1970, 1, 1)).days
    values = table.column(name).cast(pa.int64()).to_numpy() / DAY
    hit = np.random.default_rng(seed).random(len(values)) < share
    return table.set_column(at, name, moments(np.where(hit, days, values)))


def fitted(table: pa.Table) -> Profile:
    """A reference."""
    return profile(table, fit_grid(table, infer(table)))


REFERENCES = {
    (mixed, names): fitted(orders(0, 6_000, 0, 180, mixed, names))
    for mixed in (False, True)
    for names in (ALL, ("order",), ("birth",), ("signup",))
}


def reports(base: Profile, tables: list[pa.Table]) -> list:
    """The report of each batch."""
    return list(drift.scores(base, [profile(table, base.grid) for table in tables], Settings()))


@pytest.mark.parametrize("mixed", [False, True], ids=["in order of time", "shuffled"])
@pytest.mark.parametrize("names", [ALL, ("order",), ("birth",), ("signup",)], ids=",".join)
@pytest.mark.parametrize(
    ("first", "days"),
    [(180, 30), (180, 180), (0, 180), (60, 7), (545, 30), (150, 60)],
    ids=["next month", "next half", "the same time", "a week of it", "a year later", "half later"],
)
def test_time_passes_without_an_alarm(mixed, names, first, days):
    if mixed and names == ("signup",) and first + days < 180:
        pytest.skip("no other date, no order: that the newest customers are missing may as well be drift")
    base = REFERENCES[mixed, names]
    tables = [orders(seed, 1_000, first, days, mixed, names) for seed in range(1, 7)]
    assert sum(report.drift for report in reports(base, tables)) == 0


@pytest.mark.parametrize("mixed", [False, True], ids=["in order of time", "shuffled"])
@pytest.mark.parametrize(
    ("made", "name", "eye", "told"),
    [
        (lambda seed, mixed: orders(seed, mixed=mixed, younger=5), "birth", "values", "later on average"),
        (lambda seed, mixed: orders(seed, mixed=mixed, younger=-5), "birth", "values", "earlier on average"),
        (lambda seed, mixed: orders(seed, mixed=mixed, lag=4), "delivery", "lag", "days after order on average"),
        (lambda seed, mixed: replaced(orders(seed, mixed=mixed), "order", 1970, seed), "order", "past", "before"),
        (lambda seed, mixed: replaced(orders(seed, mixed=mixed), "order", 2099, seed), "order", "future", "far later"),
        (lambda seed, mixed: replaced(orders(seed, mixed=mixed), "birth", 2099, seed), "birth", None, "birth"),
    ],
    ids=["younger", "older", "slower", "1970", "2099", "unborn"],
)
def test_what_drifts_is_found_and_named(mixed, made, name, eye, told):
    base = REFERENCES[mixed, ALL]
    for report in reports(base, [made(seed, mixed) for seed in range(1, 5)]):
        assert report.drift
        found = {one.name: one for one in report.features if one.drift}
        assert name in found
        assert eye is None or found[name].eye == eye
        assert told in found[name].explanation


def test_births_alone_tell_younger_customers():
    base = REFERENCES[True, ("birth",)]
    (report,) = reports(base, [orders(1, names=("birth",), younger=20)])
    assert report.drifted == ("birth",)


def test_moments_cut_to_days_change_the_hours():
    table = orders(1, names=("order",))
    days = moments(np.floor(table.column("order").cast(pa.int64()).to_numpy() / DAY))
    (report,) = reports(REFERENCES[False, ("order",)], [table.set_column(0, "order", days)])
    assert report.drift
    assert report.features[0].eye == "hours"


def test_weekends_that_were_free_are_seen_over_two_months():
    table = orders(1, 3_000, 0, 180, names=("order",))
    days = table.column("order").cast(pa.int64()).to_numpy() / DAY
    week = table.filter(pa.array((np.floor(days) + 3) % 7 < 5))
    (report,) = reports(fitted(week), [orders(2, 1_000, 180, 60, names=("order",))])
    assert report.drift
    assert report.features[0].eye == "weekdays"


def test_lags_are_merged_packed_and_missing_where_a_date_is():
    table = orders(3, 900, 0, 90)
    grid = fit_grid(table, infer(table))
    assert {one.since for one in grid.features if one.lag} == {"order"}
    whole = profile(table, grid)
    assert merge([profile(table.slice(at, 300), grid) for at in range(0, 900, 300)]) == whole
    assert Profile.from_parts(Grid.from_json(grid.to_json()), whole.rows, whole.parts()) == whole
    assert profile(table.drop_columns(["order"]), grid).features["delivery"].lag.nulls == 900
    days = (
        table.column("delivery").cast(pa.int64()).to_numpy() - table.column("order").cast(pa.int64()).to_numpy()
    ) / DAY
    mean, _ = whole.features["delivery"].lag.moments(grid.by_name["delivery"].lag)
    assert mean / DAY == pytest.approx(days.mean(), rel=1e-3)
