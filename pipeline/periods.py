"""Days and weeks: their batches merged into one profile and judged as one, worked out once and kept.

A merged profile is exactly the profile of all rows together, so a week's score is that of one large batch: smaller
shifts show in it than in any of its days. Broken deliveries that were quarantined are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pipeline import drift
from pipeline.desk import Desk, Shelf
from pipeline.profile import Profile, merge
from storage import history
from storage.errors import Missing
from storage.records import DriftReport, FeatureDrift, Grain, Monitor, Period
from storage.settings import parse

_DAY = 86_400_000_000
LENGTH: dict[Grain, int] = {"day": _DAY, "week": 7 * _DAY}
_OFFSET: dict[Grain, int] = {"day": 0, "week": 3 * _DAY}  # 1970 began on a Thursday; weeks begin on Mondays
_TOGETHER = 16  # profiles unpacked at a time
PARTS = 20_000  # stored feature profiles that one turn reads at most, about a second of work


@dataclass(frozen=True)
class Group:
    """The batches of one day or week that may be judged together."""

    starts_at: int
    batches: tuple[int, ...]

    def is_told_by(self, period: Period | None) -> bool:
        """Whether a stored period is still about these batches."""
        return period is not None and (period.batches, period.mark) == (len(self.batches), sum(self.batches))


def starts(at: NDArray[np.int64], grain: Grain) -> NDArray[np.int64]:
    """The beginning, UTC, of the day or week that each moment (microseconds) lies in."""
    return (at + _OFFSET[grain]) // LENGTH[grain] * LENGTH[grain] - _OFFSET[grain]


def groups(line: history.Timeline, grain: Grain) -> list[Group]:
    """The batches of a time line by day or week, in order of time, quarantined ones left out."""
    found: dict[int, list[int]] = {}
    for start, batch, state in zip(starts(line.at, grain).tolist(), line.batch.tolist(), line.state, strict=True):
        if state != "quarantined":
            found.setdefault(start, []).append(batch)
    return [Group(start, tuple(found[start])) for start in sorted(found)]


def due(shelf: Shelf, monitor: Monitor, grain: Grain) -> list[Group]:
    """Days or weeks that were not judged yet, or hold other batches by now; newest first."""
    known = history.periods(shelf.db, monitor.id, grain)
    line = history.timeline(shelf.db, monitor.id)
    return [one for one in reversed(groups(line, grain)) if not one.is_told_by(known.get(one.starts_at))]


def work(desk: Desk, monitor: Monitor, grain: Grain, most: int = PARTS) -> int:
    """Judge the newest days or weeks that are due, at most so many stored profiles of features; returns what is left.

    At least one is judged, however large it is.
    """
    waiting = due(desk, monitor, grain)
    features, read, done = max(1, len(monitor.schema.watched)), 0, []
    for group in waiting:
        cost = len(group.batches) * features
        if done and read + cost > most:
            break
        read += cost
        done.append(_judged(desk, monitor, grain, group))
    if done:
        desk.store.periods_scored(done)
    return len(waiting) - len(done)


def _judged(desk: Desk, monitor: Monitor, grain: Grain, group: Group) -> tuple[Period, Sequence[FeatureDrift]]:
    row = history.settings_row(desk.db, monitor.id)
    report, reference = together(desk, monitor, group.batches)
    period = Period(
        monitor_id=monitor.id, grain=grain, starts_at=group.starts_at, batches=len(group.batches),
        mark=sum(group.batches), rows=report.rows, score=report.score, verdict=report.verdict,
        explanation=report.explanation, names_id=0, data=b"", reference_id=reference, settings_id=row.id,
        created_at=desk.now(),
    )  # fmt: skip
    return period, report.features


def together(shelf: Shelf, monitor: Monitor, batch_ids: Sequence[int]) -> tuple[DriftReport, int]:
    """The report of some batches as one, and the version whose training data they were compared with.

    One batch alone has its own report. Several are compared with the reference of the newest of them.

    Raises
    ------
    Missing
        If there is no profile of any of them.
    """
    reference = history.reference_of(shelf.db, batch_ids[-1])
    if len(batch_ids) == 1:
        return history.report(shelf.db, batch_ids[0]), reference
    seen = merged(shelf, monitor, batch_ids)
    settings = parse(history.settings_row(shelf.db, monitor.id).data)
    return drift.score(shelf.reference(reference), seen, settings), reference


def merged(shelf: Shelf, monitor: Monitor, batch_ids: Iterable[int], feature: str | None = None) -> Profile:
    """The profile of all rows of some batches, whole or of one feature. Raises Missing if none has one."""
    total, coming = None, (seen for _, seen in profiles(shelf, monitor, batch_ids, feature))
    while some := list(islice(coming, _TOGETHER)):
        total = merge(some if total is None else [total, *some])
    if total is None:
        raise Missing(f"These batches have no profile{f' of “{feature[:80]}”' if feature else ''}.")
    return total


def profiles(
    shelf: Shelf, monitor: Monitor, batch_ids: Iterable[int], feature: str | None = None
) -> Iterator[tuple[int, Profile]]:
    """(batch id, stored profile) of many batches in order, whole or of one feature."""
    grid = shelf.grid(monitor.grid)
    for batch_id, rows, parts in history.profile_parts_of(shelf.db, batch_ids, feature):
        yield batch_id, Profile.from_parts(grid, rows, parts)
