"""``make bench``: a look at every benchmark, in about a quarter of an hour.

``make bench ARGS="NAME [OPTIONS]"``: one of them, whole, with its own options (``ARGS="quality --help"``).
"""

from __future__ import annotations

import importlib
import shlex
import sys
import time

SHORT: dict[str, str] = {  # what runs when nothing is named, with fewer batches, seeds and streams than by itself
    "speed": "--times 1",
    "quality": "--scale 0.2",
    "alarms": "--scale 0.05",
    "estimate": "--learner linear --every 3",
    "poison": "--seeds 1",
    "retraining": "--streams abrupt gradual --policies never window auto --calm 0",
}
NAMED_ONLY = ("load", "pages")  # ten minutes of load; a store of 10,000 batches
NAMES = (*SHORT, *NAMED_ONLY)


def main(arguments: list[str]) -> int:
    """Run one, or all in short; the worst status."""
    if arguments and arguments[0] in NAMES:
        return run(arguments[0], arguments[1:])
    if arguments:
        print(f"Which benchmark? One of {', '.join(NAMES)}, then its options.", file=sys.stderr)
        return 2
    return max(run(name, shlex.split(options)) for name, options in SHORT.items())


def run(name: str, arguments: list[str]) -> int:
    """One benchmark; says what it was called with and how long it took."""
    print(f"\n== {shlex.join([name, *arguments])}", flush=True)
    began = time.perf_counter()
    status = importlib.import_module(f"tests.benchmarks.{name}").main(arguments)
    print(f"== {name}: {time.perf_counter() - began:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
