"""The founding of a monitor: a table becomes a schema, a reference and a first version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import models, read, retrain
from pipeline.desk import Desk
from pipeline.profile import fit_grid, infer, profile
from pipeline.revision import revision
from pipeline.target import task_of
from storage.errors import Refused
from storage.records import Batch, Feature, LabelledRows, Monitor, Schema, SettingsRow, Version
from storage.settings import ReadSettings, Settings
from storage.tables import to_texts

SEED = 2026
_NAME = re.compile(r"[\w.@ -]{1,80}")


@dataclass(frozen=True)
class Wish:
    """What a person says of a new monitor; what is None is inferred."""

    name: str
    filename: str
    target: str
    id_column: str | None = None
    time_column: str | None = None
    features: Sequence[str] | None = None
    kinds: Mapping[str, Any] | None = None
    task: str | None = None
    estimator: str | None = None
    settings: Settings = field(default_factory=Settings)
    author: str = "command"
    demo: bool = False


def found(desk: Desk, wish: Wish, data: bytes) -> Monitor:
    """Make a monitor from a table: schema, grid, first version, all stored at once.

    Raises
    ------
    Refused
        If the table cannot be read, lacks a column, or nothing can be learned from it.
    """
    _check_name(wish.name)
    raw = read.read_table(data, wish.filename, wish.settings.read)
    table = read.typed(raw, dict(wish.kinds or {}))
    schema = schema_of(table, wish)
    checked = read.read_batch(data, wish.filename, schema, wish.settings.read)
    if checked.target is None:
        raise Refused(f"The target {wish.target!r} has no value.", file=wish.filename)
    table = checked.table.append_column(wish.target, checked.target)
    table, keys, times = _in_time_order(table, checked.keys, checked.times)
    estimator = wish.estimator or models.DEFAULT
    judgement = retrain.train_first(LabelledRows(1, table), schema, estimator, wish.settings, SEED)
    grid = fit_grid(table, schema.watched)
    seen = profile(table, grid)
    now = desk.now()
    label_count = len(checked.target) - checked.target.null_count
    starts, ends = span(times)
    monitor = Monitor(
        id=0, name=wish.name, schema=schema, estimator=estimator, grid=grid.to_json(),
        champion=None, health="no_data", health_reason="No batch has arrived yet.", health_since=now, demo=wish.demo,
        created_at=now,
    )  # fmt: skip
    batch = Batch(
        id=0, monitor_id=0, kind="reference", name=wish.filename, sha256=desk.vault.put("spool", data), size=len(data),
        source="init", state="done", attempts=0, reason="", warnings=tuple(checked.warnings), rows=table.num_rows,
        labelled=label_count, starts_at=starts, ends_at=ends, version_id=None, learnable=True, received_at=now,
        done_at=now,
    )  # fmt: skip
    version = Version(
        id=0, monitor_id=0, number=1, parent_id=None, state="candidate", recipe=judgement.recipe, trained_on=(),
        rows=judgement.rows, estimator=monitor.estimator, settings_id=0, seed=SEED,
        sha256=desk.vault.put("models", judgement.artefact), size=len(judgement.artefact), metrics=judgement.metrics,
        judged_on=(), importance=judgement.importance, candidates=judgement.candidates,
        environment={**judgement.environment, "code": revision()},
        details={**judgement.details, "labels_until": 0}, reason=judgement.reason,
        train_seconds=judgement.seconds, pinned=False, created_at=now,
    )  # fmt: skip
    settings = SettingsRow(0, 0, wish.settings.model_dump(mode="json"), wish.author, "at the founding", now)
    labels = table.column(wish.target).to_pylist()
    rows = (
        {"key": key, "data": text, "label": label}
        for key, text, label in zip(keys, to_texts(table.drop_columns([wish.target])), labels, strict=True)
    )
    event = desk.event(None, "init", f"{wish.name} is watched from now on.", author=wish.author)
    return desk.store.add_monitor(monitor, settings, batch, rows, seen.parts(), version, event)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name != name.strip() or name.startswith("."):
        raise Refused(
            f"A monitor's name has 1 to 80 letters, digits, spaces or - _ . @ and begins with no dot, not {name!r}."
        )


def schema_of(table: pa.Table, wish: Wish) -> Schema:
    """The schema of a monitor: kinds inferred, the task from the target, classes from its values."""
    own = {"target": wish.target, "id": wish.id_column, "time": wish.time_column}
    for role, column in own.items():
        if column is not None and column not in table.column_names:
            names = ", ".join(table.column_names)
            raise Refused(
                f"There is no column {column!r} for the {role}.", file=wish.filename, remedy=f"Columns: {names}."
            )
    features = infer(
        table, target=wish.target, id_column=wish.id_column, time_column=wish.time_column, kinds=dict(wish.kinds or {})
    )
    features = _chosen(features, wish)
    if all(feature.kind == "ignored" for feature in features):
        raise Refused("No column is left to learn from.", file=wish.filename)
    task, classes = task_of(table.column(wish.target), wish.target, wish.filename, wish.task)
    return Schema(features, wish.target, task, classes, wish.id_column, wish.time_column)


def _chosen(features: Sequence[Feature], wish: Wish) -> tuple[Feature, ...]:
    unknown = (set(wish.features or ()) | set(wish.kinds or ())) - {feature.name for feature in features}
    if unknown:
        names = ", ".join(feature.name for feature in features)
        raise Refused(f"There is no feature {sorted(unknown)[0]!r}.", file=wish.filename, remedy=f"Features: {names}.")
    if wish.features is None:
        return tuple(features)
    return tuple(feature for feature in features if feature.name in set(wish.features))


def _in_time_order(
    table: pa.Table, keys: Sequence[str] | None, times: pa.Array | None
) -> tuple[pa.Table, Sequence[str | None], pa.Array | None]:
    """The reference in order of its time column, so that its consecutive parts show how much a healthy week moves."""
    keys = list(keys) if keys is not None else [None] * table.num_rows
    if times is None:
        return table, keys, None
    order = pc.sort_indices(times)
    return table.take(order), [keys[at] for at in order.to_pylist()], times.take(order)


def span(times: pa.Array | None) -> tuple[int | None, int | None]:
    """First and last moment, microseconds."""
    if times is None or len(times) == times.null_count:
        return None, None
    found = pc.min_max(times.cast(pa.timestamp("us")).cast(pa.int64())).as_py()
    return found["min"], found["max"]


def describe(filename: str, data: bytes, settings: ReadSettings) -> dict[str, Any]:
    """What a table looks like before a monitor is made of it: columns with kinds, guesses of the special columns."""
    raw = read.read_table(data, filename, settings)
    table = read.typed(raw)
    features = infer(table)
    names = {name.lower(): name for name in table.column_names}
    return {
        "rows": table.num_rows,
        "columns": [{"name": f.name, "kind": f.kind, "note": f.note} for f in features],
        "target": next((names[word] for word in ("target", "label", "y", "class", "outcome") if word in names), None)
        or table.column_names[-1],
        "id": next((names[word] for word in ("id", "key", "uuid", "row_id") if word in names), None),
        "time": next((f.name for f in features if f.kind == "date"), None),
        "sample": table.slice(0, 20).to_pylist(),
        "warnings": list(raw.warnings),
    }
