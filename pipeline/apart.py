"""Work in a child process: warm, niced, killed when its time is up.

A fork server imports scikit-learn once; each piece of work is then a fork of it, which starts in milliseconds, cannot
hurt the parent and gives its memory back.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from storage.errors import Blocked, Damaged, ProductError, Refused, Unhealthy

Progress = Callable[[dict[str, Any]], None]
Work = Callable[..., Any]
PRELOAD = ["pipeline.warm"]  # by name: what it imports stands above this module
_SIZES = Path("/proc/self/statm")
_lock = threading.Lock()
_prepared = threading.Event()


def ready() -> bool:
    """Whether the fork server runs: work apart costs a fork, and not a start of Python with all it imports."""
    return _prepared.is_set()


def prepare() -> None:
    """Start the fork server, if it does not run, so that the first contest does not wait for imports."""
    with _lock:
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
        before = os.environ.get("PYTHONPATH")
        # Before Python 3.13 the fork server does not take over sys.path and would skip what it cannot find.
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        try:
            forkserver.ensure_running()
            _prepared.set()
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before


def call(
    work: Work,
    given: tuple[Any, ...],
    seconds: float,
    progress: Progress | None = None,
    what: str = "job",
    memory: int | None = None,
) -> Any:
    """A function in a child process.

    Parameters
    ----------
    work : callable
        A function of a module; called with ``*given`` and a callable that takes its progress as plain values.
    given : tuple
        Values that can travel.
    seconds : float
        Wall time after which the child is killed.
    progress : callable, optional
        Called in this process as the child reports.
    what : str
        What it is, for the sentence when it goes wrong.
    memory : int, optional
        Bytes of address space that the child may take beyond what it starts with (where the system can tell).

    Raises
    ------
    Unhealthy
        If the child dies or does not finish in time.
    ProductError
        Whatever the function raised of ours.
    """
    prepare()
    context = multiprocessing.get_context("forkserver")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(work, given, theirs, what, memory), daemon=True)
    child.start()
    theirs.close()
    deadline = time.monotonic() + seconds
    try:
        while True:
            if not mine.poll(max(0.0, deadline - time.monotonic())):
                raise Unhealthy(f"The {what} did not finish within {seconds:g} seconds and was ended.")
            kind, value = _received(mine, child, what)
            if kind == "progress":
                if progress is not None:
                    progress(value)
            elif kind == "done":
                return value
            else:
                raise value
    finally:
        if child.is_alive():
            child.kill()
        child.join()
        mine.close()


def _received(mine: Connection, child: Any, what: str) -> tuple[str, Any]:
    try:
        return mine.recv()
    except EOFError:
        child.join(5)
        raise Unhealthy(f"The {what} process died (exit code {child.exitcode}).") from None


def _work(work: Work, given: tuple[Any, ...], out: Connection, what: str, memory: int | None) -> None:
    """In the child: nice, report, answer."""
    os.nice(10)
    if memory is not None and _SIZES.exists():
        most = int(_SIZES.read_text().split()[0]) * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        value = work(*given, lambda message: out.send(("progress", message)))
        out.send(("done", value))
    except (Refused, Blocked, Damaged) as error:
        out.send(("error", error))
    except ProductError as error:
        out.send(("error", Unhealthy(str(error))))
    except Exception as error:
        out.send(("error", Unhealthy(f"The {what} broke down: {type(error).__name__}: {error}")))
    finally:
        out.close()
