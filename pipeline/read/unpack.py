"""Bytes of a file within their limits, unpacked and as UTF-8, or refused because they cannot be a table."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from storage.errors import Refused
from storage.settings import ReadSettings

GZIP = b"\x1f\x8b"
_PIECE = 1 << 20

STRANGERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG", "a PNG picture", ""),
    (b"\xff\xd8\xff", "a JPEG picture", ""),
    (b"GIF8", "a GIF picture", ""),
    (b"BM", "a bitmap picture", ""),
    (b"RIFF", "a sound, film or picture", ""),
    (b"%PDF", "a PDF document", ""),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save the sheet as CSV."),
    (b"SQLite format 3", "an SQLite database", "Export the table as CSV."),
    (b"BZh", "packed with bzip2", "Unpack it, or pack it with gzip."),
    (b"\xfd7zXZ", "packed with xz", "Unpack it, or pack it with gzip."),
    (b"(\xb5/\xfd", "packed with zstd", "Unpack it, or pack it with gzip."),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it."),
    (b"Rar!", "a RAR archive", "Unpack it."),
    (b"\x7fELF", "a program", ""),
    (b"MZ\x90", "a program", ""),
    (b"ARROW1", "an Arrow file", "Save the table as Parquet or CSV."),
    (b"FEA1", "a Feather file", "Save the table as Parquet or CSV."),
    (b"Obj\x01", "an Avro file", "Save the table as Parquet or CSV."),
    (b"\x89HDF", "an HDF5 file", "Save the table as Parquet or CSV."),
    (b"\x93NUMPY", "a NumPy array", "Save the table as Parquet or CSV."),
    (b"\x80\x04\x95", "a pickle, which is never opened", "Save the table as Parquet or CSV."),
    (b"\x80\x05\x95", "a pickle, which is never opened", "Save the table as Parquet or CSV."),
    (b"\x80\x02", "a pickle, which is never opened", "Save the table as Parquet or CSV."),
    (b"\x80\x03", "a pickle, which is never opened", "Save the table as Parquet or CSV."),
)
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<svg", b"<head", b"<body", b"<error")


def load(data: bytes | Path, name: str, settings: ReadSettings) -> bytes:
    """The bytes of a file, gunzipped if they are packed.

    Parameters
    ----------
    data : bytes or Path
    name : str
        For messages.
    settings : ReadSettings
        ``max_bytes`` bounds both what is read and what comes out of it.

    Raises
    ------
    Refused
        For an empty, too large, cut or twice packed file, or one that is something else than a table.
    """
    if isinstance(data, Path):
        try:
            with data.open("rb") as file:
                data = file.read(settings.max_bytes + 1)
        except OSError as error:
            raise Refused(f"cannot be opened: {error.strerror or error}.", file=name) from error
    _check_size(len(data), name, settings)
    if data.startswith(GZIP):
        data = _gunzip(data, name, settings)
        if data.startswith(GZIP):
            raise Refused("is packed with gzip twice.", file=name, remedy="Unpack it once.")
    refuse_empty(data, name)
    return data


def refuse_empty(data: bytes, name: str) -> None:
    """Refuse a file in which nothing is written."""
    if not data or data.isspace():
        raise Refused("The file is empty.", file=name, remedy="A table needs a line of column names and rows below it.")


def _check_size(size: int, name: str, settings: ReadSettings, word: str = "") -> None:
    if size > settings.max_bytes:
        raise Refused(
            f"The file is larger than the {settings.max_bytes:,} bytes allowed{word}.",
            file=name,
            remedy="Split it, or raise read.max_bytes.",
        )


def _gunzip(data: bytes, name: str, settings: ReadSettings) -> bytes:
    """All members of a gzip file, never more than the limit in memory."""
    pieces: list[bytes] = []
    size = 0
    for piece in gunzipped(iter([data]), name):
        size += len(piece)
        _check_size(size, name, settings, " once unpacked")
        pieces.append(piece)
    return b"".join(pieces)


def gunzipped(packed: Iterator[bytes], name: str) -> Iterator[bytes]:
    """What is in a gzip file of any number of members, a megabyte at a time.

    Raises
    ------
    Refused
        If it is cut off or damaged.
    """
    member: Any = None
    rest, begun = b"", False
    try:
        for more in packed:
            rest += more
            while True:
                if member is None:
                    rest = rest.lstrip(b"\0") if begun else rest  # some tools pad the end with zeros
                    if not rest:
                        break
                    member, begun = zlib.decompressobj(wbits=31), True
                piece = member.decompress(rest, _PIECE)
                rest = member.unconsumed_tail
                if piece:
                    yield piece
                if member.eof:
                    rest, member = member.unused_data, None
                elif not piece and not rest:
                    break
    except zlib.error as error:
        raise Refused(f"The gzip data are damaged ({error}).", file=name, remedy="Send the file again.") from error
    if member is not None:
        raise Refused("The gzip data are cut off.", file=name, remedy="Send the file again.")


def text_of(data: bytes, name: str, settings: ReadSettings) -> bytes:
    """Text as UTF-8 without a byte order mark.

    Raises
    ------
    Refused
        If the bytes are no text, or text in an encoding that is not said.
    """
    refuse_strangers(data, name)
    codec = marked(data, len(data)) or settings.encoding
    if codec:
        try:
            data = data.decode(codec).removeprefix("\ufeff").encode()
        except (UnicodeError, LookupError) as error:
            raise Refused(f"The text is not whole {codec}: {error}.", file=name, remedy="Send it as UTF-8.") from error
    data = data.removeprefix(codecs.BOM_UTF8)
    refuse_empty(data, name)
    at = data.find(b"\0")
    if at >= 0:
        row = data.count(b"\n", 0, at) + 1
        raise Refused("There is a zero byte in the text; this is no table, or a damaged one.", file=name, row=row)
    return _checked_utf8(data, name)


def refuse_strangers(head: bytes, name: str) -> None:
    """Refuse what its first bytes show to be no table."""
    for magic, what, remedy in STRANGERS:
        if head.startswith(magic) and (len(magic) > 2 or b"\0" in head[:4096]):
            raise Refused(f"This is {what}, not a table.", file=name, remedy=remedy or _TABLES)
    if head.lstrip()[:9].lower().startswith(_MARKUP):
        raise Refused("This is a web page or XML, not a table.", file=name, remedy=_TABLES)


_TABLES = "Tables are read from CSV, Parquet or JSON lines, packed with gzip or not."


def marked(data: bytes, size: int) -> str:
    """The encoding that the first bytes of so many give away, or nothing for UTF-8."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) and size % 4 == 0:
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = data[:400]
    if size % 2 == 0 and len(head) >= 4:  # UTF-16 without a mark: of plain letters every second byte is zero
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if odd > 0.7 * len(head) / 2 and not even:
            return "utf-16-le"
        if even > 0.7 * len(head) / 2 and not odd:
            return "utf-16-be"
    return ""


def _checked_utf8(data: bytes, name: str) -> bytes:
    offsets = pa.array([0, len(data)], pa.int64())
    array = pa.Array.from_buffers(pa.large_utf8(), 1, [None, offsets.buffers()[1], pa.py_buffer(data)])
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _not_utf8(data, name) from error
    return data


def _not_utf8(data: bytes, name: str) -> Refused:
    """Which byte it was, and which encoding it looks like: said, never guessed at."""
    at = 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _PIECE):
            at = start
            decoder.decode(data[start : start + _PIECE], start + _PIECE >= len(data))
    except UnicodeDecodeError as error:
        at = max(0, start + error.start - (len(error.object) - len(data[start : start + _PIECE])))
    return odd_byte(data, at, data.count(b"\n", 0, at) + 1, name)


def odd_byte(data: bytes, at: int, row: int, name: str) -> Refused:
    """The refusal for a byte that is not UTF-8."""
    guess = "cp1252" if any(128 <= byte < 160 for byte in data[max(0, at - 200) : at + 200]) else "latin-1"
    return Refused(
        f"Byte 0x{data[at]:02x} is not UTF-8.",
        file=name,
        row=row,
        remedy=f"Save the file as UTF-8, or say read.encoding={guess} if it is Western European text.",
    )
