"""How well a version did on a batch: measured with labels, estimated without, by parts of the rows; and odd labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from pipeline import models, performance, retrain
from pipeline.desk import Desk, Shelf
from pipeline.performance import segments
from storage import history
from storage.records import Batch, LabelledRows, Monitor, Performance, Version
from storage.settings import Settings
from storage.tables import to_table

_LOOKED_AT = 1_500  # rows of a batch whose labels are looked at
_PAST = 3_000  # earlier rows that they are compared with


@dataclass(frozen=True)
class Quality:
    """What the labels of some batches say."""

    performance: tuple[Performance, ...] = ()
    parts: Mapping[int, dict[str, Any]] = field(default_factory=dict)  # batch id -> sums over parts of its rows
    strange: Mapping[int, str] = field(default_factory=dict)  # batch id -> why its labels should be looked at


def metric_of(monitor: Monitor, settings: Settings) -> str:
    """The name of the metric that decides."""
    return performance.primary(monitor.schema, settings.retrain.metric).name


def labelled_rows(
    shelf: Shelf, monitor: Monitor, batch_id: int, until: int | None = None
) -> LabelledRows | None:  # fmt: skip
    """The rows of a batch that have a label, with what was predicted for them; None if there are none.

    ``until`` gives the labels as they were known then (see ``history.newest_label``).
    """
    rows = history.row_texts(shelf.db, batch_id, labelled=True, until=until)
    if not rows.data:
        return None
    table = to_table(rows.data, monitor.schema.watched)
    kind = pa.string() if monitor.schema.task == "classification" else pa.float64()
    table = table.append_column(monitor.schema.target, pa.array(rows.labels, kind))
    predictions = np.array(rows.predictions) if rows.predictions[0] is not None else None
    chances = None
    if rows.probabilities[0] is not None:
        chances = np.array(orjson.loads("[" + ",".join(rows.probabilities) + "]"), dtype=np.float64)
    keys = tuple(key or "" for key in rows.keys)
    return LabelledRows(batch_id, table, predictions, chances, keys, np.array(rows.positions))


def measured(desk: Desk, monitor: Monitor, settings: Settings, batch_ids: Sequence[int], cause: Batch) -> Quality:
    """Performance of the batches whose labels are new or corrected, by the version that predicted each."""
    found, parts, strange = [], {}, {}
    for batch_id in batch_ids:
        batch = history.batch(desk.db, batch_id)
        if batch.kind != "rows" or batch.version_id is None:
            continue
        rows = labelled_rows(desk, monitor, batch_id)
        if rows is None or rows.predictions is None:
            continue
        version = history.version(desk.db, batch.version_id)
        labels = models.target(rows.table, monitor.schema)
        metrics, details = performance.measure(
            labels, rows.predictions, rows.probabilities, monitor.schema, settings.retrain.metric
        )
        found.append(
            Performance(
                0, batch_id, version.id, "measured", metrics, details["primary"], len(labels), batch.rows,
                {**details, "labels_from": cause.id}, desk.now(),
            )
        )  # fmt: skip
        parts[batch_id] = _parts(monitor, settings, version, rows)
        if batch.learnable and not batch.reason:
            strange[batch_id] = _strange(desk, monitor, version, rows)
    return Quality(
        tuple(found),
        {batch_id: sums for batch_id, sums in parts.items() if sums},
        {batch_id: why for batch_id, why in strange.items() if why},
    )


def estimated(
    desk: Desk, monitor: Monitor, settings: Settings, batch: Batch, said: models.Predictions
) -> list[Performance]:
    """What the champion's own confidence says of its performance on a batch, before labels come."""
    version = history.version(desk.db, monitor.champion)
    metrics = performance.estimate(
        said.values, said.probabilities, version.details.get("calibration") or {}, monitor.schema, said.losses
    )
    if not metrics:
        return []
    first = metric_of(monitor, settings)
    return [Performance(0, batch.id, version.id, "estimated", metrics, first, 0, len(said.values), {}, desk.now())]


def _parts(monitor: Monitor, settings: Settings, version: Version, rows: LabelledRows) -> dict[str, Any]:
    """Sums over the parts of the features that were asked for, or else matter most to the version."""
    cuts = version.details.get("cuts") or {}
    ranked = sorted(cuts, key=lambda name: -version.importance.get(name, 0.0))
    wanted = settings.segments.features or ranked[: segments.MOST_FEATURES]
    columns = {f.name: models.column(rows.table, f) for f in monitor.schema.watched if f.name in wanted}
    if not cuts or not columns:
        return {}
    labels = models.target(rows.table, monitor.schema)
    said = performance.said(labels, rows.predictions, rows.probabilities, monitor.schema)
    return segments.tally(columns, said, monitor.schema, cuts, settings.retrain.metric)


def _strange(desk: Desk, monitor: Monitor, version: Version, rows: LabelledRows) -> str:
    """Why the labels of a batch should be looked at closely; empty if nothing is odd."""
    from_ = max(0, rows.table.num_rows - _LOOKED_AT)
    chances = None if rows.probabilities is None else rows.probabilities[from_:]
    look = retrain.look_at(
        monitor.schema,
        rows.table.slice(from_),
        models.Predictions(rows.predictions[from_:], chances),
        version.details,
        version.metrics,
        lambda: _past(desk, monitor, rows.batch_id),
    )
    return retrain.strange(look)


def _past(desk: Desk, monitor: Monitor, before: int) -> pa.Table:
    """Sound labelled rows from before a batch, the newest first taken; from the reference if there are few."""
    names = [feature.name for feature in monitor.schema.watched] + [monitor.schema.target]
    parts, count = [], 0
    for batch in reversed(history.batches(desk.db, monitor.id, ("reference", "rows"), last=50, before=before)):
        rows = labelled_rows(desk, monitor, batch.id) if batch.learnable and batch.labelled else None
        if rows is not None:
            parts.append(rows.table.select(names))
            count += rows.table.num_rows
        if count >= _PAST:
            break
    if not parts:
        reference = history.batches(desk.db, monitor.id, ("reference",))[0]
        parts.append(labelled_rows(desk, monitor, reference.id).table.select(names))
    return pa.concat_tables(parts[::-1], promote_options="permissive")
