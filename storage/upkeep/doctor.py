"""Every promise about a data folder, checked one by one. Reads only; may run beside the program."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from storage import history
from storage.errors import ProductError
from storage.hold import Hold
from storage.store import DATABASE
from storage.vault import AREAS, Area, Vault

_LOG_LIMIT = 64 << 20  # bytes of write-ahead log
_STRAY_SECONDS = 3600  # a file that no row names may be on its way in for so long
_SILENT_SECONDS = 90  # between two notes of the heartbeat, which is written every 30 seconds
_ATTEMPTS = 3
_NAMED = 3  # troubles named in one finding


@dataclass(frozen=True)
class Finding:
    """One promise, and whether it holds."""

    check: str
    ok: bool
    text: str


@dataclass(frozen=True)
class Case:
    """What a check may look at."""

    folder: Path
    db: Database
    vault: Vault

    def count(self, query: str) -> int:
        """The one number a query gives."""
        return int(self.db.conn.execute(query).fetchone()[0])


def doctor(folder: Path) -> Iterator[Finding]:
    """Check every promise.

    Raises
    ------
    Missing
        If there is no data folder.
    """
    with closing(history.connect(folder / DATABASE)) as db:
        yield from findings(Case(folder, db, Vault(folder / "vault")), CHECKS)


def findings(case: Case, checks: dict[str, Callable[[Case], str]]) -> Iterator[Finding]:
    """The outcome of some checks; a check that cannot be made is a promise that does not hold."""
    for name, check in checks.items():
        try:
            wrong = check(case)
        except (ProductError, sqlite3.DatabaseError) as error:
            wrong = f"could not be checked: {error}"
        yield Finding(name, not wrong, f"{name}: {wrong}" if wrong else f"{name}.")


def _sound(case: Case) -> str:
    answer = case.db.conn.execute("PRAGMA integrity_check(3)").fetchone()[0]
    strays = case.db.conn.execute("PRAGMA foreign_key_check").fetchall()
    return "" if answer == "ok" and not strays else f"{answer}; {len(strays)} rows point nowhere"


def _bytes_kept(case: Case) -> str:
    rows = case.db.query("SELECT name, sha256 FROM batches WHERE removed_at IS NULL")
    return _listed([row["name"] for row in rows if not case.vault.has("spool", row["sha256"])], "files are gone")


def _rows_counted(case: Case) -> str:
    query = (
        "SELECT b.id FROM batches b LEFT JOIN rows r ON r.batch_id = b.id WHERE b.kind <> 'labels' AND "
        "b.removed_at IS NULL AND b.state NOT IN ('received', 'quarantined') GROUP BY b.id "
        "HAVING count(r.position) <> b.rows"
    )
    return _listed([f"#{row['id']}" for row in case.db.query(query)], "batches do not have the rows they say")


def _reasons(case: Case) -> str:
    silent = case.count("SELECT count(*) FROM batches WHERE state = 'quarantined' AND reason = ''")
    return f"{silent} quarantined batches have no reason" if silent else ""


def _not_stuck(case: Case) -> str:
    query = f"SELECT id FROM batches WHERE state NOT IN ('done', 'quarantined') AND attempts > {_ATTEMPTS}"  # nosec B608
    return _listed([f"#{row['id']}" for row in case.db.query(query)], "batches were tried too often and still wait")


def _scores(case: Case) -> str:
    query = (
        "SELECT b.id FROM batches b WHERE b.kind = 'rows' AND b.state IN "
        "('scored', 'decided', 'training', 'judged', 'done') AND b.id NOT IN (SELECT batch_id FROM reports)"
    )
    missing = [f"#{row['id']}" for row in case.db.query(query)]
    for monitor in history.monitors(case.db):
        watched = sorted(feature.name for feature in monitor.schema.watched)
        scored = "SELECT batch_id, json_group_array(name) AS names FROM (SELECT batch_id, name FROM scores WHERE "
        scored += "batch_id IN (SELECT id FROM batches WHERE monitor_id = ?) ORDER BY batch_id, name) GROUP BY batch_id"
        for row in case.db.query(scored, [monitor.id]):
            if sorted(json.loads(row["names"])) != watched:
                missing.append(f"#{row['batch_id']}")
    return _listed(missing, "batches were passed on without a score for every watched feature")


def _champions(case: Case) -> str:
    query = (
        "SELECT count(*) FROM monitors m WHERE (SELECT count(*) FROM versions v WHERE v.monitor_id = m.id AND "
        "v.state = 'champion' AND v.id = m.champion) <> 1"
    )
    wrong = case.count(query)
    return f"{wrong} monitors do not have exactly one champion" if wrong else ""


def _models(case: Case) -> str:
    wrong = []
    for row in case.db.query("SELECT number, sha256 FROM versions WHERE removed_at IS NULL"):
        try:
            case.vault.get("models", row["sha256"])
        except ProductError as error:
            wrong.append(f"v{row['number']}: {error}")
    return "; ".join(wrong[:_NAMED])


def _no_strays(case: Case) -> str:
    old = time.time() - _STRAY_SECONDS
    found = [sha256 for area in AREAS for sha256 in case.vault.strays(area, named(case.db, area), old)]
    return f"{len(found)} files in the vault belong to nothing" if found else ""


def named(db: Database, area: Area) -> set[str]:
    """The hashes of an area that rows name and that have not been let go. (Older schemas let nothing go.)"""
    table = {"models": "versions", "spool": "batches"}[area]
    return {row["sha256"] for row in db.query(f"SELECT * FROM {table}") if row.get("removed_at") is None}  # nosec B608


def _decisions_named(case: Case) -> str:
    query = (
        "SELECT count(*) FROM decisions WHERE "
        "(batch_id IS NULL AND \"trigger\" NOT IN ('person', 'schedule', 'fault')) "
        "OR (version_id IS NULL AND \"trigger\" <> 'init')"
    )
    wrong = case.count(query)
    return f"{wrong} decisions do not say which batch or which version they are about" if wrong else ""


def _history_replays(case: Case) -> str:
    for monitor in history.monitors(case.db):
        reigns = history.reigns(case.db, monitor.id)
        if not reigns or reigns[-1].challenger_id != monitor.champion:
            return f"the decisions of {monitor.name} do not lead to its champion"
        for before, after in itertools.pairwise(reigns):
            if after.version_id != before.challenger_id:
                return f"{monitor.name}: decision #{after.id} replaces a version that was not the champion then"
    return ""


def _log_small(case: Case) -> str:
    log = case.folder / f"{DATABASE}-wal"
    size = log.stat().st_size if log.exists() else 0
    return f"{size:,} bytes" if size > _LOG_LIMIT else ""


def _jobs_alive(case: Case) -> str:
    holder = Hold(case.folder).holder()
    if not holder.get("url") or not _runs(holder.get("pid")):
        return ""  # no server holds the folder, so no jobs are due
    last = case.count("SELECT coalesce(max(last_run), 0) FROM jobs")
    quiet = time.time() - last / 1e6
    return f"the last one was {quiet:,.0f} seconds ago" if last and quiet > _SILENT_SECONDS else ""


def _runs(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except (OSError, ValueError):
        return False
    return True


def _listed(found: list[str], what: str) -> str:
    if not found:
        return ""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} {what}: {', '.join(found[:_NAMED])}{more}"


CHECKS: dict[str, Callable[[Case], str]] = {
    "The database is sound": _sound,
    "Every batch that was taken has its bytes": _bytes_kept,
    "Every batch has the rows it says": _rows_counted,
    "Every quarantined batch has a reason": _reasons,
    "No batch is stuck": _not_stuck,
    "Every batch that was passed on has a score for every watched feature": _scores,
    "Every monitor has exactly one champion": _champions,
    "Every version's bytes are whole": _models,
    "Every file in the vault belongs to something": _no_strays,
    "Every decision says what it is about": _decisions_named,
    "The decisions lead to the champion": _history_replays,
    "The write-ahead log is small": _log_small,
    "The jobs run": _jobs_alive,
}
