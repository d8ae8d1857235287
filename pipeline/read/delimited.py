"""CSV to columns of text. A row that does not have one cell for each name is refused, never padded or shifted."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from pipeline.read.header import PLAIN_NUMBER, Header, find_header, line_at
from pipeline.read.layout import Layout, is_aside, lay_out
from pipeline.read.raw import Raw, check_cells, check_shape, shown
from storage.errors import Refused
from storage.settings import ReadSettings

_PIECE = 20_000  # rows turned into columns at a time
_SPACED = re.compile(rb'[,;\t|] +"|(?:\n|^) +"')
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060"))


def read(data: bytes, name: str, settings: ReadSettings) -> Raw:
    """A CSV file as text columns.

    Parameters
    ----------
    data : bytes
        UTF-8 without a byte order mark.
    name : str
        For messages.

    Raises
    ------
    Refused
        For a row with another number of cells than the header (line, expected and found number), an open quote, text
        after a closing quote, a header without names.
    """
    if b"\r" in data:  # line ends are written in three ways, within quoted cells too
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    header = find_header(data, name)
    layout = layout_of(data, header)
    read_rows = _read_exactly if layout is None else read_regular
    return check_cells(tidied(read_rows(data, header, layout, name, settings), header))


def layout_of(data: bytes, header: Header) -> Layout | None:
    """Where rows begin behind a header; None if quotes stand in unusual places."""
    if b' "' in data and _SPACED.search(data, max(header.body - 1, 0)) is not None:
        return None
    return lay_out(data, header.body, header.body_line, header.delimiter)


# --- rows -------------------------------------------------------------------------------------------------------------


def read_regular(data: bytes, header: Header, layout: Layout, name: str, settings: ReadSettings) -> Raw:
    """Rows by PyArrow, after the layout has shown that each has the right number of cells."""
    width = _width(header, layout, name, layout.odd_rows(data, len(header.names)))
    odd = np.isin(np.arange(len(layout.lines)), layout.odd_rows(data, width))
    lines = layout.lines[~odd]
    check_shape(name, len(lines), width, settings)
    if not len(lines):
        return Raw(name, "csv", padded(header.names, width), _no_rows(width), settings, lines, header.warnings)
    keys = [str(at) for at in range(width)]
    options = {
        "read_options": pcsv.ReadOptions(column_names=keys, block_size=max(1 << 20, 2 * layout.longest + 64)),
        "parse_options": pcsv.ParseOptions(
            delimiter=header.delimiter, newlines_in_values=layout.broken, invalid_row_handler=lambda row: "skip"
        ),
        "convert_options": pcsv.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False, null_values=[]
        ),
    }
    try:
        table = pcsv.read_csv(pa.py_buffer(data).slice(header.body), **options)
    except pa.ArrowInvalid:
        return _read_exactly(data, header, layout, name, settings)
    if table.num_rows != len(lines):
        return _read_exactly(data, header, layout, name, settings)
    return _with_comments(Raw(name, "csv", padded(header.names, width), tuple(table.columns), settings, lines,
                              header.warnings), layout.lines[odd], data, layout.starts[odd])  # fmt: skip


def _with_comments(raw: Raw, lines: np.ndarray, data: bytes, starts: np.ndarray) -> Raw:
    hashed = [int(line) for line, at in zip(lines, starts, strict=True) if is_aside(line_at(data, int(at)))]
    return _warned(raw, _comment_note(hashed))


def _comment_note(lines: Sequence[int]) -> str:
    if not lines:
        return ""
    return f"{len(lines)} comment line{'s' * (len(lines) > 1)} or counts of rows left out, first line {lines[0]}."


def _warned(raw: Raw, note: str) -> Raw:
    return replace(raw, warnings=(*raw.warnings, note)) if note else raw


def _width(header: Header, layout: Layout, name: str, odd: np.ndarray) -> int:
    """The number of cells of every row: as many as names, or one more everywhere (checked to be empty later)."""
    counts, lines = np.delete(layout.cells, odd), np.delete(layout.lines, odd)
    expected = len(header.names)
    if header.width is None and expected > 1 and len(counts) and (counts == expected + 1).all():
        return expected + 1
    if header.width == expected + 1 and (counts == header.width).all():
        return header.width
    if header.width == expected + 1:
        raise _ragged(name, header.first_line, expected, header.width, False)
    wrong = np.flatnonzero(counts != expected)
    if not len(wrong):
        return expected
    last = header.ends and wrong[0] == len(counts) - 1
    raise _ragged(name, int(lines[wrong[0]]), expected, int(counts[wrong[0]]), last)


def _ragged(name: str, line: int, expected: int, found: int, last: bool) -> Refused:
    remedy = "Quote cells that hold the delimiter, and check this line."
    if last and found < expected:
        remedy = "The file seems to be cut off; send it again."
    return Refused(f"expected {expected} cells as in the header, found {found}.", file=name, row=line, remedy=remedy)


def padded(names: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Names for so many columns; those beyond the header have none."""
    return (*names, *[""] * (width - len(names)))


def _no_rows(width: int) -> tuple[pa.ChunkedArray, ...]:
    return tuple(pa.chunked_array([], pa.string()) for _ in range(width))


def _read_exactly(data: bytes, header: Header, layout: Layout | None, name: str, settings: ReadSettings) -> Raw:
    """Rows by Python's own reader: slower, for files with quotes in unusual places. Says what is wrong where."""
    text = io.TextIOWrapper(io.BytesIO(data[header.body :]), "utf-8", newline="")
    hashed: list[int] = []
    parts: list[pa.Table] = []
    lines: list[int] = []
    for rows, at in exact_rows(text, header, name, hashed):
        lines += at
        check_shape(name, len(lines), len(rows[0]), settings)
        parts.append(_columns(rows))
    table = pa.concat_tables(parts) if parts else None
    columns = tuple(table.columns) if table is not None else _no_rows(len(header.names))
    raw = Raw(name, "csv", padded(header.names, len(columns)), columns, settings, np.array(lines, np.int64),
              header.warnings)  # fmt: skip
    return _warned(raw, _comment_note(hashed))


def exact_rows(
    text: Iterable[str], header: Header, name: str, hashed: list[int]
) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Rows of cells and their lines, up to 20,000 at a time; lines of comments are added to ``hashed``."""
    reader = csv.reader(text, delimiter=header.delimiter, strict=True, skipinitialspace=True)
    expected, width, first = len(header.names), header.width, header.first_line
    rows: list[list[str]] = []
    lines: list[int] = []
    begins = 0
    try:
        for row in reader:
            line, begins = header.body_line + begins, reader.line_num
            if not row or (len(row) == 1 and expected > 1 and not row[0].strip()):
                continue
            if len(row) != expected and is_aside(row[0].encode()):
                hashed.append(line)
                continue
            if width is None:
                width, first = len(row), line
            if width not in (expected, expected + 1) or len(row) != width:
                at_first = width != expected
                raise _ragged(name, first if at_first else line, expected, width if at_first else len(row), False)
            rows.append(row)
            lines.append(line)
            if len(rows) == _PIECE:
                yield rows, lines
                rows, lines = [], []
    except csv.Error as error:
        raise _unreadable(error, name, header.body_line + begins) from error
    if rows:
        yield rows, lines


def _columns(rows: list[list[str]]) -> pa.Table:
    return pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)],
                    names=[str(at) for at in range(len(rows[0]))])  # fmt: skip


def _unreadable(error: csv.Error, name: str, line: int) -> Refused:
    text = str(error)
    if "unexpected end of data" in text:
        return Refused("a quote is opened and never closed.", file=name, row=line, remedy="Close it, or double it.")
    if "expected after" in text:
        remedy = 'Write " inside a cell as "".'
        return Refused("there is text after a closing quote.", file=name, row=line, remedy=remedy)
    if "field larger" in text:
        return Refused("a cell is too long.", file=name, row=line, remedy="Is a quote left open?")
    return Refused(f"the line cannot be read ({text}).", file=name, row=line)


# --- tidying ----------------------------------------------------------------------------------------------------------


def tidied(raw: Raw, header: Header) -> Raw:
    """Names cleaned, columns without name and content dropped, blank rows dropped; each said in a warning."""
    names = clean_names(raw.names)
    if len(names) > 1 and all(PLAIN_NUMBER.fullmatch(cell) for cell in names):
        raise Refused(
            f"numbers stand where column names are expected ({shown(', '.join(names))}).",
            file=raw.name,
            row=header.line,
            remedy="Put a line with the names of the columns first.",
        )
    raw = replace(raw, names=names, delimiter=header.delimiter)
    return _without_blank_rows(_without_unnamed(raw, header))


def clean_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Column names, without the mark of a comment before the first."""
    names = tuple(clean_name(cell) for cell in cells)
    return (names[0].lstrip("#").strip(), *names[1:]) if len(names) > 1 and names[0].startswith("#") else names


def clean_name(cell: str) -> str:
    """A column name without surrounding blanks, invisible marks and line breaks; composed characters."""
    return " ".join(unicodedata.normalize("NFC", cell.translate(_INVISIBLE)).split())


def _without_unnamed(raw: Raw, header: Header) -> Raw:
    named, line = len(header.names), header.line
    keep = []
    for at, (name, column) in enumerate(zip(raw.names, raw.columns, strict=True)):
        if name:
            keep.append(at)
        elif not _blank(column).all():
            if at >= named:
                raise _ragged(raw.name, header.first_line or raw.line(0) or line, named, named + 1, False)
            if at == 0 and counts_rows(column):
                continue
            first = int(np.flatnonzero(~_blank(column))[0])
            raise Refused(
                f"Column {at + 1} has cells but no name.",
                file=raw.name,
                row=raw.line(first),
                remedy="Name it in the header, or leave it out.",
            )
    if len(keep) == len(raw.names):
        return raw
    if not keep:
        raise Refused("There are no column names.", file=raw.name, row=line)
    note = "A column without a name was left out: an empty one at the end of lines, or a row counter in front."
    return replace(
        raw,
        names=tuple(raw.names[at] for at in keep),
        columns=tuple(raw.columns[at] for at in keep),
        warnings=(*raw.warnings, note),
    )


def _blank(column: pa.ChunkedArray) -> np.ndarray:
    return pc.equal(pc.binary_length(pc.utf8_trim_whitespace(column)), 0).to_numpy()


def counts_rows(column: pa.ChunkedArray) -> bool:
    """Whether a nameless first column is the row counter that pandas and R write."""
    try:
        numbers = pc.cast(column, pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return False
    return bool(len(numbers)) and bool((np.diff(numbers) > 0).all()) and numbers[0] >= 0


def _without_blank_rows(raw: Raw) -> Raw:
    """Leave out rows of delimiters only, as spreadsheets write them below a table."""
    if len(raw.columns) < 3 or not raw.rows:
        return raw
    blank = np.ones(raw.rows, bool)
    for column in raw.columns:
        blank &= _blank(column)
        if not blank.any():
            return raw
    keep = pa.array(~blank)
    lines = raw.lines[~blank] if raw.lines is not None else None
    note = f"{int(blank.sum()):,} rows without a single value were left out ({raw.place(np.flatnonzero(blank))})."
    columns = tuple(column.filter(keep) for column in raw.columns)
    return replace(raw, columns=columns, lines=lines, warnings=(*raw.warnings, note))
