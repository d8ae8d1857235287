"""Who may come in: users with a password, machines with a token, and the sessions of browsers.

Secrets are kept only as hashes: passwords by scrypt, tokens and session secrets (which are random and long) by SHA-256.
A viewer may read everything; an operator may act as well.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any, Literal

from werkzeug.security import check_password_hash, generate_password_hash

from storage import history
from storage.errors import Refused
from storage.records import Role, Session, Token, User

if TYPE_CHECKING:
    from pipeline.desk import Desk

ROLES: dict[Role, str] = {"viewer": "may look at everything", "operator": "may look and act"}
SESSION_HOURS = 12
RESERVED = frozenset({"schedule", "command", "page", "http", "demo", "nobody"})
_SHORTEST, _LONGEST = 8, 1000
_NAME = re.compile(r"[\w][\w.@+-]{0,63}", re.ASCII)
_PREFIX = "drift_"


def hashed(password: str) -> str:
    """The hash of a new password.

    Raises
    ------
    Refused
        If it is too short to be one, or too long to be hashed.
    """
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise Refused(f"A password has between {_SHORTEST} and {_LONGEST} characters; this one has {len(password)}.")
    return generate_password_hash(password, method="scrypt")


def add_user(desk: Desk, name: str, role: Role, password: str, author: str) -> str:
    """Let a person in, or give a known one another role or password.

    Parameters
    ----------
    desk : Desk
    name : str
    role : {"viewer", "operator"}
    password : str
        Its hash.
    author : str
        Who adds.

    Returns
    -------
    str
        What was done, as a sentence.
    """
    _check(name, role)
    known = history.user(desk.db, name)
    text = f"User {name} {'has a new password' if known else 'was added'}; role {role}."
    event = desk.event(None, "access", text, author=author)
    desk.store.add_user(User(0, name, role, password, desk.now()), event)
    return text


def add_token(desk: Desk, name: str, role: Role, sha256: str, author: str) -> str:
    """Let a machine in by a token that was made with ``new_token``; only its hash comes here."""
    _check(name, role)
    text = f"Token {name} was added; role {role}."
    desk.store.add_token(Token(0, name, role, sha256, desk.now()), desk.event(None, "access", text, author=author))
    return text


def remove(desk: Desk, table: Literal["users", "tokens"], name: str, author: str) -> str:
    """Let somebody in no more, from the next request on."""
    text = f"{table.removesuffix('s').capitalize()} {name} was removed."
    desk.store.remove_account(table, name, desk.event(None, "access", text, author=author))
    return text


def listed(db: Any, table: Literal["users", "tokens"]) -> list[dict[str, Any]]:
    """Names, roles and times; no secret and no hash."""
    found = history.users(db) if table == "users" else history.tokens(db)
    return [{"name": item.name, "role": item.role, "created_at": item.created_at} for item in found]


def new_token() -> str:
    """A fresh secret for a machine. It is shown once."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """The SHA-256 of a token or of a session's secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def sign_in(desk: Desk, name: str, password: str) -> tuple[User, str] | None:
    """The user and the secret of a new session, or nothing where name and password do not belong together.

    An unknown name takes as long as a wrong password, so that the time does not tell which names there are.
    """
    user = history.user(desk.db, name)
    right = check_password_hash(user.password if user else _nobody(), password[: _LONGEST + 1])
    if user is None or not right:
        return None
    secret = secrets.token_urlsafe(32)
    now = desk.now()
    desk.store.sign_in(Session(digest(secret), user.id, now + SESSION_HOURS * 3_600_000_000), now)
    return user, secret


@functools.cache
def _nobody() -> str:
    return generate_password_hash(secrets.token_urlsafe(16), method="scrypt")


def _check(name: str, role: str) -> None:
    if name in RESERVED:
        raise Refused(f"{name!r} stands for the program itself in the ledger; choose another name.")
    if not _NAME.fullmatch(name):
        raise Refused(f"{name[:70]!r} cannot be a name: use 1 to 64 letters, digits and . _ - @ +")
    if role not in ROLES:
        raise Refused(f"There is no role {role!r}. Roles: {', '.join(ROLES)}.")
