"""Columns to the kinds the product knows: evidence of what a column holds, and strict conversion to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import cells
from pipeline.read.cells import Order, Style
from pipeline.read.raw import Raw, shown
from pipeline.read.values import class_text
from storage.records import Kind

_FEW = 20  # a column of more different numbers is numeric even if a few of its cells are not
_LONGEST_WHOLE = 18  # digits that int64 surely holds
_SHOWN = 3
_MOMENT = pa.timestamp("us")


@dataclass(frozen=True)
class Evidence:
    """What the cells of a text column look like; counts add up over pieces of a file."""

    cells: int = 0  # that are not missing
    point: int = 0  # numbers if the decimal mark is a point
    comma: int = 0  # numbers if it is a comma
    point_only: int = 0
    comma_only: int = 0
    with_point: int = 0  # like 1.234: 1.234 or 1234
    with_comma: int = 0  # like 1,234: 1234 or 1.234
    whole: int = 0
    code: int = 0  # whole numbers written as codes: leading zeros, or too long for a number
    bools: int = 0
    dates: int = 0
    days: int = 0  # dates like 25/03/2024
    months: int = 0  # dates like 03/25/2024
    unsure: int = 0  # dates like 03/04/2024
    numbers: frozenset[float] = frozenset()  # different numbers, at most one more than few

    def __add__(self, other: Evidence) -> Evidence:
        sums = {
            name: getattr(self, name) + getattr(other, name) for name in Evidence.__match_args__ if name != "numbers"
        }
        return Evidence(**sums, numbers=frozenset(list(self.numbers | other.numbers)[: _FEW + 1]))

    @property
    def order(self) -> Order:
        """What comes first in dates with slashes."""
        if self.days and self.months:
            return "mixed"
        return "day" if self.days else "month" if self.months else "unknown"


def weigh(text: pa.Array) -> Evidence:
    """The evidence of one text column, or of a piece of it."""
    text = text.drop_null()
    if not len(text):
        return Evidence()
    try:
        values = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return _weigh_closely(text)
    if pc.all(pc.match_substring_regex(text, r"^[+-]?\d+$")).as_py():
        size = len(text)
        return Evidence(cells=size, point=size, comma=size, whole=size, code=_codes(text), numbers=_different(values))
    dotted = text.filter(pc.match_substring(text, "."))
    with_point = _count(dotted, cells.AMBIGUOUS["point"]) if not _count(dotted[:1000], _PLAINLY_POINT) else 0
    point_only = len(dotted) - with_point
    return Evidence(
        cells=len(text), point=len(text), comma=0 if point_only else len(text), point_only=point_only,
        with_point=with_point, code=_codes(text), numbers=_different(values),
    )  # fmt: skip


_PLAINLY_POINT = r"^[+-]?(0?\.|\d+\.(\d{0,2}$|\d{4}))"


_LIKE_NUMBER = r"^[+\-\x{2212}\x{2013}]?[.,]?(\d|(?i:inf))"


def _weigh_closely(text: pa.Array) -> Evidence:
    """Evidence of a column that is not plainly numbers; done over its different values, each with its count."""
    counted = pc.value_counts(text)
    values, counts = counted.field(0), counted.field(1)
    if not _is_date_or_truth(values[0]):
        like = pc.match_substring_regex(values, _LIKE_NUMBER)
        return _weigh_numbers(len(text), values.filter(like), counts.filter(like).to_numpy())
    if pc.all(pc.match_substring_regex(values, r"^(?i:true|false)$")).as_py():
        return Evidence(cells=len(text), bools=len(text))
    order = cells.day_order(values)
    found = cells.dates(values, "day" if order == "unknown" else order)
    unsure = order == "unknown" and _count(values, r"^\d{1,2}[/-]\d{1,2}[/-]\d{4}") > 0
    return Evidence(
        cells=len(text), dates=len(text) if not found.null_count else 0, days=int(order in ("day", "mixed")),
        months=int(order in ("month", "mixed")), unsure=int(unsure),
    )  # fmt: skip


def _is_date_or_truth(value: pa.StringScalar) -> bool:
    """Whether the first value is a date or a truth value; such columns are nothing else, so it stands for all."""
    one = pa.array([value.as_py()], pa.string())
    return value.as_py().lower() in ("true", "false") or cells.dates(one, "day").is_valid()[0].as_py() or (
        cells.dates(one, "month").is_valid()[0].as_py()
    )


def _weigh_numbers(rows: int, values: pa.Array, counts: np.ndarray) -> Evidence:
    """Evidence of different values that begin like numbers, each with its count."""

    def total(mask: pa.Array) -> int:
        return int(counts[mask.to_numpy(zero_copy_only=False)].sum())

    def matching(pattern: str) -> int:
        return total(pc.match_substring_regex(values, pattern))

    point, comma = cells.numbers(values, "point"), cells.numbers(values, "comma")
    by_point, by_comma = point.is_valid(), comma.is_valid()
    return Evidence(
        cells=rows, point=total(by_point), comma=total(by_comma), point_only=total(pc.and_not(by_point, by_comma)),
        comma_only=total(pc.and_not(by_comma, by_point)), with_point=matching(cells.AMBIGUOUS["point"]),
        with_comma=matching(cells.AMBIGUOUS["comma"]), whole=matching(r"^[+-]?\d+$"), code=_codes(values),
        numbers=_different(pc.coalesce(point, comma).drop_null()),
    )  # fmt: skip


def _count(text: pa.Array, pattern: str) -> int:
    return pc.sum(pc.match_substring_regex(text, pattern)).as_py() or 0


def _codes(text: pa.Array) -> int:
    """How many cells are digits but no number: a leading zero, or longer than any number is written."""
    long = text.filter(pc.greater(pc.binary_length(text), _LONGEST_WHOLE))
    zeros = text.filter(pc.or_(pc.starts_with(text, "0"), pc.starts_with(text, "-0")))
    return _count(long, r"^[+-]?\d+$") + _count(zeros, rf"^-?0\d{{1,{_LONGEST_WHOLE - 1}}}$")


def _different(values: pa.Array) -> frozenset[float]:
    for some in (values[:1000], values):
        different = pc.unique(some)
        if len(different) > _FEW:
            break
    return frozenset(different[: _FEW + 1].to_pylist())


@dataclass(frozen=True)
class Reading:
    """How one text column is read."""

    what: str  # whole, number, date, bool, text
    style: Style = "point"
    order: Order = "unknown"


def styles(raw: Raw, evidence: Mapping[str, Evidence]) -> dict[str, Style]:
    """The decimal mark of every column: its own cells decide, then the settings, the file, the delimiter."""
    told = [e for e in evidence.values() if e.cells and max(e.point, e.comma) >= 0.9 * e.cells]
    comma = any(e.comma_only > e.point_only for e in told)
    point = any(e.point_only > e.comma_only for e in told)

    def style(e: Evidence) -> Style:
        if e.point_only or e.comma_only:
            return "comma" if e.comma_only > e.point_only else "point"
        if raw.settings.decimal:
            return "comma" if raw.settings.decimal == "," else "point"
        if comma != point:
            return "comma" if comma else "point"
        return "comma" if e.with_comma and not e.with_point and raw.delimiter == ";" else "point"

    return {name: style(e) for name, e in evidence.items()}


def reading(raw: Raw, evidence: Evidence, style: Style) -> Reading:
    """What a text column is taken for when nobody said."""
    if not evidence.cells:
        return Reading("text")
    readable = getattr(evidence, style)
    enough = (1 - raw.settings.bad_cells) * evidence.cells
    if readable == evidence.cells and not evidence.code:
        return Reading("whole" if evidence.whole == evidence.cells else "number", style)
    if readable >= enough and len(evidence.numbers) > _FEW and not evidence.code:
        return Reading("number", style)
    if evidence.bools == evidence.cells:
        return Reading("bool")
    if evidence.dates == evidence.cells and evidence.order != "mixed":
        order = order_of(raw, evidence)
        return Reading("text") if evidence.unsure and order == "unknown" else Reading("date", order=order)
    return Reading("text")


def only_text(evidence: Evidence, most: float) -> bool:
    """Whether more cells than ``most`` are no number, and some are neither date nor truth value."""
    e = evidence
    return e.cells - max(e.point, e.comma) > most and e.dates < e.cells and e.bools < e.cells


# --- columns --------------------------------------------------------------------------------------------------------


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text, plainly or as codes."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def evidence_of(raw: Raw, names: Iterable[str]) -> dict[str, Evidence]:
    """The evidence of every text column among ``names``."""
    columns = {name: raw.column(name) for name in names}
    return {name: weigh(flat(column)) for name, column in columns.items() if is_text(column.type)}


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array without codes."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        column = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


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


_EPOCHS = ((1e9, 1e10, 1_000_000), (1e12, 1e13, 1_000), (1e15, 1e16, 1))  # seconds, ms, us from 2001 to 2286


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
    return _since_1970(column.cast(pa.float64(), safe=False))


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
        raise raw.refused(
            f"{value!r} is not {what}; {len(rows):,} of {len(column):,} cells cannot be read.",
            row=int(rows[0]), column=name,
            remedy=f"Correct the column; up to {raw.settings.bad_cells:.0%} of such cells are read as missing.",
        )  # fmt: skip
    return [
        f"Column {name!r}: {len(rows):,} of {len(column):,} cells are not {what} and are read as missing"
        f" ({value!r} in {raw.place(rows)})."
    ]


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
    if kind == "numeric":
        found = to_numbers(column, style)
        warnings = settle(raw, name, column, found, "a number")
        endless = pc.sum(pc.is_inf(found)).as_py() or 0
        if endless:
            warnings.append(f"Column {name!r}: {endless:,} infinite values are read as missing.")
        return finite(found), warnings
    if kind == "date":
        order = cells.day_order(column) if is_text(column.type) else "day"
        order = said_order(raw) if order == "unknown" else order
        found = to_dates(column, order)
        what = "a date" if order != "mixed" else "a date in the order of the others (day and month change places)"
        if found.null_count > column.null_count and order == "unknown":
            what = "a date that can be read in one way only"
        return found, settle(raw, name, column, found, what)
    return to_text(column), []


def said_order(raw: Raw) -> Order:
    """What the settings say of dates like 03/04/2024, for columns that leave it open."""
    return {"day first": "day", "month first": "month"}.get(raw.settings.dates, "unknown")


def order_of(raw: Raw, evidence: Evidence) -> Order:
    """What comes first in dates with slashes: the column's own cells decide, else the settings."""
    return said_order(raw) if evidence.order == "unknown" else evidence.order


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
