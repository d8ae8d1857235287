"""Any file to a table without a schema: header checked, cells trimmed, types inferred from all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import cells, formats, kinds
from pipeline.read.evidence import evidence_of, reading, styles_of
from pipeline.read.raw import Raw
from storage.records import Kind
from storage.settings import ReadSettings


def read_table(data: bytes | Path, name: str, settings: ReadSettings | None = None) -> Raw:
    """A file of any format as it stands, cells trimmed and null words missing; no schema is needed.

    Parameters
    ----------
    data : bytes or Path
    name : str
        Label of the file in messages; never opened.
    settings : ReadSettings, optional

    Raises
    ------
    Refused
        Naming file, line and remedy.
    """
    return _tidied(formats.read_table(data, name, settings))


def _tidied(raw: Raw) -> Raw:
    """Header checked, cells trimmed, null words missing."""
    check_header(raw)
    if raw.rows == 0:
        raise raw.refused("The file has no rows.", remedy="Send at least one row below the header.")
    return _without_headers(replace(raw, columns=tuple(clean(column, raw.settings) for column in raw.columns)))


def _without_headers(raw: Raw) -> Raw:
    """Leave out rows that repeat the header, as files have that were joined end to end."""
    if len(raw.names) < 2 or not all(cells.is_text(column.type) for column in raw.columns):
        return raw
    again = np.ones(raw.rows, bool)
    for name, column in zip(raw.names, raw.columns, strict=True):
        again &= pc.fill_null(pc.equal(column, name), False).to_numpy()
        if not again.any():
            return raw
    note = f"The header appears again in {raw.place(np.flatnonzero(again))}; that is left out."
    if again.all():
        raise raw.refused("The file has no rows but its header.", remedy="Send at least one row below the header.")
    keep = pa.array(~again)
    lines = raw.lines[~again] if raw.lines is not None else None
    columns = tuple(column.filter(keep) for column in raw.columns)
    return replace(raw, columns=columns, lines=lines, warnings=(*raw.warnings, note))


def check_header(raw: Raw) -> None:
    """Refuse names that appear twice."""
    seen: set[str] = set()
    for name in raw.names:
        if name and name in seen:
            raise raw.refused(f"The column name {name!r} appears twice.", remedy="Give every column a name of its own.")
        seen.add(name)


def clean(column: pa.ChunkedArray | pa.Array, settings: ReadSettings) -> pa.ChunkedArray | pa.Array:
    """Text trimmed, with null words missing; other columns as they are."""
    if not cells.is_text(column.type):
        return column
    if pa.types.is_dictionary(column.type) and isinstance(column, pa.Array):
        return clean(column.dictionary.cast(pa.string()), settings).take(column.indices)
    text = pc.utf8_trim_whitespace(column)
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
