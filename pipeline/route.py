"""The way of a batch as small steps: ``STEPS[state]`` makes the outputs of the next state and stores them with it.

Each step is one transaction, so a kill at any moment resumes at the last state; recovery and normal work are the same
call. Detection, learning and logging meet only here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, tee
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from pipeline import dossier, drift, learn, models, quality, read
from pipeline.decide import Choice, decide
from pipeline.desk import Desk, Shelf
from pipeline.found import span
from pipeline.profile import Profile, profile
from storage import history
from storage.errors import Blocked, Damaged, Refused, Unhealthy
from storage.records import (
    Action,
    Batch,
    Decision,
    DriftReport,
    Event,
    Monitor,
    Training,
)
from storage.settings import Settings, parse
from storage.tables import to_table, to_texts

log = logging.getLogger("drift.route")
ATTEMPTS = 3  # of one batch, before it is set aside


@dataclass(frozen=True)
class Outcome:
    """What a step did that others should hear of, after the commit."""

    alerts: Sequence[tuple[str, str]] = ()  # (kind, sentence)


def advance(desk: Desk, batch: Batch) -> Outcome:
    """Move a batch to its end, or to quarantine with a reason.

    Raises
    ------
    Unhealthy
        If the machine is at fault: the batch stays where it is and is tried again; without end for a full disk, a lock
        or damage (``Blocked``, ``Damaged``), else ``ATTEMPTS`` times.
    """
    monitor = history.monitor_by_id(desk.db, batch.monitor_id)
    if desk.store.begin_attempt(batch.id) > ATTEMPTS:
        reason = (
            f"Processing failed {ATTEMPTS} times; the last state was {batch.state!r}. Retry it, or look at the log."
        )
        return _quarantine(desk, monitor, batch, reason)
    batch = replace(batch, attempts=1)  # each step that is done gives the next one all its attempts, this one counted
    heard: list[tuple[str, str]] = []
    carry: dict[str, Any] = {}
    try:
        while batch.state in STEPS:
            heard += STEPS[batch.state](desk, monitor, batch, carry).alerts
            batch = history.batch(desk.db, batch.id)
    except Refused as error:
        heard += _quarantine(desk, monitor, batch, str(error)).alerts
    except (Blocked, Damaged):
        desk.store.forgive_attempt(batch.id)
        raise
    except Unhealthy:
        raise
    except Exception as error:
        log.exception("batch #%d (%s) failed in state %s", batch.id, batch.name, batch.state)
        message = f"{batch.name}: the step after {batch.state!r} failed: {type(error).__name__}: {error}"
        desk.store.add_event(desk.event(monitor, "step_failed", message, level="error", batch_id=batch.id))
    return Outcome(heard)


def _quarantine(desk: Desk, monitor: Monitor, batch: Batch, reason: str) -> Outcome:
    message = f"{batch.name} was quarantined: {reason}"
    event = desk.event(monitor, "quarantine", message, level="warning", batch_id=batch.id)
    desk.store.quarantined(replace(batch, reason=reason), event)
    return Outcome([("quarantine", message)])


# --- received -> validated --------------------------------------------------------------------------------------------


def _validate(desk: Desk, monitor: Monitor, batch: Batch, carry: dict[str, Any]) -> Outcome:
    """Read the file and check it against the schema; store its rows, or its labels."""
    settings = history.settings_in_force(desk.db, monitor.id)
    data = desk.vault.get("spool", batch.sha256)
    checked = read.read_batch(data, batch.name, monitor.schema, settings.read)
    batch = replace(batch, kind=checked.kind, warnings=tuple(checked.warnings), rows=checked.rows)
    if checked.kind == "labels":
        pairs = zip(checked.keys, checked.target.to_pylist(), strict=True)
        desk.store.validated(batch, ({"key": key, "value": value} for key, value in pairs))
        return Outcome()
    carry["table"] = checked.table
    labels = checked.target.to_pylist() if checked.target is not None else [None] * checked.rows
    labelled = sum(label is not None for label in labels)
    starts, ends = span(checked.times)
    keys = checked.keys or (None,) * checked.rows
    rows = zip(keys, to_texts(checked.table), labels, strict=True)
    desk.store.validated(
        replace(batch, labelled=labelled, starts_at=starts, ends_at=ends),
        ({"key": key, "data": data, "label": label} for key, data, label in rows),
    )
    return Outcome()


# --- validated -> scored ----------------------------------------------------------------------------------------------


def _score(desk: Desk, monitor: Monitor, batch: Batch, carry: dict[str, Any]) -> Outcome:
    """Rows: profile, drift report and predictions. Labels: give them to their rows."""
    if batch.kind == "labels":
        carry["touched"] = desk.store.labels_applied(batch)
        return Outcome()
    table = carry["table"] if "table" in carry else table_of(desk, monitor, batch.id)
    row = history.settings_row(desk.db, monitor.id)
    settings = parse(row.data)
    seen, report, said = look(desk, monitor, settings, table)
    desk.store.scored(
        replace(batch, version_id=monitor.champion),
        seen.parts(),
        report,
        zip(said.values.tolist(), _chances(said), strict=True),
        monitor.champion,
        row.id,
        desk.now(),
        quality.estimated(desk, monitor, settings, batch, said),
    )
    return Outcome()


def look(
    desk: Shelf, monitor: Monitor, settings: Settings, table: pa.Table
) -> tuple[Profile, DriftReport, models.Predictions]:
    """A table through the eyes of the champion: profile, drift report, predictions."""
    seen = profile(table, desk.grid(monitor.grid))
    report = drift.score(desk.reference(monitor.champion), seen, settings)
    return seen, report, models.predict(desk.model(monitor.champion), table)


def rescored(
    shelf: Shelf, monitor: Monitor, settings: Settings, batch_ids: Sequence[int] | None = None
) -> list[tuple[int, int, DriftReport]]:
    """Stored profiles scored again under other settings, without reading rows: (batch, reference, report)."""
    if batch_ids is None:
        batch_ids = [batch.id for batch in history.batches(shelf.db, monitor.id)]
    grid = shelf.grid(monitor.grid)
    references = history.references_used(shelf.db, batch_ids)
    stored = (
        (at, rows, parts) for at, rows, parts in history.profile_parts_of(shelf.db, batch_ids) if at in references
    )
    found = []
    for reference, some in groupby(stored, key=lambda one: references[one[0]]):
        ids, counts = tee(some)  # read as they are scored: a long history must not lie in memory
        seen = (Profile.from_parts(grid, rows, parts) for _, rows, parts in counts)
        reports = drift.scores(shelf.reference(reference), seen, settings)
        found += [(batch_id, reference, report) for report, (batch_id, _, _) in zip(reports, ids, strict=True)]
    return found


def table_of(desk: Shelf, monitor: Monitor, batch_id: int) -> pa.Table:
    """The features of a stored batch."""
    return to_table(history.row_texts(desk.db, batch_id).data, monitor.schema.watched)


def _chances(said: models.Predictions) -> Sequence[str | None]:
    if said.probabilities is None:
        return [None] * len(said.values)
    return [orjson.dumps(line).decode() for line in np.round(said.probabilities, 6).tolist()]


# --- scored -> decided ------------------------------------------------------------------------------------------------


def _decide(desk: Desk, monitor: Monitor, batch: Batch, carry: dict[str, Any]) -> Outcome:
    """What the batch means: performance, episodes, the decision, and a training if one is due."""
    row = history.settings_row(desk.db, monitor.id)
    settings = parse(row.data)
    touched = carry.get("touched") if batch.kind == "labels" else [batch.id]
    if touched is None:
        touched = history.batches_of_delivery(desk.db, batch.id)
    found = quality.measured(desk, monitor, settings, touched, batch)
    view = dossier.situation(desk, monitor, settings, batch, found.performance, found.strange)
    choice = decide(view.situation, settings)
    now = desk.now()
    back = dossier.predecessor(desk.db, monitor) if choice.action == "rollback" else None
    details = {**choice.details, "fit": choice.fit, "change_at": choice.change_at, "look": list(found.strange)}
    decision = Decision(
        id=0, monitor_id=monitor.id, batch_id=batch.id, action=choice.action, trigger=choice.trigger,
        reason=choice.reason, details=details, version_id=monitor.champion, challenger_id=back.id if back else None,
        settings_id=row.id, author="schedule", created_at=now,
    )  # fmt: skip
    after, training = _next(monitor, batch, choice, now)
    episodes = [*view.episodes, *dossier.performance_episode(desk, monitor, batch, choice)]
    state = dossier.state_of(
        desk, monitor, episodes=episodes, training=training.reason if training else None,
        fault=choice.reason if choice.action == "quarantine" else None,
        stuck=choice.reason if choice.action == "hold" else None, answered=back is not None,
        short=choice.reason.split(" Not trained")[0] if choice.details.get("fired") == ["shortfall"] else None,
    )  # fmt: skip
    events = [*view.events(desk, monitor, batch), *_decision_events(desk, monitor, batch, choice)]
    desk.store.decided(after, decision, found.performance, episodes, state, events, training, found.parts)
    return Outcome(_heard(events))


def _next(monitor: Monitor, batch: Batch, choice: Choice, now: int) -> tuple[Batch, Training | None]:
    """The batch's next state, and the training that goes with it."""
    if choice.action == "quarantine":
        aside = replace(batch, state="quarantined", reason=choice.reason, learnable=False, done_at=now)
        return aside, None
    if choice.action == "train":
        training = Training(0, monitor.id, batch.id, "queued", choice.trigger, choice.reason, 0, {}, now, None, None)
        return replace(batch, state="training"), training
    return replace(batch, state="decided"), None


def _decision_events(desk: Desk, monitor: Monitor, batch: Batch, choice: Choice) -> list[Event]:
    train = "training" if choice.fit else "look"  # at labels, or at earlier champions: nothing is fitted
    kinds: dict[Action, str] = {"quarantine": "quarantine", "train": train, "hold": "hold", "rollback": "rollback"}
    if "normal" in choice.details:
        told = {"normal": choice.details["normal"]}
        return [desk.event(monitor, "new_normal", choice.reason, batch_id=batch.id, details=told)]
    if choice.action not in kinds:
        return []
    level = "info" if choice.action == "train" else "warning"
    return [desk.event(monitor, kinds[choice.action], choice.reason, level=level, batch_id=batch.id)]


def _heard(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.kind, event.message) for event in events]


# --- decided -> done, training -> judged -> done ----------------------------------------------------------------------


def _finish(desk: Desk, monitor: Monitor, batch: Batch, carry: dict[str, Any]) -> Outcome:
    desk.store.finished(batch.id, desk.now())
    return Outcome()


def _train(desk: Desk, monitor: Monitor, batch: Batch, carry: dict[str, Any]) -> Outcome:
    waiting = [item for item in history.trainings(desk.db, monitor.id, open_only=True) if item.batch_id == batch.id]
    if not waiting:
        raise Unhealthy(f"Batch #{batch.id} waits for a training that is not there.")
    return train(desk, monitor, waiting[-1])


def train(desk: Desk, monitor: Monitor, training: Training) -> Outcome:
    """Run a training that was asked for, with or without a batch."""
    return Outcome(_heard(learn.train(desk, monitor, training)))


Step = Callable[[Desk, Monitor, Batch, dict[str, Any]], Outcome]
STEPS: dict[str, Step] = {
    "received": _validate,
    "validated": _score,
    "scored": _decide,
    "decided": _finish,
    "training": _train,
    "judged": _finish,
}
