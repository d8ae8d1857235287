"""Backups that can be trusted, and their way back: one file, made while the program runs, every part with its hash."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlite_utils import Database

from storage import history
from storage.connection import BACKUPS, open_database, told
from storage.errors import Blocked, Conflict, Missing, ProductError, Refused
from storage.schema import migrations
from storage.store import DATABASE
from storage.upkeep.doctor import Case, doctor, named
from storage.vault import AREAS, Area, Vault
from storage.whole import sync_folder

_MANIFEST = "manifest.json"
_STAMP = "%Y%m%dT%H%M%S%fZ"
_AUTO = "-auto"  # in the names of those that were made by the clock
_ROOM = 200_000_000  # bytes that stay free on the disk
_LONG = 6 * 3600  # seconds after which no backup is still being made
_TRIES = 3
_BEFORE = "before-upgrade-"
DAYS, WEEKS = 7, 4  # newest backups kept: one a day, then one a week


def backup(folder: Path, out: Path | None = None, automatic: bool = False) -> Path:
    """A whole copy in one file, made while the program runs, with a hash of every part inside and its own beside it.

    Parameters
    ----------
    folder : Path
        The data folder.
    out : Path, optional
        The file to write; default ``backups/<time>.tar`` in the data folder.
    automatic : bool
        Whether it may go when newer ones are there; what a person asked for stays.

    Raises
    ------
    Blocked
        If there is no room for it: the disk is left to the batches.
    """
    if not (folder / DATABASE).exists():
        raise Missing(f"There is no data at {folder}.")
    out = out or folder / BACKUPS / f"{datetime.now(UTC).strftime(_STAMP)}{_AUTO if automatic else ''}.tar"
    if out.exists():
        raise Conflict(f"{out} is there already.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _check_room(folder, out.parent)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".making-") as work:
            parts = _snapshot(folder, Path(work))
            _pack(Path(work), parts, out)
    except OSError as error:
        raise Blocked(f"The backup could not be written: {error.strerror or error}.") from error
    return out


def copy_before_upgrade(folder: Path) -> Path:
    """A copy of the database alone, before its schema changes: an upgrade touches no other file.

    Unlike ``backup`` it asks nothing of the tables, which are not yet those of this version, nor of the vault. To go
    back: stop the program, put the copy in the place of ``drift.db``, delete ``drift.db-wal`` and ``drift.db-shm``.

    Raises
    ------
    Blocked
        If the disk refuses.
    """
    made = folder / BACKUPS / f"{_BEFORE}{datetime.now(UTC).strftime(_STAMP)}.db"
    aside = made.with_suffix(".tmp")
    try:
        made.parent.mkdir(exist_ok=True)
        aside.unlink(missing_ok=True)
        aside.touch(0o600)
        with told(folder / DATABASE), closing(open_database(folder / DATABASE)) as connection:
            connection.execute("VACUUM INTO ?", [str(aside)])
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, made)
        sync_folder(made.parent)
    except OSError as error:
        raise Blocked(f"The copy before the upgrade could not be written: {error.strerror or error}.") from error
    return made


def _check_room(folder: Path, place: Path) -> None:
    models = [path.stat().st_size for path in (folder / "vault" / "models").glob("*")]
    needed = sum(path.stat().st_size for path in folder.glob(f"{DATABASE}*")) * 2
    needed += sum(path.stat().st_size for path in (folder / "vault").glob("*/*")) + max(
        _ROOM, 3 * max(models, default=0)
    )
    free = shutil.disk_usage(place).free
    if free < needed:
        raise Blocked(
            f"A backup needs {needed:,} bytes of room in {place}, there are {free:,}. Free some; it is retried."
        )


def _snapshot(folder: Path, work: Path) -> dict[str, str]:
    """The database's copy, and links to every file it names: (part name -> hash).

    Files may be let go between the two, so it is begun again when one that is named is gone.
    """
    for attempt in range(_TRIES):
        place = work / str(attempt)
        place.mkdir()
        with closing(history.connect(folder / DATABASE)) as db:
            db.conn.execute("PRAGMA query_only=OFF")
            db.conn.execute("VACUUM INTO ?", [str(place / DATABASE)])
        parts = {DATABASE: _hash(place / DATABASE)}
        with closing(history.connect(place / DATABASE)) as db:
            wanted = [(area, sha256) for area in AREAS for sha256 in sorted(named(db, area))]
        try:
            for area, sha256 in wanted:
                parts[f"vault/{area}/{sha256}"] = sha256
                _link(folder / "vault" / area / sha256, place / "vault" / area / sha256)
        except FileNotFoundError:
            gone = sha256
            continue
        place.rename(work / "whole")
        return parts
    raise Missing(f"The stored file {gone[:12]}… is gone, so no whole backup can be made. Look with: run.py doctor.")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk
        shutil.copyfile(source, target)


def _pack(work: Path, parts: dict[str, str], out: Path) -> None:
    """The parts as one file, complete or absent, its hash beside it."""
    aside = work / "whole.tar"
    with aside.open("wb") as sink:
        with tarfile.open(fileobj=sink, mode="w") as tar:
            for name in parts:
                tar.add(work / "whole" / name, name)
            text = json.dumps(parts).encode()
            entry = tarfile.TarInfo(_MANIFEST)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        sink.flush()
        os.fsync(sink.fileno())
    _beside(out).write_text(f"{_hash(aside)}  {out.name}\n")
    os.replace(aside, out)
    sync_folder(out.parent)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- the way back -----------------------------------------------------------------------------------------------------


def restore(backup_file: Path, folder: Path) -> Path:
    """Bring a backup back into a new folder, verified part by part, and promise by promise, before it takes its place.

    Raises
    ------
    Conflict
        If the folder holds data already.
    Refused
        If the backup is not whole.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} holds data already. Choose a new folder with --data-dir.")
    if not backup_file.exists():
        raise Missing(f"There is no backup at {backup_file}.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _unpacked(backup_file, folder.parent) as work:
        _migrate(work / DATABASE)
        broken = [finding.text for finding in doctor(work) if not finding.ok]
        if broken:
            raise Refused(f"The backup is whole, but not sound: {broken[0]}", file=backup_file.name)
        for leftover in work.glob(f"{DATABASE}-*"):
            leftover.unlink()
        if folder.exists():
            folder.rmdir()
        os.replace(work, folder)
        sync_folder(folder.parent)
    return folder


def _migrate(path: Path) -> None:
    """A backup of an older version becomes one of ours before it is looked at."""
    with closing(open_database(path)) as connection, told(path):
        migrations.apply(Database(connection))


@contextmanager
def _unpacked(backup_file: Path, place: Path) -> Iterator[Path]:
    """The parts of a backup in a folder beside, each compared with its hash."""
    work = Path(tempfile.mkdtemp(dir=place, prefix=".restore-"))
    try:
        try:
            with tarfile.open(backup_file) as tar:
                tar.extractall(work, filter="data")
            parts = json.loads((work / _MANIFEST).read_text())
            for name, sha256 in parts.items():
                if _hash(work / name) != sha256:
                    raise Refused(f"The part {name} is damaged; use another backup.", file=backup_file.name)
            (work / _MANIFEST).unlink()
            for area in AREAS:
                (work / "vault" / area).mkdir(parents=True, exist_ok=True)
            _synced(work)
        except (tarfile.TarError, OSError, ValueError, AttributeError) as error:
            raise Refused(f"This is not a whole backup: {error}.", file=backup_file.name) from error
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _synced(work: Path) -> None:
    for path in work.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)


def recover_part(folder: Path, area: Area, sha256: str) -> bytes | None:
    """The bytes of a hash from the newest backup that still has them whole."""
    for file in reversed(kept(folder)):
        try:
            with tarfile.open(file) as tar:
                part = tar.extractfile(f"vault/{area}/{sha256}")
                data = part.read() if part else b""
        except (tarfile.TarError, OSError, KeyError):
            continue
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    return None


# --- which are kept ---------------------------------------------------------------------------------------------------


def kept(folder: Path) -> list[Path]:
    """The backups of a data folder, oldest first."""
    return sorted((folder / BACKUPS).glob("*.tar"))


def made_at(file: Path) -> datetime | None:
    """When a backup was made, by its name; None if a person gave it one."""
    try:
        return datetime.strptime(file.stem.removesuffix(_AUTO), _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def spare(files: Sequence[Path]) -> list[Path]:
    """Which backups may go: all but the newest of each of the last days and weeks that have one.

    Backups that a person asked for are never spare.
    """
    days: dict[str, Path] = {}
    weeks: dict[str, Path] = {}
    made = [file for file in files if file.stem.endswith(_AUTO)]
    dated = [(moment, file) for file in made if (moment := made_at(file)) is not None]
    for moment, file in sorted(dated, reverse=True):
        days.setdefault(moment.strftime("%Y-%m-%d"), file)
        weeks.setdefault((moment - timedelta(days=moment.weekday())).strftime("%Y-%m-%d"), file)
    stay = {*list(days.values())[:DAYS], *list(weeks.values())[:WEEKS]}
    return [file for _, file in sorted(dated) if file not in stay]


def prune(folder: Path) -> list[Path]:
    """Delete the spare backups, and what a making that was interrupted left long ago; returns what went."""
    gone = spare(kept(folder))
    for file in gone:
        file.unlink(missing_ok=True)
        _beside(file).unlink(missing_ok=True)
    for stray in (folder / BACKUPS).glob(".making-*"):
        with contextlib.suppress(FileNotFoundError):  # another backup that has ended just now
            if stray.stat().st_mtime < time.time() - _LONG:
                shutil.rmtree(stray, ignore_errors=True)
    return gone


# --- forgetting -------------------------------------------------------------------------------------------------------


def forget_in_backups(folder: Path, change: Callable[[Database], Sequence[str]]) -> list[str]:
    """Make every backup of the folder anew without what is to be forgotten; copies from before an upgrade go.

    Parameters
    ----------
    folder : Path
    change : callable
        Removes it from a database and returns the hashes of the files that held it.

    Returns
    -------
    list of str
        Names of backups that could not be read, and were therefore deleted.
    """
    lost = []
    for copy in (folder / BACKUPS).glob(f"{_BEFORE}*.db"):
        copy.unlink()
    for file in kept(folder):
        try:
            with _unpacked(file, file.parent) as work:
                _rewrite(work, change, file)
        except ProductError:
            file.unlink()
            _beside(file).unlink(missing_ok=True)
            lost.append(file.name)
    return lost


def _rewrite(work: Path, change: Callable[[Database], Sequence[str]], file: Path) -> None:
    path = work / DATABASE
    with closing(open_database(path)) as connection, told(path):
        connection.execute("PRAGMA secure_delete=ON").fetchall()
        db = Database(connection)
        migrations.apply(db)
        connection.execute("BEGIN IMMEDIATE")
        gone = change(db)
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    case = Case(work, history.connect(path), Vault(work / "vault"))
    with closing(case.db):
        for area in AREAS:
            stay = named(case.db, area)
            for sha256 in [*case.vault.hashes(area)]:
                if sha256 in gone or sha256 not in stay:
                    case.vault.remove(area, sha256)
        parts = {DATABASE: _hash(path)}
        parts |= {f"vault/{area}/{sha256}": sha256 for area in AREAS for sha256 in case.vault.hashes(area)}
    whole = work / "whole"
    whole.mkdir()
    os.replace(path, whole / DATABASE)
    os.replace(work / "vault", whole / "vault")
    _pack(work, parts, file)
