"""Policies side by side on simulated streams: mean prequential accuracy, and the share of batches that trained.

Run with ``make bench``; ``python -m tests.benchmarks.retraining --rows 500 --seeds 1`` is quicker.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from pipeline.backtest import backtest, scorer
from storage.settings import Settings
from tests.benchmarks.streams import STREAMS, Stream, table

POLICIES = ("never", "every:10", "always", "window", "auto")


def replayed(stream: Stream, policy: str, seed: int, rows: int) -> dict[str, float]:
    """One stream under one policy: mean, share of batches that trained, promotions, seconds."""
    settings = Settings()
    data, schema = table(stream, seed, rows)
    began = time.perf_counter()
    score = scorer(data.slice(0, rows), schema, settings) if policy == "auto" else None
    lines = list(backtest(data, schema, settings, train=rows, batch=rows, policy=policy, score=score))
    summary = lines[-1]["summary"]
    return {
        "mean": summary["mean"],
        "trained": summary["retrains"] / summary["batches"],
        "promotions": summary["promotions"],
        "seconds": time.perf_counter() - began,
    }


def compare(names: Sequence[str], policies: Sequence[str], seeds: int, rows: int) -> None:
    """Print a row a stream and a column a policy."""
    print("| stream | " + " | ".join(policies) + " |")
    print("|---|" + "---|" * len(policies))
    found: dict[str, list[dict[str, float]]] = {policy: [] for policy in policies}
    for name in names:
        cells = []
        for policy in policies:
            runs = [replayed(STREAMS[name], policy, seed, rows) for seed in range(1, seeds + 1)]
            whole = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
            found[policy].append(whole)
            cells.append(f"{whole['mean']:.3f} ({100 * whole['trained']:.0f}%)")
        print(f"| {STREAMS[name].label} | " + " | ".join(cells) + " |", flush=True)
    for words, key, form in (("mean", "mean", "{:.3f}"), ("batches trained", "trained", "{:.2f}"),
                             ("seconds a stream", "seconds", "{:.1f}")):  # fmt: skip
        cells = [form.format(np.mean([run[key] for run in found[policy]])) for policy in policies]
        print(f"| **{words}** | " + " | ".join(cells) + " |")


def main(arguments: Sequence[str] | None = None) -> int:
    """The table of docs/retraining.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000, help="rows of the first training and of each batch")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--streams", nargs="*", default=list(STREAMS), choices=list(STREAMS))
    parser.add_argument("--policies", nargs="*", default=list(POLICIES))
    options = parser.parse_args(arguments)
    compare(options.streams, options.policies, options.seeds, options.rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
