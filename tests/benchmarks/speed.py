"""How long a check takes and what memory it needs: ``python -m tests.benchmarks.speed``.

Tables of floats of several shapes with 2% missing and of text with 3 to 200 levels are written as Parquet; each pair
is checked in a process of its own. Beside it runs the floor: a process that only reads both files with PyArrow and
sorts or counts each column once. ``--peer NAME=/path/to/python`` runs another detector on the same files (``peers``).
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import drift
from pipeline.profile import Profile, fit_grid, infer, profile
from storage.settings import Settings
from tests.benchmarks import beside

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((10_000, 30), (100_000, 30), (1_000_000, 30), (10_000, 300), (100_000, 300))  # rows, columns
LARGE = (10_000_000, 30)
MOST_FOR_PEERS = 100_000  # rows: some take minutes for more
GROUP = 1_000_000  # rows written at a time
LEVELS = (3, 12, 50, 200)


# --- tables ---------------------------------------------------------------------------------------------------------


def column(rng: np.random.Generator, at: int, rows: int) -> pa.Array:
    """One column; every sixth is text."""
    if at % 6 == 4:
        size = LEVELS[at // 6 % len(LEVELS)]
        return pa.array([f"level {level}" for level in range(size)]).take(pa.array(rng.integers(0, size, rows)))
    values = (
        lambda: rng.normal(size=rows),
        lambda: rng.lognormal(size=rows),
        lambda: rng.gamma(2, 3, rows),
        lambda: rng.standard_t(3, rows),
        lambda: np.round(rng.normal(50, 15, rows), 1),
    )[at % 6 - (at % 6 > 4)]()
    return pa.array(values, mask=rng.random(rows) < 0.02)


def table(seed: int, rows: int, columns: int) -> pa.Table:
    """A table of mixed columns."""
    rng = np.random.default_rng(seed)
    return pa.table({f"f{at}": column(rng, at, rows) for at in range(columns)})


def kept(folder: Path, seed: int, rows: int, columns: int) -> Path:
    """A table as a Parquet file, made by a process of its own.

    A child's peak memory is at least what its parent held when it was started, so this process must stay small.
    """
    path = folder / f"{rows}x{columns}-{seed}.parquet"
    if not path.exists():
        command = [sys.executable, "-m", "tests.benchmarks.speed", "--write", path, seed, rows, columns]
        subprocess.run(list(map(str, command)), cwd=ROOT, check=True)
    return path


def write(path: Path, seed: int, rows: int, columns: int) -> None:
    """A table as a Parquet file, made a million rows at a time."""
    writer = None
    for at in range(0, rows, GROUP):
        piece = table(seed * 1_000 + at // GROUP, min(GROUP, rows - at), columns)
        writer = writer or pq.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    writer.close()


# --- processes ------------------------------------------------------------------------------------------------------


def floor(paths: Sequence[str]) -> None:
    """One pass of bin counts over each file, as plain as it gets."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            texts = [one.name for one in file.schema_arrow if pa.types.is_string(one.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            edges: dict[int, np.ndarray] = {}
            for piece in file.iter_batches(65_536):
                for at, values in enumerate(piece.columns):
                    if pa.types.is_dictionary(values.type):
                        np.bincount(values.indices.to_numpy())
                        continue
                    ordered = np.sort(values.fill_null(np.nan).to_numpy())
                    ordered.searchsorted(edges.setdefault(at, ordered[::512]))


def measured(command: Sequence[str], times: int) -> tuple[float, float, float]:
    """Median seconds, processor seconds and peak memory in MiB of a command in a process of its own."""
    runs = []
    for _ in range(times):
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{shlex.join(command)} ended with {child.returncode}")
        runs.append((time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
    return tuple(statistics.median(run[at] for run in runs) for at in range(3))


def commands(paths: tuple[Path, Path], peers: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """What is run on a pair of files, the floor first."""
    reference, batch = map(str, paths)
    yield "floor", [sys.executable, "-m", "tests.benchmarks.speed", "--floor", reference, batch]
    yield "check", [sys.executable, "run.py", "check", "--json", "--reference", reference, batch]
    for name, python in peers:
        yield name, beside.command(name, python, reference, batch)


def side_by_side(folder: Path, size: tuple[int, int], peers: Sequence[tuple[str, str]], times: int) -> None:
    """Run and print all that is run on a pair of files."""
    rows, columns = size
    paths = kept(folder, 1, rows, columns), kept(folder, 2, rows, columns)
    least = None
    for what, command in commands(paths, peers if rows <= MOST_FOR_PEERS else ()):
        wall, processor, memory = measured(command, times)
        least = least or processor
        print(
            f"{rows:12,} {columns:8}  {what:10} {wall:9.2f} {processor:10.2f} {memory:9.0f} {processor / least:7.1f}",
            flush=True,
        )


def of_peer(name: str, python: str, folder: Path, times: int) -> tuple[float, float]:
    """Median and least milliseconds of one batch of 1,000 x 30 against a reference that a peer was fitted on."""
    reference, batch = kept(folder, 1, 6_000, 30), kept(folder, 2, 1_000, 30)
    with beside.Peer(name, python) as peer:
        peer.ask(reference=str(reference))
        seconds = [peer.ask(batch=str(batch))["seconds"] for _ in range(times + 1)][1:]
    return statistics.median(seconds) * 1e3, min(seconds) * 1e3


# --- within a process -----------------------------------------------------------------------------------------------


def best(run: Callable[[], object], times: int = 100) -> tuple[float, float]:
    """Median and least milliseconds of a call."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e3, min(seconds) * 1e3


def one_batch(rows: int = 1_000, columns: int = 30, stored: int = 1_000) -> Iterator[tuple[str, float, float]]:
    """(what, median ms, least ms) of one batch against a fitted reference, and of a stored history scored again."""
    reference, batch, settings = table(1, 6_000, columns), table(2, rows, columns), Settings()
    grid = fit_grid(reference, infer(reference))
    base, seen = profile(reference, grid), profile(batch, grid)
    yield f"profile {rows:,} x {columns}", *best(lambda: profile(batch, grid))
    yield f"score {rows:,} x {columns}", *best(lambda: drift.score(base, seen, settings))
    yield "both", *best(lambda: drift.score(base, profile(batch, grid), settings))
    parts = seen.parts()

    def again() -> None:
        history = (Profile.from_parts(grid, rows, parts) for _ in range(stored))
        for _ in drift.scores(base, history, settings):
            pass

    yield f"score {stored:,} stored batches again", *best(again, 1)


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="10 million rows too: 3.5 GB of files, some minutes")
    parser.add_argument("--times", type=int, default=3, help="runs of each, of which the median is shown")
    parser.add_argument("--folder", type=Path, help="where tables are kept for the next run")
    parser.add_argument("--peer", metavar="NAME=PYTHON", type=beside.peer, action="append", default=[],
                        help="another detector and the Python it is installed in; repeatable")  # fmt: skip
    parser.add_argument("--sizes", nargs="+", metavar="ROWSxCOLUMNS", help="instead of the usual ones")
    parser.add_argument("--floor", nargs=2, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=4, metavar="WORD", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.write:
        write(Path(options.write[0]), *map(int, options.write[1:]))
        return 0
    if options.floor:
        floor(options.floor)
        return 0
    print("Two Parquet files, a process of its own each")
    print("        rows  columns  what         seconds  processor  peak MiB  x floor")
    with tempfile.TemporaryDirectory() as own:
        folder = (options.folder or Path(own)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        asked = [tuple(map(int, size.split("x"))) for size in options.sizes or ()]
        for size in asked or ((*SIZES, LARGE) if options.large else SIZES):
            side_by_side(folder, size, options.peer, options.times)
        print("\nOne batch against a fitted reference, milliseconds\n" + " " * 35 + "median    least")
        for what, median, least in one_batch():
            print(f"  {what:32} {median:8.2f} {least:8.2f}")
        for name, python in options.peer:
            median, least = of_peer(name, python, folder, options.times)
            print(f"  {name + ', 1,000 x 30':32} {median:8.2f} {least:8.2f}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
