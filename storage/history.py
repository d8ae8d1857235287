"""Read-only questions for pages and decisions, one function each.

Every function takes a connection from ``connect`` (one a thread; it cannot write) and returns records or plain values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlite_utils import Database

from storage import codec, settings
from storage.errors import Missing, Unhealthy
from storage.records import (
    Batch,
    BatchKind,
    Decision,
    DriftReport,
    Episode,
    Event,
    FeatureDrift,
    Job,
    Monitor,
    Performance,
    SettingsRow,
    Training,
    Truth,
    Version,
)

R = TypeVar("R")


def connect(path: Path) -> Database:
    """A connection that reads and cannot write. Use it in the thread that made it.

    Raises
    ------
    Missing
        If there is no database.
    """
    if not path.exists():
        raise Missing(f"There is no data at {path.parent}. Start with: run.py init NAME --reference FILE --target COL")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=10)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    return Database(connection)


def change_number(db: Database) -> int:
    """A number that grows with every write: pages redraw only when it moved."""
    return int(db.conn.execute("SELECT number FROM changes").fetchone()[0])


# --- monitors and settings --------------------------------------------------------------------------------------------


def monitors(db: Database) -> list[Monitor]:
    """All monitors, by name."""
    return _records(db, Monitor, "SELECT * FROM monitors ORDER BY name", [])


def monitor(db: Database, name: str) -> Monitor:
    """One monitor. Raises Missing with the names there are."""
    found = _records(db, Monitor, "SELECT * FROM monitors WHERE name = ?", [name])
    if not found:
        names = ", ".join(item.name for item in monitors(db)) or "none yet"
        raise Missing(f"There is no monitor named {name!r}. Monitors here: {names}.")
    return found[0]


def monitor_by_id(db: Database, monitor_id: int) -> Monitor:
    """One monitor by its id. Raises Missing."""
    return _first(_records(db, Monitor, "SELECT * FROM monitors WHERE id = ?", [monitor_id]), f"monitor {monitor_id}")


def settings_row(db: Database, monitor_id: int) -> SettingsRow:
    """The settings in force, with who set them and when."""
    query = "SELECT * FROM settings WHERE monitor_id = ? ORDER BY id DESC LIMIT 1"
    return _first(_records(db, SettingsRow, query, [monitor_id]), "settings of this monitor")


def settings_in_force(db: Database, monitor_id: int) -> settings.Settings:
    """The settings in force, as the validated value."""
    return settings.parse(settings_row(db, monitor_id).data)


def settings_history(db: Database, monitor_id: int) -> list[SettingsRow]:
    """Every change of settings, newest first."""
    return _records(db, SettingsRow, "SELECT * FROM settings WHERE monitor_id = ? ORDER BY id DESC", [monitor_id])


def truths(db: Database, monitor_id: int) -> list[Truth]:
    """What the simulator did to its world, in time order; empty for real monitors."""
    return _records(db, Truth, "SELECT * FROM truths WHERE monitor_id = ? ORDER BY starts_at", [monitor_id])


# --- batches ----------------------------------------------------------------------------------------------------------


def batches(
    db: Database,
    monitor_id: int,
    kinds: Sequence[BatchKind] = ("rows",),
    *,
    last: int | None = None,
    before: int | None = None,
) -> list[Batch]:
    """Batches in order of arrival; with ``last``, only the newest so many (with ids below ``before``, if given)."""
    marks = ", ".join("?" * len(kinds))
    query = (
        f"SELECT * FROM (SELECT * FROM batches WHERE monitor_id = ? AND kind IN ({marks}) AND id < ? "
        "ORDER BY id DESC LIMIT ?) ORDER BY id"
    )
    return _records(db, Batch, query, [monitor_id, *kinds, before or 1 << 62, -1 if last is None else last])


def batch(db: Database, batch_id: int) -> Batch:
    """One batch. Raises Missing."""
    return _first(_records(db, Batch, "SELECT * FROM batches WHERE id = ?", [batch_id]), f"batch #{batch_id}")


def batch_by_hash(db: Database, monitor_id: int, sha256: str) -> Batch | None:
    """The batch with these bytes, if there is one."""
    query = "SELECT * FROM batches WHERE monitor_id = ? AND sha256 = ?"
    return next(iter(_records(db, Batch, query, [monitor_id, sha256])), None)


def unfinished(db: Database, monitor_id: int | None = None) -> list[Batch]:
    """Batches that are still on their way, oldest first."""
    query = (
        "SELECT * FROM batches WHERE state NOT IN ('done', 'quarantined') AND (? IS NULL OR monitor_id = ?) ORDER BY id"
    )
    return _records(db, Batch, query, [monitor_id, monitor_id])


def quarantined(db: Database, monitor_id: int | None = None) -> list[Batch]:
    """Deliveries set aside, newest first."""
    query = "SELECT * FROM batches WHERE state = 'quarantined' AND (? IS NULL OR monitor_id = ?) ORDER BY id DESC"
    return _records(db, Batch, query, [monitor_id, monitor_id])


def doubtful(db: Database, monitor_id: int) -> list[Batch]:
    """Scored batches that are not to be learned from, newest first: their labels are doubted."""
    query = "SELECT * FROM batches WHERE monitor_id = ? AND NOT learnable AND state <> 'quarantined' ORDER BY id DESC"
    return _records(db, Batch, query, [monitor_id])


def rows_of(db: Database, batch_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """Rows of a batch in file order: key, data (dictionary), label, prediction, probabilities."""
    query = "SELECT key, data, label, prediction, probabilities FROM rows WHERE batch_id = ? ORDER BY position LIMIT ?"
    return [
        {
            **row,
            "data": orjson.loads(row["data"]),
            "probabilities": orjson.loads(row["probabilities"]) if row["probabilities"] else None,
        }
        for row in db.query(query, [batch_id, -1 if limit is None else limit])
    ]


def row_texts(db: Database, batch_id: int, labelled: bool = False) -> Rows:
    """Rows of a batch as columns, for learning and judging: quick, nothing is parsed.

    Parameters
    ----------
    db : Database
    batch_id : int
    labelled : bool
        Only rows that have a label.
    """
    condition = " AND label IS NOT NULL" if labelled else ""
    query = (
        f"SELECT key, data, label, prediction, probabilities FROM rows WHERE batch_id = ?{condition} ORDER BY position"
    )
    cells = db.conn.execute(query, [batch_id]).fetchall()
    keys, data, labels, predictions, chances = zip(*cells, strict=True) if cells else ((),) * 5
    return Rows(batch_id, keys, data, labels, predictions, chances)


@dataclass(frozen=True)
class Rows:
    """Rows of one batch as columns; ``data`` and ``probabilities`` are JSON texts."""

    batch_id: int
    keys: tuple[str | None, ...]
    data: tuple[str, ...]
    labels: tuple[Any, ...]
    predictions: tuple[Any, ...]
    probabilities: tuple[str | None, ...]


@dataclass(frozen=True)
class Standing:
    """One scored batch as decisions see it, with the newest word on its deciding metric."""

    batch: int
    rows: int
    labelled: int
    verdict: str
    score: float
    faults: str  # JSON
    p_value: float
    drifted: tuple[tuple[str, float, float, float, str], ...]  # name, score, p-value, effect, explanation; worst first
    version: int | None
    quarantined: bool
    received_at: int
    measured: str | None  # JSON of a Metric
    measured_version: int | None
    estimated: str | None


def standings(db: Database, monitor_id: int, metric: str, last: int) -> list[Standing]:
    """The newest scored batches in order, quarantined ones included."""
    query = """
        WITH chosen AS (
            SELECT b.*, r.verdict, r.score, r.p_value, r.faults FROM batches b JOIN reports r ON r.batch_id = b.id
            WHERE b.monitor_id = :monitor AND b.kind = 'rows'
            ORDER BY b.id DESC LIMIT :last),
        newest AS (
            SELECT p.batch_id, p.basis, p.version_id, json_extract(p.metrics, :path) AS metric FROM performance p
            JOIN chosen ON chosen.id = p.batch_id
            WHERE p.id IN (SELECT max(q.id) FROM performance q JOIN chosen ON chosen.id = q.batch_id
                GROUP BY q.batch_id, q.basis))
        SELECT c.id, c.rows, c.labelled, c.verdict, c.score, c.faults, c.version_id, c.state = 'quarantined',
            c.received_at, m.metric, m.version_id, e.metric,
            (SELECT json_group_array(json_array(name, score, p_value, effect, explanation)) FROM
                (SELECT * FROM scores s WHERE s.batch_id = c.id AND s.drift ORDER BY s.score DESC)), c.p_value
        FROM chosen c LEFT JOIN newest m ON m.batch_id = c.id AND m.basis = 'measured'
        LEFT JOIN newest e ON e.batch_id = c.id AND e.basis = 'estimated' ORDER BY c.id"""
    arguments = {"monitor": monitor_id, "path": f'$."{metric}"', "last": last}
    return [
        Standing(
            batch=row[0],
            rows=row[1],
            labelled=row[2],
            verdict=row[3],
            score=row[4],
            faults=row[5],
            p_value=row[13],
            drifted=tuple(tuple(item) for item in orjson.loads(row[12])),
            version=row[6],
            quarantined=bool(row[7]),
            received_at=row[8],
            measured=row[9],
            measured_version=row[10],
            estimated=row[11],
        )
        for row in db.conn.execute(query, arguments)
    ]


def learnable_rows(db: Database, monitor_id: int, after: int = 0) -> int:
    """Labelled rows that may be learned from, in batches that came after one."""
    query = (
        "SELECT coalesce(sum(labelled), 0) FROM batches WHERE monitor_id = ? AND learnable AND kind <> 'labels' "
        "AND id > ?"
    )
    return int(db.conn.execute(query, [monitor_id, after]).fetchone()[0])


def count_batches(db: Database, monitor_id: int) -> int:
    """Scored batches of rows."""
    query = (
        "SELECT count(*) FROM batches b JOIN reports r ON r.batch_id = b.id WHERE b.monitor_id = ? AND b.kind = 'rows'"
    )
    return int(db.conn.execute(query, [monitor_id]).fetchone()[0])


def labelled_since(db: Database, monitor_id: int, batch_id: int) -> int:
    """Labelled rows in a batch and those after it."""
    query = "SELECT coalesce(sum(labelled), 0) FROM batches WHERE monitor_id = ? AND kind = 'rows' AND id >= ?"
    return int(db.conn.execute(query, [monitor_id, batch_id]).fetchone()[0])


def batches_of_delivery(db: Database, delivery_id: int) -> list[int]:
    """The batches whose rows a delivery of labels speaks of."""
    query = (
        "SELECT DISTINCT rows.batch_id FROM labels JOIN rows ON rows.key = labels.key JOIN batches ON "
        "batches.id = rows.batch_id WHERE labels.delivery_id = ? AND batches.monitor_id = labels.monitor_id ORDER BY 1"
    )
    return [row[0] for row in db.conn.execute(query, [delivery_id])]


# --- drift ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timeline:
    """One entry a scored batch, in order: arrays of equal length."""

    batch: NDArray[np.int64]
    at: NDArray[np.int64]  # microseconds; end of the batch's own time, else its arrival
    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    verdict: tuple[str, ...]
    state: tuple[str, ...]
    version: tuple[int | None, ...]
    faults: tuple[bool, ...]
    names: tuple[str, ...]


def timeline(db: Database, monitor_id: int, last: int | None = None) -> Timeline:
    """The drift score of every scored batch (or of the newest so many)."""
    query = (
        "SELECT * FROM (SELECT b.id, coalesce(b.ends_at, b.received_at) AS at, b.rows, r.score, r.verdict, b.state, "
        "b.version_id, r.faults <> '[]' AS faults, b.name FROM batches b JOIN reports r ON r.batch_id = b.id "
        "WHERE b.monitor_id = ? AND b.kind = 'rows' ORDER BY b.id DESC LIMIT ?) ORDER BY id"
    )
    cells = db.conn.execute(query, [monitor_id, -1 if last is None else last]).fetchall()
    columns = list(zip(*cells, strict=True)) if cells else [()] * 9
    return Timeline(
        batch=np.array(columns[0], dtype=np.int64),
        at=np.array(columns[1], dtype=np.int64),
        rows=np.array(columns[2], dtype=np.int64),
        score=np.array(columns[3], dtype=np.float64),
        verdict=columns[4],
        state=columns[5],
        version=columns[6],
        faults=tuple(bool(fault) for fault in columns[7]),
        names=columns[8],
    )


@dataclass(frozen=True)
class Heatmap:
    """Scores of features against batches; NaN where a feature was not scored."""

    batch: tuple[int, ...]
    features: tuple[str, ...]
    score: NDArray[np.float64]  # (features, batches)
    drift: NDArray[np.bool_]  # (features, batches)
    verdict: NDArray[np.str_]  # (features, batches); empty where not scored


def heatmap(db: Database, batch_ids: Sequence[int]) -> Heatmap:
    """Scores of all features for some batches, features by name."""
    if not batch_ids:
        empty = np.empty((0, 0))
        return Heatmap((), (), empty, empty.astype(bool), empty.astype(str))
    query = (
        "SELECT batch_id, name, score, drift, verdict FROM scores WHERE batch_id IN (SELECT value FROM json_each(?))"
    )
    cells = db.conn.execute(query, [codec.to_json(list(batch_ids))]).fetchall()
    features = tuple(sorted({cell[1] for cell in cells}))
    column = {batch_id: at for at, batch_id in enumerate(batch_ids)}
    line = {name: at for at, name in enumerate(features)}
    score = np.full((len(features), len(batch_ids)), np.nan)
    drift = np.zeros(score.shape, dtype=bool)
    verdict = np.full(score.shape, "", dtype="U12")
    for batch_id, name, value, hit, word in cells:
        score[line[name], column[batch_id]] = value
        drift[line[name], column[batch_id]] = bool(hit)
        verdict[line[name], column[batch_id]] = word
    return Heatmap(tuple(batch_ids), features, score, drift, verdict)


def report(db: Database, batch_id: int) -> DriftReport:
    """The whole drift report of a batch, worst feature first. Raises Missing."""
    found = reports(db, [batch_id])
    if not found:
        raise Missing(f"Batch #{batch_id} has no drift report.")
    return found[0][1]


def reports(db: Database, batch_ids: Sequence[int]) -> list[tuple[int, DriftReport]]:
    """The drift reports of some batches, in order of their ids."""
    chosen = [codec.to_json(list(batch_ids))]
    features: dict[int, list[FeatureDrift]] = {}
    query = "SELECT * FROM scores WHERE batch_id IN (SELECT value FROM json_each(?)) ORDER BY score DESC, name"
    for row in db.query(query, chosen):
        features.setdefault(row["batch_id"], []).append(codec.from_row(FeatureDrift, row))
    query = "SELECT * FROM reports WHERE batch_id IN (SELECT value FROM json_each(?)) ORDER BY batch_id"
    return [
        (
            row["batch_id"],
            codec.from_row(DriftReport, {**row, "features": "[]"}).with_features(features.get(row["batch_id"], ())),
        )
        for row in db.query(query, chosen)
    ]


def feature_scores(
    db: Database, monitor_id: int, feature: str, last: int | None = None
) -> list[tuple[int, FeatureDrift]]:
    """One feature over time: (batch id, its drift), in order."""
    query = (
        "SELECT * FROM (SELECT s.* FROM scores s JOIN batches b ON b.id = s.batch_id WHERE b.monitor_id = ? AND "
        "s.name = ? ORDER BY s.batch_id DESC LIMIT ?) ORDER BY batch_id"
    )
    cells = db.query(query, [monitor_id, feature, -1 if last is None else last])
    return [(row["batch_id"], codec.from_row(FeatureDrift, row)) for row in cells]


def reference_of(db: Database, batch_id: int) -> int:
    """The version whose training data a batch was compared with. Raises Missing."""
    cell = db.conn.execute("SELECT reference_id FROM reports WHERE batch_id = ?", [batch_id]).fetchone()
    if cell is None:
        raise Missing(f"Batch #{batch_id} has no drift report.")
    return int(cell[0])


def references_used(db: Database, batch_ids: Sequence[int]) -> dict[int, int]:
    """For scored batches, the version whose training data each was compared with."""
    query = "SELECT batch_id, reference_id FROM reports WHERE batch_id IN (SELECT value FROM json_each(?))"
    return dict(db.conn.execute(query, [codec.to_json(list(batch_ids))]).fetchall())


def profile_parts(db: Database, batch_id: int, feature: str | None = None) -> tuple[int, dict[str, bytes]]:
    """Rows and stored profile of a batch, whole or of one feature. Raises Missing."""
    query = "SELECT feature, data FROM profiles WHERE batch_id = ? AND (? IS NULL OR feature = ?)"
    parts = {row["feature"]: row["data"] for row in db.query(query, [batch_id, feature, feature])}
    if not parts:
        raise Missing(f"Batch #{batch_id} has no profile{f' of {feature!r}' if feature else ''}.")
    return batch(db, batch_id).rows, parts


def profile_parts_of(
    db: Database, batch_ids: Iterable[int], feature: str | None = None
) -> Iterator[tuple[int, int, dict[str, bytes]]]:
    """(batch id, rows, stored profile) of many batches, in order; those without a profile are left out."""
    query = (
        "SELECT p.batch_id, b.rows, p.feature, p.data FROM profiles p JOIN batches b ON b.id = p.batch_id WHERE "
        "p.batch_id IN (SELECT value FROM json_each(?)) AND (? IS NULL OR p.feature = ?) ORDER BY p.batch_id"
    )
    current, rows, parts = 0, 0, {}
    for batch_id, count, name, data in db.conn.execute(query, [codec.to_json(list(batch_ids)), feature, feature]):
        if batch_id != current and parts:
            yield current, rows, parts
            parts = {}
        current, rows = batch_id, count
        parts[name] = data
    if parts:
        yield current, rows, parts


def reference_parts(db: Database, version_id: int, feature: str | None = None) -> tuple[int, dict[str, bytes]]:
    """Rows and profile of what a version was trained on. Raises Missing."""
    query = "SELECT feature, rows, data FROM references_of_versions WHERE version_id = ? AND (? IS NULL OR feature = ?)"
    cells = db.conn.execute(query, [version_id, feature, feature]).fetchall()
    if not cells:
        raise Missing(f"Version {version_id} has no reference profile{f' of {feature!r}' if feature else ''}.")
    return int(cells[0][1]), {name: data for name, _, data in cells}


def episodes(db: Database, monitor_id: int, open_only: bool = False) -> list[Episode]:
    """Episodes in order of their onset."""
    query = "SELECT * FROM episodes WHERE monitor_id = ? AND (? = 0 OR end_batch IS NULL) ORDER BY onset_batch, id"
    return _records(db, Episode, query, [monitor_id, int(open_only)])


# --- performance ------------------------------------------------------------------------------------------------------


def performance(db: Database, monitor_id: int, last: int | None = None) -> list[Performance]:
    """The newest word on each batch and basis (measured, estimated), in order of batches."""
    query = (
        "SELECT * FROM (SELECT p.* FROM performance p JOIN (SELECT max(p.id) AS id FROM performance p JOIN batches b "
        "ON b.id = p.batch_id WHERE b.monitor_id = ? GROUP BY p.batch_id, p.basis) newest ON newest.id = p.id "
        "ORDER BY p.batch_id DESC LIMIT ?) ORDER BY batch_id, id"
    )
    return _records(db, Performance, query, [monitor_id, -1 if last is None else last])


def performance_of(db: Database, batch_id: int) -> list[Performance]:
    """All that was ever said of the performance on one batch, oldest first."""
    return _records(db, Performance, "SELECT * FROM performance WHERE batch_id = ? ORDER BY id", [batch_id])


# --- versions, decisions, events -------------------------------------------------------------------------------------


def versions(db: Database, monitor_id: int) -> list[Version]:
    """Every version of a monitor, oldest first."""
    return _records(db, Version, "SELECT * FROM versions WHERE monitor_id = ? ORDER BY number", [monitor_id])


def version(db: Database, version_id: int) -> Version:
    """One version by its id. Raises Missing."""
    return _first(_records(db, Version, "SELECT * FROM versions WHERE id = ?", [version_id]), f"version {version_id}")


def version_numbered(db: Database, monitor_id: int, number: int) -> Version:
    """One version by its number within the monitor. Raises Missing with the numbers there are."""
    query = "SELECT * FROM versions WHERE monitor_id = ? AND number = ?"
    found = _records(db, Version, query, [monitor_id, number])
    if not found:
        numbers = ", ".join(f"v{item.number}" for item in versions(db, monitor_id))
        raise Missing(f"There is no version v{number}. Versions here: {numbers or 'none'}.")
    return found[0]


def decisions(db: Database, monitor_id: int, last: int | None = None, batch_id: int | None = None) -> list[Decision]:
    """Decisions, newest first; of one batch if given."""
    query = "SELECT * FROM decisions WHERE monitor_id = ? AND (? IS NULL OR batch_id = ?) ORDER BY id DESC LIMIT ?"
    return _records(db, Decision, query, [monitor_id, batch_id, batch_id, -1 if last is None else last])


def reigns(db: Database, monitor_id: int) -> list[Decision]:
    """The decisions that changed the champion, oldest first: who was live when, and why."""
    query = (
        "SELECT * FROM decisions WHERE monitor_id = ? AND action IN ('promote', 'rollback') "
        "AND challenger_id IS NOT NULL ORDER BY id"
    )
    return _records(db, Decision, query, [monitor_id])


def trainings(db: Database, monitor_id: int, open_only: bool = False, last: int | None = None) -> list[Training]:
    """Trainings, newest first."""
    query = (
        "SELECT * FROM trainings WHERE monitor_id = ? AND (? = 0 OR state IN ('queued', 'running')) "
        "ORDER BY id DESC LIMIT ?"
    )
    return _records(db, Training, query, [monitor_id, int(open_only), -1 if last is None else last])


def events(
    db: Database,
    monitor_id: int | None = None,
    *,
    kinds: Sequence[str] = (),
    level: str | None = None,
    text: str = "",
    batch_id: int | None = None,
    before: int | None = None,
    last: int = 200,
) -> list[Event]:
    """Lines of the ledger, newest first, filtered by monitor, kinds, level, batch and words in the message."""
    query = (
        "SELECT * FROM events WHERE (:monitor IS NULL OR monitor_id = :monitor) AND (:level IS NULL OR level = :level) "
        "AND (:kinds = '[]' OR kind IN (SELECT value FROM json_each(:kinds))) AND id < :before "
        "AND (:batch IS NULL OR batch_id = :batch) AND (:text = '' OR instr(lower(message), lower(:text)) > 0) "
        "ORDER BY id DESC LIMIT :last"
    )
    arguments = {
        "monitor": monitor_id,
        "level": level,
        "kinds": codec.to_json(list(kinds)),
        "before": before or 1 << 62,
        "batch": batch_id,
        "text": text,
        "last": last,
    }
    return [codec.from_row(Event, row) for row in db.query(query, arguments)]


def event_kinds(db: Database, monitor_id: int) -> list[str]:
    """The kinds of events that occur, by name."""
    query = "SELECT DISTINCT kind FROM events WHERE monitor_id = ? ORDER BY kind"
    return [row[0] for row in db.conn.execute(query, [monitor_id])]


def jobs(db: Database) -> list[Job]:
    """The scheduled jobs and how their last run went."""
    return _records(db, Job, "SELECT * FROM jobs ORDER BY name", [])


def _records(db: Database, record: type[R], query: str, arguments: Sequence[Any] | Mapping[str, Any]) -> list[R]:
    try:
        return [codec.from_row(record, row) for row in db.query(query, arguments)]
    except sqlite3.DatabaseError as error:
        raise Unhealthy(f"The database could not be read: {error}.") from error


def _first(found: list[R], what: str) -> R:
    if not found:
        raise Missing(f"There is no {what}.")
    return found[0]
