"""Keeping a data folder whole: the promises checked one by one, backups that can be trusted, and their way back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from storage import history
from storage.errors import Conflict, Missing, ProductError, Refused, Unhealthy
from storage.store import DATABASE
from storage.vault import Vault
from storage.writes import FORGOTTEN

_LOG_LIMIT = 64 << 20  # bytes of write-ahead log
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Finding:
    """One promise, and whether it holds."""

    check: str
    ok: bool
    text: str


@dataclass(frozen=True)
class _Case:
    """What a check may look at."""

    folder: Path
    db: Database
    vault: Vault

    def count(self, query: str) -> int:
        return int(self.db.conn.execute(query).fetchone()[0])


def doctor(folder: Path) -> Iterator[Finding]:
    """Every promise about a data folder, checked. Reads only; may run beside the program.

    Raises
    ------
    Missing
        If there is no data folder.
    """
    path = folder / DATABASE
    db = history.connect(path)
    with closing(db):
        case = _Case(folder, db, Vault(folder / "vault"))
        for name, check in CHECKS.items():
            try:
                wrong = check(case)
            except (sqlite3.DatabaseError, ProductError) as error:
                wrong = f"could not be checked: {error}"
            yield Finding(name, not wrong, f"{name}: {wrong}" if wrong else f"{name}.")


def _sound(case: _Case) -> str:
    answer = case.db.conn.execute("PRAGMA integrity_check(3)").fetchone()[0]
    strays = case.db.conn.execute("PRAGMA foreign_key_check").fetchall()
    return "" if answer == "ok" and not strays else f"{answer}; {len(strays)} rows point nowhere"


def _bytes_kept(case: _Case) -> str:
    query = "SELECT name, sha256 FROM batches WHERE reason <> ?"
    gone = [row["name"] for row in case.db.query(query, [FORGOTTEN]) if not case.vault.has("spool", row["sha256"])]
    return f"{len(gone)} files are gone, the first is {gone[0]}" if gone else ""


def _rows_counted(case: _Case) -> str:
    query = (
        "SELECT count(*) FROM (SELECT b.id FROM batches b LEFT JOIN rows r ON r.batch_id = b.id WHERE "
        "b.kind <> 'labels' AND b.state NOT IN ('received', 'quarantined') GROUP BY b.id "
        "HAVING count(r.position) <> b.rows)"
    )
    wrong = case.count(query)
    return f"{wrong} batches do not have the rows they say" if wrong else ""


def _reasons(case: _Case) -> str:
    silent = case.count("SELECT count(*) FROM batches WHERE state = 'quarantined' AND reason = ''")
    return f"{silent} quarantined batches have no reason" if silent else ""


def _scores(case: _Case) -> str:
    query = (
        "SELECT count(*) FROM batches WHERE kind = 'rows' AND state IN ('scored','decided','training','judged','done') "
        "AND id NOT IN (SELECT batch_id FROM reports)"
    )
    missing = case.count(query)
    return f"{missing} batches were passed on without a drift report" if missing else ""


def _champions(case: _Case) -> str:
    query = (
        "SELECT count(*) FROM monitors m WHERE (SELECT count(*) FROM versions v WHERE v.monitor_id = m.id AND "
        "v.state = 'champion' AND v.id = m.champion) <> 1"
    )
    wrong = case.count(query)
    return f"{wrong} monitors do not have exactly one champion" if wrong else ""


def _models(case: _Case) -> str:
    wrong = []
    for row in case.db.query("SELECT number, sha256 FROM versions"):
        try:
            case.vault.get("models", row["sha256"])
        except ProductError as error:
            wrong.append(f"v{row['number']}: {error}")
    return "; ".join(wrong)


def _history_replays(case: _Case) -> str:
    for monitor in history.monitors(case.db):
        reigns = history.reigns(case.db, monitor.id)
        if not reigns or reigns[-1].challenger_id != monitor.champion:
            return f"the decisions of {monitor.name} do not lead to its champion"
    return ""


def _log_small(case: _Case) -> str:
    log = case.folder / f"{DATABASE}-wal"
    size = log.stat().st_size if log.exists() else 0
    return f"{size:,} bytes" if size > _LOG_LIMIT else ""


CHECKS: dict[str, Callable[[_Case], str]] = {
    "The database is sound": _sound,
    "Every batch that was taken has its bytes": _bytes_kept,
    "Every batch has the rows it says": _rows_counted,
    "Every quarantined batch has a reason": _reasons,
    "Every batch that was passed on has a drift report": _scores,
    "Every monitor has exactly one champion": _champions,
    "Every version's bytes are whole": _models,
    "The decisions lead to the champion": _history_replays,
    "The write-ahead log is small": _log_small,
}


def backup(folder: Path, out: Path | None = None) -> Path:
    """A whole copy in one file, made while the program runs, with a hash of every part inside.

    Parameters
    ----------
    folder : Path
        The data folder.
    out : Path, optional
        The file to write; default ``backups/<time>.tar`` in the data folder.
    """
    if not (folder / DATABASE).exists():
        raise Missing(f"There is no data at {folder}.")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    out = out or folder / "backups" / f"{stamp}.tar"
    if out.exists():
        raise Conflict(f"{out} is there already.")
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_suffix(".tmp")
    try:
        with tempfile.TemporaryDirectory(dir=out.parent) as work:
            copy = Path(work) / DATABASE
            with closing(history.connect(folder / DATABASE)) as db:
                db.conn.execute("PRAGMA query_only=OFF")
                db.conn.execute("VACUUM INTO ?", [str(copy)])
            _pack(aside, copy, Vault(folder / "vault"))
        os.replace(aside, out)
    except (OSError, sqlite3.DatabaseError) as error:
        raise Unhealthy(f"The backup could not be written: {error}.") from error
    finally:
        aside.unlink(missing_ok=True)
    return out


def _pack(target: Path, database: Path, vault: Vault) -> None:
    """The database's copy and every file it names; files that came later are left to the next backup."""
    with closing(history.connect(database)) as db:
        models = {row["sha256"] for row in db.query("SELECT sha256 FROM versions")}
        spool = {row["sha256"] for row in db.query("SELECT sha256 FROM batches")}
    parts = {DATABASE: hashlib.sha256(database.read_bytes()).hexdigest()}
    with tarfile.open(target, "w") as tar:
        tar.add(database, DATABASE)
        for area, hashes in (("models", models), ("spool", spool)):
            for sha256 in sorted(hashes):
                if vault.has(area, sha256):
                    tar.add(vault.path(area, sha256), f"vault/{area}/{sha256}")
                    parts[f"vault/{area}/{sha256}"] = sha256
        with tempfile.NamedTemporaryFile("w", suffix=".json") as manifest:
            json.dump(parts, manifest)
            manifest.flush()
            tar.add(manifest.name, _MANIFEST)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def restore(backup_file: Path, folder: Path) -> Path:
    """Bring a backup back into a new folder, verified part by part before it takes its place.

    Raises
    ------
    Conflict
        If the folder holds data already.
    Refused
        If the backup is not whole.
    """
    if (folder / DATABASE).exists():
        raise Conflict(f"{folder} holds data already. Choose a new folder with --data-dir.")
    if not backup_file.exists():
        raise Missing(f"There is no backup at {backup_file}.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".restore-"))
    try:
        try:
            with tarfile.open(backup_file) as tar:
                tar.extractall(work, filter="data")
            parts = json.loads((work / _MANIFEST).read_text())
            for name, sha256 in parts.items():
                if hashlib.sha256((work / name).read_bytes()).hexdigest() != sha256:
                    raise Refused(f"The part {name} is damaged; use another backup.", file=backup_file.name)
        except (tarfile.TarError, OSError, ValueError) as error:
            raise Refused(f"This is not a whole backup: {error}.", file=backup_file.name) from error
        (work / _MANIFEST).unlink()
        folder.mkdir(exist_ok=True)
        for part in work.iterdir():
            os.replace(part, folder / part.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder
