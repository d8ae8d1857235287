"""Text cells to numbers and dates, pure and vectorised; what cannot be read becomes null and is counted by the caller.

Nothing is guessed cell by cell: a column is read in one style, chosen from the evidence of the column and its file.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Style = Literal["point", "comma"]

_NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_SPACES = "[ \u00a0\u2009\u202f]"
_GROUPED = {
    "point": rf"^-?[1-9]\d{{0,2}}((,\d{{3}})+|({_SPACES}\d{{3}})+|('\d{{3}})+|(’\d{{3}})+)(\.\d*)?$",
    "comma": rf"^-?[1-9]\d{{0,2}}((\.\d{{3}})+|({_SPACES}\d{{3}})+|('\d{{3}})+|(’\d{{3}})+)(,\d*)?$",
}
_MARKS = {"point": f"(,|'|’|{_SPACES})", "comma": rf"(\.|'|’|{_SPACES})"}
_COMMA_NUMBER = r"^-?(\d+,?\d*|,\d+)([eE][+-]?\d+)?$"
# Cells that both styles can read, as different numbers: 1,234 and 1.234.
AMBIGUOUS = {"point": r"^[+-]?[1-9]\d{0,2}\.\d{3}$", "comma": r"^[+-]?[1-9]\d{0,2},\d{3}$"}
INFINITE = r"^(?i:[+-]?inf(inity)?)$"
CURRENCY = "[$€£¥₹₽₩]"
_PRICED = rf"^(?P<sign>[+\-\x{{2212}}\x{{2013}}]?) ?{CURRENCY} ?(?P<rest>-?[\d.,].*)$|^(?P<bare>.*\d[.,]?) ?{CURRENCY}$"
_BRACKETED = r"^\(([^()\-+]*\d[^()\-+]*)\)$"  # as bookkeepers write what is negative
# Words that stand for "no value" where a number or a date is due; in a column of words they may be values.
NO_VALUE = pa.array(
    [".", "..", "--", "---", "—", "–", "n.a.", "n.d.", "na", "nd", "nil", "none", "missing", "unknown", "not available",
     "not applicable", "no data", "void", "tbd"]
)  # fmt: skip


def numbers(text: pa.Array, style: Style = "point") -> pa.Array:
    """Numbers of a text column; null where a cell is no number.

    Parameters
    ----------
    text : pyarrow.Array of string
        Trimmed, null where missing.
    style : {"point", "comma"}
        The decimal mark. Thousands may be set apart by the other mark, spaces or apostrophes.

    Returns
    -------
    pyarrow.Array of float64
        May hold infinities: the words for them are numbers here.
    """
    if style == "point":
        try:
            return pc.cast(text, pa.float64())
        except pa.ArrowInvalid:
            pass
    bare = _undressed(text)
    bare = pc.replace_substring_regex(bare, "^\\+", "")
    bare = pc.replace_substring_regex(bare, "^[\u2212\u2013]", "-")
    grouped = pc.match_substring_regex(bare, _GROUPED[style])
    bare = pc.if_else(grouped, pc.replace_substring_regex(bare, _MARKS[style], ""), bare)
    if style == "comma":
        good = pc.match_substring_regex(bare, _COMMA_NUMBER)
        bare = pc.replace_substring(bare, ",", ".")
    else:
        good = pc.match_substring_regex(bare, _NUMBER)
    good = pc.or_(good, pc.match_substring_regex(bare, INFINITE))
    return pc.cast(pc.if_else(good, bare, None), pa.float64())


def _undressed(text: pa.Array) -> pa.Array:
    """Cells without the sign of a currency, and with a minus in place of brackets."""
    if pc.any(pc.match_substring_regex(text, CURRENCY)).as_py():
        priced = pc.match_substring_regex(text, _PRICED)
        bare = pc.replace_substring_regex(text, f" ?{CURRENCY} ?", "")
        text = pc.if_else(priced, bare, text)
    if pc.any(pc.match_substring(text, "(")).as_py():
        text = pc.replace_substring_regex(text, _BRACKETED, r"-\1")
    return text


def currencies(text: pa.Array) -> list[str]:
    """The signs of currencies that stand in numbers of a text column."""
    some = text.filter(pc.match_substring_regex(text, rf"^[+\-(]?{CURRENCY}|{CURRENCY}\)?$"))
    if not len(some):
        return []
    found = pc.struct_field(pc.extract_regex(some, f"(?P<sign>{CURRENCY})"), "sign")
    return sorted(pc.unique(found).drop_null().to_pylist())


_CLOCK = r"(?:,?[T ]+(?P<t>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?)?"
_ZONE = r"(?: ?(?P<z>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?$"
_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"
# Ways to write a day. "numeric" ones with the year last need to know whether day or month comes first.
DATE_FORMS: dict[str, str] = {
    "iso": r"^(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})" + _CLOCK + _ZONE,
    "slash": r"^(?P<y>\d{4})[/.](?P<m>\d{1,2})[/.](?P<d>\d{1,2})" + _CLOCK + _ZONE,
    "dots": r"^(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})" + _CLOCK + _ZONE,
    "numeric": r"^(?P<a>\d{1,2})[/-](?P<b>\d{1,2})[/-](?P<y>\d{4})" + _CLOCK + _ZONE,
    "named": rf"^(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ -]{_MONTH}[ ,-]+(?P<y>\d{{4}})" + _CLOCK + _ZONE,
    "english": rf"^{_MONTH} (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})" + _CLOCK + _ZONE,
    "compact": r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})T(?P<t>\d{6})" + _ZONE,
}
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? +", re.IGNORECASE)
_COMPILED = {name: re.compile(form) for name, form in DATE_FORMS.items()}
_MONTHS = {
    name: at
    for at, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"), 1)
    for name in names.split()
}  # fmt: skip
Order = Literal["day", "month", "unknown", "mixed"]


def dates(text: pa.Array, order: Order = "unknown") -> pa.Array:
    """Moments of a text column, UTC where a zone is given; null where a cell is no date.

    Parameters
    ----------
    text : pyarrow.Array of string
    order : {"day", "month", "unknown", "mixed"}
        What comes first in ``03/04/2024``; such cells are null where it is not known.

    Returns
    -------
    pyarrow.Array of timestamp("us")
    """
    try:
        return pc.cast(text, pa.timestamp("us"))
    except pa.ArrowInvalid:
        pass
    levels = pc.dictionary_encode(text)
    known = pa.array([_moment(cell, order) for cell in levels.dictionary.to_pylist()], pa.timestamp("us"))
    return known.take(levels.indices)


def day_order(text: pa.Array) -> Order:
    """Whether ``03/04/2024`` begins with the day, from cells where only one reading is possible."""
    first = pc.extract_regex(text, r"^(?P<a>\d{1,2})[/-](?P<b>\d{1,2})[/-]\d{4}").drop_null()
    if not len(first):
        return "unknown"
    a, b = (pc.cast(pc.struct_field(first, part), pa.int64()) for part in ("a", "b"))
    day, month = pc.max(a).as_py() > 12, pc.max(b).as_py() > 12
    if day and month:
        return "mixed"
    return "day" if day else "month" if month else "unknown"


def _moment(cell: str | None, order: Order) -> dt.datetime | None:
    parts = _date_parts(cell)
    if parts is None:
        return None
    if "a" in parts:
        if order not in ("day", "month"):
            return None
        day, month = ("a", "b") if order == "day" else ("b", "a")
        parts["d"], parts["m"] = parts[day], parts[month]
    month = _MONTHS.get(parts["month"].lower(), 0) if parts.get("month") else int(parts["m"])
    try:
        moment = dt.datetime(int(parts["y"]), month, int(parts["d"])) + _clock(parts)  # noqa: DTZ001
        return moment - _offset(parts.get("z"))
    except (ValueError, OverflowError):
        return None


def _date_parts(cell: str | None) -> dict[str, str | None] | None:
    if cell is None or not 6 <= len(cell) <= 60:
        return None
    if cell[0].isalpha():
        cell = _WEEKDAY.sub("", cell, count=1) if _WEEKDAY.match(cell) else cell
    found = next((hit for form in _COMPILED.values() if (hit := form.match(cell))), None)
    return found.groupdict() if found else None


def _clock(parts: dict[str, str | None]) -> dt.timedelta:
    text = parts.get("t")
    if not text:
        return dt.timedelta()
    if ":" not in text:
        text = f"{text[:2]}:{text[2:4]}:{text[4:]}"
    hour, minute, *rest = text.replace(",", ".").split(":")
    hours, minutes, seconds = int(hour), int(minute), float(rest[0]) if rest else 0.0
    half = (parts.get("half") or "").lower()
    if (half and not 1 <= hours <= 12) or hours > 23 or minutes > 59 or seconds >= 60:
        raise ValueError(text)
    hours = hours % 12 + 12 * (half == "p") if half else hours
    return dt.timedelta(hours=hours, minutes=minutes, seconds=int(seconds), microseconds=_micros(rest))


def _micros(rest: list[str]) -> int:
    digits = rest[0].partition(".")[2] if rest else ""
    return int((digits + "000000")[:6])


def _offset(zone: str | None) -> dt.timedelta:
    if not zone or zone[0] not in "+-":
        return dt.timedelta()
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 18 or minutes > 59:
        raise ValueError(zone)
    return (-1 if zone[0] == "-" else 1) * dt.timedelta(hours=hours, minutes=minutes)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text, plainly or as codes."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array without codes."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        column = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column
