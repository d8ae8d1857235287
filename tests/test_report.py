"""The report: one file that needs nothing else, with what storage knows of the range."""

from __future__ import annotations

import re

import pytest

from dashboard.panels import report
from pipeline.service import Service
from storage import history
from storage.errors import Missing, Refused
from tests.tables import labels_csv, rows_csv


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("report"))
    options = {"id_column": "id", "estimator": "linear", "settings": {"retrain.min_labelled": 50}}
    service.init("shop", "reference.csv", rows_csv(0, 600, labelled=True), "bought", **options)
    for day in range(1, 5):
        service.ingest("shop", f"{day}.csv", rows_csv(day, 150, shift=2.0 * (day == 4)))
        service.ingest("shop", f"labels-{day}.csv", labels_csv(day, 150))
    service.retrain("shop", "<b>now</b>")
    yield service
    service.close()


def parts(page: str) -> str:
    """The page without the chart library."""
    return re.sub(r"<script>.*?</script>", "", page, count=1, flags=re.DOTALL)


def test_it_says_what_storage_knows(service):
    page = parts(report.html(service, "shop"))
    owner = history.monitor(service.db, "shop")
    line = history.timeline(service.db, owner.id)
    assert f"This report covers {len(line.batch)} scored batches" in page
    assert f"{int(line.rows.sum()):,}" in page
    assert "income" in page
    decided = [
        item for item in history.decisions(service.db, owner.id) if item.action != "keep" and item.trigger != "init"
    ]
    assert decided
    assert f"{len(decided)} decision" in page
    assert "&lt;b&gt;now&lt;/b&gt;" in page
    assert "<b>now</b>" not in page


def test_it_asks_nobody_outside(service):
    page = parts(report.html(service, "shop", last=2))
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page)
    assert '"showSendToCloud": false' in page
    assert "covers 2 scored batches" in page


def test_ranges_that_hold_nothing_are_refused(service):
    with pytest.raises(Refused, match="No batch"):
        report.html(service, "shop", start="1999-01-01", stop="1999-02-01")
    with pytest.raises(Refused, match="no date"):
        report.html(service, "shop", start="yesterday")
    with pytest.raises(Refused, match="one batch at least"):
        report.html(service, "shop", last=0)
    with pytest.raises(Missing):
        report.html(service, "nobody")
