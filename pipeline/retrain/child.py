"""The contest in a child process: warm, niced, killed when its time is up.

A fork server imports scikit-learn once; each contest is then a fork of it, which starts in milliseconds, cannot hurt
the parent and gives its memory back.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from pipeline.retrain.contest import contest
from pipeline.retrain.entries import Progress
from pipeline.retrain.order import Order, Outcome
from storage.errors import ProductError, Refused, Unhealthy

Work = Callable[..., Any]
PRELOAD = ["pipeline.retrain.warm"]
_lock = threading.Lock()


def prepare() -> None:
    """Start the fork server, if it does not run, so that the first contest does not wait for imports."""
    with _lock:
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
        before = os.environ.get("PYTHONPATH")
        # Before Python 3.13 the fork server does not take over sys.path and would skip what it cannot find.
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        try:
            forkserver.ensure_running()
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before


def run(order: Order, seconds: float, progress: Progress | None = None) -> Outcome:
    """A contest in a child process; as ``call``."""
    return call(contest, (order,), seconds, progress, "training")


def call(
    work: Work, given: tuple[Any, ...], seconds: float, progress: Progress | None = None, what: str = "job"
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
    child = context.Process(target=_work, args=(work, given, theirs, what), daemon=True)
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


def _work(work: Work, given: tuple[Any, ...], out: Connection, what: str) -> None:
    """In the child: nice, report, answer."""
    os.nice(10)
    try:
        value = work(*given, lambda message: out.send(("progress", message)))
        out.send(("done", value))
    except Refused as error:
        out.send(("error", Refused(str(error))))
    except ProductError as error:
        out.send(("error", Unhealthy(str(error))))
    except Exception as error:
        out.send(("error", Unhealthy(f"The {what} broke down: {type(error).__name__}: {error}")))
    finally:
        out.close()
