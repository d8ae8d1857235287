"""Successive reports to episodes: ten drifting batches are one event. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from storage.records import DriftReport, Episode
from storage.settings import Settings

CALM = {"drift": 3, "fault": 2}  # healthy batches in a row that end an episode
ALLOWANCE = 1.5  # evidence a healthy batch may bring: -log p is 1 on average
ALARM = 10.0  # sum of what exceeds it that is drift though no batch showed it alone
_MOST = 6.0  # evidence one batch may bring to the sum: no single batch makes a slow drift
_OF_SCORE = 8.0  # evidence a unit of score: differences too small to matter add up to nothing
_RESTLESS = 0.05  # p-value below which a batch within an episode is not calm
_FOREGOING = 2.0  # sum at which the batches before the alarm belong to the episode


@dataclass
class _Open:
    """An episode while it is followed."""

    onset: int
    found: int
    last: int
    slow: bool
    told: str
    calm: int = 0
    names: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Day:
    """What one batch says of one kind of trouble."""

    batch: int
    hit: bool
    calm: bool
    slow: bool  # found by the sum, not by itself
    since: int  # first batch of the rising sum
    names: tuple[str, ...]
    told: str


def episodes(history: Sequence[tuple[int, DriftReport]], settings: Settings) -> tuple[Episode, ...]:
    """Drift and fault episodes of a history.

    Parameters
    ----------
    history : sequence of (batch id, DriftReport)
        Oldest first. Looked at are the verdict, score and p-value, the faults and the drifting features.
    settings : Settings
        Not looked at yet: the reports were made with them.

    Returns
    -------
    tuple of Episode
        In the order they were found, with ids 0. A longer history gives the same episodes, but for the end of the last.

    Notes
    -----
    A drift episode begins with a drifting batch, or when evidence adds up: a CUSUM (Page 1954) of ``-log p - 1.5``, at
    most 6 a batch, that passes 10. For healthy, independent batches ``-log p`` is exponential and the sum passes 10
    at most once in about 6,500 batches; that is its own error budget beside the one of single batches. The onset is
    where the sum last left 0. An episode ends with the third calm batch in a row (second, for faults).
    """
    drift = _followed(_drifting(history), "drift")
    fault = _followed(_faulty(history), "fault")
    return tuple(sorted([*drift, *fault], key=lambda one: (one.found_batch, one.kind)))


def _drifting(history: Sequence[tuple[int, DriftReport]]) -> Iterator[_Day]:
    """Batches that can speak of drift; a broken one cannot, even through its sound features."""
    total, since = 0.0, None
    for batch, report in history:
        if report.verdict == "too_few_rows" or report.faults:
            continue
        names = report.drifted
        hit = report.drift
        before = total
        brought = 0.0
        if not hit:  # what is found by itself need not add up
            surprise = -np.log(min(max(report.p_value, 1e-300), 1.0))
            brought = min(surprise, _MOST, _OF_SCORE * report.score) - ALLOWANCE
            total = min(max(total + brought, 0.0), ALARM + 1.0)
            since = (batch if since is None else since) if total > 0 else None
        slow = total > ALARM and brought > 0
        onset = batch if since is None or (hit and before < _FOREGOING) else since
        told = next((one.explanation for one in report.features if one.name in names), "") if names else ""
        calm = not hit and not slow and report.p_value > _RESTLESS
        yield _Day(batch, hit or slow, calm, slow, onset, names, told)


def _faulty(history: Sequence[tuple[int, DriftReport]]) -> Iterator[_Day]:
    """Batches as sound or broken."""
    for batch, report in history:
        if report.verdict == "too_few_rows" and not report.faults:
            continue
        names = tuple(dict.fromkeys(fault.feature for fault in report.faults))
        told = report.faults[0].explanation if report.faults else ""
        yield _Day(batch, bool(names), not names, False, batch, names, told)


def _followed(days: Iterator[_Day], kind: str) -> list[Episode]:
    """Days of one kind of trouble as episodes."""
    found: list[Episode] = []
    current: _Open | None = None
    ended = -1
    for day in days:
        if day.hit and current is None:
            current = _Open(max(day.since, ended + 1), day.batch, day.batch, day.slow, day.told)
        if current is None:
            continue
        if day.hit or not day.calm:
            current.calm = 0
            current.names.update(day.names)
            current.last = day.batch if day.hit else current.last
            continue
        current.calm += 1
        if current.calm >= CALM[kind]:
            found.append(_episode(current, kind, current.last))
            ended, current = current.last, None
    if current is not None:
        found.append(_episode(current, kind, None))
    return found


def _episode(one: _Open, kind: str, end: int | None) -> Episode:
    names = tuple(name for name, _ in one.names.most_common())
    return Episode(0, 0, kind, one.onset, one.found, end, names, _summary(one, kind))


def _summary(one: _Open, kind: str) -> str:
    """What happened, as it was known when it was found, so that it does not change while the episode lasts."""
    if kind == "fault":
        return f"Data looks broken since batch #{one.found}. {one.told}".strip()
    since = f"Drift since batch #{one.onset}"
    if one.onset != one.found:
        since = f"Drift since about batch #{one.onset}, found at batch #{one.found}"
    if one.slow:
        return f"{since}: a slow one. Many small signs add up that no single batch shows."
    return f"{since}. {one.told or 'Many features moved a little together.'}"
