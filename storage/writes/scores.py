"""What was found in a batch: profiles, drift reports, performance, episodes; and days and weeks of batches as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from storage import codec, lines
from storage.records import DriftReport, Episode, FeatureDrift, Performance, Period
from storage.writes import put


def clear(db: Database, batch_id: int) -> None:
    """Take away what an earlier attempt had found."""
    for table in ("score_lines", "scores", "reports", "profiles", "performance"):
        db.execute(f"DELETE FROM {table} WHERE batch_id = ?", [batch_id])  # nosec B608 # one of the words above


def insert_parts(db: Database, batch_id: int, parts: Mapping[str, bytes]) -> None:
    """The profile of a batch, feature by feature."""
    db.conn.executemany(
        "INSERT OR REPLACE INTO profiles VALUES (?, ?, ?)", ((batch_id, name, data) for name, data in parts.items())
    )


def insert_report(
    db: Database, batch_id: int, report: DriftReport, reference_id: int, settings_id: int, now: int
) -> None:
    """The drift report of a batch in place of an earlier one, with its line of scores."""
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
    return int(put.one(db, "SELECT id FROM score_names WHERE names = ?", [text]))


def _outdate(db: Database, batch_id: int) -> None:
    """A batch was scored anew: the merged days and weeks of its monitor are to be worked out again."""
    db.execute("DELETE FROM periods WHERE monitor_id = (SELECT monitor_id FROM batches WHERE id = ?)", [batch_id])


def rescored(db: Database, reports: Iterable[tuple[int, int, DriftReport]], settings_id: int, now: int) -> None:
    """New reports of stored profiles, after a threshold changed: (batch, reference, report)."""
    for batch_id, reference_id, report in reports:
        insert_report(db, batch_id, report, reference_id, settings_id, now)


def periods_scored(db: Database, periods: Iterable[tuple[Period, Sequence[FeatureDrift]]]) -> None:
    """Days or weeks merged and judged. Worked out from what is stored, so no change that pages redraw for."""
    for period, features in periods:
        names, data = lines.pack(features)
        row = codec.to_row(replace(period, names_id=names_id(db, names), data=data))
        db.table("periods").upsert(row, pk=("monitor_id", "grain", "starts_at"))


def insert_performance(
    db: Database, performance: Iterable[Performance], parts: Mapping[int, Mapping[str, Any]] | None = None
) -> None:
    """Figures of batches, with sums over parts of the rows for those batches that have them."""
    for item in performance:
        number = put.insert(db, "performance", item)
        if parts and item.batch_id in parts:
            db.execute("INSERT INTO parts VALUES (?, ?)", [number, codec.to_json(parts[item.batch_id])])


def upsert_episodes(db: Database, episodes: Sequence[Episode]) -> None:
    """Episodes that began, moved or ended; one is known by its kind and the batch at which it was said."""
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
