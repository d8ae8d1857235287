"""What the columns of a file look like, counted over all their cells: how they are read when nobody said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import cells
from pipeline.read.cells import Order, Style, flat, is_text
from pipeline.read.raw import Raw

_FEW = 20  # a column of more different numbers is numeric even if a few of its cells are not
_LONGEST_WHOLE = 18  # digits that int64 surely holds


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


_LIKE_NUMBER = rf"^[+\-(\x{{2212}}\x{{2013}}]?(?:{cells.CURRENCY} ?)?[+\-]?[.,]?(\d|(?i:inf))"


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
    return (
        value.as_py().lower() in ("true", "false")
        or cells.dates(one, "day").is_valid()[0].as_py()
        or (cells.dates(one, "month").is_valid()[0].as_py())
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


def styles_of(raw: Raw, evidence: Mapping[str, Evidence]) -> dict[str, Style]:
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


def said_order(raw: Raw) -> Order:
    """What the settings say of dates like 03/04/2024, for columns that leave it open."""
    return {"day first": "day", "month first": "month"}.get(raw.settings.dates, "unknown")


def order_of(raw: Raw, evidence: Evidence) -> Order:
    """What comes first in dates with slashes: the column's own cells decide, else the settings."""
    return said_order(raw) if evidence.order == "unknown" else evidence.order


def evidence_of(raw: Raw, names: Iterable[str]) -> dict[str, Evidence]:
    """The evidence of every text column among ``names``."""
    columns = {name: raw.column(name) for name in names}
    return {name: weigh(flat(column)) for name, column in columns.items() if is_text(column.type)}
