"""Columns to the kinds the product knows: what cannot be read is counted, named, and refused if too much. Pure."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import cells
from pipeline.read.cells import Order, Style, flat, is_text
from pipeline.read.evidence import Reading, said_order
from pipeline.read.raw import Raw, shown
from pipeline.read.values import class_text
from storage.errors import Refused
from storage.records import Kind

_MOMENT = pa.timestamp("us")


def to_numbers(column: pa.Array, style: Style = "point") -> pa.Array:
    """float64 of any column; null where a cell is no number. Infinities stay, NaN is null."""
    column = flat(column)
    if is_text(column.type):
        found = cells.numbers(column, style)
        if found.null_count == len(found) > column.null_count:
            found = _truth_numbers(column)
    elif pa.types.is_boolean(column.type):
        found = column.cast(pa.uint8()).cast(pa.float64())
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        found = column.cast(pa.float64(), safe=False)
    else:
        found = pa.nulls(len(column), pa.float64())
    return pc.if_else(pc.is_nan(found), None, found)


def _truth_numbers(text: pa.Array) -> pa.Array:
    """1 for true and 0 for false; a column of numbers written as truth values."""
    lower = pc.utf8_lower(text)
    known = pc.is_in(lower, pa.array(["true", "false"]))
    return pc.if_else(known, pc.equal(lower, "true").cast(pa.uint8()).cast(pa.float64()), None)


def finite(values: pa.Array) -> pa.Array:
    """The numbers without NaN and infinities."""
    good = pc.is_finite(values)
    return values if pc.all(good).as_py() is not False else pc.if_else(good, values, None)


# Seconds, milliseconds, microseconds and nanoseconds from 2001 to 2286.
_EPOCHS = ((1e9, 1e10, 1e6), (1e12, 1e13, 1e3), (1e15, 1e16, 1.0), (1e18, 1e19, 1e-3))


def to_dates(column: pa.Array, order: Order | None = None) -> pa.Array:
    """timestamp("us") in UTC of any column; null where a cell is no date. Numbers count from 1970."""
    column = flat(column)
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        moments = column.cast(pa.timestamp("us", kind.tz) if pa.types.is_timestamp(kind) else _MOMENT, safe=False)
        return moments.cast(_MOMENT)
    if is_text(kind):
        found = cells.dates(column, order or cells.day_order(column))
        if found.null_count < len(found) or column.null_count == len(column):
            return found
        column = cells.numbers(column)
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return pa.nulls(len(column), _MOMENT)
    values = column.cast(pa.float64(), safe=False)
    written = _written_days(values)
    return _since_1970(values) if written is None else written


def _written_days(values: pa.Array) -> pa.Array | None:
    """Days written as one number, like 20240229, if every value is one; no count since 1970 looks like that."""
    whole = values.drop_null()
    low, high = (pc.min_max(whole).as_py()[end] for end in ("min", "max"))
    if low is None or low < 1800_01_01 or high > 2299_12_31 or not pc.all(pc.equal(pc.floor(whole), whole)).as_py():
        return None
    texts = values.cast(pa.int64()).cast(pa.string())
    found = cells.dates(pc.replace_substring_regex(texts, r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3"))
    return found if found.null_count == values.null_count else None


def _since_1970(values: pa.Array) -> pa.Array:
    seconds = values.fill_null(np.nan).to_numpy()
    micros = np.zeros(len(seconds), np.int64)
    known = np.zeros(len(seconds), bool)
    for low, high, factor in _EPOCHS:
        inside = (seconds >= low) & (seconds < high)
        micros[inside] = np.round(seconds[inside] * factor).astype(np.int64)
        known |= inside
    return pa.array(micros, pa.int64(), mask=~known).cast(_MOMENT)


_VARIANTS = r"^([+-]?\d+\.0*|-0+|\+\d+|(?i:true|false))$|[^\x00-\x7f]"


def to_text(column: pa.Array) -> pa.Array:
    """string of any column: the one text of every level, as ``class_text`` writes it."""
    column = flat(column)
    kind = column.type
    if is_text(kind):
        levels = pc.dictionary_encode(column)
        if not pc.any(pc.match_substring_regex(levels.dictionary, _VARIANTS)).as_py():
            return column  # nothing to rewrite, as is usual
    elif pa.types.is_integer(kind) or pa.types.is_date(kind):
        return column.cast(pa.string())
    elif pa.types.is_timestamp(kind):
        return to_dates(column).cast(pa.string())
    elif pa.types.is_null(kind):
        return column.cast(pa.string())
    elif pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column.cast(pa.float64())), None, column)
    levels = pc.dictionary_encode(column)
    texts = pa.array([class_text(level) for level in levels.dictionary.to_pylist()], pa.string())
    return texts.take(levels.indices)


# --- settled columns ------------------------------------------------------------------------------------------------


def settle(raw: Raw, name: str, column: pa.Array, found: pa.Array, what: str) -> list[str]:
    """Warnings for the cells of a column that could not be read, or the refusal if they are too many.

    Parameters
    ----------
    raw : Raw
        Its settings say how many are too many.
    name : str
    column, found : pyarrow.Array
        Before and after conversion.
    what : str
        ``a number``, ``a date``, ...
    """
    bad = pc.and_(column.is_valid(), found.is_null()).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(bad)
    if not len(rows):
        return []
    value = shown(column[rows[0]].as_py(), 40)
    if len(rows) > raw.settings.bad_cells * len(column):
        row = int(rows[0]) if raw.lines is None else int(raw.lines[rows[0]])
        raise too_many(raw, name, value, what, len(rows), len(column), row)
    return [
        f"Column {name!r}: {len(rows):,} of {len(column):,} cells are not {what} and are read as missing"
        f" ({value!r} in {raw.place(rows)})."
    ]


def too_many(raw: Raw, name: str, value: str, what: str, bad: int, rows: int, row: int) -> Refused:
    """The refusal of a column with more unreadable cells than allowed; ``row`` is a line where the file has lines."""
    message = f"{value!r} is not {what}; {bad:,} of {rows:,} cells cannot be read."
    remedy = f"Correct the column; up to {raw.settings.bad_cells:.0%} of such cells are read as missing."
    if raw.lines is None:
        return raw.refused(message, row=row, column=name, remedy=remedy)
    return Refused(message, file=raw.name, column=shown(name), row=row, remedy=remedy)


def a_date(order: Order | None) -> str:
    """What a cell of a column of dates should have been, in words."""
    if order == "mixed":
        return "a date in the order of the others (day and month change places)"
    return "a date that can be read in one way only" if order == "unknown" else "a date"


def kind_column(raw: Raw, name: str, kind: Kind, style: Style) -> tuple[pa.Array, list[str]]:
    """A column of the file as one of a kind, with warnings.

    Raises
    ------
    Refused
        When more cells than allowed cannot be read, naming the first.
    """
    column = flat(raw.column(name))
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column.cast(pa.float64())), None, column)
    if kind in ("numeric", "date") and is_text(column.type):
        column = _without_words(column)
    if kind == "numeric":
        found = to_numbers(column, style)
        warnings = settle(raw, name, column, found, "a number") + _left_out(raw, name, column)
        endless = pc.sum(pc.is_inf(found)).as_py() or 0
        if endless:
            warnings.append(f"Column {name!r}: {endless:,} infinite values are read as missing.")
        return finite(found), warnings
    if kind == "date":
        order = cells.day_order(column) if is_text(column.type) else "day"
        order = said_order(raw) if order == "unknown" else order
        found = to_dates(column, order)
        return found, settle(raw, name, column, found, a_date(order))
    return to_text(column), []


def _without_words(text: pa.Array) -> pa.Array:
    """Text without the words that stand for a missing value where a number or a date is due."""
    words = pc.is_in(pc.utf8_lower(text), cells.NO_VALUE)
    return pc.if_else(words, None, text) if pc.any(words).as_py() else text


def _left_out(raw: Raw, name: str, column: pa.Array) -> list[str]:
    """A warning for the sign of a currency, or the refusal of two: their numbers do not add up."""
    signs = cells.currencies(column) if is_text(column.type) else []
    if len(signs) > 1:
        raise raw.refused(f"The currencies {' and '.join(signs)} stand in one column.", column=name,
                          remedy="Convert the column to one of them.")  # fmt: skip
    return [f"Column {name!r}: the sign {signs[0]} is left out of the numbers."] if signs else []


def as_planned(column: pa.Array, how: Reading) -> pa.Array:
    """A column, or a piece of one, read as was decided for it; cells that cannot be read so are null."""
    if how.what == "native":
        return native_column(column)
    if how.what == "numeric":
        return finite(to_numbers(column, how.style))
    if how.what == "date" and not is_text(column.type):
        return to_dates(column)
    if how.what in ("whole", "number"):
        return _whole(column, how.style) if how.what == "whole" else finite(cells.numbers(column, how.style))
    if how.what == "date":
        return cells.dates(column, how.order)
    return to_text(column)


def _whole(text: pa.Array, style: Style) -> pa.Array:
    """int64, read as such where possible: float64 holds only 15 digits."""
    try:
        return pc.cast(text, pa.int64())
    except pa.ArrowInvalid:
        return pc.cast(cells.numbers(text, style), pa.int64())


def native_column(column: pa.Array) -> pa.Array:
    """A column that has a type of its own, normalised."""
    column = flat(column)
    kind = column.type
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return column.cast(pa.int64())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return finite(column.cast(pa.float64(), safe=False))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return to_dates(column)
    return to_text(column)
