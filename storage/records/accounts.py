"""Who may come in."""

from __future__ import annotations

from dataclasses import dataclass

from storage.records.words import Role


@dataclass(frozen=True)
class User:
    """A person who may sign in."""

    id: int
    name: str
    role: Role
    password: str  # scrypt hash
    created_at: int


@dataclass(frozen=True)
class Token:
    """A machine's way in; it was shown once, and only its hash is kept."""

    id: int
    name: str
    role: Role
    sha256: str
    created_at: int


@dataclass(frozen=True)
class Session:
    """A browser that is signed in."""

    sha256: str  # of the secret in its cookie
    user_id: int
    ends_at: int
