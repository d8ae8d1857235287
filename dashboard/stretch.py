"""What part of the history a page is asked for, and in what steps; and the name of a stretch of batches in an address.

Pure: no I/O, no clock.

A stretch is written ``142`` (a batch), ``130-156`` (batches in order of arrival), ``2026-03-03`` (a day), ``2026-W10``
(a week, from Monday, UTC), or ``2026-W10--2026-W12`` (from one of these to another).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from dashboard.say import count, date, when

Steps = Literal["batch", "day", "week"]
SECOND = 1_000_000
DAY = 86_400 * SECOND
RANGES: tuple[tuple[str, str], ...] = (("30", "30"), ("60", "60"), ("120", "120"), ("365", "365"), ("all", "All"))
STEPS: tuple[tuple[Steps, str], ...] = (("batch", "Batch"), ("day", "Day"), ("week", "Week"))
MOST = 400  # columns of one chart: a screen shows no more
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_BATCHES = re.compile(r"(\d{1,15})-(\d{1,15})")


@dataclass(frozen=True)
class Ask:
    """A part of the history: the newest so many steps, or all between two ends."""

    key: str = "120"  # one of RANGES, or "custom"
    start: int | None = None  # microseconds, or a batch id
    end: int | None = None
    by_batch: bool = False  # the ends are batch ids
    steps: Steps = "batch"
    axis: str = "auto"
    complaint: str = ""

    @property
    def last(self) -> int | None:
        """How many of the newest steps; None for all, or for those between the ends."""
        return int(self.key) if self.key.isdecimal() else None


def ask(
    range: str = "", start: str = "", end: str = "", steps: str = "", axis: str = "", *, narrow: bool = False
) -> Ask:
    """What an address asks for, with a complaint about what was not understood.

    Parameters
    ----------
    range : str
        A key of ``RANGES``; empty for what suits the screen.
    start, end : str
        Dates (``2026-03-03``, the end included) or batch ids; either may be empty. They win over ``range``.
    steps : str
        A key of ``STEPS``.
    axis : {"auto", "time", "count"}
    narrow : bool
        On a narrow screen.
    """
    usual = "60" if narrow else "120"
    found_steps: Steps = next((key for key, _ in STEPS if key == steps), "batch")
    axis = axis if axis in ("time", "count") else "auto"
    complaint = f"There are no steps of “{steps[:40]}”; showing batches." if steps and steps != found_steps else ""
    if start or end:
        ends = [_end(start, False), _end(end, True)]
        if all(found is not None or not text for found, text in zip(ends, (start, end), strict=True)):
            by_batch = (start or end).isdecimal()
            low, high = ends
            if low is not None and high is not None and low > high:
                low, high = high, low
            return Ask("custom", low, high, by_batch, found_steps, axis, complaint)
        complaint = f"“{(start if ends[0] is None and start else end)[:40]}” is no date and no batch."
        return Ask(usual, steps=found_steps, axis=axis, complaint=f"{complaint} Showing the last {usual}.")
    if not range:
        return Ask(usual, steps=found_steps, axis=axis, complaint=complaint)
    if range in dict(RANGES):
        return Ask(range, steps=found_steps, axis=axis, complaint=complaint)
    complaint = f"There is no range “{range[:40]}”; showing the last {usual} batches."
    return Ask(usual, steps=found_steps, axis=axis, complaint=complaint)


def _end(text: str, is_end: bool) -> int | None:
    """An end of a range as a batch id or a moment; the end of a day for the later one."""
    if text.isdecimal() and len(text) < 16:
        return int(text)
    moment = _day(text)
    return None if moment is None else moment + (DAY - 1 if is_end else 0)


def _day(text: str) -> int | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        return None


@dataclass(frozen=True)
class Stretch:
    """A stretch as it is asked for, before anyone looked which batches lie in it."""

    first: int  # batch ids, or moments for a day or week
    last: int
    steps: Steps | Literal["span"]

    @property
    def periodic(self) -> bool:
        """Whether it is one day or one week."""
        return self.steps in ("day", "week")

    @property
    def single(self) -> bool:
        """Whether it is one batch."""
        return self.steps == "batch" and self.first == self.last


def read(text: str) -> Stretch | None:
    """The stretch that a text names; None if it names none."""
    if text.isdecimal() and len(text) < 16:
        return Stretch(int(text), int(text), "batch")
    if found := _BATCHES.fullmatch(text):
        first, last = sorted(int(part) for part in found.groups())
        return Stretch(first, last, "batch")
    if (start := _day(text)) is not None:
        return Stretch(start, start + DAY - 1, "day")
    if "--" in text:
        ends = [read(part) for part in text.split("--", 1) if "--" not in part]
        if len(ends) == 2 and all(end is not None and end.periodic for end in ends):
            return Stretch(min(end.first for end in ends), max(end.last for end in ends), "span")
        return None
    if found := _WEEK.fullmatch(text):
        try:
            monday = datetime.fromisocalendar(int(found[1]), int(found[2]), 1).replace(tzinfo=UTC)
        except ValueError:
            return None
        start = int(monday.timestamp()) * SECOND
        return Stretch(start, start + 7 * DAY - 1, "week")
    return None


def name(steps: Steps, batches: Sequence[int], start: int = 0) -> str:
    """How a column of a chart is named in an address."""
    if steps == "day":
        return f"{when(start):%Y-%m-%d}"
    if steps == "week":
        return f"{when(start):%G-W%V}"
    return str(batches[0]) if len(batches) == 1 else f"{min(batches)}-{max(batches)}"


def title(stretch: Stretch, batches: Sequence[int]) -> str:
    """How a page writes a stretch: ``Batch #142``, ``Batches #130 to #156``, ``3 Mar 2026``, ``Week of 2 Mar 2026``."""
    if stretch.steps == "batch" and len(batches) <= 1:
        return f"Batch #{batches[0] if batches else stretch.first}"
    if stretch.steps == "batch":
        return f"Batches #{batches[0]} to #{batches[-1]}"
    if stretch.steps == "span":
        return f"{date(stretch.first)} to {date(stretch.last)} ({count(len(batches), 'batch', 'batches')})"
    day = date(stretch.first) if stretch.steps == "day" else f"Week of {date(stretch.first)}"
    return f"{day} ({count(len(batches), 'batch', 'batches')})"


def dates(steps: Steps, start: int) -> str:
    """A day, or the first and last day of a week."""
    if steps == "day":
        return date(start)
    first = when(start)
    return f"{first:%-d %b} to {first + timedelta(days=6):%-d %b %Y}"
