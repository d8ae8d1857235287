"""The way of a batch, a transaction for each of its steps: outputs and new state together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from storage.records import Batch, Decision, DriftReport, Episode, Event, Health, Performance, Training
from storage.writes import labels, ledger, models, put, scores


def receive(db: Database, batch: Batch, event: Event) -> tuple[int, bool]:
    """Acknowledge a delivery whose bytes are in the vault. The same bytes twice are one batch.

    Returns
    -------
    (int, bool)
        The batch's id, and whether it was there already.
    """
    query = "SELECT id FROM batches WHERE monitor_id = ? AND sha256 = ?"
    for row in db.query(query, [batch.monitor_id, batch.sha256]):
        message = f"{batch.name}: the same bytes as batch #{row['id']}; nothing was added."
        put.insert(db, "events", replace(event, kind="duplicate", batch_id=row["id"], message=message))
        return row["id"], True
    batch_id = put.insert(db, "batches", batch)
    put.insert(db, "events", replace(event, batch_id=batch_id))
    return batch_id, False


def begin_attempt(db: Database, batch_id: int) -> int:
    """Count one more attempt at the batch's next step and return the number."""
    db.execute("UPDATE batches SET attempts = attempts + 1 WHERE id = ?", [batch_id])
    return put.one(db, "SELECT attempts FROM batches WHERE id = ?", [batch_id])


def forgive_attempt(db: Database, batch_id: int) -> None:
    """Take the last attempt back: it was not the batch that failed."""
    db.execute("UPDATE batches SET attempts = attempts - 1 WHERE id = ? AND attempts > 0", [batch_id])


def validated(db: Database, batch: Batch, rows: Iterable[Mapping[str, Any]]) -> None:
    """The rows (or, for a delivery of labels, the labels) of a checked file."""
    _clear(db, batch.id)
    if batch.kind == "labels":
        labels.insert(db, batch, rows)
    else:
        insert_rows(db, batch.id, rows)
        labels.adopt(db, batch)
    put.update(db, "batches", replace(batch, state="validated"))


def scored(
    db: Database,
    batch: Batch,
    parts: Mapping[str, bytes],
    report: DriftReport,
    predictions: Iterable[tuple[Any, str | None]],
    reference_id: int,
    settings_id: int,
    now: int,
    performance: Sequence[Performance] = (),
) -> None:
    """Profile, drift report, predictions and estimated performance of a batch of rows."""
    scores.insert_parts(db, batch.id, parts)
    scores.insert_report(db, batch.id, report, reference_id, settings_id, now)
    _insert_predictions(db, batch.id, predictions)
    scores.insert_performance(db, performance)
    put.update(db, "batches", replace(batch, state="scored"))


def labels_applied(db: Database, batch: Batch) -> list[int]:
    """Give rows their late labels and return the batches that were touched."""
    touched = labels.apply(db, batch)
    put.update(db, "batches", replace(batch, state="scored", labelled=labels.matched(db, batch)))
    return touched


def decided(
    db: Database,
    batch: Batch,
    decision: Decision,
    performance: Sequence[Performance],
    episodes: Sequence[Episode],
    health: tuple[Health, str],
    events: Sequence[Event],
    training: Training | None = None,
    parts: Mapping[int, Mapping[str, Any]] | None = None,
) -> int:
    """What the batch means: revised performance, episodes, the decision, and a training if one is due.

    ``parts`` are sums over parts of the rows, by batch id, kept with that batch's performance.

    A decision to roll back names the version that comes back as its challenger.
    """
    scores.insert_performance(db, performance, parts)
    scores.upsert_episodes(db, episodes)
    if training is not None:
        put.insert(db, "trainings", training)
    if decision.action == "rollback" and decision.challenger_id is not None:
        models.crown(db, batch.monitor_id, decision.challenger_id, "rolled_back")
    put.update(db, "batches", batch)
    return ledger.note(db, decision, health, *events)


def finished(db: Database, batch_id: int, now: int) -> None:
    """The last step of a batch."""
    db.execute("UPDATE batches SET state = 'done', attempts = 0, done_at = ? WHERE id = ?", [now, batch_id])


def quarantined(db: Database, batch: Batch, event: Event, health: tuple[Health, str] | None = None) -> None:
    """Set a delivery aside with its reason; its bytes stay in the vault."""
    put.update(db, "batches", replace(batch, state="quarantined", learnable=False, done_at=event.created_at))
    if health:
        ledger.set_health(db, batch.monitor_id, health, event.created_at)
    put.insert(db, "events", event)


def reopened(db: Database, batch: Batch, event: Event) -> None:
    """Send a quarantined delivery on its way again, from the state the batch is given with."""
    put.update(db, "batches", replace(batch, attempts=0, done_at=None))
    put.insert(db, "events", event)


def trusted(db: Database, batch_id: int, learnable: bool, reason: str, event: Event) -> None:
    """A person's word on doubtful labels: learn from the batch, or never."""
    db.execute("UPDATE batches SET learnable = ?, reason = ? WHERE id = ?", [int(learnable), reason, batch_id])
    put.insert(db, "events", event)


def insert_rows(db: Database, batch_id: int, rows: Iterable[Mapping[str, Any]]) -> None:
    """The rows of a batch, each a key, its cells as JSON, and its label."""
    db.conn.executemany(
        "INSERT INTO rows (batch_id, position, key, data, label) VALUES (?, ?, ?, ?, ?)",
        ((batch_id, position, row["key"], row["data"], row["label"]) for position, row in enumerate(rows)),
    )


def _insert_predictions(db: Database, batch_id: int, predictions: Iterable[tuple[Any, str | None]]) -> None:
    """What the champion says of each row, in order: the value, and the chances of the classes as JSON."""
    db.conn.executemany(
        "UPDATE rows SET prediction = ?, probabilities = ? WHERE batch_id = ? AND position = ?",
        ((value, chances, batch_id, position) for position, (value, chances) in enumerate(predictions)),
    )


def _clear(db: Database, batch_id: int) -> None:
    """Take the outputs of an earlier attempt away, so that a step may run again."""
    scores.clear(db, batch_id)
    labels.clear(db, batch_id)
    db.execute("DELETE FROM rows WHERE batch_id = ?", [batch_id])
