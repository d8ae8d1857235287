"""APScheduler drives the service: look into the inbox, move every monitor's batches, upkeep, and a pulse.

The truth is the queue in the database; a job only looks. One run of a job at a time, missed runs become one, times are
UTC. A job that fails is recorded, shown and run again at its next turn.

APScheduler waits out a clock that is set back, and lists every run missed by one set ahead. So the jobs' own trigger
never makes up for more than one run, and a thread that trusts the monotonic clock calls them when the other went back.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from pipeline.service import BACKTESTS, Service

log = logging.getLogger("drift.schedule")
_UPKEEP_SECONDS = 3600
_STOP_SECONDS = 2
_JUMP = 2.0  # seconds by which a clock goes back before it counts as set
_WORKERS = 24  # one hung job holds one of them


class Every(BaseTrigger):
    """Every so many seconds; whatever was missed counts once."""

    def __init__(self, seconds: float) -> None:
        self.interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The turn after the last one, or one interval from now if that has gone by."""
        if previous_fire_time is None:
            return now
        due = previous_fire_time + self.interval
        return due if due > now else now + self.interval


class Clocks:
    """Tells when the wall clock was set back, by the one that cannot be."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._ahead = wall() - steady()

    def set_back(self) -> bool:
        """Whether the wall clock has gone back since the last look."""
        before, self._ahead = self._ahead, self._wall() - self._steady()
        return self._ahead < before - _JUMP


class Schedule:
    """The running jobs of one process.

    Parameters
    ----------
    service : Service
    interval : float
        Seconds between two looks into the inbox and the queue.
    backup_hours : float
        Between two backups; 0 makes none.
    """

    def __init__(self, service: Service, interval: float, backup_hours: float = 0.0) -> None:
        self.service = service
        self.interval = interval
        self.backup_hours = backup_hours
        self._known: set[str] = set()
        self._running = 0
        self._change = threading.Condition()
        self._ended = threading.Event()
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            executors={
                "default": ThreadPoolExecutor(_WORKERS),
                "chores": ThreadPoolExecutor(2),
                "pulse": ThreadPoolExecutor(1),
                "backtests": ThreadPoolExecutor(1),
            },
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_listener(self._skipped, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        """Start the jobs; the first look is at once."""
        self.add("pulse", self._pulse, min(self.interval, 1.0), executor="pulse")
        self.add("inbox", self.service.look_into_inbox, self.interval)
        self.add("periods", self.service.merge_periods, max(self.interval, 5.0))
        self.add("backtests", self.service.work_backtests, self.interval, executor="backtests")
        self.add("upkeep", self.service.upkeep, _UPKEEP_SECONDS, executor="chores")
        self.add("doctor", self.service.doctor, _UPKEEP_SECONDS, executor="chores")
        if self.backup_hours:
            self.add("backup", lambda: self.service.back_up(self.backup_hours), _UPKEEP_SECONDS, executor="chores")
        self._scheduler.start()
        self.service.desk.wake = self.wake
        threading.Thread(target=self._watch, name="clock", daemon=True).start()

    def stop(self) -> None:
        """Start no job any more and wait for those that run.

        APScheduler's own waiting holds a lock that a running job may need to look at the schedule, so it is not used.
        """
        self._ended.set()
        self.service.stopping = True
        self.service.desk.wake = lambda monitor: None
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        if not self._idle():
            for child in multiprocessing.active_children():
                child.kill()  # a training; it begins again at the next start
            self._idle()

    def _idle(self) -> bool:
        """Wait a little for the running jobs; whether they have ended."""
        with self._change:
            return self._change.wait_for(lambda: self._running == 0, timeout=_STOP_SECONDS)

    def add(self, name: str, job: Callable[[], object], seconds: float, executor: str = "default") -> None:
        """A job of one's own: ``job`` is called every so many seconds, and watched like the others."""
        self._scheduler.add_job(
            lambda: self._run(name, job, seconds),
            Every(seconds),
            id=name,
            executor=executor,
            next_run_time=datetime.now(UTC),
            replace_existing=True,
        )

    def wake(self, monitor: str) -> None:
        """Look at a monitor's queue, or at that of the backtests, now instead of at its next turn."""
        job = self._scheduler.get_job("backtests" if monitor == BACKTESTS else f"work:{monitor}")
        if job is not None:
            job.modify(next_run_time=datetime.now(UTC))

    def call_all(self) -> None:
        """Every job is due now: the times they were given belong to a clock that was set back."""
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))

    def _watch(self) -> None:
        clocks = Clocks()
        while not self._ended.wait(1.0):
            if clocks.set_back():
                log.warning("the clock was set back; all jobs are called now")
                self.call_all()

    def _pulse(self) -> None:
        """The heartbeat, and a job of its own for every monitor there is."""
        for name in self.service.monitor_names():
            if name not in self._known:
                self._known.add(name)
                self.add(f"work:{name}", lambda name=name: self.service.work(name), self.interval)

    def _run(self, name: str, job: Callable[[], object], seconds: float) -> None:
        with self._change:
            self._running += 1
        try:
            with self.service.recorded_job(name, seconds):
                job()
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()

    def _skipped(self, event: JobExecutionEvent) -> None:
        log.info("job %s was still running at its next turn; that turn was skipped", event.job_id)
