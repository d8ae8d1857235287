"""The worked example as a monitor: its history up to a day, and one day after another from there on.

Everything goes the way of any delivery; nothing here writes to the database by itself, except the list of truths, which
lets a page say "said on day 121, truth day 120".
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from seed_data import simulate
from storage import history
from storage.records import Truth

NAME = "obesity-risk"
TARGET = "obese_next_year"
REFERENCE_DAYS = 60
LAST_DAY = 430  # ten days before the next event, so that whoever watches sees it happen
HISTORY_DAYS = LAST_DAY - REFERENCE_DAYS + 1
LEAST_DAYS = 100  # of history before anything else
_FILE = re.compile(r"day-(\d+)\.csv")


def build(
    service: Any,
    progress: Callable[[int], object] = lambda days: None,
    last_day: int = LAST_DAY,
    seconds: float = float("inf"),
) -> None:
    """Make the monitor from its first 60 days and let the days up to ``last_day`` arrive, labels seven days late.

    Parameters
    ----------
    service : Service
        Of a data folder that does not have the monitor yet.
    progress : callable
        Called with the number of days that were done since the last call.
    last_day : int
        The last day to arrive.
    seconds : float
        After so long, and at least ``LEAST_DAYS`` days, the rest is left to ``next_day``.
    """
    deadline = time.monotonic() + seconds
    with service.store.hurried():
        first = [simulate.day(number) for number in range(REFERENCE_DAYS)]
        reference = pa.concat_tables([_with_labels(day) for day in first])
        service.init(
            NAME, f"days-000-{REFERENCE_DAYS - 1:03d}.csv", _csv(reference), TARGET, id_column="id", time_column="date",
            author="demo", demo=True,
        )  # fmt: skip
        _tell_truths(service, last_day + 365)
        for number in range(REFERENCE_DAYS, last_day + 1):
            _live(service, number)
            progress(1)
            if time.monotonic() > deadline and number >= REFERENCE_DAYS + LEAST_DAYS:
                return


def next_day(service: Any) -> None:
    """Drop the next simulated day, and the labels due on it, into the inbox; first catch up with what is history."""
    folder = service.inbox / NAME
    folder.mkdir(parents=True, exist_ok=True)
    if any(_FILE.fullmatch(path.name) for path in folder.iterdir()):
        return  # the last day has not been taken yet
    number = _newest(service) + 1
    while number <= LAST_DAY:
        _live(service, number)
        number += 1
    if number % 100 == 0:
        _tell_truths(service, number + 365)
    for name, data in deliveries(number):
        aside = folder / f"{name}.part"
        aside.write_bytes(data)
        os.replace(aside, folder / name)


def _live(service: Any, number: int) -> None:
    """One day of history, to its end."""
    for name, data in deliveries(number):
        service.ingest(NAME, name, data, source="demo", author="demo")


def _newest(service: Any) -> int:
    """The newest day that has arrived."""
    owner = history.monitor(service.db, NAME)
    days = [_FILE.fullmatch(batch.name) for batch in history.batches(service.db, owner.id, last=20)]
    return max((int(match[1]) for match in days if match), default=REFERENCE_DAYS - 1)


def deliveries(number: int) -> list[tuple[str, bytes]]:
    """The files of one day: the labels that are due, and its rows."""
    files = []
    due = number - simulate.LABEL_DELAY_DAYS
    if due >= REFERENCE_DAYS:
        files.append((f"labels-{due:04d}.csv", _csv(simulate.day(due).labels)))
    files.append((f"day-{number:04d}.csv", _csv(simulate.day(number).table)))
    return files


def _tell_truths(service: Any, until_day: int) -> None:
    owner = history.monitor(service.db, NAME)
    known = {(truth.starts_at, truth.kind) for truth in history.truths(service.db, owner.id)}
    told = [_truth(owner.id, truth) for truth in simulate.truths(until_day)]
    service.store.add_truths([truth for truth in told if (truth.starts_at, truth.kind) not in known])


def _truth(monitor_id: int, truth: Any) -> Truth:
    starts = simulate.date_of(truth.day)
    ends = None if truth.last_day is None else simulate.date_of(truth.last_day)
    return Truth(monitor_id, starts, ends, truth.kind, tuple(truth.features), truth.description, truth.day)


def _with_labels(day: Any) -> pa.Table:
    return day.table.append_column(TARGET, day.labels[TARGET])


def _csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pc.write_csv(table, sink)
    return sink.getvalue()
