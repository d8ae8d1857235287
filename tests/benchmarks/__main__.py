"""``python -m tests.benchmarks [NAME] [OPTIONS]``: one benchmark with its options, or all of them."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.benchmarks


def names() -> list[str]:
    """The benchmarks: modules of this folder that have a ``main``."""
    found = [one.name for one in pkgutil.iter_modules(tests.benchmarks.__path__) if not one.name.startswith("_")]
    return [name for name in found if hasattr(importlib.import_module(f"tests.benchmarks.{name}"), "main")]


def main(arguments: list[str]) -> int:
    """Run one or all."""
    known = names()
    if arguments and arguments[0] in known:
        return importlib.import_module(f"tests.benchmarks.{arguments[0]}").main(arguments[1:])
    if arguments:
        print(f"Which benchmark? One of {', '.join(known)}, then its options.", file=sys.stderr)
        return 2
    return max(importlib.import_module(f"tests.benchmarks.{name}").main([]) for name in known)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
