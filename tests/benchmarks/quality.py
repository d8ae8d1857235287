"""How often healthy batches alarm, and how often ten kinds of shift are found: ``python -m tests.benchmarks.quality``.

Prints two tables. ``--peer NAME=/path/to/python`` runs another detector beside ours on the same tables (``peers``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline import drift
from pipeline.profile import fit_grid, infer, profile
from storage.settings import Settings
from tests.benchmarks import beside, real
from tests.benchmarks.tables import SHIFTS, Source, World, table

SIZES = (200, 1_000, 5_000)  # rows of a shifted batch
OF_TEXT = ("new level 3%", "category tilt")  # shifts of text columns
Judge = Callable[[pa.Table], tuple[bool, set[str]]]
REFERENCE = 6_000
HEALTHY = (  # columns, nulls, batch sizes, batches each
    (5, 0.02, (50, 200, 1_000, 5_000), 600),
    (30, 0.02, (50, 200, 1_000, 5_000), 400),
    (30, 0.3, (50, 200, 1_000), 300),
    (100, 0.02, (50, 200, 1_000), 200),
    (300, 0.02, (200, 1_000), 80),
    (12, 0.02, (20_000, 100_000), 60),
)


@dataclass(frozen=True)
class Found:
    """Whether one shift was found, and how well the named columns agree with the shifted ones (Jaccard)."""

    source: str
    rows: int
    kind: str
    alarm: bool
    agreement: float


def ours(reference: pa.Table) -> Judge:
    """Our own judge of batches, fitted on a reference."""
    grid = fit_grid(reference, infer(reference))
    base, settings = profile(reference, grid), Settings()

    def judge(batch: pa.Table) -> tuple[bool, set[str]]:
        report = drift.score(base, profile(batch, grid), settings)
        return report.drift, set(report.drifted)

    return judge


def healthy(fit: Callable[[pa.Table], Judge], seed: int, scale: float) -> Iterator[tuple[int, float, int, int, int]]:
    """(columns, nulls, rows, batches, alarms) of each setting; a fresh reference every tenth batch."""
    for columns, nulls, sizes, times in HEALTHY:
        world = World(columns, nulls)
        for rows in sizes:
            rng = np.random.default_rng([seed, columns, rows])
            total, alarms = max(int(times * scale), 10), 0
            for at in range(total):
                if at % 10 == 0:
                    judge = fit(table(world.draw(rng, REFERENCE)))
                alarms += judge(table(world.draw(rng, rows)))[0]
            yield columns, nulls, rows, total, alarms


def shifts(fit: Callable[[pa.Table], Judge], seed: int, times: int, sources: Mapping[str, Source]) -> Iterator[Found]:
    """Every kind of shift in every table at every batch size; a fresh reference every fifth time."""
    for number, (name, source) in enumerate(sources.items()):
        for rows in SIZES:
            rng = np.random.default_rng([seed, number, rows])
            for at in range(times):
                if at % 5 == 0:
                    judge = fit(table(source.draw(rng, REFERENCE)))
                for kind, change in SHIFTS.items():
                    if kind in OF_TEXT and not source.text:
                        continue
                    made, truth = change(source, rng, rows)
                    alarm, named = judge(table(made))
                    yield Found(name, rows, kind, alarm, len(named & truth) / max(len(named | truth), 1))


def sources() -> dict[str, Source]:
    """The tables that are shifted: a made one with heavy tails and up to 200 levels, and real ones."""
    return {"12 made columns": World(12), **real.tables()}


def _run(name: str, fit: Callable[[pa.Table], Judge], seed: int, scale: float, which: str) -> None:
    started = time.perf_counter()
    print(f"\n{name}")
    if which != "shifts":
        print("  columns  nulls    rows  batches  alarms    rate  95% interval")
        for columns, nulls, rows, total, alarms in healthy(fit, seed, scale):
            low, high = interval(alarms, total)
            print(
                f"  {columns:7} {nulls:6.0%} {rows:7,} {total:8} {alarms:7} {alarms / total:7.2%}"
                f"  {low:.2%} to {high:.2%}",
                flush=True,
            )
    if which != "healthy":
        found = list(shifts(fit, seed, max(int(20 * scale), 5), sources()))
        print("  found (columns named, Jaccard)" + "".join(f"{rows:>18,}" for rows in SIZES))
        for kind in SHIFTS:
            _line(kind, [one for one in found if one.kind == kind])
        _line("mean of kinds", found)
        print("  by table, mean of kinds")
        for source in dict.fromkeys(one.source for one in found):
            _line(source, [one for one in found if one.source == source])
    print(f"  {time.perf_counter() - started:.0f} s")


def _line(label: str, found: list[Found]) -> None:
    """Share found and Jaccard index at each batch size, each kind of shift counting alike."""
    cells = []
    for rows in SIZES:
        here = [[one for one in found if one.rows == rows and one.kind == kind] for kind in SHIFTS]
        share = [np.mean([one.alarm for one in kind]) for kind in here if kind]
        named = [np.mean([one.agreement for one in kind if one.alarm]) for kind in here if any(x.alarm for x in kind)]
        cells.append(f"{np.mean(share):9.3f} ({np.mean(named or [0.0]):.2f})  ")
    print(f"  {label:30}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def interval(alarms: int, total: int) -> tuple[float, float]:
    """Wilson's 95% interval of a rate."""
    rate, z = alarms / total, 1.96
    middle = (rate + z * z / 2 / total) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(rate * (1 - rate) / total + z * z / 4 / total**2)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer batches")
    parser.add_argument("--only", choices=["healthy", "shifts"], default="")
    parser.add_argument("--peer", metavar="NAME=PYTHON", type=beside.peer, action="append", default=[],
                        help="another detector and the Python it is installed in; repeatable")  # fmt: skip
    options = parser.parse_args(arguments)
    _run("ours", ours, options.seed, options.scale, options.only)
    for name, python in options.peer:
        with beside.Peer(name, python) as peer:
            _run(name, peer.fit, options.seed, options.scale, options.only)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
