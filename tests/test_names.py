"""Names are values: whatever a column, a level, a file or an id is called, the tables stay what they are."""

from __future__ import annotations

import csv
import io
import os

import numpy as np
import pytest

from pipeline.service import Service
from storage import history
from storage.errors import Refused
from storage.upkeep import doctor
from tests.hostile import HOSTILE
from tests.tables import rows_csv
from tests.test_cli import lines, run

NAMES = (
    *HOSTILE,
    'x"; drop table rows; --',
    "a]b",
    "`",
    '"',
    "Age",
    "age",
    "AGE ",
    "rowid",
    "sqlite_master",
    "n" * 5000,
)


def delivery(seed: int, names: tuple[str, ...], labelled: bool = False) -> bytes:
    rng = np.random.default_rng(seed)
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["id", *names, *(["bought"] if labelled else [])])
    for at in range(80):
        label = [str(rng.choice(["yes", "no"]))] if labelled else []
        writer.writerow([f"{HOSTILE[at % len(HOSTILE)]}{seed}-{at}", *rng.normal(size=len(names)).round(3), *label])
    return sink.getvalue().encode()


@pytest.fixture
def service(tmp_path):
    made = Service(tmp_path / "data")
    yield made
    made.close()


def shape(service: Service) -> list[tuple]:
    return service.db.conn.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


def test_no_name_becomes_sql(service):
    before = shape(service)
    owner = service.init("shop", "r.csv", delivery(0, NAMES, True), "bought", id_column="id", estimator="linear")
    known = [feature.name for feature in owner.schema.features]
    assert len(known) == len(set(known)) == len(NAMES)
    for number, name in enumerate(NAMES[:6], 1):
        service.receive("shop", f"{name}.csv", delivery(number, NAMES))
    service.work("shop")
    assert shape(service) == before
    batches = history.batches(service.db, owner.id)
    assert [batch.state for batch in batches] == ["done"] * 6
    assert sorted(item.name for item in history.report(service.db, batches[-1].id).features) == sorted(known)
    for name in known:
        assert service.distribution("shop", name, batches[-1].id).feature == name
    service.forget("shop", None, [f"{HOSTILE[17]}1-17"])
    assert shape(service) == before
    assert all(finding.ok for finding in doctor(service.desk.folder))


@pytest.mark.parametrize(
    "name", ["", " ", "a\0b", "..", ".", "../x", "x/y", "a\nb", "<b>", "x" * 81, "\u202ex", "con\\x"]
)
def test_a_monitor_s_name_is_plain_or_refused(service, name):
    before = shape(service)
    with pytest.raises(Refused):
        service.init(name, "r.csv", rows_csv(0, 80, labelled=True), "bought", id_column="id", estimator="linear")
    assert shape(service) == before
    assert [path.name for path in service.inbox.iterdir()] == []


@pytest.mark.parametrize("name", ["", "\0", "a\0b", "x" * 5000, "\udcff", "\u2028", "../../x"])
def test_any_name_of_a_file_is_kept_as_a_label(service, name):
    service.init("shop", "r.csv", rows_csv(0, 80, labelled=True), "bought", id_column="id", estimator="linear")
    batch = service.ingest("shop", name, rows_csv(1, 40)).batch
    assert history.batch(service.db, batch.id).state in ("done", "quarantined")


def test_a_file_whose_name_is_no_text_is_taken_by_the_command_line(tmp_path):
    folder = tmp_path / "data"
    reference = tmp_path / "reference.csv"
    reference.write_bytes(rows_csv(0, 80, labelled=True))
    name = os.fsencode(tmp_path) + b"/monday-\xff.csv"
    with open(name, "wb") as file:
        file.write(rows_csv(1, 40))
    made = run("init", "shop", "--reference", reference, "--target", "bought", "--id", "id", folder=folder)
    assert made.returncode == 0, made.stderr
    done = run("ingest", os.fsdecode(name), "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert lines(done)[0]["file"] == "monday-\ufffd.csv"
    gone = run("ingest", os.fsdecode(name) + "x", folder=folder)
    assert (gone.returncode, "Traceback" in gone.stderr) == (1, False)
