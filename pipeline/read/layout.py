"""Where the rows of a CSV file begin and how many cells each has; pure, counted over bytes without parsing them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STRIDE = 1 << 24  # bytes looked at together
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_COUNT = re.compile(rb"\(?[\d., ]{1,20} rows?( affected| selected| returned| in set.{0,20})?\.?\)?", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """Rows of a CSV body, blank lines left out.

    Attributes
    ----------
    starts, lines, cells : ndarray of int64, shape (n,)
        First byte, line in the file and number of cells of each row.
    longest : int
        Bytes of the longest row.
    broken : bool
        Whether a cell holds a line break.
    """

    starts: NDArray[np.int64]
    lines: NDArray[np.int64]
    cells: NDArray[np.int64]
    longest: int
    broken: bool

    def odd_rows(self, data: bytes, width: int) -> NDArray[np.int64]:
        """Rows of another width that are comments or blanks, and therefore no rows."""
        wrong = np.flatnonzero(self.cells != width)
        if len(wrong) > 10_000 and len(wrong) > len(self.cells) // 2:
            wrong = wrong[:1]  # not a file with comments: it is refused at the first of them
        return np.array([row for row in wrong if self._is_odd(data, row, width)], dtype=np.int64)

    def _is_odd(self, data: bytes, row: int, width: int) -> bool:
        start = int(self.starts[row])
        end = data.find(b"\n", start)
        line = data[start : end if end >= 0 else len(data)].strip()
        return is_aside(line) or (not line and width > 1)


def is_aside(line: bytes) -> bool:
    """Whether a line of another width is a comment, or the count of rows that databases write below a table."""
    return line.lstrip().startswith(b"#") or _COUNT.fullmatch(line.strip()) is not None


def lay_out(data: bytes, start: int, line: int, delimiter: str) -> Layout | None:
    """Count rows and cells of a CSV body.

    Parameters
    ----------
    data : bytes
        Text in UTF-8.
    start, line : int
        First byte of the body and its line in the file.
    delimiter : str
        One character.

    Returns
    -------
    Layout or None
        None if quotes or carriage returns stand where this quick count cannot judge them.
    """
    body = np.frombuffer(data, np.uint8)[start:]
    if data.count(b"\r", start) != data.count(b"\r\n", start):
        return None
    ends, breaks, commas = [], [], []
    quoted, inside, carried = b'"' in data, False, 0
    for at in range(0, len(body), _STRIDE):
        piece = body[at : at + _STRIDE]
        newline, comma = piece == _NEWLINE, piece == ord(delimiter)
        if quoted:
            quote = piece == _QUOTE
            within = np.logical_xor.accumulate(np.concatenate([[inside], quote]))[1:]
            if not _regular(body, at, quote, within, ord(delimiter)):
                return None
            breaks.append(np.flatnonzero(newline & within) + at)
            newline &= ~within
            comma &= ~within
            inside = bool(within[-1])
        found, places = np.flatnonzero(newline), np.flatnonzero(comma)
        commas.append(np.searchsorted(places, found) + carried)
        ends.append(found + at)
        carried += len(places)
    return None if inside else _assemble(body, ends, commas, breaks, carried, start, line)


def _regular(body: NDArray, at: int, quote: NDArray, within: NDArray, comma: int) -> bool:
    """Whether each quote opens at the start of a cell, closes at its end, or is doubled."""
    opens = np.flatnonzero(quote & within) + at
    closes = np.flatnonzero(quote & ~within) + at
    before = body[np.maximum(opens - 1, 0)]
    after = body[np.minimum(closes + 1, len(body) - 1)]
    may_open = (opens == 0) | (before == comma) | (before == _NEWLINE) | (before == _QUOTE)
    ended = closes == len(body) - 1
    may_close = ended | (after == comma) | (after == _NEWLINE) | (after == _RETURN) | (after == _QUOTE)
    return bool(may_open.all() and may_close.all())


def _assemble(body: NDArray, ends: list, commas: list, breaks: list, total: int, start: int, line: int) -> Layout:
    """Row ends and running counts of delimiters to rows."""
    end = np.concatenate(ends) if ends else np.empty(0, np.int64)
    count = np.concatenate(commas) if commas else np.empty(0, np.int64)
    if len(body) and (not len(end) or end[-1] != len(body) - 1):  # the last line has no line end
        end, count = np.append(end, len(body)), np.append(count, total)
    begin = np.concatenate([[0], end[:-1] + 1]) if len(end) else end
    cells = np.diff(count, prepend=0) + 1
    inner = np.concatenate(breaks) if breaks else np.empty(0, np.int64)
    lines = line + np.arange(len(end)) + np.searchsorted(inner, begin)
    size = end - begin
    last = body[np.maximum(end - 1, 0)] if len(body) else np.empty(0, np.uint8)
    real = ~((size == 0) | ((size == 1) & (last == _RETURN)))
    return Layout(begin[real] + start, lines[real], cells[real], int(size.max(initial=0)), broken=bool(len(inner)))
