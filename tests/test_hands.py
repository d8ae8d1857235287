"""Work in two processes: the same results in the same order, whatever becomes of the other one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import hands
from pipeline.backtest import backtest, prequential
from storage.settings import Settings
from tests.benchmarks.streams import STREAMS, table

PIECES = [(at,) for at in range(8)]


@pytest.fixture
def two():
    """Two hands, the second of which is there."""
    with hands.Two() as pair:
        while not pair._helper.ready():
            pass
        yield pair


def where(at: int) -> tuple[int, int]:
    return at, os.getpid()


def only_here(at: int, parent: int) -> int:
    if os.getpid() != parent:
        raise ValueError("not here")
    return at


def dies_there(at: int, parent: int) -> int:
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return at


def fails(at: int) -> int:
    raise ValueError(f"piece {at}")


def rows(part: pa.Table) -> tuple[int, list]:
    return part.nbytes, part.column("x").to_pylist()


def test_one_and_two_give_the_same_in_the_same_order(two):
    assert [at for at, _ in hands.ONE.map(where, PIECES)] == list(range(8))
    found = two.map(where, PIECES)
    assert [at for at, _ in found] == list(range(8))
    assert len({pid for _, pid in found}) == 2
    assert two.map(where, []) == []
    assert two.map(where, PIECES[:1]) == [(0, os.getpid())]


def test_each_piece_is_told(two):
    for some in (hands.ONE, two):
        told = []
        some.map(where, PIECES, told.append)
        assert told[-1] == len(PIECES)
        assert told == sorted(told)


@pytest.mark.parametrize("work", [only_here, dies_there])
def test_what_fails_there_is_done_here(two, work):
    given = [(at, os.getpid()) for at in range(8)]
    for _ in range(2):
        assert two.map(work, given) == list(range(8))


def test_what_fails_here_too_is_raised(two):
    with pytest.raises(ValueError, match="piece"):
        two.map(fails, PIECES)


def test_of_a_table_only_its_own_rows_travel(two):
    whole = pa.table({"x": np.arange(100_000.0)})
    parts = [(whole.slice(at, 3),) for at in (0, 50_000, 99_997)]
    assert two.map(rows, parts) == [(24, part.column("x").to_pylist()) for (part,) in parts]


def test_nobody_is_left_behind(two):
    child = two._helper._child
    two.__exit__()
    assert child.poll() is not None


def test_a_backtest_says_the_same_with_one_and_with_two(two, monkeypatch):
    data, schema = table(STREAMS["abrupt"], 1, 300, batches=14)

    def replayed() -> list[dict]:
        lines = list(backtest(data, schema, Settings(), train=300, batch=300, estimator="linear"))
        lines[-1]["summary"].pop("train_seconds")
        for line in lines:
            for candidate in line.get("candidates", []):
                candidate.pop("seconds")
        return lines

    helped = []
    monkeypatch.setattr(two._helper, "answer", lambda: helped.append(1) or type(two._helper).answer(two._helper))
    monkeypatch.setattr(prequential, "hands", lambda: two)
    with_two = replayed()
    monkeypatch.setattr(prequential, "hands", hands.Hands)
    assert replayed() == with_two
    assert helped
    assert with_two[-1]["summary"]["retrains"] > 0


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.test_hands import PIECES, where\n"
        "from pipeline import hands\n"
        "print('started')\n"
        "with hands.Two() as pair:\n"
        "    while not pair._helper.ready(): pass\n"
        "    print(len({pid for _, pid in pair.map(where, PIECES)}))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}, timeout=120,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["started", "2"], "")
