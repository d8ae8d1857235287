"""Letting go of rows: those that are to be forgotten, and those that are old. To be called inside a transaction.

What remains of a forgotten row elsewhere in the database goes with it: labels that came later, names of levels that
only it had, and words that quote it in warnings, reasons and the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlite_utils import Database

from storage import codec

FORGOTTEN = "Rows were forgotten, and with them the file they came in."
_GONE = "(forgotten)"
_TEXTS = (  # columns of text and JSON that may quote a row
    ("batches", "id", ("reason", "warnings")),
    ("events", "id", ("message", "details")),
    ("decisions", "id", ("reason", "details")),
    ("episodes", "id", ("summary",)),
    ("periods", "id", ("explanation",)),
    ("reports", "batch_id", ("explanation", "faults")),
    ("scores", "batch_id", ("explanation", "new_levels")),
)


@dataclass(frozen=True)
class Forgotten:
    """What was removed.

    Attributes
    ----------
    rows : int
    files : tuple of str
        Hashes of the files in the spool that held it.
    batches : tuple of int
        Batches and deliveries that lost something.
    words : tuple of str
        Ids and texts that only the forgotten rows had.
    versions : tuple of int
        Numbers of the versions that had learned from them.
    """

    rows: int
    files: tuple[str, ...]
    batches: tuple[int, ...]
    words: tuple[str, ...]
    versions: tuple[int, ...]
    message: str


@dataclass(frozen=True)
class _Wish:
    monitor_id: int
    batch_id: int | None
    keys: tuple[str, ...]
    now: int
    arguments: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        keys = codec.to_json(list(self.keys))
        arguments = {"monitor": self.monitor_id, "batch": self.batch_id, "keys": keys, "now": self.now}
        object.__setattr__(self, "arguments", arguments)


_ROWS = "batch_id IN (SELECT id FROM batches WHERE monitor_id = :monitor AND (:batch IS NULL OR id = :batch))"
_KEYS = "key IN (SELECT value FROM json_each(:keys))"


def forget(db: Database, monitor_id: int, batch_id: int | None, keys: Sequence[str], now: int) -> Forgotten:
    """Remove rows of a batch (all, or those with the keys) or of the monitor; and late labels of the keys."""
    wish = _Wish(monitor_id, batch_id, tuple(keys), now)
    where = f"{_ROWS} AND {_KEYS}" if keys else _ROWS
    going = list(db.query(f"SELECT batch_id, key, data FROM rows WHERE {where}", wish.arguments))  # nosec B608
    touched = sorted({row["batch_id"] for row in going})
    removed = db.execute(f"DELETE FROM rows WHERE {where}", wish.arguments).rowcount  # nosec B608
    words = {*keys, *_only_in(db, monitor_id, going, touched)}
    touched += _labels(db, wish)
    if batch_id is not None and not keys:
        _forget_batch(db, batch_id)
        touched.append(batch_id)
    touched = sorted(set(touched))
    _let_files_go(db, touched, now)
    _scrub(db, monitor_id, words)
    files = db.query(
        "SELECT sha256 FROM batches WHERE id IN (SELECT value FROM json_each(?))", [codec.to_json(touched)]
    )
    taught = _flag(db, monitor_id, touched)
    message = f"{removed} rows were forgotten."
    if taught:
        numbers = ", ".join(f"v{number}" for number in taught)
        message += f" Models that had learned from them: {numbers}; train again and remove those."
    return Forgotten(
        removed, tuple(row["sha256"] for row in files), tuple(touched), tuple(sorted(words)), taught, message
    )


def _only_in(db: Database, monitor_id: int, going: Iterable[Mapping[str, Any]], touched: Sequence[int]) -> set[str]:
    """Ids and texts of the removed rows that neither the reference knows nor a remaining row of the batches has."""
    grid = db.conn.execute("SELECT grid FROM monitors WHERE id = ?", [monitor_id]).fetchone()[0]
    had = {text for row in going for text in _texts(row)}
    had = {text for text in had if orjson.dumps(text).decode() not in grid}
    if not had:
        return set()
    query = "SELECT key, data FROM rows WHERE batch_id IN (SELECT value FROM json_each(?))"
    for row in db.query(query, [codec.to_json(list(touched))]):
        had.difference_update(_texts(row))
        if not had:
            break
    return had


def _texts(row: Mapping[str, Any]) -> set[str]:
    cells = {value for value in orjson.loads(row["data"]).values() if isinstance(value, str)}
    return cells if row["key"] is None else cells | {row["key"]}


def _labels(db: Database, wish: _Wish) -> list[int]:
    """Remove late labels; returns their deliveries."""
    where = "monitor_id = :monitor AND " + (_KEYS if wish.keys else "delivery_id = :batch")
    found = [
        row["delivery_id"]
        for row in db.query(f"SELECT DISTINCT delivery_id FROM labels WHERE {where}", wish.arguments)  # nosec B608
    ]
    db.execute(f"DELETE FROM labels WHERE {where}", wish.arguments)  # nosec B608
    return found


def _forget_batch(db: Database, batch_id: int) -> None:
    """What was said of a whole batch may quote any of its cells."""
    db.execute("UPDATE batches SET warnings = '[]' WHERE id = ?", [batch_id])
    db.execute(
        "UPDATE events SET message = kind || ': the words were forgotten with the rows.', details = '{}' "
        "WHERE batch_id = ? AND kind IN ('quarantine', 'step_failed')",
        [batch_id],
    )


def _let_files_go(db: Database, touched: Sequence[int], now: int) -> None:
    """The file of a row holds it too, so it goes; the batch says so."""
    db.execute(
        "UPDATE batches SET reason = ?, removed_at = ?, rows = CASE kind WHEN 'labels' THEN rows ELSE "
        "(SELECT count(*) FROM rows WHERE batch_id = batches.id) END, labelled = CASE kind WHEN 'labels' THEN labelled "
        "ELSE (SELECT count(label) FROM rows WHERE batch_id = batches.id) END "
        "WHERE id IN (SELECT value FROM json_each(?))",
        [FORGOTTEN, now, codec.to_json(list(touched))],
    )


def _flag(db: Database, monitor_id: int, touched: Sequence[int]) -> tuple[int, ...]:
    """Mark the versions that were trained on a touched batch; returns their numbers."""
    batches = codec.to_json(list(touched))
    query = (
        "SELECT DISTINCT versions.id, number FROM versions, json_each(versions.trained_on) AS part "
        "WHERE monitor_id = ? AND part.value IN (SELECT value FROM json_each(?)) ORDER BY number"
    )
    taught = list(db.query(query, [monitor_id, batches]))
    for row in taught:
        db.execute(
            "UPDATE versions SET details = json_set(details, '$.forgotten', json(?)) WHERE id = ?", [batches, row["id"]]
        )
    return tuple(row["number"] for row in taught)


def _scrub(db: Database, monitor_id: int, words: Iterable[str]) -> None:
    """Replace the words where our own sentences quote them. Plain mentions are quotes too: we always write 'word'."""
    quoted = {form for word in words if word for form in _forms(word)}
    for table, key, columns in _TEXTS:
        owned = "batch_id IN (SELECT id FROM batches WHERE monitor_id = ?)" if key == "batch_id" else "monitor_id = ?"
        for column in columns:
            for form, instead in quoted:
                db.execute(
                    f"UPDATE {table} SET {column} = "  # nosec B608
                    f"replace({column}, ?, ?) WHERE {owned} AND instr({column}, ?)",
                    [form, instead, monitor_id, form],
                )


def _forms(word: str) -> set[tuple[str, str]]:
    """Ways a word is quoted in sentences and in JSON, and what stands there after."""
    plain, coded = repr(word), orjson.dumps(word).decode()
    cuts = [repr(f"{word[: most - 1]}…") for most in (60, 40) if len(word) > most]  # as long cells are shown
    forms = {(form, repr(_GONE)) for text in (plain, *cuts) for form in (text, orjson.dumps(text).decode()[1:-1])}
    return forms | {(coded, f'"{_GONE}"')}


def strip_level(db: Database, batch_id: int, feature: str, data: bytes) -> None:
    """A profile without the names of some new levels."""
    db.execute("UPDATE profiles SET data = ? WHERE batch_id = ? AND feature = ?", [data, batch_id, feature])


def let_go(db: Database, batches: Sequence[int], versions: Sequence[int], now: int) -> int:
    """Remove rows of old batches, and mark what is let go; returns how many rows went."""
    old = codec.to_json(list(batches))
    removed = db.execute("DELETE FROM rows WHERE batch_id IN (SELECT value FROM json_each(?))", [old]).rowcount
    db.execute("DELETE FROM labels WHERE delivery_id IN (SELECT value FROM json_each(?))", [old])
    db.execute("UPDATE batches SET removed_at = ? WHERE id IN (SELECT value FROM json_each(?))", [now, old])
    db.execute(
        "UPDATE versions SET removed_at = ? WHERE id IN (SELECT value FROM json_each(?)) AND state <> 'champion'",
        [now, codec.to_json(list(versions))],
    )
    return removed
