"""Backtests as jobs: asked for, queued in the database, run in a child process, kept with their result.

The queue is the table of backtests; normal work and recovery after a kill are the same call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import apart
from pipeline.backtest.rivals import check_policy
from pipeline.backtest.stored import MOST, compared
from pipeline.desk import Desk, Shelf
from storage import history
from storage.errors import Conflict, ProductError, Refused, Unhealthy
from storage.records import Backtest, Monitor
from storage.settings import Settings, changed

ATTEMPTS = 3
SECONDS = 3600.0  # wall time of one backtest
OPEN = 3  # backtests that may wait or run at once
_TOLD = 500_000  # microseconds between two notes of the progress


def ask(
    desk: Desk,
    monitor: Monitor | None,
    runs: Sequence[Mapping[str, Any]] = (),
    *,
    last: int | None = None,
    file: Mapping[str, Any] | None = None,
    data: bytes = b"",
    author: str = "page",
) -> int:
    """Queue a backtest; returns its id.

    Parameters
    ----------
    desk : Desk
    monitor : Monitor or None
        Whose history, or whose settings a file is replayed under.
    runs : sequence of dict
        ``{"policy", "label"?, "settings"?}`` each; none asks for ``variants`` of the settings in force.
    last : int, optional
        Newest labelled batches of the history; the earlier ones join the first training.
    file : dict, optional
        ``{"name", "target", "time"?, "train"?, "batch"?, "estimator"?}``; its bytes are ``data``.
    author : str

    Raises
    ------
    Refused
        For an unknown policy or setting, or when neither a monitor nor a file is given.
    Conflict
        If too many are open already.
    """
    if monitor is None and file is None:
        raise Refused("Say which monitor's history to replay, or give a file.")
    if len(runs) > MOST:
        raise Refused(f"{len(runs)} runs are more than the {MOST} that one backtest takes.")
    settings = history.settings_in_force(desk.db, monitor.id) if monitor else Settings()
    for run in runs:
        check_policy(str(run.get("policy", "")))
        changed(settings, dict(run.get("settings") or {}))
    if last is not None and last < 1:
        raise Refused(f"At least one batch must be replayed, not {last}.")
    if len(history.backtests(desk.db, open_only=True)) >= OPEN:
        raise Conflict(f"{OPEN} backtests wait or run already. Ask again when one has ended.")
    options: dict[str, Any] = {"runs": [dict(run) for run in runs], "last": last, "file": None}
    name = monitor.name if monitor else ""
    if file is not None:
        name = str(file["name"])[:200]
        options["file"] = {**file, "name": name, "sha256": desk.vault.put("spool", data)}
    owner = monitor.id if monitor else None
    asked = Backtest(0, owner, name, "queued", options, {}, {}, "", 0, author, desk.now(), None, None)
    return desk.store.add_backtest(
        asked, desk.event(monitor, "backtest", f"A backtest over {name} was asked for.", author=author)
    )


def work(desk: Desk) -> int:
    """Run every backtest that waits, one after the other; returns how many ended."""
    ended = 0
    while waiting := history.backtests(desk.db, open_only=True):
        ended += _run(desk, waiting[-1])
    return ended


def _run(desk: Desk, asked: Backtest) -> int:
    """One backtest in a child process; 0 if it is to be tried again."""
    now = replace(asked, state="running", attempts=asked.attempts + 1, started_at=desk.now(), progress={})
    desk.store.backtest_moved(now)
    told = [0]

    def note(progress: dict[str, Any]) -> None:
        if desk.now() - told[0] > _TOLD and _wanted(desk, asked.id):
            told[0] = desk.now()
            desk.store.backtest_moved(replace(now, progress=progress))

    try:
        result = apart.call(_in_child, (str(desk.folder), asked.id), SECONDS, note, "backtest")
    except ProductError as error:
        if isinstance(error, Unhealthy) and now.attempts < ATTEMPTS:
            desk.store.backtest_moved(replace(now, state="queued", error=str(error)))
            return 0
        if _wanted(desk, asked.id):
            event = desk.event(_owner(desk, asked), "backtest", f"The backtest over {asked.name} failed: {error}",
                               level="error")  # fmt: skip
            desk.store.backtest_moved(replace(now, state="failed", error=str(error), ended_at=desk.now()), event)
        return 1
    if _wanted(desk, asked.id):
        text = f"The backtest over {asked.name} is done: {len(result['runs'])} policies."
        done = replace(now, state="done", error="", result=result, ended_at=desk.now())
        desk.store.backtest_moved(done, desk.event(_owner(desk, asked), "backtest", text))
    return 1


def _wanted(desk: Desk, backtest_id: int) -> bool:
    """Whether a person has not removed it meanwhile."""
    return any(item.id == backtest_id for item in history.backtests(desk.db, open_only=True))


def _owner(desk: Desk, asked: Backtest) -> Monitor | None:
    return history.monitor_by_id(desk.db, asked.monitor_id) if asked.monitor_id is not None else None


def _in_child(folder: str, backtest_id: int, tell: Any) -> dict[str, Any]:
    """The work itself, on a reading connection of its own."""
    shelf = Shelf(Path(folder))
    try:
        return compared(shelf, history.backtest(shelf.db, backtest_id), tell)
    finally:
        shelf.close()


def remove(desk: Desk, backtest_id: int, author: str = "page") -> None:
    """Forget a backtest, and its file if nothing else holds it."""
    asked = history.backtest(desk.db, backtest_id)
    event = desk.event(_owner(desk, asked), "backtest", f"The backtest over {asked.name} was removed.", author=author)
    desk.store.remove_backtest(backtest_id, event)
    file = asked.options.get("file")
    if file is None:
        return
    others = [item.options.get("file") or {} for item in history.backtests(desk.db)]
    if file["sha256"] not in {item.get("sha256") for item in others} and not history.has_bytes(desk.db, file["sha256"]):
        desk.vault.remove("spool", file["sha256"])
