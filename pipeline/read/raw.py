"""A table as it was found in a file: names and cells, before anything is known of their meaning."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.errors import Refused
from storage.settings import ReadSettings

_NAMED = 3  # places named in one message


@dataclass(frozen=True)
class Raw:
    """Columns of a file in file order; text from text formats, typed where the format has types.

    Attributes
    ----------
    name : str
        The file's name, for messages.
    format : str
        Key in ``FORMATS``.
    names : tuple of str
        Column names without surrounding blanks; may hold duplicates.
    columns : tuple of pyarrow.ChunkedArray
        One for each name, n rows each.
    lines : ndarray of int64, shape (n,), optional
        Line of the file in which each row begins; None where a format has no lines.
    warnings : tuple of str
        What was noticed and taken all the same.
    delimiter : str
        Of a CSV file, else empty.
    """

    name: str
    format: str
    names: tuple[str, ...]
    columns: tuple[pa.ChunkedArray, ...]
    settings: ReadSettings
    lines: NDArray[np.int64] | None = None
    warnings: tuple[str, ...] = ()
    delimiter: str = ""
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", len(self.columns[0]) if self.columns else 0)

    @property
    def table(self) -> pa.Table:
        """The columns as one table."""
        return pa.Table.from_arrays(list(self.columns), names=list(self.names))

    def column(self, name: str) -> pa.ChunkedArray:
        """The first column of a name."""
        return self.columns[self.names.index(name)]

    def line(self, row: int) -> int | None:
        """The line of a row, if the format has lines."""
        return None if self.lines is None else int(self.lines[row])

    def place(self, rows: NDArray[np.int64]) -> str:
        """Where some rows are, in words: the first few by line, or by row number counted from 1."""
        word = "row" if self.lines is None else "line"
        numbers = [int(row) + 1 if self.lines is None else int(self.lines[row]) for row in rows[:_NAMED]]
        more = f" and {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else ""
        return f"{word}{'s' if len(rows) > 1 else ''} {', '.join(map(str, numbers))}{more}"

    def refused(self, message: str, *, row: int | None = None, column: str = "", remedy: str = "") -> Refused:
        """The error that names this file, and the row by its line, or by its number where there are no lines."""
        if row is not None and self.lines is None:
            message = f"row {row + 1}: {message}"
        line = None if row is None else self.line(row)
        return Refused(message, file=self.name, column=shown(column), row=line, remedy=remedy)


def shown(value: object, most: int = 60) -> str:
    """A name or cell as it may stand in a message: one line, cut if long."""
    text = str(value)
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


def check_shape(name: str, rows: int, columns: int, settings: ReadSettings) -> None:
    """Refuse a table that is larger than the settings allow, before it is unpacked.

    Raises
    ------
    Refused
        Naming the limit and the setting that raises it.
    """
    limits = (
        (rows, settings.max_rows, "rows", "max_rows"),
        (columns, settings.max_columns, "columns", "max_columns"),
        (rows * columns, settings.max_cells, "cells", "max_cells"),
    )
    for found, allowed, what, setting in limits:
        if found > allowed:
            raise Refused(
                f"{found:,} {what} are more than the {allowed:,} allowed.",
                file=name,
                remedy=f"Split the file, or raise read.{setting}.",
            )


def check_cells(raw: Raw) -> Raw:
    """The same table, if no text in it is longer than a cell may be, nor all text together than a file may be.

    Notes
    -----
    The second limit is for formats that store a repeated text once: a small file may unpack to any size.
    """
    for name, column in zip(raw.names, raw.columns, strict=True):
        if not pa.types.is_string(column.type) or not len(column):
            continue
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > raw.settings.max_cell:
            sizes = pc.fill_null(pc.binary_length(column), 0).to_numpy()
            raise raw.refused(
                f"a cell of {longest:,} bytes is more than the {raw.settings.max_cell:,} allowed.",
                row=int(np.argmax(sizes)),
                column=name,
                remedy="Is a quote left open? Else raise read.max_cell.",
            )
    return raw
