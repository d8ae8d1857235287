"""Any file to a table without a schema: header checked, cells trimmed, types inferred from all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import cells, formats, kinds
from pipeline.read.evidence import evidence_of, reading, styles_of
from pipeline.read.raw import Raw, shown
from storage.records import Kind
from storage.settings import ReadSettings


def read_table(
    data: bytes | Path, name: str, settings: ReadSettings | None = None, known: Sequence[str] | None = None
) -> Raw:
    """A file of any format as it stands, cells trimmed and null words missing; no schema is needed.

    Parameters
    ----------
    data : bytes or Path
    name : str
        Label of the file in messages; never opened.
    settings : ReadSettings, optional
    known : sequence of str, optional
        Names that matter; of others, a second column of one name is left out instead of being refused.

    Raises
    ------
    Refused
        Naming file, line and remedy.
    """
    return _tidied(formats.read_table(data, name, settings), known)


def _tidied(raw: Raw, known: Sequence[str] | None) -> Raw:
    """Header checked, cells trimmed, null words missing."""
    raw = check_header(raw, known)
    if raw.rows == 0:
        raise raw.refused("The file has no rows.", remedy="Send at least one row below the header.")
    kept = cleaned(raw)
    if kept.rows == 0:
        raise raw.refused("The file has no rows but its header.", remedy="Send at least one row below the header.")
    return without_totals(kept)


def cleaned(raw: Raw) -> Raw:
    """Cells trimmed, null words missing, repeated headers left out."""
    return _without_headers(replace(raw, columns=tuple(clean(column, raw.settings) for column in raw.columns)))


def _without_headers(raw: Raw) -> Raw:
    """Leave out rows that repeat the header, as files have that were joined end to end."""
    if len(raw.names) < 2 or not all(cells.is_text(column.type) for column in raw.columns):
        return raw
    again = np.ones(raw.rows, bool)
    for name, column in reversed([*zip(raw.names, raw.columns, strict=True)]):
        if column is raw.columns[0]:  # a joined file may have its mark of the encoding here
            column = pc.replace_substring(column, "\ufeff", "")
        again &= pc.fill_null(pc.equal(column, name), False).to_numpy()
        if not again.any():
            return raw
    note = f"The header appears again in {raw.place(np.flatnonzero(again))}; that is left out."
    keep = pa.array(~again)
    lines = raw.lines[~again] if raw.lines is not None else None
    columns = tuple(column.filter(keep) for column in raw.columns)
    return replace(raw, columns=columns, lines=lines, warnings=(*raw.warnings, note))


_TOTAL = r"^(?i:(grand |sub ?)?totals?|sum|summe|gesamt|suma|somme|overall|all)\s*:?$"


def without_totals(raw: Raw) -> Raw:
    """Leave out a last row that adds up the others, as sheets and reports have.

    It says so in a word that stands nowhere else in its column, and a number in it is the sum of those above.
    """
    if raw.rows < 4 or not all(cells.is_text(column.type) for column in raw.columns):
        return raw
    last = [column[raw.rows - 1].as_py() for column in raw.columns]
    worded = [at for at, cell in enumerate(last) if cell is not None and re.fullmatch(_TOTAL, cell)]
    if not any(pc.sum(pc.equal(raw.columns[at], last[at])).as_py() == 1 for at in worded):
        return raw
    if not any(cell is not None and _adds_up(column) for cell, column in zip(last, raw.columns, strict=True)):
        return raw
    note = f"The last row ({raw.place(np.array([raw.rows - 1]))}) adds up the others and is left out."
    columns = tuple(column.slice(0, raw.rows - 1) for column in raw.columns)
    lines = None if raw.lines is None else raw.lines[:-1]
    return replace(raw, columns=columns, lines=lines, warnings=(*raw.warnings, note))


def _adds_up(column: pa.ChunkedArray) -> bool:
    """Whether the last cell is the sum of the others, up to its rounding."""
    text = cells.flat(column)
    values = max((cells.numbers(text, style) for style in ("point", "comma")), key=lambda found: -found.null_count)
    total, others = values[len(values) - 1].as_py(), values.slice(0, len(values) - 1).drop_null()
    if total is None or len(others) < 2 or len(others) < 0.5 * (len(values) - 1):
        return False
    found = pc.sum(others).as_py()
    return abs(found - total) <= 1e-6 * abs(found) + 0.5 and abs(total) > (pc.max(pc.abs(others)).as_py() or 0)


def check_header(raw: Raw, known: Sequence[str] | None = None) -> Raw:
    """Refuse names that appear twice; where it is known which names matter, leave the others' doubles out."""
    seen: dict[str, int] = {}
    spare = []
    for at, name in enumerate(raw.names):
        if name and name in seen:
            if known is None or name in known:
                raise raw.refused(f"The column name {shown(name)!r} appears twice.",
                                  remedy="Give every column a name of its own.")  # fmt: skip
            spare.append(at)
        seen.setdefault(name, at)
    if not spare:
        return raw
    stay = [at for at in range(len(raw.names)) if at not in spare]
    note = f"The column name {shown(raw.names[spare[0]])!r} appears twice; it is not in the schema, and left out."
    names = tuple(raw.names[at] for at in stay)
    return replace(raw, names=names, columns=tuple(raw.columns[at] for at in stay), warnings=(*raw.warnings, note))


def clean(column: pa.ChunkedArray | pa.Array, settings: ReadSettings) -> pa.ChunkedArray | pa.Array:
    """Text trimmed, with null words missing; other columns as they are."""
    if not cells.is_text(column.type):
        return column
    if pa.types.is_dictionary(column.type) and isinstance(column, pa.Array):
        return clean(column.dictionary.cast(pa.string()), settings).take(column.indices)
    text = pc.utf8_trim_whitespace(column)
    if pc.any(pc.starts_with(text, '="')).as_py():  # how sheets keep the zeros of 007
        text = pc.replace_substring_regex(text, r'^="([^"]*)"$', r"\1")
    words = pa.array([*settings.null_words, ""], pa.string())
    return pc.if_else(pc.is_in(text, words), pa.scalar(None, pa.string()), text)


def typed(raw: Raw, kinds_wanted: Mapping[str, Kind] | None = None) -> pa.Table:
    """The table with inferred types, where no schema is known.

    Parameters
    ----------
    raw : Raw
    kinds_wanted : dict, optional
        Kinds that are known beforehand, by column.

    Returns
    -------
    pyarrow.Table
        int64 for whole numbers, float64, timestamp("us") in UTC, else string; truth values are "true" and "false".

    Raises
    ------
    Refused
        If a column cannot be read as the kind asked for.
    """
    wanted = kinds_wanted or {}
    evidence = evidence_of(raw, raw.names)
    styles = styles_of(raw, evidence)
    columns = []
    for name in raw.names:
        kind = wanted.get(name)
        if kind in ("numeric", "date", "categorical"):
            columns.append(kinds.kind_column(raw, name, kind, styles.get(name, "point"))[0])
        elif name in evidence:
            how = reading(raw, evidence[name], styles[name])
            columns.append(kinds.as_planned(cells.flat(raw.column(name)), how))
        else:
            columns.append(kinds.native_column(raw.column(name)))
    return pa.Table.from_arrays(columns, names=list(raw.names))
