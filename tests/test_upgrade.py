"""Older data become new ones: from every schema that was ever kept, backup first, and never between two states."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from pipeline.service import Service
from storage import history, schema
from storage.errors import Unhealthy
from storage.store import DATABASE, Store
from storage.upkeep import doctor
from tests.data.keep_schema import SCHEMAS, fill

KEPT = sorted(SCHEMAS.glob("*.sql"))
BYTES = ("Every batch that was taken has its bytes", "Every version's bytes are whole")  # a dump holds none


@pytest.fixture(params=KEPT, ids=lambda path: path.stem)
def old(request, tmp_path) -> Path:
    """A data folder as that schema left it."""
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.executescript("PRAGMA journal_mode=WAL;\n" + request.param.read_text())
    return folder


def content(path: Path) -> dict[str, list]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        return {name: database.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def shape(path: Path) -> dict[str, set]:
    """Tables with their columns, and indexes, as they are now."""
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        columns = {name: {row[1:] for row in database.execute(f"PRAGMA table_info({name})")} for (name,) in tables}
        indexes = database.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    return {**columns, "indexes": {name for (name,) in indexes}}


def test_the_present_schema_is_kept():
    """A migration was added: run ``python -m tests.data.keep_schema`` and keep what it writes."""
    names = [migration.name for migration in schema.migrations.pending(Database(memory=True))]
    assert KEPT
    assert f"{len(names)}-{names[-1]}.sql" in {path.name for path in KEPT}


def test_old_data_are_as_good_as_new(old, tmp_path):
    before = content(old / DATABASE)
    service = Service(old)
    with closing(Store(tmp_path / "fresh")):
        pass
    assert shape(old / DATABASE) == shape(tmp_path / "fresh" / DATABASE)
    owner = history.monitor(service.db, "shop")
    assert len(history.batches(service.db, owner.id, ("reference", "rows", "labels"))) == len(before["batches"])
    assert [event.message for event in history.events(service.db, kinds=("upgrade",))] == (
        []
        if old_is_new(before)
        else [f"The data were brought up to date. The copy from before: {backups(old)[0].name}."]
    )
    service.close()
    assert [finding.text for finding in doctor(old) if not finding.ok and finding.check not in BYTES] == []


def old_is_new(before: dict[str, list]) -> bool:
    return len(before["_sqlite_migrations"]) == len(schema.migrations.pending(Database(memory=True)))


def backups(folder: Path) -> list[Path]:
    return sorted((folder / "backups").glob("*.db")) if (folder / "backups").exists() else []


def test_a_copy_is_made_first_and_holds_what_was(old):
    before = content(old / DATABASE)
    Service(old).close()
    if old_is_new(before):
        assert backups(old) == []
        return
    (made,) = backups(old)
    assert content(made) == before
    assert made.stat().st_mode & 0o077 == 0


def test_what_was_written_is_still_there(old):
    before = content(old / DATABASE)
    Service(old).close()
    after = content(old / DATABASE)
    for table in ("monitors", "settings", "batches", "rows", "labels", "decisions", "versions", "reports", "scores"):
        width = len(before[table][0])
        assert [row[:width] for row in after[table]] == before[table], table


@pytest.mark.parametrize("at", range(len(schema.migrations.pending(Database(memory=True)))))
def test_an_upgrade_that_dies_leaves_the_old_schema(old, at, monkeypatch):
    """Whichever migration dies: nothing of any is kept, and the next start goes all the way."""
    before = content(old / DATABASE)

    def die(db: Database) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(schema.migrations._migrations[at], "fn", die)
    pending = at >= len(before["_sqlite_migrations"])
    if pending:
        with pytest.raises(KeyboardInterrupt):
            Store(old)
        assert content(old / DATABASE) == before
    monkeypatch.undo()
    with closing(Store(old)):
        pass
    assert len(content(old / DATABASE)["_sqlite_migrations"]) == len(schema.migrations._migrations)


def test_data_of_a_newer_program_are_left_alone(tmp_path):
    folder = tmp_path / "data"
    fill(folder)
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('drift', 'later', '')"
        )
        database.commit()
    before = content(folder / DATABASE)
    for use in (lambda: Service(folder), lambda: Store(folder), lambda: list(doctor(folder))):
        with pytest.raises(Unhealthy, match=r"newer version.*later"):
            use()
    assert content(folder / DATABASE) == before
    assert backups(folder) == []
