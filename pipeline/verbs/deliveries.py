"""Deliveries: acknowledged when they come, and what a person says of one that was set aside."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline import dossier, sources
from pipeline.desk import Desk
from storage import history
from storage.errors import Conflict, Refused
from storage.records import Batch, Event, Monitor


@dataclass(frozen=True)
class Receipt:
    """The acknowledgement of a delivery: from here on it is not lost."""

    batch: Batch
    duplicate: bool


def receive(desk: Desk, monitor: str, name: str, data: bytes, source: str = "upload", author: str = "page") -> Receipt:
    """Acknowledge a delivery of rows or labels; it is routed at the monitor's next turn.

    Raises
    ------
    Missing
        For an unknown monitor.
    Refused
        For more bytes than the monitor's settings allow.
    """
    owner, name = history.monitor(desk.db, monitor), sources.label(name)[:200]
    check_size(desk, owner, name, len(data))
    sha256 = desk.vault.put("spool", data)
    now = desk.now()
    batch = Batch(
        id=0, monitor_id=owner.id, kind="rows", name=name, sha256=sha256, size=len(data), source=source,
        state="received", attempts=0, reason="", warnings=(), rows=0, labelled=0, starts_at=None, ends_at=None,
        version_id=None, learnable=True, received_at=now, done_at=None,
    )  # fmt: skip
    event = desk.event(owner, "received", f"{name} arrived by {source}.", author=author)
    batch_id, duplicate = desk.store.receive(batch, event)
    desk.wake(owner.name)
    return Receipt(history.batch(desk.db, batch_id), duplicate)


def check_size(desk: Desk, owner: Monitor, name: str, size: int) -> None:
    """Refuse more bytes than the monitor's settings allow."""
    limit = history.settings_in_force(desk.db, owner.id).read.max_bytes
    if size > limit:
        raise Refused(
            f"{size:,} bytes are more than the {limit:,} allowed.",
            file=name,
            remedy="Split the file, or raise read.max_bytes.",
        )


def retry(desk: Desk, batch_id: int, note: str = "", author: str = "page") -> Batch:
    """Send a quarantined delivery on its way again, from the beginning."""
    batch = _quarantined(desk, batch_id)
    if batch.removed_at is not None:
        raise Conflict(f"The file of batch #{batch_id} was let go or forgotten, so it cannot be read again.")
    again = replace(batch, state="received", reason="", warnings=(), learnable=True)
    return _reopen(desk, again, "retry", f"{batch.name} is tried again. {note}", author)


def accept(desk: Desk, batch_id: int, note: str = "", author: str = "page") -> Batch:
    """Say that a batch quarantined for a fault is right: it counts and may be learned from."""
    batch = history.batch(desk.db, batch_id)
    if _doubted(batch):
        text = f"{batch.name}: a person says the labels are right. {note}"
        return _trust(desk, batch, True, dossier.ACCEPTED, "accept", text, author)
    batch = _quarantined(desk, batch_id)
    if batch.rows == 0 or batch.version_id is None:
        raise Conflict(f"Batch #{batch_id} could not be read, so there is nothing to accept. Mend the file and retry.")
    right = replace(batch, state="decided", reason=dossier.ACCEPTED, learnable=True)
    return _reopen(desk, right, "accept", f"{batch.name}: a person says the data are right. {note}", author)


def discard(desk: Desk, batch_id: int, note: str = "", author: str = "page") -> Batch:
    """Leave a quarantined delivery for good; its bytes stay, it asks for nobody any more."""
    batch = history.batch(desk.db, batch_id)
    reason = f"{dossier.DISCARDED} {batch.reason}"
    if _doubted(batch):
        text = f"{batch.name}: a person leaves its labels aside. {note}"
        return _trust(desk, batch, False, reason, "discard", text, author)
    batch = _quarantined(desk, batch_id)
    event = _told(desk, batch, "discard", f"{batch.name} is left in quarantine for good. {note}", author)
    desk.store.quarantined(replace(batch, reason=reason), event)
    return history.batch(desk.db, batch_id)


def _doubted(batch: Batch) -> bool:
    """Whether its labels are doubted, while its rows are not."""
    return batch.state != "quarantined" and not batch.learnable


def _quarantined(desk: Desk, batch_id: int) -> Batch:
    batch = history.batch(desk.db, batch_id)
    if batch.state != "quarantined":
        raise Conflict(f"Batch #{batch_id} is {batch.state}, not quarantined.")
    return batch


def _trust(desk: Desk, batch: Batch, learnable: bool, reason: str, kind: str, text: str, author: str) -> Batch:
    desk.store.trusted(batch.id, learnable, reason, _told(desk, batch, kind, text, author))
    return history.batch(desk.db, batch.id)


def _reopen(desk: Desk, batch: Batch, kind: str, text: str, author: str) -> Batch:
    desk.store.reopened(batch, _told(desk, batch, kind, text, author))
    desk.wake(history.monitor_by_id(desk.db, batch.monitor_id).name)
    return history.batch(desk.db, batch.id)


def _told(desk: Desk, batch: Batch, kind: str, text: str, author: str) -> Event:
    owner = history.monitor_by_id(desk.db, batch.monitor_id)
    return desk.event(owner, kind, text.strip(), batch_id=batch.id, author=author)
