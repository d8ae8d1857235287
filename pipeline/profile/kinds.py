"""What each column of a table is. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.profile.columns import Source, is_date, is_number, one_array, pieces
from storage.records import Feature

LOOKED_AT = 200_000  # rows that the kinds are inferred from
MOST_LEVELS = 1_000  # text with more distinct values than this names things rather than sorts them
_UNIQUE = 0.9  # share of distinct values above which a text column is an identifier
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
    array = one_array(column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
        return Feature(name, "ignored", f"values of type {array.type} cannot be compared")
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))
    present = array.drop_null()
    if not len(present):
        return Feature(name, "ignored", "no value in the reference")
    distinct = len(present.unique())
    if distinct == 1:
        return Feature(name, "ignored", f"always {present[0].as_py()} in the reference")
    if is_date(array.type):
        return Feature(name, "date")
    if pa.types.is_boolean(array.type):
        return Feature(name, "categorical", "yes or no")
    if is_number(array.type):
        return _number(name, present, distinct)
    if distinct > max(_UNIQUE * len(present), 50) or distinct > MOST_LEVELS:
        share = f"{distinct:,} different values in {len(present):,} rows"
        return Feature(name, "ignored", f"looks like an identifier or free text: {share}")
    return Feature(name, "categorical")


def _number(name: str, present: pa.Array, distinct: int) -> Feature:
    """Whole numbers may count, code or name things."""
    if pa.types.is_integer(present.type):
        values = present.cast(pa.int64(), safe=False).to_numpy()
        steps = np.diff(values)
        if distinct == len(values) and len(values) > 50 and ((steps > 0).all() or (steps < 0).all()):
            return Feature(name, "ignored", "looks like a row number: every value differs and they only grow or fall")
    if distinct == _FEW:
        return Feature(name, "categorical", "two values")
    return Feature(name, "numeric")
