"""What each column of a table is. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.profile.columns import Source, coded, is_date, is_number, numbers, pieces
from storage.records import Feature

LOOKED_AT = 200_000  # rows that the kinds are inferred from
MOST_LEVELS = 1_000  # text with more distinct values than this names things rather than sorts them
_UNIQUE = 0.9  # share of distinct values above which a text column is an identifier
_GLANCE = 2_000  # rows that show whether a number varies
_FEW = 2  # whole numbers with so few distinct values are categories


def infer(
    source: Source,
    *,
    target: str | None = None,
    id_column: str | None = None,
    time_column: str | None = None,
    kinds: Mapping[str, Any] | None = None,
) -> tuple[Feature, ...]:
    """The features of a table, with the kind of each and a note where something was noticed.

    Parameters
    ----------
    source : Table or iterable of Table or RecordBatch
        At most its first 200,000 rows are looked at.
    target, id_column, time_column : str, optional
        Columns with a role of their own; they are no features.
    kinds : mapping, optional
        Column to kind, where the person knows better.

    Returns
    -------
    tuple of Feature
        In the table's order. Constants, empty columns and identifiers are ``ignored``; the note says why.
    """
    head = _head(source)
    own = {target, id_column, time_column}
    chosen = dict(kinds or {})
    return tuple(
        Feature(name, chosen[name], "chosen by a person") if name in chosen else _feature(name, head.column(name))
        for name in head.column_names
        if name not in own
    )


def _head(source: Source) -> pa.Table:
    """The first rows of a source as a table."""
    parts, rows = [], 0
    for piece in pieces(source):
        parts.append(piece if isinstance(piece, pa.Table) else pa.Table.from_batches([piece]))
        rows += piece.num_rows
        if rows >= LOOKED_AT:
            break
    if not parts:
        return pa.table({})
    return pa.concat_tables(parts, promote_options="permissive").slice(0, LOOKED_AT)


def _feature(name: str, column: pa.ChunkedArray) -> Feature:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return Feature(name, "ignored", f"values of type {kind} cannot be compared")
    if is_number(kind) or is_date(kind):
        return _number(name, column, kind)
    codes, names = coded(column)
    rows = np.bincount(codes[codes >= 0], minlength=len(names))
    present, distinct = int(rows.sum()), len({names[at] for at in np.nonzero(rows)[0].tolist()})
    if distinct < 2:
        return _still(name, names[int(rows.argmax())] if present else None)
    if pa.types.is_boolean(kind):
        return Feature(name, "categorical", "yes or no")
    if distinct > max(_UNIQUE * present, 50) or distinct > MOST_LEVELS:
        share = f"{distinct:,} different values in {present:,} rows"
        return Feature(name, "ignored", f"looks like an identifier or free text: {share}")
    return Feature(name, "categorical")


def _still(name: str, value: Any) -> Feature:
    note = "no value in the reference" if value is None else f"always {value} in the reference"
    return Feature(name, "ignored", note)


def _number(name: str, column: pa.ChunkedArray, kind: pa.DataType) -> Feature:
    """Numbers may count, code or name things; dates are dates unless they stand still."""
    distinct = _different(numbers(column.slice(0, _GLANCE)))
    if len(distinct) > _FEW and not pa.types.is_integer(kind):
        return Feature(name, "date" if is_date(kind) else "numeric")
    values = numbers(column)
    values = values[~np.isnan(values)]
    if len(distinct) <= _FEW:
        distinct = _different(values)
    if len(distinct) < 2:
        return _still(name, _shown(distinct[0], kind) if len(distinct) else None)
    if is_date(kind):
        return Feature(name, "date")
    if pa.types.is_integer(kind) and len(values) > 50:
        steps = np.diff(values)
        if (steps > 0).all() or (steps < 0).all():
            return Feature(name, "ignored", "looks like a row number: every value differs and they only grow or fall")
    if len(distinct) == _FEW:
        return Feature(name, "categorical", "two values")
    return Feature(name, "numeric")


def _different(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The different values, NaN left out."""
    found = np.unique(values)
    return found[~np.isnan(found)]


def _shown(value: float, kind: pa.DataType) -> str:
    """A value that never changes, in words."""
    if is_date(kind):
        return str(pa.scalar(int(value), pa.timestamp("us")).as_py())
    return f"{value:.15g}"
