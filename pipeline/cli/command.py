"""A row of the table of commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """What a command does and what may be said to it.

    Attributes
    ----------
    run : callable
        Takes what was parsed; returns the exit status, None for 0. Its docstring is the help.
    own : callable
        Adds the words that only this command takes.
    monitor, json, note : bool
        Whether it takes ``--monitor``, ``--json`` and ``--note``.
    """

    run: Callable[[argparse.Namespace], int | None]
    own: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    monitor: bool = True
    json: bool = True
    note: bool = False
