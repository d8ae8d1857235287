"""Parquet bytes to a table: the footer is judged before a single row is unpacked.

In a server they are unpacked by a process of its own: a file made to bring PyArrow down brings down that process and
nothing else.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import apart
from pipeline.read.cells import is_text
from pipeline.read.raw import Raw, check_cells, check_shape, shown
from storage.errors import Refused, Unhealthy
from storage.settings import ReadSettings

MAGIC = b"PAR1"
SECONDS = 300.0  # that unpacking may take
_ROOM = 1 << 30  # bytes for threads and libraries
DAMAGE = (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError)  # what a damaged file makes PyArrow raise


def read(data: bytes, name: str, settings: ReadSettings) -> Raw:
    """The flat columns of a Parquet file, unpacked in a child process where one is ready; as ``unpacked``."""
    if not apart.ready():  # a command is a process of its own
        return unpacked(data, name, settings)
    memory = _ROOM + 8 * settings.max_bytes + 32 * settings.max_cells
    try:
        return apart.call(_in_child, (data, name, settings), SECONDS, what="reading", memory=memory)
    except Unhealthy as error:
        raise Refused(f"The Parquet file cannot be unpacked. {error}", file=name,
                      remedy="Write it again, or as CSV.") from error  # fmt: skip


def _in_child(data: bytes, name: str, settings: ReadSettings, tell: object) -> Raw:
    return unpacked(data, name, settings)


def unpacked(data: bytes, name: str, settings: ReadSettings) -> Raw:
    """The flat columns of a Parquet file.

    Raises
    ------
    Refused
        For a damaged file, too many rows, columns or cells, and text that would unpack to too many bytes.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        check_shape(name, file.metadata.num_rows, file.metadata.num_columns, settings)
        _check_unpacked(file.metadata, name, settings)
        texts = [field.name for field in file.schema_arrow if is_text(field.type)]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        flat, nested = _flat(file.schema_arrow)
        table = file.read(columns=flat, use_threads=True)
        check_texts(table, name, settings)
        table.validate(full=True)
        table = _decoded(table)
    except DAMAGE as error:
        raise Refused("The Parquet file is damaged.", file=name, remedy="Write and send it again.") from error
    warnings = tuple(f"Column {shown(column)!r} holds nested or binary values and is ignored." for column in nested)
    names = tuple(" ".join(column.split()) for column in table.column_names)
    return check_cells(Raw(name, "parquet", names, tuple(table.columns), settings, None, warnings))


def _check_unpacked(footer: pq.FileMetaData, name: str, settings: ReadSettings) -> None:
    """Refuse pages that say they unpack to more than plain cells of these rows would take."""
    unpacked = sum(footer.row_group(at).total_byte_size for at in range(footer.num_row_groups))
    most = settings.max_bytes + 16 * footer.num_rows * footer.num_columns
    if unpacked > most:
        raise Refused(f"The pages unpack to {unpacked:,} bytes; {most:,} are allowed.", file=name,
                      remedy="Split the file, or raise read.max_bytes.")  # fmt: skip


def _flat(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """Names of columns with one plain value a row, and of the others."""
    flat = [field.name for field in schema if plain(field.type)]
    return flat, [field.name for field in schema if not plain(field.type)]


def plain(kind: pa.DataType) -> bool:
    """Whether a type holds one plain value a row."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
                or pa.types.is_fixed_size_binary(kind))  # fmt: skip


def check_texts(table: pa.Table | pa.RecordBatch, name: str, settings: ReadSettings) -> None:
    """Refuse text that is stored once and repeated so often that it would unpack beyond the limit of a file."""
    for column in table.schema.names:
        total = 0
        cells = table.column(column)
        for chunk in cells.chunks if isinstance(cells, pa.ChunkedArray) else [cells]:
            if pa.types.is_dictionary(chunk.type):
                sizes = pc.binary_length(chunk.dictionary).take(chunk.indices)
                total += pc.sum(sizes.cast(pa.int64())).as_py() or 0
        if total > settings.max_bytes:
            raise Refused(f"The text unpacks to {total:,} bytes; {settings.max_bytes:,} are allowed.", file=name,
                          column=column, remedy="Split the file, or raise read.max_bytes.")  # fmt: skip


def _decoded(table: pa.Table) -> pa.Table:
    """Text as plain strings."""
    columns = [
        column.cast(pa.string()) if is_text(column.type) and column.type != pa.string() else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, names=table.column_names)
