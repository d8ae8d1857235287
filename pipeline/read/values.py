"""The values that pass between the parts of reading, and the one text of a class."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

_WHOLE = re.compile(r"([+-]?)(\d+)(?:\.0*)?")
_BOOLS = {"true", "false"}


@dataclass(frozen=True)
class Checked:
    """A file that fits a schema.

    Parameters
    ----------
    kind : {"rows", "labels"}
        Labels have an id and a target but no feature.
    table : pyarrow.Table
        The watched features in the schema's order: float64, string, timestamp("us"). No columns for labels.
    keys : tuple of str or None
        Text of the id of each row; None in its place where a row of features has none.
    target : pyarrow.Array or None
        string for classification, float64 for regression; None if the file has no label.
    times : pyarrow.Array of timestamp("us") or None
    warnings : tuple of str
    rows : int
    """

    kind: Literal["rows", "labels"]
    table: pa.Table
    keys: tuple[str | None, ...] | None
    target: pa.Array | None
    times: pa.Array | None
    warnings: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Scan:
    """A file read piece by piece, normalised like ``typed``; iterate it once or many times.

    Parameters
    ----------
    schema : pyarrow.Schema
    batches : callable
        Opens the file and yields ``pyarrow.RecordBatch``.
    rows : int or None
        Where the file says so beforehand.
    warnings : tuple of str
    """

    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    rows: int | None = None
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches()


def class_text(value: Any) -> str:
    """The one text of a class, level or id, however it was written.

    Parameters
    ----------
    value : bool, int, float, str or anything with a text

    Returns
    -------
    str
        Whole numbers without a decimal point, truth values in lower case, other text trimmed, its characters composed.

    Examples
    --------
    >>> [class_text(value) for value in (1, 1.0, "1", " 1.0 ", True, "TRUE", 2.5, "1.10", "007")]
    ['1', '1', '1', '1', 'true', 'true', '2.5', '1.10', '007']
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if text.lower() in _BOOLS:
        return text.lower()
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return text
    sign, digits = whole.groups()
    return f"-{digits}" if sign == "-" and digits.strip("0") else digits
