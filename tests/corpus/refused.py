"""Files that must be refused, each with the right reason: where, what, and what was found."""

from __future__ import annotations

import io
import json
import pickle  # only to make a file that must never be opened
import sqlite3
import zipfile
from datetime import datetime

import numpy as np
import pyarrow as pa

from storage.settings import ReadSettings
from tests.corpus.case import Case
from tests.corpus.clean import NAMES, TRUTH, clean_csv, edited, joined, lines, packed, parquet, plain, table, written

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
_SMALL = ReadSettings(max_bytes=1_000_000)


def _zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return sink.getvalue()


def _sqlite() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (age int)")
    return connection.serialize()


def _parquet_cells(rows: int) -> bytes:
    return parquet(pa.table({"age": np.zeros(rows, np.int8)}))


def _long_texts() -> pa.Table:
    """60,000 times the same 50,000 letters, stored once."""
    codes = pa.array(np.zeros(60_000, np.int32))
    return pa.table({"city": pa.DictionaryArray.from_arrays(codes, pa.array(["x" * 50_000]))})


def _without(*names: str) -> bytes:
    return written(names=[name for name in NAMES if name not in names])


def _column(name: str, cell: object, rows: int) -> bytes:
    """The table with the first rows of one column replaced."""
    return written([{**row, name: cell if at < rows else row[name]} for at, row in enumerate(TRUTH)])


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _footer() -> int:
    """The first byte of the footer of the table as Parquet."""
    data = parquet(table())
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def _cut_gzip() -> bytes:
    whole = packed(clean_csv())
    return whole[: len(whole) // 2]


NO_TABLE = (
    Case("empty", lambda: b"", "refused", ("empty",)),
    Case("blanks", lambda: b" \n\t\n", "refused", ("empty",)),
    Case("bom_alone", lambda: b"\xef\xbb\xbf", "refused"),
    Case("header_alone", lambda: clean_csv().split(b"\n")[0] + b"\n", "refused", ("row",)),
    Case("png", lambda: _PNG * 20, "refused", ("PNG",), "picture.csv"),
    Case("jpeg", lambda: b"\xff\xd8\xff\xe0\0\x10JFIF" * 30, "refused", ("JPEG",)),
    Case("pdf", lambda: b"%PDF-1.7\n1 0 obj\n", "refused", ("PDF",)),
    Case("workbook", _zip, "refused", ("CSV",), "batch.xlsx"),
    Case("old_workbook", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "refused", ("Excel",)),
    Case("web_page", lambda: b"<!DOCTYPE html><html><body>Login</body></html>", "refused", ("web page",)),
    Case("xml", lambda: b'<?xml version="1.0"?><rows><row age="1"/></rows>', "refused", ("XML",)),
    Case("sqlite", _sqlite, "refused", ("SQLite",)),
    Case("pickle", lambda: pickle.dumps({"age": [1, 2]}), "refused", ("pickle",), "batch.csv"),
    Case("pickle_named_parquet", lambda: pickle.dumps([1]), "refused", (), "batch.parquet"),
    Case("numpy", lambda: b"\x93NUMPY\x01\0v\0{'descr': '<f8'}", "refused"),
    Case("program", lambda: b"\x7fELF\x02\x01\x01" + b"\0" * 60, "refused"),
    Case("noise", lambda: np.random.default_rng(1).bytes(5000), "refused"),
    Case("zeros", lambda: b"\0" * 5000, "refused"),
    Case("prose", lambda: b"Dear all,\n\nplease find the data attached.\n\nBest wishes\n", "refused"),
    Case("markdown", lambda: b"# Title\n\nSome *text*.\n", "refused"),
    Case("return_in_a_comment", lambda: b"# a\rb\n#\nx,y\r1,2\n", "refused"),
    Case("one_word", lambda: b"hello", "refused"),
    Case("error_as_json", lambda: b'{"error": "not found", "status": 404}', "refused", file="batch.json"),
)
SHAPES = (
    Case("row_short", lambda: edited(5, lambda x: x.rsplit(",", 1)[0]), "refused", ("line 5", "11", "10")),
    Case("row_long", lambda: edited(7, lambda x: f"{x},9"), "refused", ("line 7", "11", "12")),
    Case("first_row_long", lambda: edited(2, lambda x: f"7,{x}"), "refused", ("line 2", "11", "12")),
    Case("last_row_cut", lambda: clean_csv()[:-40], "refused", ("line 61",)),
    Case("all_rows_long", lambda: joined([lines()[0], *(f"{at},{x}" for at, x in enumerate(lines()[1:]))]), "refused",
         ("11", "12")),
    Case("comma_unquoted", lambda: clean_csv().replace(b'"', b""), "refused", ("11", "12")),
    Case("decimal_comma_unquoted", lambda: edited(3, lambda x: x.replace(".5", ",5")), "refused", ("line 3",)),
    Case("quote_open", lambda: edited(6, lambda x: x.replace("free", '"free')), "refused", ("line 6", "quote")),
    Case("quote_open_last", lambda: edited(61, lambda x: x.replace("free", '"free')), "refused", ("quote",)),
    Case("text_after_quote", lambda: edited(4, lambda x: x.replace("free", '"free"')), "refused", ("line 4",)),
    Case("other_delimiter_below", lambda: edited(9, lambda x: x.replace(",", ";")), "refused", ("line 9",)),
    Case("title_above", lambda: b"Customers of May\n" + clean_csv(), "refused"),
    Case("no_header", lambda: joined(lines()[1:]), "refused"),
    Case("header_twice", lambda: joined([*lines()[:30], lines()[0], *lines()[30:]]), "safe"),
    Case("two_columns_of_one_name", lambda: joined([lines()[0].replace("income", "age"), *lines()[1:]]), "refused",
         ("age",)),
    Case("column_missing", lambda: _without("income"), "refused", ("income",)),
    Case("column_misspelt", lambda: written(header=["incmoe" if n == "income" else n for n in NAMES]), "refused",
         ("income", "incmoe")),
    Case("columns_missing", lambda: _without("income", "age", "city"), "refused", ("income", "age", "city")),
    Case("two_near_names", lambda: joined([f"{x},{'AGE,Age' if not at else '1,2'}" for at, x in enumerate(
        lines(_without("age")))]), "refused", ("age",)),
    Case("nameless_column", lambda: joined([f"{x},{'' if not at else 'x'}" for at, x in enumerate(lines())]), "safe"),
    Case("json_list_of_lists", lambda: b"[[1, 2], [3, 4]]", "refused", file="b.json"),
    Case("json_cut", lambda: json.dumps([{"age": 1}] * 30).encode()[:-20], "refused", file="b.json"),
    Case("json_line_broken", lambda: b'{"age": 1}\n{"age": \n{"age": 3}\n', "refused", ("line 2",), "b.jsonl"),
    Case("json_nested_deep", lambda: b"[" * 100_000 + b"]" * 100_000, "refused", file="b.json"),
    Case("json_nested_cell", lambda: b"".join(
        json.dumps({n: [1, 2] if n == "age" else plain(v) for n, v in r.items()}).encode() + b"\n" for r in TRUTH),
        "refused", ("age",), "b.jsonl"),
    Case("json_empty", lambda: b"[]", "refused", file="b.json"),
)  # fmt: skip
CELLS = (
    Case("text_in_numbers", lambda: _column("age", "old", 20), "refused", ("age", "line 2", "old")),
    Case("dates_in_numbers", lambda: _column("age", "2024-01-01", 60), "refused", ("age", "2024-01-01")),
    Case("text_in_dates", lambda: _column("joined", "some day", 20), "refused", ("joined", "line 2", "some day")),
    Case("dates_of_two_orders", lambda: written(cells={"joined": _two_orders()}), "refused", ("joined",)),
    Case("impossible_dates", lambda: _column("joined", "2024-02-31", 20), "refused", ("joined", "2024-02-31")),
    Case("units_in_cells", lambda: written(cells={"age": lambda v: "" if v is None else f"{v} years"}), "refused",
         ("age", "years")),
    Case("two_marks_in_numbers", lambda: written(cells={"income": _two_marks()}), "safe"),
    Case("percent_and_share", lambda: _column("share", "12%", 30), "safe"),
    Case("parquet_dates_in_numbers", lambda: parquet(_with("age", pa.array([datetime(2024, 1, 1)] * 60))),  # noqa: DTZ001
         "refused", ("age",), "b.parquet"),
    Case("parquet_lists_in_numbers", lambda: parquet(_with("age", pa.array([[1, 2]] * 60))), "refused", ("age",),
         "b.parquet"),
    Case("parquet_text_in_numbers", lambda: parquet(_with("age", pa.array(["old"] * 60))), "refused", ("age", "old"),
         "b.parquet"),
    Case("classes_unknown", lambda: written(cells={"bought": lambda v: v + "!"}), "refused", ("bought", "line 2", "!")),
    Case("latin1", lambda: clean_csv().replace("Łódź".encode(), b"x").decode().encode("latin-1"), "refused",
         ("UTF-8", "line")),
    Case("one_bad_byte", lambda: clean_csv().replace(b"free", b"fr\xff", 1), "refused", ("UTF-8", "line 2")),
    Case("zero_byte", lambda: edited(8, lambda x: x.replace("free", "fr\0e")), "refused", ("line 8",)),
    Case("utf16_half", lambda: b"\xff\xfe" + clean_csv().decode().encode("utf-16-le")[:-1], "refused"),
)  # fmt: skip
SIZES = (
    Case("too_many_bytes", lambda: b"a,b\n" + b"1,2\n" * 300_000, "refused", ("1,000,000",), settings=_SMALL),
    Case("gzip_bomb", lambda: packed(b"0," * 10_000_000), "refused", ("1,000,000",), settings=_SMALL),
    Case("gzip_cut", _cut_gzip, "refused"),
    Case("gzip_damaged", lambda: _flipped(packed(clean_csv()), 600), "refused"),
    Case("gzip_twice", lambda: packed(packed(clean_csv())), "refused", ("twice",)),
    Case("parquet_many_rows", lambda: _parquet_cells(3_000_000), "refused", ("rows",), "b.parquet",
         ReadSettings(max_rows=1_000_000)),
    Case("parquet_many_columns", lambda: parquet(pa.table({f"c{at}": [1] for at in range(2500)})), "refused",
         ("columns",), "b.parquet"),
    Case("parquet_long_texts", lambda: parquet(_long_texts()), "refused", (),
         "b.parquet"),
    Case("parquet_cut", lambda: parquet(table())[:-30], "refused", (), "b.parquet"),
    Case("parquet_head_alone", lambda: b"PAR1", "refused", (), "b.parquet"),
    Case("parquet_footer_damaged", lambda: _flipped(parquet(table()), _footer()), "refused", (), "b.parquet"),
    Case("many_columns", lambda: b",".join(b"c%d" % at for at in range(3000)) + b"\n" + b",".join([b"1"] * 3000),
         "refused", ("columns",)),
    Case("long_cell", lambda: edited(3, lambda x: x.replace("free", "f" * 70_000)), "refused", ("line 3",)),
    Case("long_header", lambda: b"a" * 2_000_000 + b",b\n1,2\n", "refused"),
)  # fmt: skip


def _two_orders():
    state = {"at": 0}

    def cell(value: datetime | None) -> str:
        state["at"] += 1
        day = (value or datetime(2024, 1, 20)).replace(day=20)  # noqa: DTZ001
        return day.strftime("%d/%m/%Y" if state["at"] % 2 else "%m/%d/%Y")

    return cell


def _two_marks():
    state = {"at": 0}

    def cell(value: float | None) -> str:
        state["at"] += 1
        return "" if value is None else f"{value:,.1f}" if state["at"] % 2 else f"{value}".replace(".", ",")

    return cell


def _with(name: str, column: pa.Array) -> pa.Table:
    given = table()
    return given.set_column(given.column_names.index(name), name, column)


REFUSED = (*NO_TABLE, *SHAPES, *CELLS, *SIZES)
