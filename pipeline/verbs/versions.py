"""Versions: which is champion by a person's word, which is kept, and a contest for a new one."""

from __future__ import annotations

from pipeline import dossier
from pipeline.desk import Desk
from pipeline.verbs import herald
from storage import history
from storage.errors import Conflict
from storage.records import Action, Decision, Monitor, Training


def promote(desk: Desk, monitor: str, number: int, note: str = "", author: str = "page") -> None:
    """Make a version the champion: confirms a held one, or brings any other back. Its bytes are checked first."""
    owner = history.monitor(desk.db, monitor)
    version = history.version_numbered(desk.db, owner.id, number)
    if version.id == owner.champion:
        raise Conflict(f"v{number} is the champion already.")
    _crown(desk, owner, version.id, "promote", f"A person made v{number} the champion. {note}", author)


def rollback(desk: Desk, monitor: str, note: str = "", author: str = "page") -> int:
    """Bring back the champion before this one; returns its number. Takes effect for the very next prediction."""
    owner = history.monitor(desk.db, monitor)
    before = dossier.predecessor(desk.db, owner)
    if before is None:
        raise Conflict("There is no earlier champion to go back to.")
    _crown(desk, owner, before.id, "rollback", f"A person rolled back to v{before.number}. {note}", author)
    return before.number


def _crown(desk: Desk, owner: Monitor, version_id: int, action: Action, text: str, author: str) -> None:
    desk.model(version_id)  # raises before anything changes if its bytes are not whole
    text = text.strip()
    decision = _decision(desk, owner, action, text, author, challenger_id=version_id)
    health = dossier.state_of(desk, owner, without_held=version_id, answered=True)
    event = desk.event(owner, action, text, author=author, details={"version": version_id})
    desk.store.crowned(version_id, decision, health, event)
    herald.tell(desk, owner, action, text)


def refuse(desk: Desk, monitor: str, number: int, note: str = "", author: str = "page") -> None:
    """Refuse a held version."""
    owner = history.monitor(desk.db, monitor)
    version = history.version_numbered(desk.db, owner.id, number)
    if version.state != "held":
        raise Conflict(f"v{number} is {version.state}, not held.")
    text = f"A person refused v{number}. {note}".strip()
    decision = _decision(desk, owner, "reject", text, author, challenger_id=version.id)
    health = dossier.state_of(desk, owner, without_held=version.id)
    desk.store.refused(version.id, decision, health, desk.event(owner, "reject", text, author=author))


def pin(desk: Desk, monitor: str, number: int, pinned: bool, note: str = "", author: str = "page") -> None:
    """Keep a version for good, or no longer."""
    owner = history.monitor(desk.db, monitor)
    version = history.version_numbered(desk.db, owner.id, number)
    text = f"v{number} is {'pinned' if pinned else 'no longer pinned'}. {note}".strip()
    desk.store.pinned(version.id, pinned, desk.event(owner, "pin", text, author=author))


def retrain(desk: Desk, monitor: str, note: str = "", author: str = "page") -> None:
    """Ask for a contest now, whatever the triggers say."""
    owner = history.monitor(desk.db, monitor)
    if history.trainings(desk.db, owner.id, open_only=True):
        raise Conflict("A training is under way already.")
    text = f"A person asked for a training. {note}".strip()
    training = Training(0, owner.id, None, "queued", "person", text, 0, {}, desk.now(), None, None)
    event = desk.event(owner, "training", text, author=author)
    desk.store.add_training(training, _decision(desk, owner, "train", text, author), event, ("learning", text))
    desk.wake(owner.name)


def _decision(
    desk: Desk, owner: Monitor, action: Action, reason: str, author: str, challenger_id: int | None = None
) -> Decision:
    settings_id = history.settings_row(desk.db, owner.id).id
    return Decision(
        0, owner.id, None, action, "person", reason, {}, owner.champion, challenger_id, settings_id, author, desk.now()
    )
