"""Verbs on the data folder, carried out here or by the program that holds it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.cli import say


@contextmanager
def session(folder: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Calls of verbs: on the data folder if it is free, else handed over to the program that holds it."""
    from pipeline.commands import open_session

    opened = open_session(folder)
    try:
        yield opened.call
    finally:
        opened.close()


def order(options: argparse.Namespace, verb: str, **arguments: Any) -> None:
    """One verb, and what came of it."""
    if "monitor" in options:
        arguments["monitor"] = options.monitor
    with session(options.data_dir) as call:
        done = call(verb, **arguments)
    say.line(done) if options.json else print(done["message"])
