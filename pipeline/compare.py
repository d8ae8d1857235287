"""Versions on the same rows: figures with intervals, and the rows whose answer changes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance, quality
from pipeline.desk import Shelf
from storage import history
from storage.errors import Conflict
from storage.records import Comparison, LabelledRows, Metric, Monitor, Schema, Version
from storage.settings import Settings

_ROWS = 5_000  # newest labelled rows
_SHOWN = 50  # flips in full
_PARTS = 4  # of a number, when flips are counted by segment
_SEGMENTS = 8  # told
_LEAST = 20  # rows of a segment worth telling


def versions(
    shelf: Shelf, monitor: Monitor, settings: Settings, base: Version, others: Sequence[Version]
) -> tuple[Comparison, ...]:
    """Each of some versions beside a base, on the same newest labelled rows.

    They are rows that came after all of these versions had learned, if there are enough to judge by: older ones may be
    of a world that has changed, and would speak for the version that was made for it. Else they are rows unseen by any,
    else whatever there is.

    Raises
    ------
    Conflict
        If there is no labelled row.
    """
    every = (base, *others)
    seen = {batch for version in every for batch in version.trained_on}
    parts = _newest(shelf, monitor, seen, settings.retrain.min_labelled)
    if not parts:
        raise Conflict("There are no labelled rows to compare these versions on yet.")
    table = pa.concat_tables([part.table for part in parts])
    labels = models.target(table, monitor.schema)
    said = [models.predict(shelf.model(version.id), table) for version in every]
    told = [
        performance.measure(labels, s.values, s.probabilities, monitor.schema, settings.retrain.metric) for s in said
    ]
    return tuple(
        _pair(monitor, settings, parts, table, labels, (base, other), (said[0], said[at]), (told[0], told[at]))
        for at, other in enumerate(others, 1)
    )


def _pair(
    monitor: Monitor,
    settings: Settings,
    parts: Sequence[LabelledRows],
    table: pa.Table,
    labels: NDArray[Any],
    pair: tuple[Version, Version],
    said: tuple[models.Predictions, models.Predictions],
    told: Sequence[tuple[dict[str, Metric], dict[str, Any]]],
) -> Comparison:
    """b beside a, from what both said of the same rows."""
    (a, b), schema = pair, monitor.schema
    differences = {}
    for name in told[0][0].keys() & told[1][0].keys():
        answers = [(s.values, s.probabilities) for s in said]
        paired = performance.compare(labels, *answers, schema, name, settings.retrain.confidence)
        differences[name] = _signed(paired.gain, performance.primary(schema, name).higher)
    batches = tuple(part.batch_id for part in parts)
    primary = quality.metric_of(monitor, settings)
    flipped = _flipped(said[0].values, said[1].values, labels, schema)
    return Comparison(
        a=a.id,
        b=b.id,
        batches=batches,
        rows=table.num_rows,
        seen_by=tuple(v.id for v in (a, b) if set(v.trained_on) & set(batches)),
        metrics_a=told[0][0],
        metrics_b=told[1][0],
        differences=differences,
        primary=primary,
        verdict=_verdict(a, b, primary, differences.get(primary), table.num_rows, schema, settings),
        confusion_a=_confusion(told[0][1]),
        confusion_b=_confusion(told[1][1]),
        classes=schema.classes,
        flips=int(flipped.sum()),
        flip_rows=tuple(_rows(parts, table, flipped, said, labels)),
        flip_segments=_segments(table, flipped, schema),
        flips_right=_right(said[0].values[flipped], said[1].values[flipped], labels[flipped], schema),
    )


def _right(a: NDArray[Any], b: NDArray[Any], labels: NDArray[Any], schema: Schema) -> tuple[int, int]:
    """On how many of the rows whose answer changes each version is right (or closer to the truth)."""
    if schema.task == "classification":
        return int((a == labels).sum()), int((b == labels).sum())
    off = [np.abs(said.astype(np.float64) - labels.astype(np.float64)) for said in (a, b)]
    return int((off[0] < off[1]).sum()), int((off[1] < off[0]).sum())


def _newest(shelf: Shelf, monitor: Monitor, seen: set[int], least: int) -> list[LabelledRows]:
    """Batches of the newest labelled rows, oldest first: younger than all seen, else unseen, else whatever there is."""
    labelled = [b for b in history.batches(shelf.db, monitor.id, ("reference", "rows")) if b.labelled and b.learnable]
    unseen = [batch for batch in labelled if batch.id not in seen]
    younger = [batch for batch in unseen if batch.id > max(seen, default=0)]
    enough = sum(batch.labelled for batch in younger) >= least
    parts: list[LabelledRows] = []
    for batch in reversed((younger if enough else unseen) or labelled):
        part = quality.labelled_rows(shelf, monitor, batch.id)
        if part is not None:
            parts.append(part)
        if sum(part.table.num_rows for part in parts) >= _ROWS:
            break
    return parts[::-1]


def _signed(gain: Metric, higher: bool) -> Metric:
    """b - a in the metric's own units; ``gain`` is positive when b is better."""
    return gain if higher else Metric(-gain.value, -gain.high, -gain.low, gain.rows)


def _verdict(
    a: Version, b: Version, primary: str, gain: Metric | None, rows: int, schema: Schema, settings: Settings
) -> str:
    if gain is None:
        return f"v{a.number} and v{b.number} cannot be compared by {primary}."
    name = primary.replace("_", " ")
    share = f"{settings.retrain.confidence:.0%}"
    if gain.low <= 0 <= gain.high:
        span = f"{share} {gain.low:+.3f} to {gain.high:+.3f}"
        return f"No difference beyond noise: {name} {gain.value:+.3f} on the same {rows:,} rows ({span})."
    better = b if (gain.value > 0) == performance.primary(schema, primary).higher else a
    low, high = sorted((abs(gain.low), abs(gain.high)))
    told = f"{name} differs by {abs(gain.value):.3f} on the same {rows:,} rows ({share} {low:.3f} to {high:.3f})"
    return f"v{better.number} is better: {told}."


def _confusion(details: dict[str, Any]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in details.get("confusion", ()))


def _flipped(a: NDArray[Any], b: NDArray[Any], labels: NDArray[Any], schema: Schema) -> NDArray[np.bool_]:
    """Rows (n,) whose answer changes: another class, or a number that moves by over a tenth of the labels' spread."""
    if schema.task == "classification":
        return np.asarray(a != b, dtype=bool)
    spread = float(np.std(labels.astype(np.float64))) or 1.0
    return np.abs(a.astype(np.float64) - b.astype(np.float64)) > spread / 10


def _rows(
    parts: Sequence[LabelledRows],
    table: pa.Table,
    flipped: NDArray[np.bool_],
    said: Sequence[models.Predictions],
    labels: NDArray[Any],
) -> list[dict[str, Any]]:
    """The newest rows whose answer changes: id, both answers, the truth, features."""
    keys = [key for part in parts for key in (part.keys or [""] * part.table.num_rows)]
    chosen = np.flatnonzero(flipped)[::-1][:_SHOWN]
    rows = table.take(chosen).to_pylist()
    return [
        {"key": keys[at], "a": said[0].values[at], "b": said[1].values[at], "label": labels[at], "features": row}
        for at, row in zip(chosen.tolist(), rows, strict=True)
    ]


def _segments(table: pa.Table, flipped: NDArray[np.bool_], schema: Schema) -> tuple[tuple[str, int, float], ...]:
    """Where flips cluster: (segment in words, rows, share that changes), the most telling first."""
    found = []
    overall = float(flipped.mean()) if len(flipped) else 0.0
    for feature in schema.watched:
        for words, inside in _parts(table, feature.name, feature.kind):
            rows = int(inside.sum())
            if rows >= _LEAST:
                share = float(flipped[inside].mean())
                found.append(((share - overall) * rows**0.5, (words, rows, share)))
    found.sort(key=lambda item: -item[0])
    return tuple(item for weight, item in found[:_SEGMENTS] if weight > 0)


def _parts(table: pa.Table, name: str, kind: str) -> list[tuple[str, NDArray[np.bool_]]]:
    """A feature's levels, or quarters of its values, as row masks."""
    if kind == "categorical":
        values = np.array(table[name].to_pylist(), dtype=object)
        levels = sorted({value for value in values if value is not None})[:20]
        return [(f"{name} is {level}", values == level) for level in levels]
    if kind != "numeric":
        return []
    values = table[name].combine_chunks().to_numpy(zero_copy_only=False).astype(np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _PARTS + 1)))
    return [
        (f"{name} {_plain(low)} to {_plain(high)}", (values >= low) & ((values < high) | (high == edges[-1])))
        for low, high in itertools.pairwise(edges)
    ]


def _plain(value: float) -> str:
    """A number without an exponent: four digits that count, or the whole number where it is larger."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
