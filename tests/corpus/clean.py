"""The clean table that the nasty files are made from, its schema, and ways of writing it."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.records import Feature, Schema

ROWS = 60
SCHEMA = Schema(
    features=(
        Feature("age", "numeric"),
        Feature("income", "numeric"),
        Feature("share", "numeric"),
        Feature("city", "categorical"),
        Feature("smoker", "categorical"),
        Feature("code", "categorical"),
        Feature("joined", "date"),
        Feature("note", "ignored"),
    ),
    target="bought",
    task="classification",
    classes=("no", "yes"),
    id_column="id",
    time_column="when",
)
WATCHED = tuple(feature.name for feature in SCHEMA.watched)


def _rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    begin = datetime(2024, 1, 1)  # noqa: DTZ001 (the table has no zone)
    cities = ["Oslo", "Tromsø", "Łódź", "São Paulo", "Köln, Mitte"]
    rows = []
    for at in range(ROWS):
        rows.append(
            {
                "id": f"c{1000 + at}",
                "when": begin + timedelta(hours=at),
                "age": None if at in (4, 17) else int(rng.integers(18, 80)),
                "income": None if at == 9 else 1000 + 500 * int(rng.integers(1, 400)) + 0.5,
                "share": round(float(rng.random()), 2),
                "city": None if at == 30 else cities[int(rng.integers(5))],
                "smoker": ["yes", "no"][int(rng.integers(2))],
                "code": ["007", "0123", "A1", "42"][int(rng.integers(4))],
                "joined": None if at == 21 else begin - timedelta(days=int(rng.integers(1, 900))),
                "note": "free text",
                "bought": ["no", "yes"][int(rng.integers(2))],
            }
        )
    return rows


TRUTH: list[dict[str, Any]] = _rows()
NAMES = tuple(TRUTH[0])

Cell = Callable[[Any], str]


def plain(value: Any) -> str:
    """A cell as programs write it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ") if value.hour else value.date().isoformat()
    return str(value)


def clean_csv(rows: Sequence[dict[str, Any]] = TRUTH) -> bytes:
    """The table as a plain CSV file."""
    return written(rows=rows)


def written(
    rows: Sequence[dict[str, Any]] = TRUTH,
    *,
    names: Sequence[str] = NAMES,
    header: Sequence[str] | None = None,
    cells: dict[str, Cell] | None = None,
    every: Cell = plain,
    delimiter: str = ",",
    quoting: int = csv.QUOTE_MINIMAL,
    end: str = "\n",
) -> bytes:
    """The table as CSV in UTF-8.

    Parameters
    ----------
    names : columns to write
    header : what stands in the first line; the names if not given
    cells : how the cells of some columns are written
    every : how all other cells are written
    """
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(header or names)
    ways = cells or {}
    writer.writerows([ways.get(name, every)(row[name]) for name in names] for row in rows)
    return sink.getvalue().encode()


def lines(data: bytes | None = None) -> list[str]:
    """The plain CSV file as lines without ends; line 1 is the header."""
    return (clean_csv() if data is None else data).decode().splitlines()


def edited(number: int, change: Callable[[str], str], data: bytes | None = None) -> bytes:
    """The plain file with one line (counted from 1) changed."""
    found = lines(data)
    found[number - 1] = change(found[number - 1])
    return joined(found)


def joined(found: Sequence[str], end: str = "\n") -> bytes:
    """Lines as a file."""
    return "".join(f"{line}{end}" for line in found).encode()


def table(names: Sequence[str] = NAMES) -> pa.Table:
    """The table with types of its own."""
    return pa.Table.from_pylist(TRUTH).select(list(names))


def parquet(given: pa.Table, **options: Any) -> bytes:
    """A table as Parquet bytes."""
    sink = io.BytesIO()
    pq.write_table(given, sink, **options)
    return sink.getvalue()


def packed(data: bytes) -> bytes:
    """The same bytes gzipped, without the time of day in them."""
    return gzip.compress(data, mtime=0)
