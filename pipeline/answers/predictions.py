"""Files and batches through the eyes of the champion: what it would say, and what it said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from pipeline import dossier, models, read, route, write
from pipeline.decide import decide
from pipeline.desk import Shelf
from storage import history
from storage.errors import Missing, Refused
from storage.records import Monitor, Preview

_SAMPLE = 20  # rows of a preview


def preview(shelf: Shelf, monitor: str, name: str, data: bytes) -> Preview:
    """What a file would do if it were ingested. Nothing is stored."""
    owner = history.monitor(shelf.db, monitor)
    settings = history.settings_in_force(shelf.db, owner.id)
    checked = read.read_batch(data, name, owner.schema, settings.read)
    known = history.batch_by_hash(shelf.db, owner.id, hashlib.sha256(data).hexdigest())
    labelled = 0 if checked.target is None else len(checked.target) - checked.target.null_count
    plain = Preview(
        name=name, kind=checked.kind, rows=checked.rows, labelled=labelled,
        columns=tuple((f.name, f.kind) for f in owner.schema.watched), sample=(), warnings=tuple(checked.warnings),
        duplicate_of=known.id if known else None, report=None, action="keep", trigger="none",
        reason="Labels for rows that came before.", predictions=(),
    )  # fmt: skip
    if checked.kind == "labels":
        return plain
    _, report, said = route.look(shelf, owner, settings, checked.table)
    choice = decide(dossier.imagined(shelf, owner, settings, report), settings)
    return replace(
        plain,
        sample=tuple(checked.table.slice(0, _SAMPLE).to_pylist()),
        report=report,
        action=choice.action,
        trigger=choice.trigger,
        reason=choice.reason,
        predictions=tuple(_prediction_rows(owner, checked.keys, said, _SAMPLE)),
    )


def problems(shelf: Shelf, monitor: str, name: str, data: bytes, most: int = 12) -> list[Refused]:
    """All that is wrong with a file, a column each: what a person has to mend before it can be ingested.

    The first refusal names one column; it is passed over and the file is read again, until nothing is wrong or what
    is wrong is of no column.
    """
    owner = history.monitor(shelf.db, monitor)
    settings, schema = history.settings_in_force(shelf.db, owner.id).read, owner.schema
    found: list[Refused] = []
    while len(found) < most:
        try:
            read.read_batch(data, name, schema, settings)
        except Refused as error:
            found.append(error)
            passed = [replace(f, kind="ignored") if f.name == error.column else f for f in schema.features]
            if tuple(passed) == schema.features:
                break
            schema = replace(schema, features=tuple(passed))
        else:
            break
    return found


def predict(shelf: Shelf, monitor: str, name: str, data: bytes) -> list[dict[str, Any]]:
    """The champion's predictions for a file: id, prediction, one probability a class."""
    owner = history.monitor(shelf.db, monitor)
    checked = read.read_batch(data, name, owner.schema, history.settings_in_force(shelf.db, owner.id).read)
    if checked.kind == "labels":
        raise Refused("These are labels without features; there is nothing to predict.", file=name)
    said = models.predict(shelf.model(owner.champion), checked.table)
    return _prediction_rows(owner, checked.keys, said)


def predict_csv(shelf: Shelf, monitor: str, name: str, data: bytes) -> bytes:
    """The same as CSV bytes, safe to open in a spreadsheet."""
    return write.csv_of_rows(predict(shelf, monitor, name, data))


def predictions_csv(shelf: Shelf, batch_id: int) -> bytes:
    """The stored predictions of a batch as CSV bytes."""
    batch = history.batch(shelf.db, batch_id)
    owner = history.monitor_by_id(shelf.db, batch.monitor_id)
    rows = history.row_texts(shelf.db, batch_id)
    if batch.version_id is None:
        raise Missing(f"Batch #{batch_id} has no predictions.")
    lines = []
    for key, label, value, chances in zip(rows.keys, rows.labels, rows.predictions, rows.probabilities, strict=True):
        line = {"id": key, "prediction": value, "label": label}
        if chances:
            line |= {f"p_{name}": p for name, p in zip(owner.schema.classes, orjson.loads(chances), strict=True)}
        lines.append(line)
    return write.csv_of_rows(lines)


def beside(shelf: Shelf, batch_id: int, most: int | None = None) -> tuple[int, list[dict[str, Any]]]:
    """What today's champion says of a batch's rows beside what was said of them: (rows that differ, lines).

    A line has id, ``then`` (the stored prediction), ``now``, the label, and one probability a class for now.

    Raises
    ------
    Missing
        If the batch was not predicted, or its monitor has no champion.
    """
    batch = history.batch(shelf.db, batch_id)
    owner = history.monitor_by_id(shelf.db, batch.monitor_id)
    if batch.version_id is None or owner.champion is None:
        raise Missing(f"Batch #{batch_id} has no predictions.")
    rows = history.row_texts(shelf.db, batch_id)
    said = models.predict(shelf.model(owner.champion), route.table_of(shelf, owner, batch_id))
    now = _prediction_rows(owner, [key or str(at + 1) for at, key in enumerate(rows.keys)], said)
    lines = [
        {"id": line["id"], "then": then, "now": line["prediction"], "label": label, **_chances(line)}
        for line, then, label in zip(now, rows.predictions, rows.labels, strict=True)
    ]
    differ = sum(_differs(line["then"], line["now"]) for line in lines)
    lines.sort(key=lambda line: not _differs(line["then"], line["now"]))
    return differ, lines[:most]


def _prediction_rows(
    monitor: Monitor, keys: Sequence[str] | None, said: models.Predictions, most: int | None = None
) -> list[dict[str, Any]]:
    """id, prediction, and one probability a class."""
    lines = []
    for at, value in enumerate(said.values[:most].tolist()):
        line = {"id": keys[at] if keys else at + 1, "prediction": value}
        if said.probabilities is not None:
            line |= {
                f"p_{n}": round(p, 6)
                for n, p in zip(monitor.schema.classes, said.probabilities[at].tolist(), strict=True)
            }
        lines.append(line)
    return lines


def _chances(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name.startswith("p_")}


def _differs(then: Any, now: Any) -> bool:
    """Whether two predictions are not the same answer; numbers by more than a millionth."""
    if isinstance(then, (int, float)) and isinstance(now, (int, float)):
        return abs(then - now) > 1e-6 * max(1.0, abs(then))
    return str(then) != str(now)
