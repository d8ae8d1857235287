"""What happened along the batches in view, gathered from storage for drawing; and the paths of pages.

Reads, never writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode

import numpy as np
from numpy.typing import NDArray

from dashboard.charts import DriftView, Mark, Span, ordered
from dashboard.window import Window, heat
from storage import history
from storage.errors import Refused
from storage.history import VersionInShort
from storage.records import Batch, Decision, Episode, Monitor

if TYPE_CHECKING:
    from pipeline.service import Service

TONES = {"drift": "drift", "performance": "warning", "fault": "quarantine"}
ROWS = 40  # features a page of the heatmap


def base(monitor: Monitor | str) -> str:
    """The path of a monitor's pages."""
    return f"/m/{quote(monitor if isinstance(monitor, str) else monitor.name, safe='')}"


def feature_path(monitor: Monitor | str, feature: str, batch: int | str | None = None) -> str:
    """The path of a feature's page, at a batch or a stretch of batches."""
    return f"{base(monitor)}/features/{quote(feature, safe='')}" + (f"?batch={batch}" if batch else "")


def marks(db: Any, view: Window) -> tuple[Mark, ...]:
    """Trainings, promotions, refusals, rollbacks, quarantines and changes of settings along the window.

    A training is told with its ending, once it has one.
    """
    if not len(view):
        return ()
    found, why = [], {}
    for one in history.happenings(db, view.monitor.id, since=int(view.ids[0]), moment=int(view.received[0])):
        at = view.position(one.batch_id) if one.batch_id else view.moment(one.created_at)
        if at is None:
            continue
        if one.action == "train":
            why[one.batch_id or -one.id] = Mark(at, "train", one.reason)
            continue
        before = why.pop(one.batch_id, None)
        text = f"{before.text} {one.reason}" if before else one.reason
        found.append(Mark(at, one.action, text))
    found += why.values()
    for row in history.settings_history(db, view.monitor.id)[:-1]:
        at = view.moment(row.created_at)
        if at is not None:
            found.append(Mark(at, "settings", f"Settings changed by {row.author}. {row.note}".strip()))
    return tuple(found)


def episode_spans(
    view: Window, episodes: Iterable[Episode], kinds: Sequence[str] = ("drift", "fault")
) -> tuple[Span, ...]:
    """Episodes as shaded stretches."""
    spans = []
    for episode in episodes:
        reach = view.span(episode.onset_batch, episode.end_batch)
        if reach and episode.kind in kinds:
            spans.append(Span(*reach, episode.summary, TONES[episode.kind], episode.end_batch is None))
    return tuple(_joined(spans))


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Stretches of one tone that overlap, as one: shades must not pile up."""
    out: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.tone, one.start)):
        if out and out[-1].tone == span.tone and span.start <= out[-1].end + 1:
            out[-1] = replace(out[-1], end=max(out[-1].end, span.end), open=out[-1].open or span.open)
        else:
            out.append(span)
    return out


def truth_spans(db: Any, view: Window) -> tuple[Span, ...]:
    """What the simulator did, as stretches; empty for real monitors."""
    spans = []
    for truth in history.truths(db, view.monitor.id):
        if not len(view):
            break
        start = int(np.searchsorted(view.at, truth.starts_at))
        end = len(view) - 1 if truth.ends_at is None else int(np.searchsorted(view.at, truth.ends_at, side="right")) - 1
        if start < len(view) and end >= start:
            spans.append(Span(start, end, f"Day {truth.day}: {truth.description}", "truth"))
    return tuple(spans)


def reign_spans(view: Window, versions: Sequence[VersionInShort], champion: int | None = None) -> tuple[Span, ...]:
    """Which version predicted which stretch of batches."""
    names = {version.id: f"v{version.number}" for version in versions}
    spans: list[Span] = []
    for at, version in enumerate(view.version):
        if version is None:
            continue
        name = names.get(version, "?")
        if spans and spans[-1].text == name:
            spans[-1] = Span(spans[-1].start, at, name, open=version == champion)
        else:
            spans.append(Span(at, at, name, open=version == champion))
    return tuple(spans)


def drift_view(service: Service, view: Window, sort: str, find: str = "", rows: str = "") -> DriftView:
    """Everything the drift timeline shows.

    Parameters
    ----------
    service : Service
    view : Window
    sort : {"matters", "worst", "name"}
    find : str
        Only features whose name holds this.
    rows : str
        ``all``, ``drifted``, or so many that a page is not too long.
    """
    db, monitor = service.db, view.monitor
    seen = heat(db, view)
    order = ordered(seen.features, seen.score, seen.mean, importance(db, monitor), sort)
    if find:
        order = [at for at in order if find.lower() in seen.features[at].lower()]
    known = np.where(np.isnan(seen.score), 0, seen.score)
    drifted = [at for at in order if known[at].max(initial=0) >= 1]
    there = len(order)
    if rows == "drifted":
        order = drifted
    elif rows != "all":
        order = order[:ROWS]
    return DriftView(
        place=view.place,
        keys=view.keys,
        rows=view.rows,
        score=view.score,
        verdict=view.verdict,
        names=_told(view),
        features=tuple(seen.features[at] for at in order),
        heat=seen.score[order],
        few=seen.few[order],
        band=bands(service, view),
        spans=episode_spans(view, history.episodes(db, monitor.id)),
        truths=truth_spans(db, view),
        marks=marks(db, view),
        of=there,
        drifted=len(drifted),
        steps=view.ask.steps,
    )


def _told(view: Window) -> tuple[str, ...]:
    """What a column is, in words for a hover box."""
    if view.plain:
        return tuple(f"batch #{key}, {name}" for key, name in zip(view.keys, view.names, strict=True))
    counts = np.bincount(view.home, minlength=len(view)).tolist()
    steps = {"batch": "worst of", "day": "day of", "week": "week of"}[view.ask.steps]
    return tuple(f"{steps} {many:,} {'batch' if many == 1 else 'batches'}" for many in counts)


def bands(service: Service, view: Window) -> NDArray[np.float64] | None:
    """Between which scores healthy batches of each column's size lie, (2, columns); None without a champion."""
    if not len(view) or not view.monitor.champion:
        return None
    sizes = _round(view.rows)
    known = {size: service.band(view.monitor.name, size) for size in np.unique(sizes).tolist()}
    return np.array([known[size] for size in sizes.tolist()]).T


def _round(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sizes to two digits: healthy batches of nearly the same size are alike."""
    unit = 10 ** np.maximum(np.floor(np.log10(np.maximum(rows, 1))).astype(np.int64) - 1, 0)
    return rows // unit * unit


def importance(db: Any, monitor: Monitor) -> dict[str, float]:
    """Share of each feature in what the champion rests on; empty if that is not known."""
    champion = history.version(db, monitor.champion) if monitor.champion else None
    found = {name: max(0.0, value) for name, value in champion.importance.items()} if champion else {}
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total else {}


def last_decision(db: Any, monitor: Monitor) -> Decision | None:
    """The newest decision that did something, else the newest at all."""
    found = history.decisions(db, monitor.id, last=200)
    return next((item for item in found if item.action != "keep"), found[0] if found else None)


def newest(db: Any, monitor: Monitor) -> Batch | None:
    """The newest batch of rows."""
    found = history.batches(db, monitor.id, last=1)
    return found[0] if found else None


def newest_scored(db: Any, monitor: Monitor) -> int:
    """The newest batch with a report."""
    return int(history.timeline(db, monitor.id, last=1).batch[-1])


def nothing_there() -> Refused:
    """What is said where a choice leaves nothing to show; the page keeps its last view."""
    return Refused("No batch lies there; the last view is kept.")


def kept(search: str, names: Sequence[str]) -> dict[str, str]:
    """Some keys of an address's query, as they are."""
    found = parse_qs((search or "").lstrip("?"))
    return {name: found[name][0] for name in names if name in found}


def search(query: dict[str, str]) -> str:
    """A query as an address writes it."""
    return f"?{urlencode(query)}" if query else ""
