"""Who may come in."""

from __future__ import annotations

from sqlite_utils import Database

from storage.history.ask import records
from storage.records import Token, User


def users(db: Database) -> list[User]:
    """Every user, by name."""
    return records(db, User, "SELECT * FROM users ORDER BY name", [])


def tokens(db: Database) -> list[Token]:
    """Every token, by name."""
    return records(db, Token, "SELECT * FROM tokens ORDER BY name", [])


def has_accounts(db: Database) -> bool:
    """Whether anybody has been given access: from then on nobody comes in without."""
    query = "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM tokens)"
    return bool(db.conn.execute(query).fetchone()[0])


def user(db: Database, name: str) -> User | None:
    """The user of a name."""
    return next(iter(records(db, User, "SELECT * FROM users WHERE name = ?", [name])), None)


def user_of_session(db: Database, sha256: str, now: int) -> User | None:
    """The user whose browser holds the secret of this hash, while the session lasts."""
    query = (
        "SELECT users.* FROM users JOIN sessions ON sessions.user_id = users.id "
        "WHERE sessions.sha256 = ? AND sessions.ends_at > ?"
    )
    return next(iter(records(db, User, query, [sha256, now])), None)


def token_of(db: Database, sha256: str) -> Token | None:
    """The token with this hash."""
    return next(iter(records(db, Token, "SELECT * FROM tokens WHERE sha256 = ?", [sha256])), None)
