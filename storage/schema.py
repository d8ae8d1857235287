"""The tables, and how older files become new ones.

Migrations are append-only: to change a table, add a function below the last one and never edit a released one.
All that are pending run in one transaction together with the record of them, after a backup. Then run
``python -m tests.data.keep_schema``: it keeps the new schema for the tests of every later one.

User columns never become SQL names: a row's cells are one JSON object in ``rows.data``.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database, Migrations

from storage import codec, lines
from storage.errors import Unhealthy
from storage.records import FeatureDrift

migrations = Migrations("drift")

_BATCH_STATES = "'received','validated','scored','decided','training','judged','done','quarantined'"
_VERSION_STATES = "'champion','candidate','held','retired','rejected','rolled_back'"
_HEALTH = "'healthy','drifting','unreliable','learning','needs_you','no_data'"

_FIRST = f"""
CREATE TABLE monitors (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, schema TEXT NOT NULL, estimator TEXT NOT NULL,
    grid TEXT NOT NULL, champion INTEGER REFERENCES versions(id) DEFERRABLE INITIALLY DEFERRED,
    health TEXT NOT NULL CHECK (health IN ({_HEALTH})), health_reason TEXT NOT NULL, health_since INTEGER NOT NULL,
    demo INTEGER NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE TABLE settings (
    id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL REFERENCES monitors(id), data TEXT NOT NULL,
    author TEXT NOT NULL, note TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL REFERENCES monitors(id),
    kind TEXT NOT NULL CHECK (kind IN ('reference','rows','labels')), name TEXT NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ({_BATCH_STATES})),
    attempts INTEGER NOT NULL, reason TEXT NOT NULL, warnings TEXT NOT NULL, rows INTEGER NOT NULL,
    labelled INTEGER NOT NULL, starts_at INTEGER, ends_at INTEGER, version_id INTEGER REFERENCES versions(id),
    learnable INTEGER NOT NULL, received_at INTEGER NOT NULL, done_at INTEGER,
    UNIQUE (monitor_id, sha256)) STRICT;
CREATE INDEX batches_by_monitor ON batches (monitor_id, kind, id);
CREATE INDEX batches_unfinished ON batches (state) WHERE state NOT IN ('done','quarantined');
CREATE TABLE rows (
    batch_id INTEGER NOT NULL REFERENCES batches(id), position INTEGER NOT NULL, key TEXT, data TEXT NOT NULL,
    label ANY, prediction ANY, probabilities TEXT, PRIMARY KEY (batch_id, position)) STRICT, WITHOUT ROWID;
CREATE INDEX rows_by_key ON rows (key, batch_id) WHERE key IS NOT NULL;
CREATE TABLE labels (
    id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL REFERENCES monitors(id),
    delivery_id INTEGER NOT NULL REFERENCES batches(id), key TEXT NOT NULL, value ANY) STRICT;
CREATE INDEX labels_by_key ON labels (monitor_id, key, id);
CREATE INDEX labels_by_delivery ON labels (delivery_id);
CREATE TABLE profiles (
    batch_id INTEGER NOT NULL REFERENCES batches(id), feature TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (batch_id, feature)) STRICT, WITHOUT ROWID;
CREATE TABLE references_of_versions (
    version_id INTEGER NOT NULL REFERENCES versions(id), feature TEXT NOT NULL, rows INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (version_id, feature)) STRICT, WITHOUT ROWID;
CREATE TABLE reports (
    batch_id INTEGER PRIMARY KEY REFERENCES batches(id), rows INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('stable','drift','too_few_rows')), score REAL NOT NULL,
    p_value REAL NOT NULL, links TEXT NOT NULL, link_score REAL NOT NULL, faults TEXT NOT NULL,
    explanation TEXT NOT NULL, reference_id INTEGER NOT NULL REFERENCES versions(id),
    settings_id INTEGER NOT NULL REFERENCES settings(id), created_at INTEGER NOT NULL) STRICT;
CREATE TABLE scores (
    batch_id INTEGER NOT NULL REFERENCES batches(id), name TEXT NOT NULL, kind TEXT NOT NULL, score REAL NOT NULL,
    p_value REAL NOT NULL, drift INTEGER NOT NULL, verdict TEXT NOT NULL, effect REAL NOT NULL,
    distances TEXT NOT NULL, null_rate REAL NOT NULL, reference_null_rate REAL NOT NULL, new_levels TEXT NOT NULL,
    eye TEXT NOT NULL, explanation TEXT NOT NULL, PRIMARY KEY (batch_id, name)) STRICT, WITHOUT ROWID;
CREATE TABLE performance (
    id INTEGER PRIMARY KEY, batch_id INTEGER NOT NULL REFERENCES batches(id),
    version_id INTEGER NOT NULL REFERENCES versions(id), basis TEXT NOT NULL CHECK (basis IN ('measured','estimated')),
    metrics TEXT NOT NULL, "primary" TEXT NOT NULL, labelled INTEGER NOT NULL, rows INTEGER NOT NULL,
    details TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE INDEX performance_by_batch ON performance (batch_id, basis, id);
CREATE TABLE versions (
    id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL REFERENCES monitors(id), number INTEGER NOT NULL,
    parent_id INTEGER REFERENCES versions(id), state TEXT NOT NULL CHECK (state IN ({_VERSION_STATES})),
    recipe TEXT NOT NULL, trained_on TEXT NOT NULL, rows INTEGER NOT NULL, estimator TEXT NOT NULL,
    settings_id INTEGER NOT NULL REFERENCES settings(id), seed INTEGER NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL, metrics TEXT NOT NULL, judged_on TEXT NOT NULL, importance TEXT NOT NULL,
    candidates TEXT NOT NULL, environment TEXT NOT NULL, details TEXT NOT NULL, reason TEXT NOT NULL,
    train_seconds REAL NOT NULL, pinned INTEGER NOT NULL, created_at INTEGER NOT NULL,
    UNIQUE (monitor_id, number)) STRICT;
CREATE UNIQUE INDEX one_champion ON versions (monitor_id) WHERE state = 'champion';
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL REFERENCES monitors(id),
    batch_id INTEGER REFERENCES batches(id), action TEXT NOT NULL, "trigger" TEXT NOT NULL, reason TEXT NOT NULL,
    details TEXT NOT NULL, version_id INTEGER REFERENCES versions(id), challenger_id INTEGER REFERENCES versions(id),
    settings_id INTEGER NOT NULL REFERENCES settings(id), author TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE INDEX decisions_by_monitor ON decisions (monitor_id, id);
CREATE INDEX decisions_by_batch ON decisions (batch_id);
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL REFERENCES monitors(id), kind TEXT NOT NULL,
    onset_batch INTEGER NOT NULL, found_batch INTEGER NOT NULL, end_batch INTEGER, features TEXT NOT NULL,
    summary TEXT NOT NULL, UNIQUE (monitor_id, kind, found_batch)) STRICT;
CREATE TABLE trainings (
    id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL REFERENCES monitors(id),
    batch_id INTEGER REFERENCES batches(id),
    state TEXT NOT NULL CHECK (state IN ('queued','running','judged','failed')), "trigger" TEXT NOT NULL,
    reason TEXT NOT NULL, attempts INTEGER NOT NULL, progress TEXT NOT NULL, created_at INTEGER NOT NULL,
    started_at INTEGER, ended_at INTEGER) STRICT;
CREATE INDEX trainings_open ON trainings (monitor_id) WHERE state IN ('queued','running');
CREATE TABLE events (
    id INTEGER PRIMARY KEY, monitor_id INTEGER REFERENCES monitors(id), batch_id INTEGER REFERENCES batches(id),
    level TEXT NOT NULL CHECK (level IN ('info','warning','error')), kind TEXT NOT NULL, message TEXT NOT NULL,
    details TEXT NOT NULL, author TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE INDEX events_by_monitor ON events (monitor_id, id);
CREATE TABLE jobs (
    name TEXT PRIMARY KEY, last_run INTEGER, last_ok INTEGER, failures INTEGER NOT NULL, error TEXT NOT NULL,
    next_run INTEGER) STRICT;
CREATE TABLE truths (
    monitor_id INTEGER NOT NULL REFERENCES monitors(id), starts_at INTEGER NOT NULL, ends_at INTEGER,
    kind TEXT NOT NULL, features TEXT NOT NULL, description TEXT NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (monitor_id, starts_at, kind)) STRICT;
CREATE TABLE changes (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO changes VALUES (1, 0);
"""  # nosec B608 # only words of ours are filled in


@migrations()
def first(db: Database) -> None:
    """The tables of the first release."""
    for statement in _FIRST.split(";\n"):
        if statement.strip():
            db.execute(statement)


_LINES = """
CREATE TABLE score_names (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE score_lines (
    batch_id INTEGER PRIMARY KEY REFERENCES batches(id), names_id INTEGER NOT NULL REFERENCES score_names(id),
    data BLOB NOT NULL) STRICT;
CREATE TABLE periods (
    monitor_id INTEGER NOT NULL REFERENCES monitors(id), grain TEXT NOT NULL CHECK (grain IN ('day','week')),
    starts_at INTEGER NOT NULL, batches INTEGER NOT NULL, mark INTEGER NOT NULL, rows INTEGER NOT NULL,
    score REAL NOT NULL, verdict TEXT NOT NULL, explanation TEXT NOT NULL,
    names_id INTEGER NOT NULL REFERENCES score_names(id), data BLOB NOT NULL,
    reference_id INTEGER NOT NULL REFERENCES versions(id), settings_id INTEGER NOT NULL REFERENCES settings(id),
    created_at INTEGER NOT NULL, PRIMARY KEY (monitor_id, grain, starts_at)) STRICT, WITHOUT ROWID;
"""


@migrations()
def lines_of_scores(db: Database) -> None:
    """A line of scores a batch, for charts over long histories; scores of merged days and weeks."""
    for statement in _LINES.split(";\n"):
        if statement.strip():
            db.execute(statement)
    for row in list(db.query("SELECT batch_id FROM reports")):
        found = db.query("SELECT * FROM scores WHERE batch_id = ?", [row["batch_id"]])
        names, data = lines.pack(codec.from_row(FeatureDrift, one) for one in found)
        db.execute("INSERT OR IGNORE INTO score_names (names) VALUES (?)", [codec.to_json(names)])
        db.execute(
            "INSERT INTO score_lines SELECT ?, id, ? FROM score_names WHERE names = ?",
            [row["batch_id"], data, codec.to_json(names)],
        )


@migrations()
def backtests(db: Database) -> None:
    """Policies replayed over a history, asked for in the page."""
    db.execute(
        "CREATE TABLE backtests (id INTEGER PRIMARY KEY, monitor_id INTEGER REFERENCES monitors(id), "
        "name TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('queued','running','done','failed')), "
        "options TEXT NOT NULL, progress TEXT NOT NULL, result TEXT NOT NULL, error TEXT NOT NULL, "
        "attempts INTEGER NOT NULL, author TEXT NOT NULL, created_at INTEGER NOT NULL, started_at INTEGER, "
        "ended_at INTEGER) STRICT"
    )
    db.execute("CREATE INDEX backtests_open ON backtests (id) WHERE state IN ('queued','running')")


_ACCOUNTS = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL CHECK (role IN ('viewer','operator')),
    password TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL CHECK (role IN ('viewer','operator')),
    sha256 TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL) STRICT;
CREATE TABLE sessions (
    sha256 TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    ends_at INTEGER NOT NULL) STRICT;
"""


@migrations()
def accounts(db: Database) -> None:
    """Users, tokens of machines, and the sessions of browsers; secrets only as hashes."""
    for statement in _ACCOUNTS.split(";\n"):
        if statement.strip():
            db.execute(statement)


@migrations()
def parts(db: Database) -> None:
    """Sums of performance over parts of the rows: apart, since charts over long histories need none of it."""
    db.execute(
        "CREATE TABLE parts (performance_id INTEGER PRIMARY KEY REFERENCES performance(id) ON DELETE CASCADE, "
        "data TEXT NOT NULL) STRICT"
    )


@migrations()
def letting_go(db: Database) -> None:
    """When the file of a batch or the bytes of a version were let go."""
    db.execute("ALTER TABLE batches ADD COLUMN removed_at INTEGER")
    db.execute("ALTER TABLE versions ADD COLUMN removed_at INTEGER")


@migrations()
def indexes_for_charts(db: Database) -> None:
    """What charts over ten thousand batches look for, without reading the wide rows it is part of."""
    wide = "monitor_id, kind, id, ends_at, received_at, rows, state, version_id, name"
    for name, table, columns, where in (
        ("decisions_that_acted", "decisions", "monitor_id, id", " WHERE action <> 'keep'"),
        ("reports_in_short", "reports", "batch_id, score, verdict, faults <> '[]'", ""),
        ("batches_in_short", "batches", wide, ""),
        ("batches_by_version", "batches", "version_id, kind", ""),
    ):
        db.execute(f"CREATE INDEX {name} ON {table} ({columns}){where}")


def check_known(db: Database) -> None:
    """Refuse a database that a newer version of the program has changed.

    Raises
    ------
    Unhealthy
        Naming the changes that are not known here. Nothing is written.
    """
    if "_sqlite_migrations" not in db.table_names():
        return
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    foreign = [migration.name for migration in migrations.applied(db) if migration.name not in known]
    if foreign:
        raise Unhealthy(
            f"The data were written by a newer version of this program (unknown here: {', '.join(foreign)}). "
            "Use that version, or restore the backup that was made before it."
        )


def outdated(path: Path) -> bool:
    """Whether there is a database, and it is of an older schema."""
    if not path.exists() or not path.stat().st_size:
        return False
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            db = Database(connection)
            return bool(migrations.applied(db)) and bool(migrations.pending(db))
        except sqlite3.DatabaseError:
            return False  # damaged: who opens it next says so


def bring_up_to_date(db: Database) -> None:
    """Apply what is pending, all of it or nothing: a kill leaves the old schema or the new one."""
    check_known(db)
    db.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(db)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
