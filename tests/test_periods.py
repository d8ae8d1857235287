"""Days and weeks: a merged period is judged exactly as the rows of its batches in one file would be."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline import drift, periods
from pipeline.profile import profile
from pipeline.route import table_of
from pipeline.service import Service
from storage import history
from storage.settings import Settings
from tests.tables import rows_csv

DAY = 86_400_000_000
MONDAY = 20_458 * DAY  # 5 January 2026


@pytest.fixture
def service(tmp_path):
    """A monitor whose batches carry no time: they lie in the week in which they arrive, which the test sets."""
    clock = {"now": MONDAY}
    service = Service(tmp_path / "data", lambda: clock["now"])
    service.init("shop", "reference.csv", rows_csv(0, 800, labelled=True), "bought", id_column="id", estimator="linear")
    service.at = lambda day: clock.__setitem__("now", MONDAY + int(day * DAY))
    yield service
    service.close()


def test_weeks_begin_on_mondays():
    at = np.array([MONDAY, MONDAY + 7 * DAY - 1, MONDAY + 7 * DAY, MONDAY - 1])
    assert periods.starts(at, "week").tolist() == [MONDAY, MONDAY, MONDAY + 7 * DAY, MONDAY - 7 * DAY]
    assert periods.starts(at, "day").tolist() == [MONDAY, MONDAY + 6 * DAY, MONDAY + 7 * DAY, MONDAY - DAY]


def test_a_week_is_judged_as_its_rows_together(service):
    monitor = service.the_monitor("shop")
    batches = []
    for day in (0, 2, 2.5):
        service.at(day)
        batches.append(service.ingest("shop", f"{day}.csv", rows_csv(int(10 + 2 * day), 150, shift=0.25)).batch)
    assert service.merge_periods() == 0
    (week,) = history.periods(service.db, monitor.id, "week").values()
    rows = pa.concat_tables([table_of(service.desk, monitor, batch.id) for batch in batches])
    expected = drift.score(
        service.desk.reference(monitor.champion), profile(rows, service.desk.grid(monitor.grid)), Settings()
    )
    assert (week.starts_at, week.rows, week.batches) == (MONDAY, 450, 3)
    assert (week.score, week.verdict, week.explanation) == (expected.score, expected.verdict, expected.explanation)
    heat = history.heatmap_of_periods(service.db, [week])
    by_name = {one.name: one for one in expected.features}
    assert heat.score[:, 0].tolist() == pytest.approx([by_name[name].score for name in heat.features])
    assert heat.drift[:, 0].tolist() == [by_name[name].drift for name in heat.features]
    single = max(history.report(service.db, batch.id).score for batch in batches)
    assert week.score > single, "a shift too small for one day shows in the week"
    first, second = history.periods(service.db, monitor.id, "day").values()
    assert (first.batches, second.batches) == (1, 2)
    assert first.score == history.report(service.db, batches[0].id).score, "a day of one batch is that batch"


def test_a_week_that_gets_another_batch_is_judged_again(service):
    monitor = service.the_monitor("shop")
    service.ingest("shop", "a.csv", rows_csv(1, 150))
    service.merge_periods()
    service.ingest("shop", "b.csv", rows_csv(2, 150))
    assert len(periods.due(service.desk, monitor, "week")) == 1
    service.merge_periods()
    (week,) = history.periods(service.db, monitor.id, "week").values()
    assert (week.batches, week.rows) == (2, 300)
    service.change_settings("shop", {"features.income.watch": False})
    assert len(periods.due(service.desk, monitor, "week")) == 1, "thresholds changed, scores are worked out anew"


def test_work_is_cut_into_turns_newest_first(service):
    for week in range(4):
        service.at(7 * week)
        service.ingest("shop", f"{week}.csv", rows_csv(week + 1, 120))
    assert service.merge_periods("shop", "week", most=6) == 2, "two weeks of three features each"
    known = history.periods(service.db, service.the_monitor("shop").id, "week")
    assert list(known) == [MONDAY + 14 * DAY, MONDAY + 21 * DAY]


def test_quarantined_batches_are_left_out(service):
    service.ingest("shop", "a.csv", rows_csv(1, 150))
    monitor = service.the_monitor("shop")
    line = history.timeline(service.db, monitor.id)
    aside = line.__class__(**{**line.__dict__, "state": ("quarantined",)})
    assert len(periods.groups(line, "day")) == 1
    assert periods.groups(aside, "day") == []
