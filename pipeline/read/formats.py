"""The table of formats: how each is recognised by its first bytes, and how it is read. A new format is a row here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.read import columnar, delimited, objects, unpack
from pipeline.read.raw import Raw
from storage.settings import ReadSettings

_HEAD = 1 << 16


@dataclass(frozen=True)
class Format:
    """One way to write a table.

    Attributes
    ----------
    name, label : str
        Key, and what a person reads.
    suffixes : tuple of str
        Usual endings of file names; the content decides.
    looks : callable
        (file name in lower case, first bytes) -> whether it is this format.
    text : bool
        Whether the bytes are text, to be brought to UTF-8 first.
    read : callable
        (bytes, name, settings) -> Raw.
    """

    name: str
    label: str
    suffixes: tuple[str, ...]
    looks: Callable[[str, bytes], bool]
    text: bool
    read: Callable[[bytes, str, ReadSettings], Raw]


def _is_json(name: str, head: bytes) -> bool:
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if name.endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz")):
        return re.match(rb'\{\s*"|\[\s*\{', head) is not None
    return head[:1] in (b"{", b"[")


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("parquet", "Parquet", (".parquet", ".pq"), lambda name, head: head[:4] == columnar.MAGIC, False,
               columnar.read),
        Format("json", "JSON lines or a JSON array", (".jsonl", ".ndjson", ".json"), _is_json, True, objects.read),
        Format("csv", "CSV with comma, semicolon, tab or bar", (".csv", ".tsv", ".txt"), lambda name, head: True, True,
               delimited.read),
    )
}  # fmt: skip


def sniff(name: str, head: bytes) -> Format:
    """The format of a file, by its first bytes.

    Parameters
    ----------
    name : str
        Of the file; only used where the bytes allow two readings.
    head : bytes
        The first bytes, unpacked; text in UTF-8.
    """
    return next(row for row in FORMATS.values() if row.looks(name.lower(), head))


def read_table(data: bytes | Path, name: str, settings: ReadSettings | None = None) -> Raw:
    """A file of any known format as columns, nothing assumed of their meaning.

    Parameters
    ----------
    data : bytes or Path
    name : str
        The file's name, for messages.
    settings : ReadSettings, optional
        Limits, null words, and what cannot be seen from the bytes (encoding, decimal mark, order of dates).

    Raises
    ------
    Refused
        Naming file, line and what is wrong.
    """
    settings = settings or ReadSettings()
    whole = unpack.load(data, name, settings)
    if whole.startswith(columnar.MAGIC):
        return FORMATS["parquet"].read(whole, name, settings)
    whole = unpack.text_of(whole, name, settings)
    return sniff(name, whole[:_HEAD]).read(whole, name, settings)
