"""Who may come in: users, tokens of machines, sessions of browsers."""

from __future__ import annotations

from typing import Literal

from sqlite_utils import Database

from storage.errors import Conflict, Missing
from storage.records import Event, Session, Token, User
from storage.writes import put


def add_user(db: Database, user: User, event: Event) -> int:
    """A user, or the same user with another role or password; the sessions of before end."""
    db.execute("DELETE FROM users WHERE name = ?", [user.name])
    put.insert(db, "events", event)
    return put.insert(db, "users", user)


def add_token(db: Database, token: Token, event: Event) -> int:
    """A machine's token; a name is given once."""
    if list(db.query("SELECT 1 FROM tokens WHERE name = ?", [token.name])):
        raise Conflict(f"A token named {token.name!r} is already there. Remove it first, or choose another name.")
    put.insert(db, "events", event)
    return put.insert(db, "tokens", token)


def remove_account(db: Database, table: Literal["users", "tokens"], name: str, event: Event) -> None:
    """Nobody comes in by it any more, from the next request on."""
    if not db.execute(f"DELETE FROM {table} WHERE name = ?", [name]).rowcount:  # nosec B608 # one of two words
        raise Missing(f"There is no {table.removesuffix('s')} named {name!r}.")
    put.insert(db, "events", event)


def sign_in(db: Database, session: Session, now: int) -> None:
    """A browser has proved whose it is; sessions that are over go."""
    db.execute("DELETE FROM sessions WHERE ends_at <= ?", [now])
    put.insert(db, "sessions", session)


def sign_out(db: Database, sha256: str) -> None:
    """A session ends."""
    db.execute("DELETE FROM sessions WHERE sha256 = ?", [sha256])
