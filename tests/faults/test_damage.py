"""Damaged, missing and foreign bytes: never a traceback, never a prediction from wrong ones, a way back offered."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from pipeline.chores import doctor
from pipeline.service import Service
from pipeline.views import reading
from storage import history, upkeep
from storage.errors import Damaged, Missing, ProductError, Unhealthy
from tests.tables import rows_csv
from tests.test_cli import run

TIMES = int(os.environ.get("DRIFT_DAMAGES", "20"))  # `make soak` takes 100

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A folder with a monitor, some batches and a backup."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    service = Service(folder)
    service.init("shop", "reference.csv", rows_csv(0, 400, labelled=True), "bought", id_column="id", estimator="linear",
                 settings={"retrain.auto": False})  # fmt: skip
    for number in (1, 2, 3):
        service.ingest("shop", f"{number}.csv", rows_csv(number, 150, shift=number / 3))
    upkeep.backup(folder)
    service.close()
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    shutil.copytree(whole, tmp_path / "data")
    return tmp_path / "data"


def used(folder: Path) -> str:
    """Start, take a batch, ask the questions of the pages: what was said if it was refused."""
    service = None
    try:
        service = Service(folder)
        service.ingest("shop", "next.csv", rows_csv(9, 60))
        service.status()
        history.reports(service.db, [2, 3, 4])
        history.events(service.db)
        service.distribution("shop", "income", 2)
    except ProductError as error:
        return str(error)
    finally:
        if service is not None:
            service.close()
    return ""


def started(folder: Path, damaged: bytes) -> bool:
    """Whether the program starts on damaged bytes: where no check of SQLite's sees them, it does."""
    (folder / "drift.db").write_bytes(damaged)
    for rest in folder.glob("drift.db[-.]*"):
        rest.unlink()
    try:
        Service(folder).close()
    except Damaged:
        return False
    return True


@pytest.mark.parametrize("pages", [True, False], ids=["pages overwritten", "bits flipped"])
def test_a_damaged_database_is_told_and_left_alone(whole, tmp_path, pages):
    rng = np.random.default_rng(5)
    data = (whole / "drift.db").read_bytes()
    told = 0
    for number in range(TIMES):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        damaged = bytearray(data)
        if pages:
            at = int(rng.integers(len(data) // 4096)) * 4096
            damaged[at : at + 4096] = rng.bytes(4096)
        else:
            damaged[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        (folder / "drift.db").write_bytes(damaged)
        said = used(folder)
        list(doctor(folder))
        with pytest.MonkeyPatch.context(), reading(folder) as views:
            try:
                views.status()
            except ProductError as error:
                said += str(error)
        if "run.py restore" in said:
            told += 1
            assert str(upkeep.kept(folder)[-1]) in said
            if not started(folder, damaged):
                assert (folder / "drift.db").read_bytes() == bytes(damaged), "the bad file is kept as it is"
        shutil.rmtree(folder)
    assert told >= (0.9 * TIMES if pages else 0)


def test_the_command_line_shows_no_traceback(folder, tmp_path):
    data = bytearray((folder / "drift.db").read_bytes())
    data[8192:16384] = b"\xa5" * 8192
    (folder / "drift.db").write_bytes(data)
    for command in (["status"], ["doctor"], ["ingest", str(folder / "x.csv")], ["serve", "--port", "0"]):
        done = run(*command, folder=folder)
        assert "Traceback" not in done.stderr, command
        assert done.returncode == 1, command
    assert "run.py restore" in done.stderr
    back = run("restore", upkeep.kept(folder)[-1], folder=tmp_path / "new")
    assert back.returncode == 0, back.stderr
    assert run("doctor", folder=tmp_path / "new").returncode == 0


def test_no_prediction_comes_from_wrong_bytes(folder):
    rng = np.random.default_rng(6)
    with reading(folder) as views:
        version = history.version(views.db, views.the_monitor("shop").champion)
        path = views.desk.vault.path("models", version.sha256)
        data = path.read_bytes()
        broken = [data[:at] for at in rng.integers(0, len(data), TIMES // 4)]
        for at in rng.integers(0, len(data), TIMES * 2):
            flipped = bytearray(data)
            flipped[at] ^= 1 << int(rng.integers(8))
            broken.append(bytes(flipped))
        for wrong in broken:
            path.write_bytes(wrong)
            views.desk.model.cache_clear()
            with pytest.raises(Damaged, match="hash does not match"):
                views.predict("shop", "x.csv", rows_csv(3, 5))
        path.unlink()
        with pytest.raises(Missing, match="is gone"):
            views.predict("shop", "x.csv", rows_csv(3, 5))


def killed_while_writing(folder: Path) -> None:
    """Leaves a write-ahead log behind."""
    child = os.fork()
    if child == 0:
        try:
            service = Service(folder)
            service.receive("shop", "late.csv", rows_csv(8, 50))
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_deleted_log_is_a_loss_and_is_told(folder):
    killed_while_writing(folder)
    (folder / "drift.db-wal").unlink()
    with pytest.raises(Damaged, match=r"drift\.db-wal is gone.*run\.py restore.*drift\.db\.open"):
        Service(folder)
    (folder / "drift.db.open").unlink()
    Service(folder).close()


def test_killed_before_anything_was_written_is_no_loss(folder):
    child = os.fork()
    if child == 0:
        try:
            Service(folder)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert (folder / "drift.db-wal").stat().st_size > 0
    Service(folder).close()


def test_a_deleted_index_of_the_log_is_made_again(folder):
    killed_while_writing(folder)
    (folder / "drift.db-shm").unlink()
    service = Service(folder)
    service.work("shop")
    assert history.batches(service.db, 1)[-1].name == "late.csv"
    service.close()


def test_a_deleted_database_is_not_replaced_by_an_empty_one(folder):
    (folder / "drift.db").unlink()
    with pytest.raises(Damaged, match=r"is gone.*run\.py restore"):
        Service(folder)
    assert not (folder / "drift.db").exists()


def test_a_newer_schema_is_refused(folder):
    with sqlite3.connect(folder / "drift.db") as db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('drift', 'of_2031', '')")
    before = (folder / "drift.db").read_bytes()
    with pytest.raises(Unhealthy, match="newer version"):
        Service(folder)
    assert (folder / "drift.db").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told(folder):
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in folder.parents[:4]:
        parent.chmod(parent.stat().st_mode | 0o055)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            with pytest.raises(Unhealthy, match=r"cannot be written.*run\.py status"):
                Service(folder)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
