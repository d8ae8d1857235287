"""What the machine does: a full disk, a lock, a worker that dies, a clock that is set, the order of writes."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import route
from pipeline.chores import doctor
from pipeline.schedule import Clocks, Every, Schedule
from pipeline.service import Service
from storage import connection, history
from storage.errors import Blocked, ProductError
from tests.tables import rows_csv

pytestmark = pytest.mark.faults
ROOMS = int(os.environ.get("DRIFT_ROOMS", "8"))  # sizes of a disk that is full; `make soak` takes 120


@pytest.fixture(scope="module")
def seed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("seed") / "data"
    service = Service(folder)
    service.init("shop", "reference.csv", rows_csv(0, 400, labelled=True), "bought", id_column="id", estimator="linear",
                 settings={"retrain.auto": False})  # fmt: skip
    service.close()
    return folder


@pytest.fixture
def folder(seed, tmp_path) -> Path:
    shutil.copytree(seed, tmp_path / "data")
    return tmp_path / "data"


def in_child(work) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def finished(folder: Path) -> list[tuple[str, str, int]]:
    """Go on after the trouble is over; what came of the batches, with every promise checked."""
    service = Service(folder)
    service.work("shop")
    told = [(batch.name, batch.state, batch.rows) for batch in history.batches(service.db, 1)]
    service.close()
    assert [finding.text for finding in doctor(folder) if not finding.ok] == []
    return told


@pytest.mark.parametrize("room", range(90_000, 810_000, 720_000 // ROOMS))
def test_no_file_may_grow(folder, room):
    """Every write beyond a size fails, as on a full disk; what was acknowledged is done when there is room again."""
    data = rows_csv(1, 3000)

    def squeezed() -> None:
        limit = len(data) // 2 + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        service = Service(folder)
        try:
            service.receive("shop", "big.csv", data)
        except Blocked:
            os._exit(3)  # not acknowledged, and said so
        for _ in range(5):
            try:
                service.work("shop")
            except Blocked:
                continue
        os._exit(4)

    status = in_child(squeezed)
    assert status in (3, 4)
    told = finished(folder)
    if status == 4:
        assert told == [("big.csv", "done", 3000)]
    else:
        assert told == []


def test_a_foreign_lock_holds_batches_up_and_pages_answer(folder):
    service = Service(folder)
    service.receive("shop", "a.csv", rows_csv(1, 100))
    service.store._db.conn.execute("PRAGMA busy_timeout=10").fetchall()
    foreign = connection.open_database(folder / "drift.db")
    foreign.execute("BEGIN IMMEDIATE")
    for _ in range(4):
        with pytest.raises(Blocked, match="locked"):
            service.work("shop")
        assert service.status()[0]["batches"] == 1
    foreign.execute("ROLLBACK")
    foreign.close()
    service.work("shop")
    assert history.batches(service.db, 1)[0].state == "done"
    service.close()


def test_a_batch_that_kills_its_worker_is_set_aside(folder):
    def deadly(desk, monitor, batch, carry):
        if batch.name == "pill.csv":
            os.kill(os.getpid(), signal.SIGKILL)
        return score(desk, monitor, batch, carry)

    score = route.STEPS["validated"]
    service = Service(folder)
    service.receive("shop", "pill.csv", rows_csv(1, 100))
    service.receive("shop", "next.csv", rows_csv(2, 100))
    service.close()

    def work() -> None:
        route.STEPS["validated"] = deadly
        again = Service(folder)
        again.work("shop")
        again.close()

    assert [in_child(work) for _ in range(4)] == [-signal.SIGKILL] * 3 + [0]
    assert finished(folder) == [("pill.csv", "quarantined", 100), ("next.csv", "done", 100)]
    with_reason = history.connect(folder / "drift.db")
    assert "failed 3 times" in history.batches(with_reason, 1)[0].reason


def test_files_are_whole_before_a_row_names_them(folder, monkeypatch):
    """fsync(file) < rename < fsync(folder) < COMMIT of the row, for every file that is stored."""
    log: list[str] = []
    sync, rename = os.fsync, os.replace
    kinds = {True: "folder", False: "file"}
    monkeypatch.setattr(os, "fsync", lambda fd: (log.append(f"sync {kinds[os.path.isdir(f'/proc/self/fd/{fd}')]}"),
                                                 sync(fd))[1])  # fmt: skip
    monkeypatch.setattr(os, "replace", lambda a, b: (log.append(f"rename {Path(b).parent.name}"), rename(a, b))[1])
    service = Service(folder, point=log.append)
    log.clear()
    service.receive("shop", "a.csv", rows_csv(1, 100))
    steps = [line for line in log if line.startswith(("sync", "rename")) or line == "receive:before"]
    assert steps == ["sync file", "rename spool", "sync folder", "receive:before"]
    assert service.store._db.conn.execute("PRAGMA synchronous").fetchone()[0] == 2, "FULL: a commit waits for the disk"
    service.close()


def test_a_hung_job_does_not_stop_the_others(folder):
    service = Service(folder)
    schedule = Schedule(service, 0.05)
    hung, beats, release = threading.Event(), threading.Semaphore(0), threading.Event()

    def hang() -> None:
        hung.set()
        release.wait(60)

    for number in range(10):
        schedule.add(f"hang {number}", hang, 0.05)
    schedule.add("alive", beats.release, 0.05)
    schedule.start()
    try:
        assert hung.wait(30)
        for _ in range(3):
            assert beats.acquire(timeout=30)
        running = service.heartbeat()["running"]
        assert sum(name.startswith("hang") for name in running) == 10
        later = service.desk.now() + 3_600_000_000
        service.desk.now = lambda: later
        assert set(service.stuck()) >= {f"hang {number}" for number in range(10)}
    finally:
        release.set()
        schedule.stop()
        service.close()


def test_a_clock_set_ahead_makes_up_for_one_run():
    every = Every(5)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert every.get_next_fire_time(None, now) == now
    assert every.get_next_fire_time(now, now) == now + timedelta(seconds=5)
    for jump in (timedelta(hours=1), timedelta(days=365)):
        assert every.get_next_fire_time(now, now + jump) == now + jump + timedelta(seconds=5)


def test_a_clock_set_back_is_noticed():
    wall, steady = [1000.0], [50.0]
    clocks = Clocks(lambda: wall[0], lambda: steady[0])
    wall[0], steady[0] = 1010.0, 60.0
    assert not clocks.set_back()
    wall[0], steady[0] = 1011.0 - 86400, 61.0
    assert clocks.set_back()
    wall[0], steady[0] = 1012.0 - 86400, 62.0
    assert not clocks.set_back(), "told once"
    wall[0], steady[0] = 1013.0, 63.0
    assert not clocks.set_back(), "ahead is the trigger's affair"


def test_all_jobs_are_due_when_the_clock_was_set_back(folder):
    service = Service(folder)
    schedule = Schedule(service, 3600)
    ran = threading.Semaphore(0)
    schedule.add("mine", ran.release, 3600)
    schedule.start()
    try:
        assert ran.acquire(timeout=30)
        for _ in range(60):  # a job that has not quite ended is skipped
            schedule.call_all()
            if ran.acquire(timeout=0.5):
                break
        else:
            pytest.fail("no job came an hour early, although its time belonged to the other clock")
    finally:
        schedule.stop()
        service.close()


def test_the_timeline_goes_by_number_not_by_time(folder):
    service = Service(folder)
    moment = [service.desk.now()]
    service.desk.now = lambda: moment[0]
    for number, jump in enumerate((0, -86_400_000_000, 365 * 86_400_000_000)):
        moment[0] += jump
        service.ingest("shop", f"{number}.csv", rows_csv(number + 1, 60))
    assert [batch.name for batch in history.batches(service.db, 1)] == ["0.csv", "1.csv", "2.csv"]
    assert list(history.timeline(service.db, 1).batch) == [2, 3, 4]
    service.close()


def test_a_huge_sparse_file_is_refused_unread(folder):
    service = Service(folder)
    path = service.inbox / "shop" / "sparse.csv"
    with path.open("wb") as file:
        file.truncate(5_000_000_000)
    service.look_into_inbox()
    assert service.look_into_inbox() == 0
    (event,) = history.events(service.db, kinds=("inbox",))
    assert "5,000,000,000 bytes are more than" in event.message
    assert path.exists()
    service.close()


def test_what_blocks_is_one_sentence(folder):
    with pytest.raises(ProductError) as told:
        connection.open_database(folder / "nowhere" / "drift.db", read_only=True)
    assert len(str(told.value).splitlines()) == 1
