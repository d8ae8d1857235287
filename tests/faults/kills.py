"""kill -9 around the commits of a batch's way: ``python -m tests.faults.kills FOLDER STRIDE``.

A process of its own, that forks: threads and fork servers of other tests would not survive a fork.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.service import Service
from storage import history
from storage.upkeep import doctor
from tests.tables import labels_csv, rows_csv


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


def killer(at: int) -> Callable[[str], None]:
    """Ends the process, as kill -9 does, at the so-manieth moment around a commit."""
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
        settings={"retrain.min_labelled": 50, "retrain.cooldown": 0},
    )  # fmt: skip
    service.close()


def deliver(folder: Path, at: int = 0) -> None:
    """Three deliveries: a healthy batch, a drifting one that trains, labels; killed at one moment if asked to."""
    service = Service(folder, point=killer(at))
    service.ingest("m", "a.csv", rows_csv(1, 150, labelled=True))
    service.ingest("m", "b.csv", rows_csv(2, 150, shift=1.5, labelled=True))
    service.ingest("m", "c.csv", rows_csv(3, 150))
    service.ingest("m", "c-labels.csv", labels_csv(3, 150))
    service.close()


def again(folder: Path) -> None:
    """Start after a kill: what was acknowledged goes on by itself, and sending it once more adds nothing."""
    service = Service(folder)
    service.work("m")
    service.close()
    deliver(folder)


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


def main(tmp_path: Path, stride: int) -> int:
    """Kill, start again and compare, at every so-manieth moment; returns how often it killed."""
    founded, calm = tmp_path / "founded", tmp_path / "calm"
    assert in_child(lambda: make_monitor(founded)) == 0
    shutil.copytree(founded, calm)
    assert in_child(lambda: deliver(calm)) == 0
    expected = story(calm)
    assert [state for _, _, state, _, _ in expected["batches"]] == ["done"] * 5
    assert "train" in [action for action, _ in expected["decisions"]]
    killed = 0
    for at in range(1, 200, stride):
        folder = tmp_path / "killed"
        shutil.copytree(founded, folder)
        status = in_child(lambda folder=folder, at=at: deliver(folder, at))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        assert in_child(lambda folder=folder: again(folder)) == 0
        assert [finding.text for finding in doctor(folder) if not finding.ok] == []
        assert story(folder) == expected, f"killed at moment {at}"
        shutil.rmtree(folder)
    return killed


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
