"""Records to table rows and back: what a column cannot hold becomes JSON, and returns as the type the record names."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter

from storage.errors import Damaged

R = TypeVar("R")
_PLAIN = (int, float, str, bool, bytes)


@functools.cache
def _columns(record: type) -> dict[str, tuple[Any, TypeAdapter | None]]:
    """Field name to (plain type or None, adapter for JSON or None)."""
    hints = typing.get_type_hints(record)
    columns: dict[str, tuple[Any, TypeAdapter | None]] = {}
    for item in dataclasses.fields(record):
        plain = _plain(hints[item.name])
        columns[item.name] = (plain, None if plain else TypeAdapter(hints[item.name]))
    return columns


def _plain(hint: Any) -> type | None:
    """The column type behind a hint (``int | None`` and literals included), or None if it needs JSON."""
    if hint in _PLAIN:
        return hint
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return type(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return _plain(inner[0]) if len(inner) == 1 else None
    return None


def to_json(value: Any) -> str:
    """JSON text of plain values, dataclasses and NumPy scalars; NaN and infinities become null."""
    return orjson.dumps(value, default=_fallback, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()


def _fallback(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")


def to_row(record: Any) -> dict[str, Any]:
    """One record as a table row. NumPy numbers become Python's, since SQLite would store them as bytes."""
    row: dict[str, Any] = {}
    for name, (plain, _) in _columns(type(record)).items():
        value = getattr(record, name)
        if plain is None:
            value = to_json(value)
        elif value is not None:
            value = int(value) if plain is bool else plain(value)
        row[name] = value
    return row


def from_row(record: type[R], row: Mapping[str, Any]) -> R:
    """One record from a table row; columns that the record does not name are left aside."""
    values: dict[str, Any] = {}
    for name, (plain, adapter) in _columns(record).items():
        value = row[name]
        if adapter is not None:
            try:
                value = adapter.validate_python(_loads(value))
            except ValueError as error:
                text = f"A stored {record.__name__.lower()} is damaged: its {name} cannot be read."
                raise Damaged(f"{text} Look with: run.py doctor.") from error
        elif plain is bool and value is not None:
            value = bool(value)
        values[name] = value
    return record(**values)


def _loads(text: str) -> Any:
    return orjson.loads(text)
