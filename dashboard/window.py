"""The batches in view as columns of a chart: one a batch, a day or a week, or several of these where a screen has fewer
columns than there are. Reads, never writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboard import stretch
from dashboard.charts import Axis, axis
from dashboard.stretch import MOST, Ask
from pipeline import periods
from storage import history
from storage.records import Monitor

_VERDICTS = ("", "too_few_rows", "stable", "drift")  # the one told of several is the last that occurs


@dataclass(frozen=True)
class Window:
    """What a chart over batches stands on. Arrays run over columns; ``ids``, ``home``, ``received`` over batches."""

    monitor: Monitor
    ask: Ask
    place: Axis
    keys: tuple[str, ...]  # how each column is named in an address
    batch: NDArray[np.int64]  # the last batch of each column
    at: NDArray[np.int64]
    rows: NDArray[np.int64]  # of one batch, day or week (the middle of several)
    score: NDArray[np.float64]  # the worst of several
    verdict: tuple[str, ...]
    state: tuple[str, ...]
    version: tuple[int | None, ...]
    names: tuple[str, ...]
    ids: NDArray[np.int64]  # every batch in view, in order of arrival
    home: NDArray[np.int64]  # the column of each
    sound: NDArray[np.bool_]  # whether each may be merged with others: it is not quarantined
    received: NDArray[np.int64]  # when each arrived, never falling
    units: tuple[int, ...]  # what scores are kept of: batch ids, or starts of days or weeks
    cuts: NDArray[np.intp]  # the first unit of each column
    total: int  # scored batches there are
    waiting: int = 0  # days or weeks in view that were not merged yet
    line: history.Timeline | None = None  # every scored batch there is, where all were read

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def together(self) -> int:
        """Units in a column; more than 1 where there are more than columns."""
        return int(np.diff(np.r_[self.cuts, len(self.units)]).max(initial=1))

    @property
    def plain(self) -> bool:
        """Whether every column is one batch."""
        return self.ask.steps == "batch" and self.together == 1

    def position(self, batch_id: int) -> int | None:
        """The column of a batch; for a delivery of labels, that of the rows that arrived just before it."""
        at = int(np.searchsorted(self.ids, batch_id, side="right")) - 1
        return int(self.home[at]) if at >= 0 else None

    def moment(self, when: int) -> int | None:
        """The column of the batch that had arrived last at a moment."""
        at = int(np.searchsorted(self.received, when, side="right")) - 1
        return int(self.home[at]) if at >= 0 else None

    def span(self, first: int, last: int | None) -> tuple[int, int] | None:
        """Columns from the first batch at or after one id to the last at or before another; None if out of view."""
        start = int(np.searchsorted(self.ids, first))
        end = len(self.ids) - 1 if last is None else int(np.searchsorted(self.ids, last, side="right")) - 1
        if not (start <= end and end >= 0 and start < len(self.ids)):
            return None
        inside = self.home[start : end + 1]
        return int(inside.min()), int(inside.max())

    @property
    def newest(self) -> str:
        """How the newest batch, day or week in view is named in an address."""
        return stretch.name(self.ask.steps, (self.units[-1],), self.units[-1])

    def members(self, most: int | None = None) -> list[list[int]]:
        """The sound batches of each column, in order of arrival; so many evenly spread ones of each at most."""
        out: list[list[int]] = [[] for _ in range(len(self))]
        for batch, column in zip(self.ids[self.sound].tolist(), self.home[self.sound].tolist(), strict=True):
            out[column].append(batch)
        return out if most is None else [one[:: -(-len(one) // most) or 1] for one in out]

    def joined(self, cells: NDArray, how: np.ufunc = np.fmax) -> NDArray:
        """Cells over units, (..., units), as cells over columns."""
        return cells if not len(self) or self.together == 1 else how.reduceat(cells, self.cuts, axis=-1)


def window(
    db: Any, monitor: Monitor, asked: Ask | int, most: int = MOST, line: history.Timeline | None = None
) -> Window:
    """The batches asked for (a number: so many of the newest), in at most so many columns.

    ``line`` are all scored batches, where they are known already.
    """
    asked = asked if isinstance(asked, Ask) else Ask(str(asked))
    newest = asked.last if asked.steps == "batch" and line is None else None
    line = line if line is not None else history.timeline(db, monitor.id, last=newest)
    total = len(line.batch) if newest is None else history.count_batches(db, monitor.id)
    inside = _inside(line, asked)
    units, of_batch, stands, waiting = (_by_batch if asked.steps == "batch" else _by_period)(
        db, monitor, asked, line, inside
    )
    inside = inside[of_batch >= 0]
    of_batch = of_batch[of_batch >= 0]
    size = max(1, -(-len(units) // most))
    cuts = np.arange(0, len(units), size)
    home = of_batch // size
    last = np.zeros(len(cuts), dtype=np.intp)
    last[home] = inside  # the last to be written stays: batches are in order of arrival
    worst = [max(stands.verdict[cut : cut + size], key=_VERDICTS.index) for cut in cuts]
    first = 1 + (int(inside[0]) if len(inside) else 0) + (total - len(line.batch))
    at = stands.at[np.minimum(cuts + size // 2, len(units) - 1)] if len(units) else stands.at
    place = axis(at, first=first, mode=asked.axis if asked.steps == "batch" else "time", step=size)
    keys = _keys(asked, units, cuts, size)
    return Window(
        monitor, asked, place, keys, line.batch[last], at, _middle(stands.rows, cuts), _worst(stands.score, cuts),
        tuple(worst), tuple(line.state[one] for one in last), tuple(line.version[one] for one in last),
        tuple(line.names[one] for one in last), line.batch[inside], home,
        np.array([line.state[one] != "quarantined" for one in inside], dtype=bool),
        np.maximum.accumulate(line.received[inside]), tuple(units.tolist()), cuts, total, waiting,
        line if newest is None else None,
    )  # fmt: skip


@dataclass(frozen=True)
class _Stands:
    """What is known of each unit."""

    at: NDArray[np.int64]
    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    verdict: list[str]


def _inside(line: history.Timeline, asked: Ask) -> NDArray[np.intp]:
    """Places of the batches between the ends that were asked for."""
    if asked.start is None and asked.end is None:
        return np.arange(len(line.batch))[-asked.last if asked.last and asked.steps == "batch" else None :]
    value = line.batch if asked.by_batch else line.at
    low = value >= (asked.start if asked.start is not None else value.min(initial=0))
    return np.flatnonzero(low & (value <= (asked.end if asked.end is not None else value.max(initial=0))))


def _by_batch(db: Any, monitor: Monitor, asked: Ask, line: history.Timeline, inside: NDArray) -> tuple:
    """Every batch is a unit."""
    stands = _Stands(line.at[inside], line.rows[inside], line.score[inside], [line.verdict[at] for at in inside])
    return line.batch[inside], np.arange(len(inside)), stands, 0


def _by_period(db: Any, monitor: Monitor, asked: Ask, line: history.Timeline, inside: NDArray) -> tuple:
    """Every day or week is a unit, judged from merged profiles; one without a sound batch has no score."""
    start = periods.starts(line.at[inside], asked.steps)
    units = np.unique(start)[-asked.last if asked.last else None :]
    of_batch = np.where(start >= units[0], np.searchsorted(units, start), -1) if len(units) else start
    sound = {group.starts_at: group for group in periods.groups(line, asked.steps)}
    known = history.periods(db, monitor.id, asked.steps)
    found = [known.get(one) if one in sound else None for one in units.tolist()]
    waiting = sum(one in sound and not sound[one].is_told_by(known.get(one)) for one in units.tolist())
    stands = _Stands(
        units + periods.LENGTH[asked.steps] // 2,
        np.array([one.rows if one else 0 for one in found], dtype=np.int64),
        np.array([one.score if one else np.nan for one in found], dtype=np.float64),
        [one.verdict if one else "" for one in found],
    )
    return units, of_batch, stands, waiting


def _keys(asked: Ask, units: NDArray, cuts: NDArray, size: int) -> tuple[str, ...]:
    if asked.steps == "batch":
        return tuple(stretch.name("batch", units[cut : cut + size].tolist()) for cut in cuts)
    return tuple(stretch.name(asked.steps, (), int(units[cut])) for cut in cuts)


def _worst(score: NDArray[np.float64], cuts: NDArray) -> NDArray[np.float64]:
    return np.fmax.reduceat(score, cuts) if len(score) else score


def _middle(rows: NDArray[np.int64], cuts: NDArray) -> NDArray[np.int64]:
    parts: list[NDArray[np.int64]] = np.split(rows, cuts[1:]) if len(rows) else []
    return np.array([int(np.median(part)) for part in parts], dtype=np.int64)


@dataclass(frozen=True)
class Heat:
    """Scores of features against columns: NaN = not checked."""

    features: tuple[str, ...]
    score: NDArray[np.float32]  # (features, columns)
    few: NDArray[np.bool_]  # (features, columns)
    mean: NDArray[np.float64]  # (features,), of the scores of all units


def heat(db: Any, view: Window) -> Heat:
    """Scores of all features for the columns in view; where a column holds several units, the worst of them."""
    if view.ask.steps == "batch":
        found = history.heatmap(db, view.units)
    else:
        known = history.periods(db, view.monitor.id, view.ask.steps)
        found = history.heatmap_of_periods(db, [known[one] for one in view.units if one in known])
        at = np.searchsorted(view.units, found.batch)
        score = np.full((len(found.features), len(view.units)), np.nan, np.float32)
        few = np.zeros(score.shape, bool)
        score[:, at], few[:, at] = found.score, found.few
        return _heat(view, found.features, score, few)
    return _heat(view, found.features, found.score, found.few)


def _heat(view: Window, features: tuple[str, ...], score: NDArray[np.float32], few: NDArray[np.bool_]) -> Heat:
    worth = np.where(np.isnan(score), 0.0, np.minimum(score, _FAR))
    mean = worth.mean(axis=1, dtype=np.float64) if score.shape[1] else np.zeros(len(features))
    return Heat(features, view.joined(score), view.joined(few, np.logical_and), mean)


_FAR = 10.0  # a score beyond says no more than this in a mean
