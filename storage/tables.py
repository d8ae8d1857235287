"""Rows of a table as JSON texts and back; pure. SQLite keeps one text a row, so that rows can be read and forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO

import orjson
import pyarrow as pa
import pyarrow.json as pj

from storage.errors import Damaged
from storage.records import Feature

_TYPES = {"numeric": pa.float64(), "categorical": pa.string(), "date": pa.timestamp("us"), "ignored": pa.string()}
_CHUNK = 20_000  # rows turned into Python objects at a time


def to_texts(table: pa.Table) -> Iterable[str]:
    """One JSON object a row, columns in order, missing cells as null."""
    for part in table.to_batches(max_chunksize=_CHUNK):
        for row in part.to_pylist():
            yield orjson.dumps(row).decode()


def to_table(texts: Sequence[str], features: Sequence[Feature]) -> pa.Table:
    """The table of these features from stored rows, typed by kind; an absent column becomes all missing."""
    schema = pa.schema([(feature.name, _TYPES[feature.kind]) for feature in features])
    if not texts or not features:
        return schema.empty_table()
    source = BytesIO("\n".join(texts).encode())
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    longest = max(map(len, texts)) * 4 + 4096
    reading = pj.ReadOptions(block_size=max(1 << 20, longest))
    try:
        return pj.read_json(source, read_options=reading, parse_options=options).select(schema.names)
    except pa.ArrowInvalid as error:
        raise Damaged(f"Stored rows are damaged ({error}). Look with: run.py doctor.") from error
