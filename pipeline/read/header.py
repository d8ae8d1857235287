"""Where the table of a CSV file begins: what stands before it, its delimiter, the names of its columns."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from storage.errors import Refused

DELIMITERS = (",", ";", "\t", "|")
_HEAD = 1 << 16  # bytes looked at for the delimiter
_SEP_LINE = re.compile(rb'"?sep=(.)"?\s*', re.IGNORECASE)
PLAIN_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Header:
    """Where the table begins: names as they stand, the first byte and line of the rows, the delimiter.

    Where a file is read in blocks, ``body`` and ``body_line`` are those of the block, and what its earlier rows decided
    is known: their width, the line of the first, and whether the block is the last one.
    """

    names: tuple[str, ...]
    line: int
    body: int  # offset of the first byte after the header
    body_line: int
    delimiter: str
    warnings: tuple[str, ...]
    width: int | None = None
    first_line: int = 0
    ends: bool = True


def find_header(data: bytes, name: str) -> Header:
    """Skip what stands before the table, find the delimiter and the names."""
    at, line, delimiter, comments = 0, 1, "", 0
    said = _SEP_LINE.fullmatch(line_at(data, 0).strip(b"\r\n"))
    if said:
        delimiter = said.group(1).decode("latin-1")
        at, line = len(line_at(data, 0)), 2
        if delimiter not in DELIMITERS:
            raise Refused(f"The delimiter {delimiter!r} is not known.", file=name, row=1, remedy=_KNOWN)
    hashed = -1
    while at < len(data):
        piece = line_at(data, at)
        if piece.strip() and not piece.lstrip().startswith(b"#"):
            break
        hashed = at if piece.strip() else hashed
        comments += bool(piece.strip())
        at, line = at + len(piece), line + 1
    head = data[at : at + _HEAD]
    delimiter = delimiter or guess_delimiter(head, len(data) > at + _HEAD)
    if hashed >= 0 and _is_hashed_header(line_at(data, hashed), head, delimiter):
        comments, line, at = comments - 1, line - data.count(b"\n", hashed, at), hashed
    if at >= len(data):
        raise Refused("There is no line of column names.", file=name)
    warnings = (f"{comments} comment line{'s' * (comments > 1)} before the header left out.",) if comments else ()
    return _header_at(data, at, line, delimiter, name, warnings)


_KNOWN = "Known are comma, semicolon, tab and bar."


def line_at(data: bytes, at: int) -> bytes:
    """The line that begins at a byte, with its end."""
    end = data.find(b"\n", at)
    return data[at : end + 1] if end >= 0 else data[at:]


def _header_at(data: bytes, at: int, line: int, delimiter: str, name: str, warnings: tuple[str, ...]) -> Header:
    text = io.StringIO(data[at : at + (1 << 20)].decode(errors="ignore"), newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        cells = next(reader)
    except (csv.Error, StopIteration) as error:
        raise Refused(f"The column names cannot be read: {error}.", file=name, row=line) from error
    body = at
    for _ in range(reader.line_num):
        body += len(line_at(data, body))
    return Header(tuple(cells), line, body, line + reader.line_num, delimiter, warnings)


def _is_hashed_header(line: bytes, head: bytes, delimiter: str) -> bool:
    """Whether a line that begins with # holds the names: as many cells as the next line, which holds a number."""
    names = _cells(line.decode(errors="replace"), delimiter)
    below = _cells(line_at(head, 0).decode(errors="replace"), delimiter)
    numbers = any(PLAIN_NUMBER.fullmatch(cell.strip()) for cell in below)
    named = not any(PLAIN_NUMBER.fullmatch(cell.strip()) for cell in names)
    return len(names) == len(below) > 1 and numbers and named


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def guess_delimiter(head: bytes, cut: bool = False) -> str:
    """The delimiter under which the first lines have as many cells as the header; else the one that splits it most.

    Parameters
    ----------
    head : bytes
        The beginning of the table, header first.
    cut : bool
        Whether the last line may be incomplete.
    """
    text = head.decode(errors="ignore")
    best, best_rank = ",", (False, 0, 0)
    for order, delimiter in enumerate(DELIMITERS):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        try:
            counts = [len(row) for row in reader if row and not row[0].startswith("#")]
        except csv.Error:
            continue
        if cut and len(counts) > 2:
            counts.pop()
        if not counts or counts[0] < 2:
            continue
        same = sum(count == counts[0] for count in counts)
        rank = (same == len(counts), same * counts[0], -order)
        if rank > best_rank:
            best, best_rank = delimiter, rank
    return best
