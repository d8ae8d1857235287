"""JSON lines, or one JSON array of objects, to columns. A column of mixed types becomes text and is judged later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from pipeline.read.raw import Raw, check_cells, check_shape, shown
from storage.errors import Refused
from storage.settings import ReadSettings

_PIECE = 20_000
_LARGEST = 1 << 63


def read(data: bytes, name: str, settings: ReadSettings) -> Raw:
    """A JSON file as columns.

    Parameters
    ----------
    data : bytes
        UTF-8.

    Raises
    ------
    Refused
        For a line that is not a JSON object, naming it, or a nested value, naming its column.
    """
    names: dict[str, int] = {}
    cells: list[list[Any]] = []
    lines: list[int] = []
    for line, row in _objects(data, name):
        for key in row:
            if key not in names:
                names[key] = len(cells)
                cells.append([None] * len(lines))
        lines.append(line)
        for key, at in names.items():
            cells[at].append(row.get(key))
        if len(lines) % _PIECE == 1:
            check_shape(name, len(lines), len(names), settings)
    check_shape(name, len(lines), len(names), settings)
    if not names:
        raise Refused("There are no columns.", file=name)
    cleaned = tuple(" ".join(key.split()) for key in names)
    columns = tuple(_column(key, column, lines, name) for key, column in zip(names, cells, strict=True))
    places = None if data.lstrip()[:1] == b"[" else np.array(lines, np.int64)
    return check_cells(Raw(name, "json", cleaned, columns, settings, places))


def _objects(data: bytes, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and object of each row."""
    if data.lstrip()[:1] == b"[":
        rows = _array(data, name)
        for at, row in enumerate(rows):
            yield at + 1, _an_object(row, name, at + 1, "element")
        if data.count(b'":') > sum(map(len, rows)):
            _refuse_twice(data, name, None)
        return
    for at, text in enumerate(data.split(b"\n")):
        if text.strip():
            try:
                row = _an_object(_parsed(text), name, at + 1, "line")
                if text.count(b'":') > len(row):
                    _refuse_twice(text, name, at + 1)
                yield at + 1, row
            except ValueError as error:
                raise Refused(
                    f"not a JSON object ({_why(error)}).", file=name, row=at + 1, remedy="Write one object a line."
                ) from error


def _refuse_twice(text: bytes, name: str, line: int | None) -> None:
    """Look closely at a text that seems to hold more keys than were kept: a key may stand twice in an object."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        kept = dict(pairs)
        if len(kept) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise Refused("The key stands twice in one object.", file=name, row=line, column=shown(twice))
        return kept

    json.loads(text, object_pairs_hook=once)


def _array(data: bytes, name: str) -> list[Any]:
    try:
        rows = _parsed(data)
    except ValueError as error:
        line = data.count(b"\n", 0, getattr(error, "pos", 0)) + 1
        raise Refused(f"The JSON array cannot be read ({_why(error)}).", file=name, row=line) from error
    if not isinstance(rows, list) or not rows:
        raise Refused("The JSON array is empty.", file=name)
    return rows


def _parsed(text: bytes) -> Any:
    """One JSON value; NaN and Infinity, which Python and pandas write, are let through."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if b"NaN" not in text and b"Infinity" not in text:
            raise
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _why(error: ValueError) -> str:
    return shown(str(error).split(":")[0], 80)


def _an_object(row: Any, name: str, at: int, word: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise Refused(
            f"{word} {at} is {type(row).__name__}, not a JSON object.",
            file=name,
            remedy='Write one object a row: {"age": 41, "city": "Oslo"}.',
        )
    return row


def _column(key: str, cells: list[Any], lines: list[int], name: str) -> pa.ChunkedArray:
    """The narrowest type that holds every cell; text when they differ."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds & {dict, list}:
        at = next(at for at, cell in enumerate(cells) if isinstance(cell, dict | list))
        raise Refused("a list or object stands in a cell.", file=name, column=shown(key), row=lines[at],
                      remedy="Write one value a cell.")  # fmt: skip
    if kinds == {bool}:
        return pa.chunked_array([pa.array(cells, pa.bool_())])
    if kinds == {int} and all(cell is None or -_LARGEST <= cell < _LARGEST for cell in cells):
        return pa.chunked_array([pa.array(cells, pa.int64())])
    if kinds and kinds <= {int, float}:
        return pa.chunked_array([pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())])
    texts = [cell if cell is None or isinstance(cell, str) else _text(cell) for cell in cells]
    try:
        return pa.chunked_array([pa.array(texts, pa.string())])
    except (UnicodeEncodeError, pa.ArrowException) as error:
        raise Refused("half a character stands in a cell.", file=name, column=shown(key)) from error


def _text(cell: Any) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
