"""Questions about the ledger of events, the scheduled jobs and the backtests."""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database

from storage import codec
from storage.history.ask import first, records
from storage.records import Backtest, Event, Job


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
    return records(db, Job, "SELECT * FROM jobs ORDER BY name", [])


def backtests(db: Database, monitor_id: int | None = None, open_only: bool = False) -> list[Backtest]:
    """Backtests, newest first; of one monitor if given."""
    query = (
        "SELECT * FROM backtests WHERE (:monitor IS NULL OR monitor_id = :monitor) "
        "AND (:open = 0 OR state IN ('queued', 'running')) ORDER BY id DESC"
    )
    return records(db, Backtest, query, {"monitor": monitor_id, "open": int(open_only)})


def backtest(db: Database, backtest_id: int) -> Backtest:
    """One backtest by its id. Raises Missing."""
    return first(
        records(db, Backtest, "SELECT * FROM backtests WHERE id = ?", [backtest_id]), f"backtest {backtest_id}"
    )
