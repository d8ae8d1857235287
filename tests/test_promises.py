"""The Health page says which promises hold, which jobs are stuck, and which backup brings back what."""

from __future__ import annotations

import json
from pathlib import Path

from dash._utils import to_json

from dashboard.app import create_app
from dashboard.panels import promises
from pipeline.service import Service
from storage import upkeep
from tests.tables import rows_csv


def test_the_page_says_what_the_doctor_found(tmp_path: Path):
    service = Service(tmp_path / "data")
    service.init("shop", "r.csv", rows_csv(0, 200, labelled=True), "bought", id_column="id", estimator="linear")
    app = create_app(service)
    with app.server.test_request_context("/health"):
        assert "has not looked yet" in text_of()
        out = upkeep.backup(service.desk.folder)
        service.doctor()
        told = text_of()
        assert told.count('"Holds"') == len(upkeep.CHECKS) + 1
        assert out.name in told
        assert "run.py restore" in told
        service.store._db.conn.execute("UPDATE batches SET rows = 7")
        service.findings = (1, tuple(upkeep.doctor(service.desk.folder)))
        assert "batches do not have the rows they say: #1" in text_of()
    assert promises.running(["inbox", "work:a"], {"work:a": 1500.0}) == "inbox and work:a (stuck for 25 min)"
    service.store._db.conn.execute("UPDATE batches SET rows = 200")
    service.close()


def text_of() -> str:
    return json.dumps(json.loads(to_json([promises.panels()])))
