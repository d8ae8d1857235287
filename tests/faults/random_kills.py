"""kill -9 at random under load: ``python -m tests.faults.random_kills FOLDER KILLS [SEED]`` prints one JSON line.

A child takes five batches a second while the jobs run; what it acknowledged goes through a pipe. It is killed at
random, the next one starts on the same folder, and in the end every acknowledged batch must be there, once and whole.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path

from pipeline.chores import doctor
from pipeline.schedule import Schedule
from pipeline.service import Service
from storage import history
from tests.faults.kills import in_child, make_monitor
from tests.tables import labels_csv, rows_csv

ROWS = 40
A_SECOND = 5
READY = b"ready"


def serve(folder: Path, first: int, out: int) -> None:
    """Take batches until killed; says when it is ready, and each number that was acknowledged."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    began = time.perf_counter()
    service = Service(folder)
    service.status()  # what the first page asks
    os.write(out, b"%s %.4f\n" % (READY, time.perf_counter() - began))
    Schedule(service, 0.2, backup_hours=0.001).start()
    for number in range(first, first + 10_000):
        due = time.monotonic() + 1 / A_SECOND
        if number % 9 == 0:
            service.receive("m", f"{number}-labels.csv", labels_csv(number - 1, ROWS))
        service.receive("m", f"{number}.csv", rows_csv(number, ROWS, shift=number % 7 == 0, labelled=number % 3 == 0))
        os.write(out, b"%d\n" % number)
        time.sleep(max(0.0, due - time.monotonic()))


def one_life(folder: Path, first: int, seconds: float) -> tuple[list[int], float]:
    """Start, live for so long, be killed: (numbers acknowledged, seconds until ready)."""
    mine, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(mine)
        try:
            serve(folder, first, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(mine, "rb") as said:
        word, ready = said.readline().split()
        assert word == READY
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        whole = [line for line in said.read().split(b"\n")[:-1] if line]
    return [int(number) for number in whole], float(ready)


def finish(folder: Path) -> None:
    """The last start: everything that waits goes to its end."""
    service = Service(folder)
    service.work("m")
    service.close()


def main(place: Path, kills: int, seed: int = 1) -> None:
    """Kill so often, then count."""
    rng = random.Random(seed)
    folder = place / "data"
    assert in_child(lambda: make_monitor(folder)) == 0
    acknowledged: list[int] = []
    starts = []
    for _ in range(kills):
        first = (acknowledged[-1] if acknowledged else 0) + 10
        taken, ready = one_life(folder, first, rng.uniform(0.05, 1.5))
        acknowledged += taken
        starts.append(ready)
    assert in_child(lambda: finish(folder)) == 0
    db = history.connect(folder / "drift.db")
    batches = [batch for batch in history.batches(db, 1) if batch.kind == "rows"]
    names = [batch.name for batch in batches]
    lost = [number for number in acknowledged if f"{number}.csv" not in set(names)]
    half = [batch.name for batch in batches if batch.state != "done" or batch.rows != ROWS]
    broken = [finding.text for finding in doctor(folder) if not finding.ok]
    starts.sort()
    told = {
        "kills": kills,
        "acknowledged": len(acknowledged),
        "lost": len(lost),
        "doubled": len(names) - len(set(names)),
        "half": half,
        "doctor": broken,
        "ready_seconds_median": round(starts[len(starts) // 2], 3),
        "ready_seconds_slowest": round(starts[-1], 3),
    }
    print(json.dumps(told), flush=True)
    assert (lost, half, broken) == ([], [], [])
    assert len(names) == len(set(names))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *map(int, sys.argv[3:]))
