"""The scheduled jobs: how each run went is recorded, and whether one hangs can be asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.desk import Desk
from storage import history
from storage.errors import ProductError
from storage.records import Event, Job

log = logging.getLogger("drift.jobs")
_STUCK_SECONDS = 1200  # a training has its own limit, which is lower unless a person raised it
_QUIET_SECONDS = 30  # a job that goes well is written down this often


class Jobs:
    """The jobs of this process.

    Parameters
    ----------
    desk : Desk
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last: int | None = None
        self._running: dict[str, int] = {}
        self._known: dict[str, Job] = {job.name: job for job in history.jobs(desk.db)}

    @contextmanager
    def recorded(self, name: str, seconds: float) -> Iterator[None]:
        """The top of a job that runs every so many seconds: what goes wrong is recorded, shown, and tried again."""
        started = self._desk.now()
        next_run = started + int(seconds * 1e6)
        self._last = self._running[name] = started
        before = self._known.get(name) or Job(name, None, None, 0, "", None)
        try:
            yield
        except Exception as error:
            text = str(error) if isinstance(error, ProductError) else f"{type(error).__name__}: {error}"
            log.exception("job %s failed", name)
            after = Job(name, started, before.last_ok, before.failures + 1, text, next_run)
            event = None
            if before.error != text:
                event = self._desk.event(None, "job_failed", f"The job {name!r} failed: {text}", level="error")
            self._write(after, event)
        else:
            after = Job(name, started, self._desk.now(), 0, "", next_run)
            if before.failures or started - (before.last_run or 0) > _QUIET_SECONDS * 1_000_000:
                self._write(after, None)
        finally:
            self._running.pop(name, None)

    def _write(self, job: Job, event: Event | None) -> None:
        self._known[job.name] = job
        try:
            self._desk.store.job_ran(job, event)
        except Exception:
            log.exception("the state of job %s could not be stored", job.name)

    def heartbeat(self) -> dict[str, Any]:
        """When a job last ran in this process, and which run now (name to start, microseconds)."""
        return {"last_tick": self._last, "running": dict(self._running)}

    def stuck(self) -> dict[str, float]:
        """Jobs that have run for longer than any step should take, and for how many seconds."""
        now = self._desk.now()
        running = {name: (now - since) / 1e6 for name, since in self.heartbeat()["running"].items()}
        return {name: seconds for name, seconds in running.items() if seconds > _STUCK_SECONDS}
