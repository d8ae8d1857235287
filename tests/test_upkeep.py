"""Backups and their way back, forgetting, retention, and a champion whose bytes are damaged."""

from __future__ import annotations

import contextlib
import json
import shutil
import tarfile
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import chores
from pipeline.service import Service
from storage import history, upkeep
from storage.errors import Blocked, Conflict, Damaged, Missing, Refused
from storage.upkeep import doctor
from tests.tables import labels_csv, rows_csv
from tests.versions import another_version

TOKEN = "zq7-forget-me"
SETTINGS = {"retrain.min_labelled": 50, "retrain.cooldown": 0, "retrain.tenure": 0}


@pytest.fixture(scope="module")
def seed(tmp_path_factory) -> Path:
    """A folder with a monitor that has learned twice."""
    folder = tmp_path_factory.mktemp("seed") / "data"
    service = Service(folder)
    service.init("shop", "reference.csv", rows_csv(0, 400, labelled=True), "bought", id_column="id", estimator="linear",
                 settings=SETTINGS)  # fmt: skip
    for number in (1, 2):
        service.ingest("shop", f"{number}.csv", rows_csv(number, 150, labelled=True))
    service.close()
    return folder


@pytest.fixture
def service(seed, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(seed, folder)
    service = Service(folder)
    yield service
    service.close()


def broken(folder: Path) -> list[str]:
    return [finding.text for finding in chores.doctor(folder) if not finding.ok]


def contents(folder: Path) -> bytes:
    """Every byte a data folder holds, archives opened and blobs unpacked as far as they go."""
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for path in folder.rglob("*.tar"):
        with tarfile.open(path) as tar:
            found += [tar.extractfile(member).read() for member in tar if member.isfile()]
    for blob in history.connect(folder / "drift.db").query("SELECT data FROM profiles"):
        found.append(zlib.decompress(blob["data"]))
    return b"\0".join(found)


def test_the_doctor_finds_nothing_wrong(service):
    assert broken(service.desk.folder) == []
    service.doctor()
    assert len(service.findings[1]) == len(upkeep.CHECKS) + 1


def test_a_backup_comes_back_whole(service, tmp_path):
    out = upkeep.backup(service.desk.folder)
    service.ingest("shop", "later.csv", rows_csv(9, 100))
    folder = upkeep.restore(out, tmp_path / "new")
    assert broken(folder) == []
    back = history.connect(folder / "drift.db")
    assert [batch.name for batch in history.batches(back, 1)] == ["1.csv", "2.csv"]
    again = Service(folder)
    assert len(again.predict("shop", "x.csv", rows_csv(3, 5))) == 5
    again.close()
    digest, name = Path(f"{out}.sha256").read_text().split()
    assert (len(digest), name) == (64, out.name)
    with pytest.raises(Conflict, match="holds data already"):
        upkeep.restore(out, folder)
    with pytest.raises(Missing):
        upkeep.restore(tmp_path / "none.tar", tmp_path / "other")


def test_no_damaged_backup_is_brought_back(service, tmp_path):
    out = upkeep.backup(service.desk.folder)
    data = bytearray(out.read_bytes())
    for number, at in enumerate(range(600, len(data), len(data) // 25)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        (tmp_path / "bad.tar").write_bytes(damaged)
        folder = tmp_path / f"new{number}"
        with contextlib.suppress(Refused):
            upkeep.restore(tmp_path / "bad.tar", folder)
            assert broken(folder) == [], "a bit that nobody reads"
            continue
        assert not folder.exists()
    (tmp_path / "cut.tar").write_bytes(data[: len(data) // 2])
    with pytest.raises(Refused):
        upkeep.restore(tmp_path / "cut.tar", tmp_path / "cut")
    assert not list(tmp_path.glob(".restore-*"))


def test_seven_days_and_four_weeks_of_backups_are_kept():
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    files = [Path(f"{now - timedelta(hours=6 * at):%Y%m%dT%H%M%S%fZ}-auto.tar") for at in range(4 * 60)]
    stay = sorted(
        set(files) - set(upkeep.spare([*files, Path("before-upgrade.tar"), Path("20200101T000000000000Z.tar")]))
    )
    days = {file.name[:8] for file in stay}
    assert {f"202603{day}" for day in (25, 26, 27, 28, 29, 30, 31)} <= days
    assert days - {f"202603{day}" for day in (25, 26, 27, 28, 29, 30, 31)} == {"20260322", "20260315"}
    assert len(stay) == 9, "two of the four weeks are among the seven days"


def test_backups_are_made_when_due(service):
    assert chores.back_up(service.desk, 24) is not None
    assert chores.back_up(service.desk, 24) is None
    assert chores.back_up(service.desk, 0) is not None
    assert len(upkeep.kept(service.desk.folder)) == 1, "one a day"


def test_one_backup_leaves_another_that_is_being_made_alone(service):
    import os

    place = service.desk.folder / "backups"
    for name, age in ((".making-now", 0), (".making-long-ago", 1e6)):
        (place / name).mkdir(parents=True)
        os.utime(place / name, (time.time() - age,) * 2)
    upkeep.prune(service.desk.folder)
    assert [path.name for path in place.iterdir()] == [".making-now"]


def test_a_backup_leaves_room_on_the_disk(service, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**8))
    with pytest.raises(Blocked, match="needs"):
        upkeep.backup(service.desk.folder)
    assert not list(service.desk.folder.glob("backups/.making*"))


@pytest.mark.parametrize("whole", [False, True], ids=["by id", "by batch"])
def test_what_is_forgotten_is_found_nowhere(service, whole):
    folder = service.desk.folder
    data = rows_csv(5, 100, labelled=True).replace(b"5-7,", f"{TOKEN}-id,".encode())
    lines = data.decode().splitlines()
    cells = lines[8].split(",")
    assert cells[0] == f"{TOKEN}-id"
    cells[3] = f"{TOKEN}-city"
    lines[8] = ",".join(cells)
    lines.append(lines[8].replace("-city", "-town"))  # the id twice: a warning quotes it
    batch = service.ingest("shop", "person.csv", "\n".join(lines).encode()).batch
    service.ingest("shop", "late.csv", f"id,bought\n{TOKEN}-id,yes\n5-1,no\n".encode())
    upkeep.backup(folder)
    another_version(service, "shop", trained_on=(1, batch.id))
    assert contents(folder).count(TOKEN.encode()) > 5
    before = [report for _, report in history.reports(service.db, [1, 2, 3])]
    told = service.forget("shop", batch.id if whole else None, [] if whole else [f"{TOKEN}-id"])
    assert "1 backups were made anew" in told
    if whole:  # the label came in another delivery and is no part of the batch
        service.forget("shop", None, [f"{TOKEN}-id"])
    (learned,) = [version for version in history.versions(service.db, 1) if batch.id in version.trained_on]
    assert "forgotten" in learned.details
    assert f"v{learned.number}; train again" in told
    assert TOKEN.encode() not in contents(folder)
    after = [report for _, report in history.reports(history.connect(folder / "drift.db"), [1, 2, 3])]
    assert [report.score for report in after] == [report.score for report in before], "scores stay"
    work = upkeep.restore(upkeep.kept(folder)[0], folder.parent / "restored")
    assert broken(work) == []


def test_forgetting_does_not_touch_what_others_have(service):
    service.ingest("shop", "a.csv", rows_csv(5, 100))
    service.forget("shop", None, ["5-1"])
    events = [event.message for event in history.events(service.db, 1)]
    assert any("a.csv arrived" in text for text in events)
    row = history.rows_of(service.db, 4)[0]
    assert row["data"]["city"] in ("Oslo", "Bergen", "Tromsø")
    assert broken(service.desk.folder) == []


def test_old_rows_go_and_scores_stay(service):
    folder = service.desk.folder
    service.change_settings("shop", {"keep.rows_days": 30})
    later = service.desk.now() + 31 * 86_400_000_000
    service.desk.now = lambda: later
    service.ingest("shop", "new.csv", rows_csv(7, 100, labelled=True))
    service.upkeep()
    assert [len(history.rows_of(service.db, at)) for at in (1, 2, 3, 4)] == [400, 0, 0, 100]
    assert [batch.rows for batch in history.batches(service.db, 1)] == [150, 150, 100]
    assert len(history.reports(service.db, [2, 3, 4])) == 3
    assert len(list(history.profile_parts_of(service.db, [2, 3]))) == 2
    kept = {batch.sha256 for batch in history.batches(service.db, 1, ("reference", "rows"))[::3]}
    assert kept <= set(service.desk.vault.hashes("spool"))
    assert broken(folder) == []
    service.retrain("shop")
    service.work("shop")
    trained = history.versions(service.db, 1)[-1].trained_on
    assert not {2, 3} & set(trained), "what is gone is not learned from"


def test_old_versions_go_but_not_those_in_use(service):
    service.change_settings("shop", {"keep.versions": 1})
    for _ in range(4):
        another_version(service, "shop")
    versions = history.versions(service.db, 1)
    idle = [version for version in versions if version.state not in ("champion", "held")]
    assert len(idle) == 4
    service.pin("shop", idle[0].number, True)
    service.upkeep()
    gone = [version.number for version in history.versions(service.db, 1) if version.removed_at is not None]
    assert gone == [version.number for version in idle[1:-1]]
    assert broken(service.desk.folder) == []


def test_what_belongs_to_nothing_goes_after_an_hour(service):
    import os

    stray = service.desk.vault.put("spool", b"nobody's")
    service.upkeep()
    assert service.desk.vault.has("spool", stray)
    path = service.desk.vault.path("spool", stray)
    os.utime(path, (1, 1))
    assert any("belong to nothing" in text for text in broken(service.desk.folder))
    service.upkeep()
    assert not service.desk.vault.has("spool", stray)


def damage(service: Service, version_id: int) -> None:
    path = service.desk.vault.path("models", history.version(service.db, version_id).sha256)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    service.desk.model.cache_clear()


def test_a_damaged_champion_is_mended_from_a_backup(service):
    upkeep.backup(service.desk.folder)
    champion = service.the_monitor("shop").champion
    damage(service, champion)
    with pytest.raises(Damaged, match="hash"):
        service.predict("shop", "x.csv", rows_csv(3, 5))
    assert any("champion loads" in text for text in broken(service.desk.folder))
    assert service.ingest("shop", "next.csv", rows_csv(8, 100)).batch.state == "done"
    assert service.the_monitor("shop").champion == champion
    assert history.events(service.db, kinds=("mended",))
    assert broken(service.desk.folder) == []


def test_without_a_backup_the_last_good_version_serves(service):
    another_version(service, "shop")
    damage(service, service.the_monitor("shop").champion)
    bad = service.the_monitor("shop").champion
    batch = service.ingest("shop", "next.csv", rows_csv(8, 100)).batch
    assert batch.state == "done"
    assert batch.version_id == service.the_monitor("shop").champion != bad
    assert "whole" in history.reigns(service.db, 1)[-1].reason
    texts = broken(service.desk.folder)
    assert [text for text in texts if "bytes are whole" not in text] == []
    damage(service, service.the_monitor("shop").champion)
    service.receive("shop", "later.csv", rows_csv(9, 100))
    with pytest.raises(Damaged, match="restore"):
        service.work("shop")


def test_labels_of_a_removed_batch_are_no_error(service):
    service.change_settings("shop", {"keep.rows_days": 1})
    later = service.desk.now() + 3 * 86_400_000_000
    service.desk.now = lambda: later
    service.upkeep()
    assert service.ingest("shop", "late.csv", labels_csv(1, 50)).batch.state == "done"
    assert json.loads(json.dumps(service.status("shop")))[0]["batches"] == 2


def test_every_check_of_the_doctor_can_fail(seed, tmp_path):
    """Each promise is broken once, by hand, and named."""
    from sqlite_utils import Database

    def after(*statements: str) -> set[str]:
        other = tmp_path / "broken"
        shutil.rmtree(other, ignore_errors=True)
        shutil.copytree(seed, other)
        db = Database(other / "drift.db")
        for statement in statements:
            db.conn.execute(statement)
        db.conn.commit()
        db.conn.close()
        return {finding.check for finding in doctor(other) if not finding.ok}

    assert after() == set()
    assert "The database is sound" in after("PRAGMA foreign_keys=OFF", "UPDATE decisions SET version_id = 99")
    assert "Every batch that was taken has its bytes" in after(f"UPDATE batches SET sha256 = '{'a' * 64}' WHERE id = 2")
    assert "Every batch has the rows it says" in after("DELETE FROM rows WHERE batch_id = 2 AND position = 3")
    assert "Every quarantined batch has a reason" in after(
        "UPDATE batches SET state='quarantined', reason='' WHERE id=2"
    )
    assert "No batch is stuck" in after("UPDATE batches SET state='received', attempts=9 WHERE id=2")
    some = "Every batch that was passed on has a score for every watched feature"
    assert some in after("DELETE FROM scores WHERE batch_id = 2 AND name = 'age'")
    assert "Every monitor has exactly one champion" in after("UPDATE versions SET state = 'retired'")
    assert "Every version's bytes are whole" in after(f"UPDATE versions SET sha256 = '{'b' * 64}'")
    assert "Every decision says what it is about" in after(
        "UPDATE decisions SET batch_id = NULL, \"trigger\" = 'drift'"
    )
    assert "The decisions lead to the champion" in after("DELETE FROM decisions")
