"""Files of any size, piece by piece, normalised like ``typed``: memory stays that of a few pieces.

Text columns are read twice: once for what they hold as a whole, once for their values. Small files are read at once,
which is quicker; what is taken and what is refused, and where, is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.read import blocks, cells, columnar, kinds, tables
from pipeline.read.cells import Order
from pipeline.read.evidence import Evidence, Reading, evidence_of, only_text, order_of, reading, styles_of
from pipeline.read.raw import Raw, shown
from pipeline.read.values import Scan
from storage.errors import Refused
from storage.records import Kind
from storage.settings import ReadSettings

SMALL = 32_000_000  # bytes of a file that is read at once
_PIECE = 65_536  # rows
_ARROW = {"whole": pa.int64(), "number": pa.float64(), "numeric": pa.float64(), "date": pa.timestamp("us")}


def scan(
    path: Path,
    wanted: Mapping[str, Kind] | None = None,
    settings: ReadSettings | None = None,
    small: int = SMALL,
    block: int = blocks.BLOCK,
) -> Scan:
    """A file as a schema and pieces that can be iterated any number of times.

    Parameters
    ----------
    path : Path
    wanted : dict, optional
        Kinds that are known beforehand, by column: numeric columns are float64, dates timestamp("us"), others string.
    settings : ReadSettings, optional
        Null words and the share of unreadable cells. The limits hold only for files that must be read at once.
    small : int
        Bytes up to which a file is read at once.
    block : int
        Bytes of a larger CSV file that are parsed at once.

    Returns
    -------
    Scan

    Raises
    ------
    Refused
        For a file that is no table; while iterating, for a row or a column that cannot be read.
    """
    path, settings, wanted = Path(path), settings or ReadSettings(), dict(wanted or {})
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise Refused(f"The file cannot be opened: {error.strerror}.", file=path.name) from error
    if head == columnar.MAGIC:
        return _planned(_parquet(path, settings), wanted)
    if size > small and blocks.is_csv(path, settings):
        return _planned(_delimited(path, settings, block), wanted)
    raw = tables.read_table(path, path.name, settings)
    table = tables.typed(raw, wanted)
    return Scan(table.schema, lambda: iter(table.to_batches(_PIECE)), table.num_rows, raw.warnings)


@dataclass(frozen=True)
class _Source:
    """A file that can be opened again and again: ``pieces(columns)`` yields cleaned pieces of it."""

    raw: Raw  # the first rows: names, types, settings
    pieces: Callable[[list[str]], Iterator[Raw]]
    rows: int | None = None


def _planned(source: _Source, wanted: Mapping[str, Kind]) -> Scan:
    """Decide how each column is read, then how to read a piece."""
    names = list(source.raw.names)
    texts = [name for name in names if cells.is_text(source.raw.column(name).type)]
    unknown = [name for name in texts if wanted.get(name) not in ("categorical", "ignored")]
    evidence = _evidence(source, unknown)
    styles = styles_of(source.raw, evidence)
    plan: dict[str, Reading] = {}
    for name in names:
        kind = wanted.get(name)
        if kind in ("numeric", "date", "categorical"):
            order = order_of(source.raw, evidence.get(name, Evidence()))
            plan[name] = Reading(kind, styles.get(name, "point"), order)
        elif name in evidence:
            plan[name] = reading(source.raw, evidence[name], styles[name])
        else:
            plan[name] = Reading("text" if name in texts else "native")
    schema = pa.schema([(name, _type(source.raw, name, how)) for name, how in plan.items()])
    return Scan(schema, lambda: _read(source, schema, plan), source.rows, source.raw.warnings)


def _evidence(source: _Source, names: list[str]) -> dict[str, Evidence]:
    """What text columns hold; a column is left alone as soon as it can be nothing but text."""
    evidence = dict.fromkeys(names, Evidence())
    most = source.raw.settings.bad_cells * (source.rows or np.inf)
    sized = source.rows is not None
    chunks = source.pieces(names) if names else iter(())
    for piece in chunks:
        open_names = [name for name in names if not (sized and only_text(evidence[name], most))]
        if not open_names:
            break
        for name, found in evidence_of(piece, open_names).items():
            evidence[name] += found
    return evidence


def _type(raw: Raw, name: str, how: Reading) -> pa.DataType:
    if how.what == "native":
        return kinds.native_column(pa.array([], raw.column(name).type)).type
    return _ARROW.get(how.what, pa.string())


@dataclass
class _Tally:
    """Cells of one column so far, and those that could not be read."""

    cells: int = 0
    bad: int = 0
    first: str = field(default="")
    row: int = 0  # of the first: its line where the file has lines
    order: Order | None = None


def _read(source: _Source, schema: pa.Schema, plan: Mapping[str, Reading]) -> Iterator[pa.RecordBatch]:
    tallies = {name: _Tally(order=how.order) for name, how in plan.items()}
    for piece in source.pieces(list(plan)):
        columns = []
        for name, how in plan.items():
            column = cells.flat(piece.column(name))
            found = kinds.as_planned(column, how)
            columns.append(found)
            if how.what in _ARROW:
                _count(tallies[name], piece, column, found)
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
    for name, tally in tallies.items():
        if tally.bad > source.raw.settings.bad_cells * tally.cells:
            what = kinds.a_date(tally.order) if plan[name].what == "date" else "a number"
            raise kinds.too_many(source.raw, name, tally.first, what, tally.bad, tally.cells, tally.row)


def _count(tally: _Tally, piece: Raw, column: pa.Array, found: pa.Array) -> None:
    if found.null_count > column.null_count and cells.is_text(column.type):
        bad = np.flatnonzero((column.is_valid().to_numpy(zero_copy_only=False))
                             & found.is_null().to_numpy(zero_copy_only=False))  # fmt: skip
        if not tally.bad:
            at = int(bad[0])
            tally.first = shown(column[at].as_py(), 40)
            tally.row = tally.cells + at if piece.lines is None else int(piece.lines[at])
        tally.bad += len(bad)
    tally.cells += len(column)


# --- the two formats that can be streamed ---------------------------------------------------------------------------


def _parquet(path: Path, settings: ReadSettings) -> _Source:
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except columnar.DAMAGE as error:
        raise Refused("The Parquet file is damaged.", file=path.name, remedy="Write and send it again.") from error
    if rows == 0:
        raise Refused("The file has no rows.", file=path.name, remedy="Send at least one row.")
    fields = [field for field in schema if columnar.plain(field.type)]
    texts = [field.name for field in fields if cells.is_text(field.type)]
    columns = tuple(pa.chunked_array([], field.type) for field in fields)
    raw = Raw(path.name, "parquet", tuple(field.name for field in fields), columns, settings)
    tables.check_header(raw)

    def pieces(names: list[str]) -> Iterator[Raw]:
        try:
            with pq.ParquetFile(path, read_dictionary=texts) as file:
                for batch in file.iter_batches(batch_size=_PIECE, columns=names, use_threads=True):
                    columnar.check_texts(batch, path.name, settings)
                    columns = tuple(pa.chunked_array([tables.clean(batch.column(name), settings)]) for name in names)
                    yield replace(raw, names=tuple(names), columns=columns)
        except columnar.DAMAGE as error:
            raise Refused("The Parquet file is damaged.", file=path.name, remedy="Write and send it again.") from error

    return _Source(raw, pieces, rows)


def _delimited(path: Path, settings: ReadSettings, block: int) -> _Source:
    """A large CSV file as a source."""
    first = next(blocks.read_blocks(path, settings, block), None)
    if first is None:
        raise Refused("The file has no rows but its header.", file=path.name,
                      remedy="Send at least one row below the header.")  # fmt: skip

    def pieces(names: list[str]) -> Iterator[Raw]:
        for raw in blocks.read_blocks(path, settings, block):
            yield replace(raw, names=tuple(names), columns=tuple(raw.column(name) for name in names))

    return _Source(first, pieces)
