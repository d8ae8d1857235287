"""From a training that was asked for to a version that is promoted, held or refused."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import apart, dossier, retrain
from pipeline.desk import Desk, Shelf
from pipeline.profile import Profile, merge
from pipeline.retrain import Outcome as Judgement
from pipeline.revision import revision
from storage import history
from storage.errors import ProductError, Unhealthy
from storage.records import Action, Decision, Event, Monitor, Training, Version
from storage.settings import Settings
from storage.store import Judged

ATTEMPTS = 3  # of one training


def train(desk: Desk, monitor: Monitor, training: Training) -> list[Event]:
    """Run a contest in a child process and store what came of it; returns the events.

    Raises
    ------
    Unhealthy
        If the child died or took too long; it is tried again until ``ATTEMPTS`` are used up.
    """
    attempt = desk.store.training_started(training.id, desk.now())
    settings = history.settings_in_force(desk.db, monitor.id)
    champion = history.version(desk.db, history.monitor_by_id(desk.db, monitor.id).champion)
    until = history.newest_label(desk.db, monitor.id)
    given = (str(desk.folder), monitor, settings, training)
    tell = functools.partial(desk.store.training_progress, training.id)
    try:
        judgement = apart.call(_in_child, given, settings.retrain.seconds, tell, "training")
    except ProductError as error:
        if attempt < ATTEMPTS and isinstance(error, Unhealthy):
            raise
        return _failed(desk, monitor, training, error)
    lineage = {"labels_until": until, "asked_by": training.trigger}
    judgement = replace(judgement, details={**judgement.details, **lineage},
                        environment={**judgement.environment, "code": revision()})  # fmt: skip
    return _judged(desk, monitor, training, champion, judgement)


def _in_child(folder: str, monitor: Monitor, settings: Settings, training: Training, tell: apart.Progress) -> Judgement:
    """The contest, its rows read on a connection of its own: the server never holds a whole history in memory."""
    shelf = Shelf(Path(folder))
    try:
        return retrain.contest(dossier.order(shelf, monitor, settings, training), tell)
    finally:
        shelf.close()


def _failed(desk: Desk, monitor: Monitor, training: Training, error: Exception) -> list[Event]:
    text = f"The training failed: {error}"
    decision = _decision(desk, monitor, training, "fail", text, {})
    event = desk.event(monitor, "failure", text, level="error", batch_id=training.batch_id)
    state = dossier.state_of(desk, monitor, without_training=training.id)
    desk.store.judged(training, decision, state, [event], Judged("fail", progress={"verdict": "fail"}))
    return [event]


def _judged(desk: Desk, monitor: Monitor, training: Training, champion: Version, judgement: Judgement) -> list[Event]:
    action: Action = judgement.action
    reason = judgement.reason
    if action == "promote" and history.monitor_by_id(desk.db, monitor.id).champion != champion.id:
        action, reason = "hold", f"{reason} The champion changed while it was trained, so a person decides."
    version = _version(desk, monitor, champion, judgement, action, reason) if judgement.artefact else None
    crowned = judgement.recalled if action == "promote" else None
    doubts = judgement.details.get("label_doubts", {})
    result = Judged(
        verdict=action,
        version=version,
        reference=_reference(desk, monitor, judgement.trained_on) if version else None,
        recalled=crowned,
        suspect={number: doubts.get(str(number), reason) for number in judgement.suspect},
        progress={"verdict": action, "fitted": bool(judgement.fitted), "candidates": len(judgement.candidates)},
    )
    details = {
        "candidates": judgement.candidates,
        "comparison": judgement.comparison,
        "doubts": judgement.doubts,
        "suspect": judgement.suspect,
        "seconds": round(judgement.seconds, 3),
    }
    decision = _decision(desk, monitor, training, action, reason, details)
    level = "warning" if action == "hold" else "info"
    event = desk.event(monitor, action, reason, level=level, batch_id=training.batch_id)
    holds = "a new version" if version is not None else reason
    state = dossier.state_of(
        desk, monitor, without_training=training.id, holds=holds if action == "hold" else None,
        answered=action == "promote",
    )  # fmt: skip
    desk.store.judged(training, decision, state, [event], result)
    return [event]


def _version(
    desk: Desk, monitor: Monitor, champion: Version, judgement: Judgement, action: Action, reason: str
) -> Version:
    """The winner as a version; its bytes are in the vault before any row names them."""
    sha256 = desk.vault.put("models", judgement.artefact)
    states = {"promote": "candidate", "hold": "held", "reject": "rejected"}
    return Version(
        id=0, monitor_id=monitor.id, number=0, parent_id=champion.id, state=states[action],
        recipe=judgement.recipe, trained_on=judgement.trained_on, rows=judgement.rows, estimator=monitor.estimator,
        settings_id=history.settings_row(desk.db, monitor.id).id, seed=champion.seed, sha256=sha256,
        size=len(judgement.artefact), metrics=judgement.metrics, judged_on=judgement.judged_on,
        importance=judgement.importance, candidates=judgement.candidates, environment=judgement.environment,
        details=judgement.details, reason=reason, train_seconds=judgement.seconds, pinned=False, created_at=desk.now(),
    )  # fmt: skip


def _reference(desk: Desk, monitor: Monitor, batch_ids: Sequence[int]) -> tuple[int, dict[str, bytes]]:
    """What a version was trained on, as one profile."""
    grid = desk.grid(monitor.grid)
    parts = [Profile.from_parts(grid, rows, parts) for _, rows, parts in history.profile_parts_of(desk.db, batch_ids)]
    whole = merge(parts)
    return whole.rows, whole.parts()


def _decision(
    desk: Desk, monitor: Monitor, training: Training, action: Action, reason: str, details: Mapping[str, Any]
) -> Decision:
    settings_id = history.settings_row(desk.db, monitor.id).id
    return Decision(
        0, monitor.id, training.batch_id, action, training.trigger, reason, dict(details), monitor.champion, None,
        settings_id, "schedule", desk.now(),
    )  # fmt: skip
