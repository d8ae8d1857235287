"""One nasty file and what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from storage.records import Schema
from storage.settings import ReadSettings
from tests.corpus.clean import SCHEMA

DEFAULTS = ReadSettings()
Becomes = Literal["same", "noticed", "changed", "safe", "labels", "refused"]


@dataclass(frozen=True)
class Case:
    """A file and its fate.

    Attributes
    ----------
    name : str
    data : callable
        Makes the bytes.
    becomes : str
        same: the clean table, nothing to say. noticed: the clean table, and a warning. changed: accepted with a
        warning, another table, see ``change``. safe: the clean table or refused, but never another table. labels:
        the clean labels. refused: with a reason.
    says : tuple of str
        Words that the warnings or the reason must hold.
    file : str
        Name under which it arrives.
    change : dict
        Column to its expected cells, where they differ from the clean ones.
    lacks : tuple of str
        Parts that the file does not have: target, keys, times.
    """

    name: str
    data: Callable[[], bytes]
    becomes: Becomes = "same"
    says: tuple[str, ...] = ()
    file: str = "batch.csv"
    settings: ReadSettings = DEFAULTS
    schema: Schema = SCHEMA
    change: dict[str, list[Any]] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
