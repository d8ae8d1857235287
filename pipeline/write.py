"""Tables as CSV that is safe to open in a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones are taken for the plain ones


def csv_of_rows(rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows with the same keys as CSV bytes (UTF-8, comma, CRLF as in RFC 4180), a header first.

    Notes
    -----
    A text cell that a spreadsheet would run as a formula gets a leading apostrophe, unless it is a plain number.
    Missing values are empty.

    Examples
    --------
    >>> csv_of_rows([{"id": "=1+1", "x": -2.5}])
    b"id,x\\r\\n'=1+1,-2.5\\r\\n"
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\r\n")
    names = list(rows[0]) if rows else []
    writer.writerow([_safe(name) for name in names])
    writer.writerows([_safe(row.get(name)) for name in names] for row in rows)
    return sink.getvalue().encode()


def csv_of_names(names: Sequence[str]) -> bytes:
    """A header alone, to be filled in. A name that a spreadsheet would run gets the apostrophe too."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\r\n").writerow(map(_safe, names))
    return sink.getvalue().encode()


def _safe(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
