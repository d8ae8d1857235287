"""A CSV file of any size, block by block, by the same rules as one that is read at once. No clock, no writing."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.read import columnar, delimited, formats, tables, unpack
from pipeline.read.header import Header, find_header
from pipeline.read.raw import Raw, check_cells
from storage.errors import Refused
from storage.settings import ReadSettings

BLOCK = 1 << 22  # bytes of text parsed at once
_PIECE = 1 << 20
_HEAD = 1 << 20  # bytes that the header is looked for in
_LONGEST = 1 << 26  # bytes without the end of a row, after which quotes are not trusted to pair


def is_csv(path: Path, settings: ReadSettings) -> bool:
    """Whether a file, packed or not, holds delimited text. Refuses what is no table at all."""
    pieces, first, size = _opened(path)
    if first.startswith(columnar.MAGIC):
        return False
    head = next(_text(pieces, first, size, path.name, settings), b"")
    return formats.sniff(path.name, head[: 1 << 16]).name == "csv"


# --- text ---------------------------------------------------------------------------------------------------------


def texts(path: Path, settings: ReadSettings) -> Iterator[bytes]:
    """A text file as UTF-8 without a byte order mark, a megabyte or so at a time.

    Raises
    ------
    Refused
        As ``unpack.text_of`` does, when the place is reached.
    """
    pieces, first, size = _opened(path)
    return _text(pieces, first, size, path.name, settings)


def _opened(path: Path) -> tuple[Iterator[bytes], bytes, int]:
    """The unpacked bytes behind the first piece, that piece, and the size where it is known."""
    pieces = _bytes(path)
    first = next(pieces, b"")
    if not first.startswith(unpack.GZIP):
        return pieces, first, path.stat().st_size
    pieces = unpack.gunzipped(_again(first, pieces), path.name)
    first = next(pieces, b"")
    if first.startswith(unpack.GZIP):
        raise Refused("is packed with gzip twice.", file=path.name, remedy="Unpack it once.")
    return pieces, first, 0


def _text(pieces: Iterator[bytes], first: bytes, size: int, name: str, settings: ReadSettings) -> Iterator[bytes]:
    unpack.refuse_strangers(first, name)
    codec = unpack.marked(first, size) or settings.encoding
    text = _decoded(_again(first, pieces), codec, name) if codec else _again(first, pieces)
    return _sound(text, name)


def _bytes(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise Refused(f"cannot be opened: {error.strerror or error}.", file=path.name) from error


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _decoded(pieces: Iterator[bytes], codec: str, name: str) -> Iterator[bytes]:
    try:
        decoder = codecs.getincrementaldecoder(codec)()
        begun = False
        for piece in pieces:
            text = decoder.decode(piece)
            yield (text if begun else text.removeprefix("\ufeff")).encode()
            begun = begun or bool(text)
        yield decoder.decode(b"", True).encode()
    except (UnicodeError, LookupError) as error:
        raise Refused(f"The text is not whole {codec}: {error}.", file=name, remedy="Send it as UTF-8.") from error


def _sound(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The same without a byte order mark, checked to be UTF-8 without zero bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    row, begun = 1, False
    for piece in pieces:
        if not begun:
            piece, begun = piece.removeprefix(codecs.BOM_UTF8), True
        at = piece.find(b"\0")
        if at >= 0:
            raise Refused("There is a zero byte in the text; this is no table, or a damaged one.", file=name,
                          row=row + piece.count(b"\n", 0, at))  # fmt: skip
        _check(decoder, piece, row, name)
        row += piece.count(b"\n")
        if piece:
            yield piece
    _check(decoder, b"", row, name, final=True)


def _check(decoder: codecs.IncrementalDecoder, piece: bytes, row: int, name: str, final: bool = False) -> None:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError as error:
        held = len(error.object) - len(piece)  # bytes of the piece before
        lines = error.object.count(b"\n", held, max(error.start, held))
        raise unpack.odd_byte(error.object, error.start, row + lines, name) from error


# --- rows ---------------------------------------------------------------------------------------------------------


@dataclass
class _Feed:
    """Text whose line ends are all ``\n``, gathered until there is enough of it."""

    pieces: Iterator[bytes]
    data: bytes = b""
    ended: bool = False
    held: bytes = b""  # a carriage return whose line feed may follow

    def fill(self, size: int) -> None:
        """Read until so many bytes are there, or the text ends."""
        parts, have = [self.data], len(self.data)
        while have < size and not self.ended:
            piece = next(self.pieces, None)
            if piece is None:
                piece, self.ended = b"", True
            piece, self.held = self.held + piece, b""
            if piece.endswith(b"\r") and not self.ended:
                piece, self.held = piece[:-1], b"\r"
            if b"\r" in piece:
                piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            parts.append(piece)
            have += len(piece)
        self.data = b"".join(parts)


def read_blocks(path: Path, settings: ReadSettings, size: int = BLOCK) -> Iterator[Raw]:
    """The rows of a delimited file, tidied, trimmed and with their lines; each piece has at least one row.

    Parameters
    ----------
    path : Path
    settings : ReadSettings
        The limits on bytes, rows and cells of a file do not hold here; that of one cell does.
    size : int
        Bytes of text parsed at once.

    Raises
    ------
    Refused
        As ``delimited.read`` does, when the place is reached.
    """
    feed = _Feed(texts(path, settings))
    feed.fill(max(size, _HEAD))
    unpack.refuse_empty(feed.data, path.name)
    header = find_header(feed.data, path.name)
    feed.data = feed.data[header.body :]
    unlimited = settings.model_copy(update={"max_rows": 1 << 62, "max_cells": 1 << 62})
    counter = -1
    rows = 0
    for raw in _raws(feed, replace(header, body=0), path.name, unlimited, size):
        width = len(raw.columns)
        if header.width is None and raw.rows:
            header = replace(header, width=width, first_line=raw.line(0) or 0)
        counter = _counted_on(raw, header, counter)
        tidy = check_cells(delimited.tidied(raw, header))
        tables.check_header(tidy)
        rows += tidy.rows
        kept = tables.cleaned(tidy)
        if kept.rows:
            yield replace(kept, settings=settings)
    if not rows:
        names = delimited.clean_names(header.names)
        tables.check_header(
            Raw(path.name, "csv", names, tuple(pa.chunked_array([], pa.string()) for _ in names), settings)
        )
        raise Refused("The file has no rows.", file=path.name, remedy="Send at least one row below the header.")


def _raws(feed: _Feed, header: Header, name: str, settings: ReadSettings, size: int) -> Iterator[Raw]:
    """Pieces as they stand: quickly as long as quotes stand where they should, then by Python's own reader."""
    line = header.body_line
    while feed.data or not feed.ended:
        feed.fill(size)
        cut = len(feed.data) if feed.ended else _last_end(feed.data)
        if not cut and len(feed.data) < max(_LONGEST, size):
            size = 2 * size
            continue
        here = replace(header, body_line=line, ends=feed.ended)
        block = feed.data[:cut]
        layout = delimited.layout_of(block, here) if cut else None
        if layout is None:
            yield from _exactly(feed, here, name, settings)
            return
        raw = delimited.read_regular(block, here, layout, name, settings)
        if header.width is None and raw.rows:
            header = replace(header, width=len(raw.columns), first_line=raw.line(0) or 0)
        feed.data, line = feed.data[cut:], line + block.count(b"\n")
        yield raw


def _last_end(data: bytes) -> int:
    """The byte behind the last line end outside quotes; 0 if there is none."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    text = np.frombuffer(data, np.uint8)
    ends, quotes = np.flatnonzero(text == 10), np.flatnonzero(text == 34)
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


class _Text(io.RawIOBase):
    """A feed as a file."""

    def __init__(self, feed: _Feed) -> None:
        self.feed = feed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self.feed.fill(len(buffer))
        piece = self.feed.data[: len(buffer)]
        buffer[: len(piece)], self.feed.data = piece, self.feed.data[len(piece) :]
        return len(piece)


def _exactly(feed: _Feed, header: Header, name: str, settings: ReadSettings) -> Iterator[Raw]:
    text = io.TextIOWrapper(io.BufferedReader(_Text(feed), _PIECE), "utf-8", newline="")
    for rows, lines in delimited.exact_rows(text, header, name, []):
        columns = tuple(pa.chunked_array([pa.array(column, pa.string())]) for column in zip(*rows, strict=True))
        names = delimited.padded(header.names, len(columns))
        yield Raw(name, "csv", names, columns, settings, np.array(lines, np.int64), header.warnings)


def _counted_on(raw: Raw, header: Header, last: int) -> int:
    """The last number of a nameless row counter in front, which must go on from piece to piece."""
    if header.names[0].strip() or not raw.rows or not delimited.counts_rows(raw.columns[0]):
        return last
    first, final = int(raw.columns[0][0].as_py()), int(raw.columns[0][-1].as_py())
    if first <= last:
        raise Refused("Column 1 has cells but no name.", file=raw.name, row=header.first_line,
                      remedy="Name it in the header, or leave it out.")  # fmt: skip
    return final
