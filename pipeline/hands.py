"""Work in two processes at once: pieces that need nothing of each other, in half the time.

What Python does between two matrix products holds its lock, so threads would only wait for each other: two fits of a
thousand rows took three times as long in two threads as one after the other.
"""

from __future__ import annotations

import importlib
import os
import subprocess  # nosec B404 # our own Python, no shell
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Self

import pyarrow as pa

# What takes long to import, by name: while nobody waits for it.
SOON_NEEDED = ("pandas", "sklearn.compose", "sklearn.ensemble", "sklearn.linear_model", "threadpoolctl")
Work = Callable[..., Any]
Done = Callable[[int], None]


class Hands:
    """One process: every piece is done where it is asked for, one after the other."""

    def map(self, work: Work, given: Sequence[tuple[Any, ...]], done: Done | None = None) -> list[Any]:
        """The results of a function of a module, called with each of ``given``, in their order.

        Parameters
        ----------
        work : callable
            Without side effects; what it is given and what it returns can travel between processes.
        given : sequence of tuple
            The longest work first, if that is known.
        done : callable, optional
            Told how many are done, after each.
        """
        found = []
        for number, one in enumerate(given, start=1):
            found.append(work(*one))
            if done:
                done(number)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""


ONE = Hands()


class Two(Hands):
    """A helping process does pieces beside this one, from when it is ready until the context ends."""

    def __init__(self) -> None:
        self._helper = _Helper()

    def map(self, work: Work, given: Sequence[tuple[Any, ...]], done: Done | None = None) -> list[Any]:
        """As ``Hands.map``. What fails in the helping process is done here, so that it fails here or not at all."""
        found: dict[int, Any] = {}
        left, away = deque(range(len(given))), -1
        while len(found) < len(given):
            if away < 0 and len(left) > 1 and self._helper.takes(work, given[left[0]]):
                away = left.popleft()
            if left:
                at = left.popleft()
                found[at] = work(*given[at])
            if away >= 0 and (not left or self._helper.ready()):
                fine, value = self._helper.answer()
                found[away], away = value if fine else work(*given[away]), -1
            if done:
                done(len(found))
        return [found[at] for at in range(len(given))]

    def __exit__(self, *error: object) -> None:
        """End the helping process."""
        self._helper.end()


def hands() -> Hands:
    """As many as there are cores for."""
    return Two() if (os.cpu_count() or 1) > 1 else Hands()


class _Helper:
    """A process that does one piece at a time.

    It is a Python of its own rather than a fork: a script that calls us without a guard around its main part is not run
    again.
    """

    def __init__(self) -> None:
        self._line, theirs = Pipe()
        path = os.pathsep.join(part for part in sys.path if part)
        started = f"from pipeline import hands; hands.help({theirs.fileno()})"
        self._child = subprocess.Popen(  # nosec B603 # nothing of it comes from outside
            [sys.executable, "-c", started], pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self._there = False

    def takes(self, work: Work, given: tuple[Any, ...]) -> bool:
        """Hand a piece over; False if nobody is there, or not yet."""
        try:
            self._there = self._there or (self._line.poll(0) and bool(self._line.recv()))
            if self._there:
                self._line.send((work, tuple(_packed(value) for value in given)))
        except (EOFError, OSError):
            self._there = False
        return self._there

    def ready(self) -> bool:
        """Whether the answer has come."""
        return self._line.poll(0)

    def answer(self) -> tuple[bool, Any]:
        """Wait for the answer: whether there is one, and what it is."""
        try:
            return self._line.recv()
        except (EOFError, OSError):
            self._there = False
            return False, None

    def end(self) -> None:
        """Kill it."""
        self._line.close()
        self._child.kill()
        self._child.wait()


def help(number: int) -> None:
    """In the helping process: one piece after the other, until the line of this number is closed."""
    for name in SOON_NEEDED:
        importlib.import_module(name)
    line = Connection(number)
    line.send(True)
    while True:
        try:
            work, given = line.recv()
            answer = (True, work(*(one.table() if isinstance(one, _Packed) else one for one in given)))
        except EOFError:
            return
        except Exception:  # told where it is done again
            answer = (False, None)
        line.send(answer)


def _packed(value: Any) -> Any:
    """A table as its own bytes: pickled, a slice would take along all that it is a slice of."""
    if not isinstance(value, pa.Table):
        return value
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, value.schema) as writer:
        writer.write_table(value)
    return _Packed(sink.getvalue().to_pybytes())


@dataclass(frozen=True)
class _Packed:
    """A table on its way."""

    data: bytes

    def table(self) -> pa.Table:
        return pa.ipc.open_stream(self.data).read_all()
