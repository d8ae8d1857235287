"""Successive reports to episodes: ten drifting batches are one event. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storage.records import DriftReport, Episode
from storage.settings import Settings

_CALM = 3  # stable batches in a row that end an episode
_EXCESS = 1.0  # what healthy evidence is allowed a batch before it adds up
_ALARM = 12.0  # sum of excess evidence that is drift though no batch showed it alone


@dataclass
class _Open:
    """An episode while it is being followed."""

    onset: int
    found: int
    last: int
    calm: int
    names: Counter


def episodes(history: Sequence[tuple[int, DriftReport]], settings: Settings) -> tuple[Episode, ...]:
    """Drift and fault episodes of a history.

    Parameters
    ----------
    history : sequence of (batch id, DriftReport)
        Oldest first. Only the verdict, the score, the p-value, the faults and the drifting features are looked at.
    settings : Settings

    Returns
    -------
    tuple of Episode
        Oldest first, with id 0. A longer history gives the same episodes, those that last excepted.

    Notes
    -----
    A drift episode begins with a drifting batch, or when the evidence of batches that were each not enough adds up
    (a CUSUM over ``-log p``); it ends with the third stable batch in a row.
    """
    drift = _followed(history, "drift")
    fault = _followed(history, "fault")
    return tuple(sorted(drift + fault, key=lambda one: one.found_batch))


def _followed(history: Sequence[tuple[int, DriftReport]], kind: str) -> list[Episode]:
    found: list[Episode] = []
    current: _Open | None = None
    total, onset = 0.0, None
    for batch, report in history:
        if report.verdict == "too_few_rows" and not report.faults:
            continue
        hit = report.drift and not report.faults if kind == "drift" else bool(report.faults)
        names = report.drifted if kind == "drift" else tuple(fault.feature for fault in report.faults)
        if kind == "drift" and not report.faults:
            total = max(total + min(-np.log(max(report.p_value, 1e-300)), 8.0) - _EXCESS - 1.0, 0.0)
            onset = (onset or batch) if total > 0 else None
            hit = hit or total > _ALARM
        if hit and current is None:
            current = _Open(onset or batch, batch, batch, 0, Counter())
        if current is None:
            continue
        if hit:
            current.last, current.calm = batch, 0
            current.names.update(names)
            continue
        current.calm += 1
        if current.calm >= _CALM:
            found.append(_closed(current, kind, current.last))
            current, total, onset = None, 0.0, None
    if current is not None:
        found.append(_closed(current, kind, None))
    return found


def _closed(one: _Open, kind: str, end: int | None) -> Episode:
    names = tuple(name for name, _ in one.names.most_common())
    what = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    if kind == "fault":
        text = f"Data looks broken since batch #{one.found}: {what or 'see the batch'}."
    elif names:
        text = f"Drift since batch #{one.onset}, found at batch #{one.found}: {what}."
    else:
        text = f"Slow drift since about batch #{one.onset}: many small signs add up; no single batch shows it."
    return Episode(0, 0, kind, one.onset, one.found, end, names, text)
