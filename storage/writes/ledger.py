"""The ledger and what goes with it: decisions, the health of a monitor, scheduled jobs, backtests."""

from __future__ import annotations

from sqlite_utils import Database

from storage import codec
from storage.records import Backtest, Decision, Event, Health, Job
from storage.writes import put


def add_event(db: Database, event: Event) -> int:
    """One line of the ledger."""
    return put.insert(db, "events", event)


def set_health(db: Database, monitor_id: int, health: tuple[Health, str], now: int) -> None:
    """The state of a monitor in a word and a sentence."""
    word, reason = health
    db.execute(
        "UPDATE monitors SET health_since = CASE WHEN health = ? THEN health_since ELSE ? END, health = ?, "
        "health_reason = ? WHERE id = ?",
        [word, now, word, reason, monitor_id],
    )


def note(db: Database, decision: Decision, health: tuple[Health, str], *events: Event) -> int:
    """A decision with the health that follows from it and its lines of the ledger; returns the decision's id."""
    decision_id = put.insert(db, "decisions", decision)
    set_health(db, decision.monitor_id, health, decision.created_at)
    for event in events:
        put.insert(db, "events", event)
    return decision_id


def job_ran(db: Database, job: Job, event: Event | None = None) -> None:
    """How the last run of a scheduled job went. Not a change that pages redraw for, unless it is an event."""
    db.table("jobs").upsert(codec.to_row(job), pk="name")
    _tell(db, event)


def add_backtest(db: Database, backtest: Backtest, event: Event) -> int:
    """A backtest that a person asked for."""
    put.insert(db, "events", event)
    return put.insert(db, "backtests", backtest)


def backtest_moved(db: Database, backtest: Backtest, event: Event | None = None) -> None:
    """Its state, progress and result. Progress alone is no change that pages redraw for."""
    put.update(db, "backtests", backtest)
    _tell(db, event)


def remove_backtest(db: Database, backtest_id: int, event: Event) -> None:
    """A backtest that is no longer wanted."""
    db.execute("DELETE FROM backtests WHERE id = ?", [backtest_id])
    put.insert(db, "events", event)


def _tell(db: Database, event: Event | None) -> None:
    """What a quiet transaction has to say, if anything."""
    if event is not None:
        put.insert(db, "events", event)
        put.changed(db)
