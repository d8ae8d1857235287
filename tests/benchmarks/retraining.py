"""Policies side by side on simulated streams: mean prequential accuracy, and the share of batches that trained.

Then what ``auto`` does where there is nothing to do: 200 batches without change, and inputs that drift without harm.
Run with ``make bench``; ``--rows 1000 --learner boosting`` is slower and nearer to practice.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.backtest import backtest, scorer
from storage.settings import Settings
from tests.benchmarks.streams import STREAMS, Stream, table

POLICIES = ("never", "usual", "every:10", "adwin", "always", "window", "auto")
QUICK = "tests.benchmarks.quick.HistGradientBoostingQuick"
CALM = {"noise": 200, "harmless": 40}  # batches of the streams where nothing is to be done


@dataclass(frozen=True)
class Bench:
    """What all runs of one table share."""

    rows: int  # of the first training and of each batch
    learner: str


def replayed(stream: Stream, policy: str, seed: int, bench: Bench, batches: int | None = None) -> dict[str, float]:
    """One stream under one policy: mean, share of batches that trained, trainings, promotions, seconds."""
    settings, rows = Settings(), bench.rows
    data, schema = table(stream, seed, rows, batches)
    began = time.perf_counter()
    score = scorer(data.slice(0, rows), schema, settings) if policy in ("auto", "usual") else None
    lines = list(backtest(
        data, schema, settings, train=rows, batch=rows, policy=policy, estimator=bench.learner, score=score
    ))  # fmt: skip
    summary = lines[-1]["summary"]
    return {
        "mean": summary["mean"],
        "trained": summary["retrains"] / summary["batches"],
        "trainings": summary["retrains"],
        "promotions": summary["promotions"],
        "seconds": time.perf_counter() - began,
    }


def compare(names: Sequence[str], policies: Sequence[str], seeds: int, bench: Bench) -> None:
    """Print a row a stream and a column a policy."""
    print("| stream | " + " | ".join(policies) + " |")
    print("|---|" + "---|" * len(policies))
    found: dict[str, list[dict[str, float]]] = {policy: [] for policy in policies}
    for name in names:
        cells = []
        for policy in policies:
            runs = [replayed(STREAMS[name], policy, seed, bench) for seed in range(1, seeds + 1)]
            whole = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
            found[policy].append(whole)
            cells.append(f"{whole['mean']:.3f} ({100 * whole['trained']:.0f}%)")
        print(f"| {STREAMS[name].label} | " + " | ".join(cells) + " |", flush=True)
    for words, key, form in (("mean", "mean", "{:.3f}"), ("batches trained", "trained", "{:.2f}"),
                             ("seconds a stream", "seconds", "{:.1f}")):  # fmt: skip
        cells = [form.format(np.mean([run[key] for run in found[policy]])) for policy in policies]
        print(f"| **{words}** | " + " | ".join(cells) + " |")


def calm(seeds: int, bench: Bench) -> None:
    """Print what ``auto`` does where there is nothing to do."""
    print("\n| stream | batches | trainings, seed by seed | promotions |")
    print("|---|---|---|---|")
    for name, batches in CALM.items():
        runs = [replayed(STREAMS[name], "auto", seed, bench, batches) for seed in range(1, seeds + 1)]
        trained, promoted = (", ".join(f"{run[key]:.0f}" for run in runs) for key in ("trainings", "promotions"))
        print(f"| {STREAMS[name].label} | {batches} | {trained} | {promoted} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The tables of docs/retraining.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300, help="rows of the first training and of each batch")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--learner", default=QUICK, help="a learner, or a class by its dotted path")
    parser.add_argument("--calm", type=int, default=3, help="seeds of the streams where nothing is to be done; 0: none")
    parser.add_argument("--streams", nargs="*", default=list(STREAMS), choices=list(STREAMS))
    parser.add_argument("--policies", nargs="*", default=list(POLICIES))
    options = parser.parse_args(arguments)
    bench = Bench(options.rows, options.learner)
    compare(options.streams, options.policies, options.seeds, bench)
    if options.calm:
        calm(options.calm, bench)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
