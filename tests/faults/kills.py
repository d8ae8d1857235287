"""kill -9 at named moments: ``python -m tests.faults.kills FOLDER STRIDE [OFFSET]`` prints one JSON line a script.

A process of its own, that forks: threads and fork servers of other tests would not survive a fork.

Two scripts are killed. ``deliver`` must end in the same story whenever it was killed; ``act`` does what a person
does, which may have happened or not, but never by half. After each kill the program starts again and is killed up to
five times more while it recovers, before it may go on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.chores import back_up, doctor
from pipeline.service import Service
from storage import history
from storage.errors import Conflict
from tests.tables import labels_csv, rows_csv
from tests.versions import another_version

RECOVERIES = 5
Point = Callable[[str], None]


def in_child(work: Callable[[], object]) -> int:
    """Run something in a forked process; its exit status, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killer(at: int) -> Point:
    """Ends the process, as kill -9 does, at the so-manieth moment."""
    seen = 0

    def point(name: str) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return point


def make_monitor(folder: Path) -> None:
    service = Service(folder)
    service.init(
        "m", "reference.csv", rows_csv(0, 600, labelled=True), "bought", id_column="id", estimator="linear",
        settings={"retrain.min_labelled": 50, "retrain.cooldown": 0, "retrain.tenure": 0, "retrain.every_batches": 2},
    )  # fmt: skip
    service.close()


def deliver(folder: Path, point: Point) -> None:
    """Deliveries by hand and by folder: healthy rows, drifting ones that train, a broken file, labels, one again."""
    service = Service(folder, point=point)
    service.ingest("m", "a.csv", rows_csv(1, 150, labelled=True))
    service.ingest("m", "b.csv", rows_csv(2, 150, shift=1.5, labelled=True))
    for name, data in (("c.csv", rows_csv(3, 150)), ("bad.csv", b"id,age\n1,2\n")):
        if not service.desk.vault.has("spool", _hash(data)):
            (service.inbox / "m" / name).write_bytes(data)
        for _ in range(2):
            service.look_into_inbox()
        service.work("m")
    service.ingest("m", "c-labels.csv", labels_csv(3, 150))
    service.ingest("m", "a-again.csv", rows_csv(1, 150, labelled=True))
    service.close()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def act(folder: Path, point: Point) -> None:
    """What a person does: settings, a contest, champions made and taken back, a backup, rows forgotten."""
    service = Service(folder, point=point)
    service.work("m")
    service.ingest("m", "d.csv", rows_csv(4, 150, labelled=True))
    service.change_settings("m", {"features.income.min_effect": 0.3})
    with contextlib.suppress(Conflict):  # asked for before the kill
        service.retrain("m")
    service.work("m")
    another_version(service, "m")
    service.promote("m", 1)
    service.rollback("m")
    back_up(service.desk, 0)
    service.forget("m", None, ["1-3"])
    service.change_settings("m", {"keep.versions": 1})
    service.upkeep()
    service.close()


def recover(folder: Path, point: Point) -> None:
    """Start after a kill: what was acknowledged goes on by itself."""
    service = Service(folder, point=point)
    service.look_into_inbox()
    service.look_into_inbox()
    service.work("m")
    service.close()


def story(folder: Path) -> dict[str, object]:
    """What must come out the same, whenever the process was killed."""
    db = history.connect(folder / "drift.db")
    monitor = history.monitor(db, "m")
    batches = history.batches(db, monitor.id, ("reference", "rows", "labels"))
    told = {
        "batches": [(batch.name, batch.kind, batch.state, batch.rows, batch.labelled) for batch in batches],
        "scores": [report for _, report in history.reports(db, [batch.id for batch in batches])],
        "versions": [
            (version.number, version.state, version.recipe, version.rows)
            for version in history.versions(db, monitor.id)
        ],
        "decisions": [(item.action, item.trigger) for item in reversed(history.decisions(db, monitor.id))],
    }
    db.close()
    return told


def check(folder: Path, where: str) -> None:
    """Every promise holds, and nothing is left on its way."""
    assert [finding.text for finding in doctor(folder) if not finding.ok] == [], where
    db = history.connect(folder / "drift.db")
    assert history.unfinished(db) == [], where
    assert sum(version.state == "champion" for version in history.versions(db, 1)) == 1, where
    db.close()
    assert not list((folder / "inbox").glob("m/*")), where


def killed_everywhere(
    start: Path, script: Callable[[Path, Point], None], offset: int, stride: int
) -> Iterator[tuple[Path, int, float]]:
    """Folders in which a script was killed at one moment after the other, recovered, and done again."""
    folder = start.with_name("killed")
    for at in range(1 + offset, 1_000, stride):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)
        status = in_child(lambda at=at: script(folder, killer(at)))
        if status == 0:
            return
        assert status == -signal.SIGKILL, f"{script.__name__} ended with {status} instead of being killed at {at}"
        kills = 1
        for again in range(1, RECOVERIES + 1):
            status = in_child(lambda again=again: recover(folder, killer(3 * again)))
            assert status in (0, -signal.SIGKILL), f"recovery {again} after moment {at} ended with {status}"
            kills += status == -signal.SIGKILL
        began = time.perf_counter()
        assert in_child(lambda: Service(folder).close()) == 0
        seconds = time.perf_counter() - began
        assert in_child(lambda: recover(folder, lambda name: None)) == 0
        check(folder, f"{script.__name__} killed at moment {at}")
        yield folder, kills, seconds


def main(place: Path, stride: int, offset: int = 0) -> None:
    """Kill both scripts at every so-manieth moment and print what came of it."""
    founded, calm = place / "founded", place / "calm"
    assert in_child(lambda: make_monitor(founded)) == 0
    shutil.copytree(founded, calm)
    assert in_child(lambda: deliver(calm, lambda name: None)) == 0
    expected = story(calm)
    check(calm, "never killed")
    assert "train" in [action for action, _ in expected["decisions"]]
    for script, start in ((deliver, founded), (act, calm)):
        moments = kills = 0
        slowest = 0.0
        for folder, times, seconds in killed_everywhere(start, script, offset, stride):
            moments, kills, slowest = moments + 1, kills + times, max(slowest, seconds)
            if script is deliver:
                assert in_child(lambda folder=folder: deliver(folder, lambda name: None)) == 0
                assert story(folder) == expected, f"killed at moment {offset + 1 + (moments - 1) * stride}"
        print(
            json.dumps(
                {"script": script.__name__, "moments": moments, "kills": kills, "lost": 0, "doubled": 0,
                 "slowest_start_seconds": round(slowest, 3)}
            ),
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *map(int, sys.argv[3:]))
