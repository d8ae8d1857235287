"""Files of any size, piece by piece, normalised like ``typed``: memory stays that of a few pieces.

Text columns are read twice: once for what they hold as a whole, once for their values. Small files are read at once,
which is quicker and names lines in messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from pipeline.read import cells, columnar, delimited, kinds, tables
from pipeline.read.evidence import Evidence, Reading, evidence_of, only_text, order_of, reading, styles_of
from pipeline.read.raw import Raw, shown
from pipeline.read.unpack import GZIP
from pipeline.read.values import Scan
from storage.errors import Refused
from storage.records import Kind
from storage.settings import ReadSettings

SMALL = 32_000_000  # bytes of a file that is read at once
_PIECE = 65_536  # rows
_BLOCK = 1 << 22  # bytes of text parsed at once
_RAGGED = re.compile(r"Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)
_ARROW = {"whole": pa.int64(), "number": pa.float64(), "numeric": pa.float64(), "date": pa.timestamp("us")}


def scan(
    path: Path, wanted: Mapping[str, Kind] | None = None, settings: ReadSettings | None = None, small: int = SMALL
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
    if size > small and (text := _delimited(path, settings, head)) is not None:
        return _planned(text, wanted)
    raw = tables.read_table(path, path.name, settings)
    table = tables.typed(raw, wanted)
    return Scan(table.schema, lambda: iter(table.to_batches(_PIECE)), table.num_rows, raw.warnings)


@dataclass(frozen=True)
class _Source:
    """A file that can be opened again and again: ``open(columns)`` yields pieces as they stand in it."""

    raw: Raw  # the first rows: names, types, settings
    open: object  # callable
    rows: int | None = None

    def pieces(self, names: list[str]) -> Iterator[Raw]:
        """Pieces with the columns ``names``, cleaned."""
        for batch in self.open(names):
            columnar.check_texts(batch, self.raw.name, self.raw.settings)
            columns = tuple(pa.chunked_array([tables.clean(batch.column(name), self.raw.settings)]) for name in names)
            yield replace(self.raw, names=tuple(names), columns=columns)


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


def _read(source: _Source, schema: pa.Schema, plan: Mapping[str, Reading]) -> Iterator[pa.RecordBatch]:
    tallies = {name: _Tally() for name in plan}
    for piece in source.pieces(list(plan)):
        columns = []
        for name, how in plan.items():
            column = cells.flat(piece.column(name))
            found = kinds.as_planned(column, how)
            columns.append(found)
            if how.what in _ARROW:
                _count(tallies[name], column, found)
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
    for name, tally in tallies.items():
        if tally.bad > source.raw.settings.bad_cells * tally.cells:
            what = "a date" if plan[name].what == "date" else "a number"
            raise source.raw.refused(f"{tally.first!r} is not {what}; {tally.bad:,} of {tally.cells:,} cells "
                                     "cannot be read.", column=name, remedy="Correct the column.")  # fmt: skip


def _count(tally: _Tally, column: pa.Array, found: pa.Array) -> None:
    tally.cells += len(column)
    if found.null_count > column.null_count and cells.is_text(column.type):
        bad = np.flatnonzero((column.is_valid().to_numpy(zero_copy_only=False))
                             & found.is_null().to_numpy(zero_copy_only=False))  # fmt: skip
        tally.bad += len(bad)
        tally.first = tally.first or shown(column[int(bad[0])].as_py(), 40)


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

    def pieces(names: list[str]) -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(path, read_dictionary=texts) as file:
                for batch in file.iter_batches(batch_size=_PIECE, columns=names, use_threads=True):
                    batch.validate(full=True)  # damaged text would be found only when it is shown
                    yield batch
        except columnar.DAMAGE as error:
            raise Refused("The Parquet file is damaged.", file=path.name, remedy="Write and send it again.") from error

    return _Source(raw, pieces, rows)


def _delimited(path: Path, settings: ReadSettings, head: bytes) -> _Source | None:
    """A large CSV file in UTF-8 as a source; None for other text, which is read at once."""
    packed = head.startswith(GZIP)
    if not _quotes_pair(path, packed):
        return None  # read at once, the line is found
    with pa.input_stream(str(path), compression="gzip" if packed else None) as file:
        head = file.read(1 << 20)
    start = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    body = head[start:]
    if b"\0" in body or body.lstrip()[:1] in (b"{", b"[", b"<") or (b"\r" in body and b"\n" not in body):
        return None
    header = delimited.find_header(body, path.name)
    keys = [str(at) for at in range(len(header.names))]

    def batches() -> Iterator[pa.RecordBatch]:
        with pa.input_stream(str(path), compression="gzip" if packed else None) as file:
            file.read(start + header.body)  # these bytes were read before, so they are sound
            yield from _parsed(file, path, header, keys)

    first = next(batches(), None)
    if first is None:
        raise Refused("The file has no rows.", file=path.name, remedy="Send at least one row below the header.")
    raw = Raw(path.name, "csv", header.names, tuple(pa.chunked_array([column]) for column in first.columns), settings,
              None, header.warnings)  # fmt: skip
    named = delimited.tidied(raw, header)
    tables.check_header(named)
    at = dict(zip(delimited.clean_names(header.names), keys, strict=True))

    def pieces(names: list[str]) -> Iterator[pa.RecordBatch]:
        for batch in batches():
            yield batch.select([at[name] for name in names]).rename_columns(names)

    return _Source(named, pieces)


def _quotes_pair(path: Path, packed: bool) -> bool:
    """Whether the number of quotes is even; PyArrow takes a quote that is never closed for the rest of the file."""
    odd = 0
    try:
        with pa.input_stream(str(path), compression="gzip" if packed else None) as file:
            while piece := file.read(_BLOCK):
                odd ^= piece.count(b'"') & 1
    except OSError as error:
        raise Refused("The gzip file is damaged.", file=path.name, remedy="Pack and send it again.") from error
    return not odd


def _parsed(file: pa.NativeFile, path: Path, header: delimited.Header, keys: list[str]) -> Iterator[pa.RecordBatch]:
    """Pieces of text columns. No handler of odd rows: PyArrow drops a row when its handler fails."""
    try:
        reader = arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(column_names=keys, block_size=_BLOCK, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False, null_values=[]
            ),
        )
        for batch in reader:
            if batch.num_rows:
                yield batch
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(error), path) from error


def _unreadable(reason: str, path: Path) -> Refused:
    """PyArrow's error in our words."""
    ragged = _RAGGED.search(reason)
    if ragged:
        expected, found, row = ragged.groups()
        return Refused(f"expected {expected} cells as in the header, found {found}: {shown(row)!r}.", file=path.name,
                       remedy="Quote cells that hold the delimiter, and check this line.")  # fmt: skip
    return Refused(f"The text cannot be read ({shown(reason)}).", file=path.name,
                   remedy="Save it as UTF-8, close all quotes, and send it whole.")  # fmt: skip
