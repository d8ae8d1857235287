"""How often healthy batches alarm, by batch size and kind of table: ``python -m tests.benchmarks.alarms``.

Every batch is drawn from the same law as its reference, so that every alarm is false. Beside our verdict stands the
house rule "the PSI of any column is above 0.2" on the same batches. ``--figure docs/false-alarms.svg`` draws what was
measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import drift
from pipeline.profile import fit_grid, infer, profile
from storage.settings import Settings
from tests.benchmarks import real
from tests.benchmarks.tables import table

REFERENCE = 6_000
BATCHES = {50: 400, 200: 400, 1_000: 400, 5_000: 400, 20_000: 60, 100_000: 20}  # rows of a batch: how many of them
FRESH = 20  # batches that share a reference
ALIKE = "8 of rows alike"  # not in the figure: the budget is for independent rows
PSI = 0.2  # the usual threshold of the house rule
Draw = Callable[[np.random.Generator, int], dict[str, pa.Array]]


@dataclass(frozen=True)
class Measured:
    """Alarms among healthy batches of one size."""

    world: str
    rows: int
    batches: int
    ours: int
    psi: int


# --- worlds ---------------------------------------------------------------------------------------------------------


def floats(rng: np.random.Generator, values: np.ndarray, nulls: float = 0.0) -> pa.Array:
    """Numbers, some of them missing."""
    return pa.array(values, mask=rng.random(len(values)) < nulls)


def text(rng: np.random.Generator, rows: int, size: int, slope: float) -> pa.Array:
    """Levels with shares that fall as a power of their rank."""
    shares = 1 / np.arange(1, size + 1) ** slope
    codes = rng.choice(size, rows, p=shares / shares.sum()).astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([f"level {at}" for at in range(size)]))


def linked(rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """Five normal columns that hang together."""
    common = rng.normal(size=rows)
    return {f"x{at}": floats(rng, 0.7 * common + 0.7 * rng.normal(size=rows)) for at in range(5)}


def heavy(rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """Twelve columns with heavy tails: Cauchy, Pareto 1.1, lognormal 2, Student 2."""
    made = {}
    for at in range(3):
        made[f"cauchy{at}"] = floats(rng, rng.standard_cauchy(rows))
        made[f"pareto{at}"] = floats(rng, rng.pareto(1.1, rows))
        made[f"lognormal{at}"] = floats(rng, rng.lognormal(0, 2, rows))
        made[f"student{at}"] = floats(rng, rng.standard_t(2, rows))
    return made


def levels(rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """Eight columns with 200 levels, even and falling, two with 3,000, four with a rare second level."""
    made = {f"even{at}": text(rng, rows, 200, 0.0) for at in range(4)}
    made |= {f"falling{at}": text(rng, rows, 200, 1.2) for at in range(4)}
    made |= {f"long{at}": text(rng, rows, 3_000, 1.1) for at in range(2)}
    return made | {f"rare{at}": text(rng, rows, 2, 3.0 + at) for at in range(4)}


def holes(rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """Twelve columns of ties, rounded values and zeros, 30% of each missing."""
    made = {}
    for at in range(4):
        made[f"few{at}"] = floats(rng, rng.integers(0, 11, rows).astype(float), 0.3)
        made[f"rounded{at}"] = floats(rng, np.round(rng.normal(50, 4, rows)), 0.3)
        made[f"zeros{at}"] = floats(rng, np.where(rng.random(rows) < 0.8, 0, rng.exponential(size=rows)), 0.3)
    return made


def mixed(rng: np.random.Generator, rows: int, columns: int = 30) -> dict[str, pa.Array]:
    """Columns of every kind that hang on three factors."""
    factors, made = rng.normal(size=(3, rows)), {}
    for at in range(columns):
        value = 0.6 * factors[at % 3] + 0.8 * rng.normal(size=rows)
        shapes: tuple[Callable[[], pa.Array], ...] = (
            lambda value=value: floats(rng, value, 0.02),
            lambda value=value: floats(rng, np.exp(value), 0.02),
            lambda value=value: floats(rng, np.round(20 + 5 * value)),
            lambda value=value: floats(rng, value**3, 0.1),
            lambda at=at: text(rng, rows, (3, 8, 40, 200)[at // 6 % 4], 0.8),
            lambda value=value: floats(rng, (value > 1).astype(float)),
        )
        made[f"m{at}"] = shapes[at % 6]()
    return made


def alike(rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """Eight columns whose rows come in hours of 50 that have something in common: 2% of a column's variance."""
    hours = rng.normal(size=(2, rows // 50 + 1)).repeat(50, axis=1)[:, :rows]
    made = {}
    for at in range(6):
        value = np.sqrt(0.02) * hours[at % 2] + np.sqrt(0.98) * rng.normal(size=rows)
        made[f"x{at}"] = floats(rng, np.exp(value) if at > 3 else value, 0.02)
    for at in range(2):
        codes = np.searchsorted([-0.5, 0.3, 1.2], np.sqrt(0.02) * hours[at] + np.sqrt(0.98) * rng.normal(size=rows))
        made[f"c{at}"] = pa.array(np.array(["a", "b", "c", "d"])[codes])
    return made


def copied(name: str) -> Draw:
    """Rows like those of a real table."""
    return lambda rng, rows: dict(_arrow(real.tables()[name].draw(rng, rows)))


def _arrow(made: dict[str, np.ndarray]) -> Iterator[tuple[str, pa.Array]]:
    whole = table(made)
    return ((name, whole.column(name).combine_chunks()) for name in whole.column_names)


WORLDS: dict[str, Draw] = {
    "5 linked normals": linked,
    "12 heavy tails": heavy,
    "14 of many levels": levels,
    "12 of ties, 30% nulls": holes,
    ALIKE: alike,
    "real: adults": copied("adults"),
    "real: breast cancer": copied("breast cancer"),
    "real: digits": copied("digits"),
    "30 mixed": mixed,
    "100 mixed": lambda rng, rows: mixed(rng, rows, 100),
    "300 mixed": lambda rng, rows: mixed(rng, rows, 300),
}


# --- measuring ------------------------------------------------------------------------------------------------------


def measure(seed: int, scale: float) -> Iterator[Measured]:
    """Alarms of every world at every batch size."""
    for number, (world, draw) in enumerate(WORLDS.items()):
        for rows, times in BATCHES.items():
            batches = int(times * scale / (5 if world.startswith("300") else 2 if world.startswith("100") else 1))
            if batches:
                rng = np.random.default_rng([seed, number, rows])
                yield Measured(world, rows, batches, *counted(draw, rng, rows, batches))


def counted(draw: Draw, rng: np.random.Generator, rows: int, batches: int) -> tuple[int, int]:
    """Alarms of ours and of the house rule."""
    settings, ours, psi = Settings(), 0, 0
    for at in range(batches):
        if at % FRESH == 0:
            reference = pa.table(draw(rng, REFERENCE))
            grid = fit_grid(reference, infer(reference))
            base = profile(reference, grid)
        report = drift.score(base, profile(pa.table(draw(rng, rows)), grid), settings)
        ours += report.drift
        psi += any(one.distances["psi"] > PSI for one in report.features)
    return ours, psi


def interval(alarms: int, batches: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a rate."""
    rate = alarms / batches
    middle, share = (rate + z * z / 2 / batches), 1 + z * z / batches
    half = z * np.sqrt(rate * (1 - rate) / batches + z * z / 4 / batches**2)
    return max(float(middle - half) / share, 0.0), min(float(middle + half) / share, 1.0)


# --- drawing --------------------------------------------------------------------------------------------------------

_WIDE, _HIGH, _LEFT, _TOP = 640, 300, 64, 34
_STYLE = """text{font:12px system-ui,sans-serif;fill:#555}.axis{stroke:#999;opacity:.4}
.ours{stroke:#1769aa;fill:#1769aa;stroke-width:2}.psi{stroke:#c2571a;fill:none;stroke-dasharray:5 4}
.budget{stroke:#292;stroke-dasharray:2 3}@media(prefers-color-scheme:dark){text{fill:#ccc}
.ours{stroke:#6cb6ff;fill:#6cb6ff}.psi{stroke:#f0a070}}"""
_TICKS = (0.001, 0.01, 0.1, 1.0)


def drawn(found: list[Measured]) -> str:
    """The measured rates, all worlds together, as an SVG picture: logarithmic on both axes."""
    sizes = sorted({one.rows for one in found})
    floor, psi, parts = _TOP + _HIGH, [], []
    for tick in _TICKS:
        parts.append(_line("axis", (_LEFT, _WIDE), (down(tick), down(tick))))
        parts.append(_text(_LEFT - 8, down(tick) + 4, f"{tick:.1%}", "end"))
    parts.append(_line("budget", (_LEFT, _WIDE), (down(0.01), down(0.01))))
    for at, rows in enumerate(sizes):
        x = _LEFT + 30 + at * (_WIDE - _LEFT - 60) / max(len(sizes) - 1, 1)
        here = [one for one in found if one.rows == rows]
        batches, alarms = sum(one.batches for one in here), sum(one.ours for one in here)
        low, high = interval(alarms, batches)
        parts.append(_line("ours", (x, x), (down(low), down(high))))
        parts.append(f'<circle class="ours" r="4" cx="{x:.0f}" cy="{down(alarms / batches):.1f}"/>')
        parts.append(_text(x, floor + 20, f"{rows:,}"))
        psi.append(f"{x:.0f},{down(sum(one.psi for one in here) / batches):.1f}")
    parts.append(f'<polyline class="psi" points="{" ".join(psi)}"/>')
    parts.append(
        _text(_LEFT, 16, "False alarms: ours with 95% intervals; dashed: PSI above 0.2 in any column", "start")
    )
    parts.append(_text((_LEFT + _WIDE) / 2, floor + 40, f"rows of a batch, against a reference of {REFERENCE:,}"))
    size = f'width="{_WIDE + 20}" height="{floor + 50}" viewBox="0 0 {_WIDE + 20} {floor + 50}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n"


def _line(kind: str, x: tuple[float, float], y: tuple[float, float]) -> str:
    return f'<line class="{kind}" x1="{x[0]:.1f}" x2="{x[1]:.1f}" y1="{y[0]:.1f}" y2="{y[1]:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def down(rate: float) -> float:
    """Where a rate lies on the picture; rates below 0.1% lie on its lower edge."""
    return _TOP + _HIGH * -np.log10(max(rate, _TICKS[0])) / -np.log10(_TICKS[0])


def main(arguments: list[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=0.5, help="more or fewer batches")
    parser.add_argument("--figure", type=Path, help="draw what was measured")
    options = parser.parse_args(arguments)
    print("table                      rows  batches  alarms    rate  95% interval        PSI > 0.2")
    found = []
    for one in measure(options.seed, options.scale):
        found.append(one)
        low, high = interval(one.ours, one.batches)
        print(f"{one.world:22} {one.rows:8,} {one.batches:8} {one.ours:7} {one.ours / one.batches:7.2%}  "
              f"{low:6.2%} to {high:6.2%} {one.psi / one.batches:14.0%}", flush=True)  # fmt: skip
    if options.figure:
        options.figure.write_text(drawn([one for one in found if one.world != ALIKE]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
