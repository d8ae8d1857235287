"""Any file to a table without a schema: header checked, cells trimmed, types inferred from all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import formats, kinds
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
    return replace(raw, columns=tuple(clean(column, raw.settings) for column in raw.columns))


def check_header(raw: Raw) -> None:
    """Refuse names that appear twice."""
    seen: set[str] = set()
    for name in raw.names:
        if name and name in seen:
            raise raw.refused(f"The column name {name!r} appears twice.", remedy="Give every column a name of its own.")
        seen.add(name)


def clean(column: pa.ChunkedArray | pa.Array, settings: ReadSettings) -> pa.ChunkedArray | pa.Array:
    """Text trimmed, with null words missing; other columns as they are."""
    if not kinds.is_text(column.type):
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
    evidence = kinds.evidence_of(raw, raw.names)
    styles = kinds.styles(raw, evidence)
    columns = []
    for name in raw.names:
        kind = wanted.get(name)
        if kind in ("numeric", "date", "categorical"):
            columns.append(kinds.kind_column(raw, name, kind, styles.get(name, "point"))[0])
        elif name in evidence:
            how = kinds.reading(raw, evidence[name], styles[name])
            columns.append(kinds.as_planned(kinds.flat(raw.column(name)), how))
        else:
            columns.append(kinds.native_column(raw.column(name)))
    return pa.Table.from_arrays(columns, names=list(raw.names))
