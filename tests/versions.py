"""Versions made by hand, where a test needs several and no contest."""

from __future__ import annotations

import dataclasses
import io
import zipfile

from pipeline.service import Service
from storage import history
from storage.records import Decision, Training
from storage.store import Judged


def another_version(service: Service, monitor: str, trained_on: tuple[int, ...] = (1,)) -> int:
    """The first version once more, its bytes a little different, as the new champion; returns its id."""
    owner = service.the_monitor(monitor)
    first = history.versions(service.db, owner.id)[0]
    sink = io.BytesIO(service.desk.vault.get("models", first.sha256))
    with zipfile.ZipFile(sink, "a") as archive:
        archive.comment = str(len(history.versions(service.db, owner.id))).encode()
    version = dataclasses.replace(first, id=0, state="candidate", trained_on=trained_on,
                                  sha256=service.desk.vault.put("models", sink.getvalue()))  # fmt: skip
    training = Training(0, owner.id, None, "queued", "person", "again", 0, {}, 1, None, None)
    decision = Decision(0, owner.id, None, "promote", "person", "again", {}, owner.champion, None, 1, "test", 2)
    event = service.desk.event(owner, "promote", "again")
    number = service.store.add_training(training, dataclasses.replace(decision, action="train"), event, ("healthy", ""))
    result = Judged("promote", version, history.reference_parts(service.db, first.id))
    return service.store.judged(dataclasses.replace(training, id=number), decision, ("healthy", ""), [event], result)
