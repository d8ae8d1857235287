"""What the store's transactions are made of: small writes, each to be called inside one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from storage import codec, lines
from storage.errors import Missing
from storage.records import Batch, DriftReport, Episode, FeatureDrift, Health, Period


def one(db: Database, sql: str, arguments: Sequence[Any]) -> Any:
    return db.conn.execute(sql, arguments).fetchone()[0]


def insert(db: Database, table: str, record: Any) -> int:
    """Insert a record; id 0 asks for the next one."""
    row = codec.to_row(record)
    if row.get("id") == 0:
        row["id"] = None
    return int(db.table(table).insert(row).last_rowid or 0)


def update_batch(db: Database, batch: Batch) -> None:
    row = codec.to_row(batch)
    db.table("batches").update(row.pop("id"), row)


def clear(db: Database, batch_id: int) -> None:
    """Outputs of an earlier attempt, so that a step may run again."""
    for table in ("score_lines", "scores", "reports", "profiles", "rows", "performance"):
        db.execute(f"DELETE FROM {table} WHERE batch_id = ?", [batch_id])  # nosec B608 # one of the words above
    db.execute("DELETE FROM labels WHERE delivery_id = ?", [batch_id])


def insert_rows(db: Database, batch_id: int, rows: Iterable[Mapping[str, Any]]) -> None:
    db.conn.executemany(
        "INSERT INTO rows (batch_id, position, key, data, label) VALUES (?, ?, ?, ?, ?)",
        ((batch_id, position, row["key"], row["data"], row["label"]) for position, row in enumerate(rows)),
    )


def insert_parts(db: Database, batch_id: int, parts: Mapping[str, bytes]) -> None:
    db.conn.executemany(
        "INSERT OR REPLACE INTO profiles VALUES (?, ?, ?)", ((batch_id, name, data) for name, data in parts.items())
    )


def insert_report(
    db: Database, batch_id: int, report: DriftReport, reference_id: int, settings_id: int, now: int
) -> None:
    if db.execute("DELETE FROM scores WHERE batch_id = ?", [batch_id]).rowcount:
        _outdate(db, batch_id)
    names, data = lines.pack(report.features)
    db.execute("INSERT OR REPLACE INTO score_lines VALUES (?, ?, ?)", [batch_id, names_id(db, names), data])
    db.table("scores").insert_all([{"batch_id": batch_id, **codec.to_row(item)} for item in report.features])
    db.table("reports").upsert(
        {
            "batch_id": batch_id,
            **{key: value for key, value in codec.to_row(report).items() if key != "features"},
            "reference_id": reference_id,
            "settings_id": settings_id,
            "created_at": now,
        },
        pk="batch_id",
    )


def names_id(db: Database, names: Sequence[str]) -> int:
    """The row that holds these feature names in this order; many lines of scores share one."""
    text = codec.to_json(list(names))
    db.execute("INSERT OR IGNORE INTO score_names (names) VALUES (?)", [text])
    return int(one(db, "SELECT id FROM score_names WHERE names = ?", [text]))


def _outdate(db: Database, batch_id: int) -> None:
    """A batch was scored anew: the merged days and weeks of its monitor are to be worked out again."""
    db.execute("DELETE FROM periods WHERE monitor_id = (SELECT monitor_id FROM batches WHERE id = ?)", [batch_id])


def insert_periods(db: Database, periods: Iterable[tuple[Period, Sequence[FeatureDrift]]]) -> None:
    for period, features in periods:
        names, data = lines.pack(features)
        row = codec.to_row(replace(period, names_id=names_id(db, names), data=data))
        db.table("periods").upsert(row, pk=("monitor_id", "grain", "starts_at"))


def insert_predictions(db: Database, batch_id: int, predictions: Iterable[tuple[Any, str | None]]) -> None:
    db.conn.executemany(
        "UPDATE rows SET prediction = ?, probabilities = ? WHERE batch_id = ? AND position = ?",
        ((value, chances, batch_id, position) for position, (value, chances) in enumerate(predictions)),
    )


def adopt_labels(db: Database, batch: Batch) -> None:
    """Labels that came before their rows."""
    db.execute(
        "UPDATE rows SET label = (SELECT value FROM labels WHERE labels.monitor_id = ? AND labels.key = rows.key "
        "ORDER BY labels.id DESC LIMIT 1) WHERE batch_id = ? AND label IS NULL AND key IN "
        "(SELECT key FROM labels WHERE monitor_id = ?)",
        [batch.monitor_id, batch.id, batch.monitor_id],
    )


def apply_labels(db: Database, delivery: Batch) -> list[int]:
    """Latest label wins; every one is kept in ``labels``."""
    touched = [
        row["batch_id"]
        for row in db.query(
            "SELECT DISTINCT rows.batch_id FROM labels JOIN rows ON rows.key = labels.key JOIN batches "
            "ON batches.id = rows.batch_id WHERE labels.delivery_id = ? AND batches.monitor_id = ? ORDER BY 1",
            [delivery.id, delivery.monitor_id],
        )
    ]
    _keep_first_labels(db, delivery, touched)
    for batch_id in touched:
        db.execute(
            "UPDATE rows SET label = (SELECT value FROM labels WHERE labels.delivery_id = ? AND labels.key = rows.key "
            "ORDER BY labels.id DESC LIMIT 1) WHERE batch_id = ? AND key IN "
            "(SELECT key FROM labels WHERE delivery_id = ?)",
            [delivery.id, batch_id, delivery.id],
        )
        db.execute(
            "UPDATE batches SET labelled = (SELECT count(label) FROM rows WHERE batch_id = ?) WHERE id = ?",
            [batch_id, batch_id],
        )
    return touched


def _keep_first_labels(db: Database, delivery: Batch, touched: Sequence[int]) -> None:
    """Labels that came with their rows and are corrected now go into ``labels`` too, with numbers below all others."""
    for batch_id in touched:
        db.execute(
            "INSERT INTO labels (id, monitor_id, delivery_id, key, value) SELECT "
            "min(0, (SELECT min(id) FROM labels)) - row_number() OVER (), ?, batch_id, key, label FROM rows "
            "WHERE batch_id = ? AND label IS NOT NULL AND key IN (SELECT key FROM labels WHERE delivery_id = ?) "
            "AND NOT EXISTS (SELECT 1 FROM labels l WHERE l.monitor_id = ? AND l.key = rows.key "
            "AND l.delivery_id != ?)",
            [delivery.monitor_id, batch_id, delivery.id, delivery.monitor_id, delivery.id],
        )


def upsert_episodes(db: Database, episodes: Sequence[Episode]) -> None:
    for episode in episodes:
        row = codec.to_row(episode)
        row.pop("id")
        db.execute(
            "INSERT INTO episodes (monitor_id, kind, onset_batch, found_batch, end_batch, features, summary) VALUES "
            "(:monitor_id, :kind, :onset_batch, :found_batch, :end_batch, :features, :summary) "
            "ON CONFLICT (monitor_id, kind, found_batch) DO UPDATE SET onset_batch = excluded.onset_batch, "
            "end_batch = excluded.end_batch, features = excluded.features, summary = excluded.summary",
            row,
        )


def set_health(db: Database, monitor_id: int, health: tuple[Health, str], now: int) -> None:
    word, reason = health
    db.execute(
        "UPDATE monitors SET health_since = CASE WHEN health = ? THEN health_since ELSE ? END, health = ?, "
        "health_reason = ? WHERE id = ?",
        [word, now, word, reason, monitor_id],
    )


def crown(db: Database, monitor_id: int, version_id: int, leaving: str = "retired") -> None:
    """Exactly one champion: the old one leaves and the new one comes in the same breath."""
    if not list(db.query("SELECT 1 FROM versions WHERE id = ? AND monitor_id = ?", [version_id, monitor_id])):
        raise Missing(f"There is no version {version_id} of this monitor.")
    db.execute("UPDATE versions SET state = ? WHERE monitor_id = ? AND state = 'champion'", [leaving, monitor_id])
    db.execute("UPDATE versions SET state = 'champion' WHERE id = ?", [version_id])
    db.execute("UPDATE monitors SET champion = ? WHERE id = ?", [version_id, monitor_id])
