"""Reading: files that mean the same give the same table; everything else is refused by file, line, column and value."""

# ruff: noqa: DTZ001  (moments in tables have no zone: they are UTC)

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import read
from storage.errors import Refused
from storage.records import Feature, Schema
from storage.settings import ReadSettings

SCHEMA = Schema(
    (
        Feature("age", "numeric"),
        Feature("income", "numeric"),
        Feature("city", "categorical"),
        Feature("seen", "date"),
        Feature("note", "ignored"),
    ),
    "bought",
    "classification",
    ("no", "yes"),
    "id",
    "at",
)
NAMES = ["id", "at", "age", "income", "city", "seen", "bought"]
CITIES = ["Oslo", "Tromsø", "São, Paulo", 'the "Hague"', "New\nYork", "Ås; Norway", "1", "007"]


def make_rows(count: int = 40, seed: int = 1) -> list[list[object]]:
    """Rows in the order of NAMES, with a missing cell here and there."""
    rng = random.Random(seed)
    rows: list[list[object]] = []
    for at in range(count):
        seen = dt.date(2024, 1, 1) + dt.timedelta(days=rng.randrange(300))
        income = None if rng.random() < 0.1 else round(rng.uniform(-2000, 9_000_000), 2)
        city = None if rng.random() < 0.1 else rng.choice(CITIES)
        when = dt.datetime(2024, 3, 1, 12) + dt.timedelta(minutes=at)
        rows.append([f"r{at}", when, rng.randrange(18, 90), income, city, seen, rng.choice(["yes", "no"])])
    return rows


ROWS = make_rows()


def table_of(rows: list[list[object]]) -> pa.Table:
    """What reading must give."""
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            "age": pa.array(columns[2], pa.float64()),
            "income": pa.array(columns[3], pa.float64()),
            "city": pa.array(columns[4], pa.string()),
            "seen": pa.array([dt.datetime.combine(day, dt.time()) for day in columns[5]], pa.timestamp("us")),
        }
    )


def to_csv(
    rows: list[list[object]] = ROWS, names: list[str] = NAMES, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL,
    end: str = "\n", text=str,
) -> str:  # fmt: skip
    """Rows as CSV text; ``text`` writes a cell."""
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(names)
    writer.writerows([["" if cell is None else text(cell) for cell in row] for row in rows])
    return sink.getvalue()


def to_json(lines: bool) -> bytes:
    """Rows as JSON lines or as an array."""
    records = [
        {name: cell.isoformat() if isinstance(cell, dt.date) else cell for name, cell in zip(NAMES, row, strict=True)}
        for row in ROWS
    ]
    return "\n".join(map(json.dumps, records)).encode() if lines else json.dumps(records, indent=1).encode()


def to_parquet(table: pa.Table, **options: object) -> bytes:
    """A table as Parquet bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def typed_parquet(dictionary: bool) -> bytes:
    """Rows in Parquet's own types."""
    columns = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    table = pa.table(columns | {"age": pa.array(columns["age"], pa.int16())})
    if dictionary:
        table = table.set_column(4, "city", table.column("city").dictionary_encode())
    return to_parquet(table)


def comma(cell: object) -> str:
    """Numbers with a decimal comma and points between thousands, as in German."""
    if isinstance(cell, float):
        return f"{cell:,.2f}".translate(str.maketrans(",.", ".,"))
    return str(cell)


def english(cell: object) -> str:
    """Numbers with commas between thousands."""
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)


def dated(form: str):
    """A writer of cells that writes days in one form."""
    return lambda cell: cell.strftime(form) if type(cell) is dt.date else str(cell)


def spaced(cell: object) -> str:
    """Blanks round every cell, a no-break space among them."""
    return f" \t{cell}\u00a0 "


def blank_before_quotes() -> str:
    """Cells set apart by a comma and a blank, as people type them."""
    quoted = [['"' + str("" if cell is None else cell).replace('"', '""') + '"' for cell in row] for row in ROWS]
    return "\n".join(", ".join(row) for row in [NAMES, *quoted])


PLAIN = to_csv()
SAME: dict[str, bytes] = {
    "plain": PLAIN.encode(),
    "semicolon": to_csv(delimiter=";").encode(),
    "tab": to_csv(delimiter="\t").encode(),
    "pipe": to_csv(delimiter="|").encode(),
    "bom": PLAIN.encode("utf-8-sig"),
    "utf-16": PLAIN.encode("utf-16"),
    "utf-16-be": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "utf-16 without mark": PLAIN.encode("utf-16-le"),
    "utf-32": PLAIN.encode("utf-32"),
    "crlf": to_csv(end="\r\n").encode(),
    "all quoted": to_csv(quoting=csv.QUOTE_ALL).encode(),
    "all quoted, crlf, utf-16": to_csv(quoting=csv.QUOTE_ALL, end="\r\n").encode("utf-16"),
    "columns reversed": to_csv([row[::-1] for row in ROWS], NAMES[::-1]).encode(),
    "blanks round cells": to_csv(text=spaced).encode(),
    "blanks round headers": to_csv(names=[f"  {name} " for name in NAMES]).encode(),
    "blank before quotes": blank_before_quotes().encode(),
    "trailing delimiter": to_csv([[*row, ""] for row in ROWS], [*NAMES, ""], delimiter=";").encode(),
    "trailing delimiter, not in the header": to_csv([[*row, ""] for row in ROWS], delimiter=";").encode(),
    "sep line": b"sep=;\n" + to_csv(delimiter=";").encode(),
    "sep line, crlf, bom": b"\xef\xbb\xbfsep=;\r\n" + to_csv(delimiter=";", end="\r\n").encode(),
    "decimal comma": to_csv(delimiter=";", text=comma).encode(),
    "decimal comma, quoted": to_csv(text=comma).encode(),
    "thousands": to_csv(text=english).encode(),
    "thousands, semicolon": to_csv(delimiter=";", text=english).encode(),
    "plus signs": to_csv(text=lambda cell: f"{cell:+}" if isinstance(cell, int | float) else str(cell)).encode(),
    "exponents": to_csv(text=lambda cell: f"{cell:.17e}" if isinstance(cell, float) else str(cell)).encode(),
    "whole as 1.0": to_csv(text=lambda cell: f"{cell}.0" if isinstance(cell, int) else str(cell)).encode(),
    "dates with slashes": to_csv(text=dated("%Y/%m/%d")).encode(),
    "dates with points": to_csv(text=dated("%d.%m.%Y")).encode(),
    "dates day first": to_csv(text=dated("%d/%m/%Y")).encode(),
    "dates month first": to_csv(text=dated("%m/%d/%Y")).encode(),
    "dates named": to_csv(text=dated("%d %b %Y")).encode(),
    "dates in English": to_csv(text=dated("%B %d, %Y")).encode(),
    "dates at midnight": to_csv(text=dated("%Y-%m-%dT00:00:00Z")).encode(),
    "dates with a zone": to_csv(text=dated("%Y-%m-%d 02:00+02:00")).encode(),
    "other words for missing": PLAIN.replace(",,", ",NA,").encode(),
    "blank lines": PLAIN.replace("\nr7", "\n\nr7").encode() + b"\n\n",
    "empty rows below": (PLAIN + "," * 6 + "\n" + "," * 6 + "\n").encode(),
    "gzip": gzip.compress(PLAIN.encode()),
    "gzip in two members": gzip.compress(PLAIN[:100].encode()) + gzip.compress(PLAIN[100:].encode()),
    "json lines": to_json(True),
    "json array": to_json(False),
    "json lines, gzip": gzip.compress(to_json(True)),
    "parquet": typed_parquet(False),
    "parquet with codes": typed_parquet(True),
    "an extra column": to_csv([[*row, "x"] for row in ROWS], [*NAMES, "extra"]).encode(),
    "an ignored column": to_csv([[*row, "x"] for row in ROWS], [*NAMES, "note"]).encode(),
    "headers in capitals": to_csv(names=[name.upper() for name in NAMES]).encode(),
    "joined end to end": (to_csv(ROWS[:20]) + to_csv(ROWS[20:])).encode(),
    "lone returns": to_csv(quoting=csv.QUOTE_ALL, end="\r").encode(),
    "a row counter": to_csv([[at, *row] for at, row in enumerate(ROWS)], ["", *NAMES]).encode(),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_files_that_mean_the_same_give_the_same_table(case):
    found = read.read_batch(SAME[case], f"{case}.csv", SCHEMA)
    expected = table_of(ROWS)
    assert found.table.schema.equals(expected.schema)
    for name in expected.column_names:
        assert found.table.column(name).to_pylist() == expected.column(name).to_pylist(), name
    assert found.kind == "rows"
    assert found.rows == len(ROWS)
    assert found.keys == tuple(row[0] for row in ROWS)
    assert found.target.to_pylist() == [row[6] for row in ROWS]
    assert found.times.to_pylist() == [row[1] for row in ROWS]


def test_a_clean_file_has_no_warning():
    assert read.read_batch(SAME["plain"], "a.csv", SCHEMA).warnings == ()
    assert read.read_batch(SAME["parquet"], "a.parquet", SCHEMA).warnings == ()


@pytest.mark.parametrize(
    ("case", "words"),
    [("an extra column", "'extra'"), ("headers in capitals", "'CITY'"), ("empty rows below", "2 rows")],
)
def test_what_was_noticed_is_said(case, words):
    assert words in " ".join(read.read_batch(SAME[case], "a.csv", SCHEMA).warnings)


# --- refusals -------------------------------------------------------------------------------------------------------

HEAD = "id,at,age,income,city,seen,bought\n"
GOOD = "a,2024-03-01,30,1.5,Oslo,2024-01-31,yes\n"


def refusal(data: bytes | str, schema: Schema = SCHEMA, **options: object) -> Refused:
    """The error a file meets."""
    data = data.encode() if isinstance(data, str) else data
    with pytest.raises(Refused) as caught:
        read.read_batch(data, "march.csv", schema, ReadSettings(**options))
    assert "march.csv" in str(caught.value)
    return caught.value


REFUSED: dict[str, tuple[bytes | str, int | None, str, str]] = {
    "too many cells": (HEAD + GOOD + "b,2024-03-01,30,1,5,Oslo,2024-01-31,yes\n", 3, "", "expected 7 cells"),
    "too few cells": (HEAD + GOOD + "b,2024-03-01,30\n" + GOOD, 3, "", "found 3"),
    "first row too long": (HEAD + GOOD.replace("Oslo", "Oslo,Norway") + GOOD, 2, "", "found 8"),
    "line after a broken cell": (HEAD + GOOD.replace("Oslo", '"O\nslo"') + "b,c\n" + GOOD, 4, "", "found 2"),
    "open quote": (HEAD + GOOD + 'b,2024-03-01,30,1.5,"Oslo,2024-01-31,yes\n' + GOOD * 3, 3, "", "never closed"),
    "duplicate header": (HEAD.replace("income", "age") + GOOD, None, "", "'age' appears twice"),
    "empty": ("", None, "", "is empty"),
    "blank": (" \n\n", None, "", "is empty"),
    "header only": (HEAD, None, "", "has no rows"),
    "no header": (GOOD + GOOD.replace("30", "31") * 2, None, "", "missing"),
    "header twice": (HEAD * 3, None, "", "no rows but its header"),
    "missing column": ("id,age,income,towns,seen\na,1,2,Oslo,2024-01-01\n", None, "city", "is missing"),
    "missing columns": ("id,age,incomes,seen\na,1,2,2024-01-01\n", None, "", "'incomes' for 'income'"),
    "text in a number": (HEAD + GOOD + GOOD.replace("30", "thirty"), 3, "age", "'thirty' is not a number"),
    "decimal marks mixed": (HEAD + GOOD + GOOD.replace("1.5", '"1,5,0"'), 3, "income", "'1,5,0'"),
    "no date": (HEAD + GOOD + GOOD.replace("2024-01-31", "2024-02-30"), 3, "seen", "'2024-02-30' is not a date"),
    "date of two readings": (HEAD + GOOD.replace("2024-01-31", "03/04/2024"), 2, "seen", "'03/04/2024'"),
    "unknown class": (HEAD + GOOD + GOOD.replace("yes", "perhaps"), 3, "bought", "'perhaps'"),
    "latin-1": ((HEAD + GOOD.replace("Oslo", "Tromsø")).encode("latin-1"), 2, "", "UTF-8"),
    "zero byte": (HEAD + GOOD.replace("Oslo", "Os\0lo"), 2, "", "zero byte"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(64), None, "", "is a PNG picture, not a table"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(64), None, "", "is a JPEG picture"),
    "zip": (b"PK\x03\x04" + bytes(64), None, "", "ZIP"),
    "xlsx": (b"PK\x03\x04" + b"xl/workbook.xml" + bytes(64), None, "", "Excel"),
    "html": (b"<!DOCTYPE html><html><body>502</body></html>", None, "", "page"),
    "pickle": (b"\x80\x04\x95" + bytes(64), None, "", "pickle"),
    "half a gzip": (gzip.compress((HEAD + GOOD * 99).encode())[:-20], None, "", "cut"),
    "damaged gzip": (b"\x1f\x8b\x08\x00" + bytes(60), None, "", "gzip"),
    "half a parquet": (typed_parquet(False)[:-40], None, "", "Parquet file is damaged"),
    "json of numbers": (b"[1, 2]\n", None, "", "has no rows"),
    "json, nested": (b'{"age": {"years": 3}}\n', 1, "age", "in a cell"),
    "json, cut": (b'{"age": 3}\n{"age": ', 2, "", "JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_place(case):
    data, row, column, words = REFUSED[case]
    error = refusal(data)
    assert error.row == row
    assert error.column == column
    assert words in str(error)


def test_text_in_numbers_is_missing_while_it_is_rare():
    rows = [row.copy() for row in make_rows(100)]
    rows[41][2] = "abc"
    found = read.read_batch(to_csv(rows).encode(), "a.csv", SCHEMA)
    assert found.table["age"].to_pylist()[41] is None
    assert found.table["age"].null_count == 1
    line = 43 + sum("\n" in str(row[4]) for row in rows[:41])
    (warning,) = found.warnings
    assert "'abc'" in warning
    assert f"line {line}" in warning
    assert refusal(to_csv(rows), bad_cells=0.0).row == line


def test_a_file_may_not_unpack_beyond_the_limit():
    bomb = gzip.compress(HEAD.encode() + GOOD.encode() * 200_000)
    assert "larger than the 1,000,000 bytes" in str(refusal(bomb, max_bytes=1_000_000))
    assert "rows" in str(refusal(to_csv(), max_rows=10))
    assert "columns" in str(refusal(to_csv(), max_columns=3))
    equal = to_parquet(pa.table({name: pa.array([1.0] * 100_000) for name in "abc"}))
    assert "rows" in str(refusal(equal, max_rows=1000))
    once = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, np.int32)), pa.array(["x" * 60_000]))
    assert "text unpacks to 3,000,000,000 bytes" in str(refusal(to_parquet(pa.table({"city": once}))))


def test_infinite_and_missing_numbers_are_missing():
    values = ["1", "inf", "-Infinity", "NaN", "NA", "", "?", "1e400", *["2"] * 20]
    rows = "".join(f"{at},2024-01-01,{value},1,Oslo,2024-01-31,yes\n" for at, value in enumerate(values))
    found = read.read_batch((HEAD + rows).encode(), "a.csv", SCHEMA)
    assert found.table["age"].to_pylist() == [1.0, *[None] * 7, *[2.0] * 20]
    assert any("3 infinite values" in warning for warning in found.warnings)


def test_a_country_called_na_can_be_kept():
    text = HEAD + GOOD.replace("Oslo", "NA")
    assert read.read_batch(text.encode(), "a.csv", SCHEMA).table["city"].to_pylist() == [None]
    kept = read.read_batch(text.encode(), "a.csv", SCHEMA, ReadSettings(null_words=("", "missing")))
    assert kept.table["city"].to_pylist() == ["NA"]


def test_what_a_file_leaves_open_may_be_said():
    text = (HEAD + GOOD.replace("2024-01-31", "03/04/2024")).encode()
    day = read.read_batch(text, "a.csv", SCHEMA, ReadSettings(dates="day first"))
    month = read.read_batch(text, "a.csv", SCHEMA, ReadSettings(dates="month first"))
    assert day.table["seen"].to_pylist() == [dt.datetime(2024, 4, 3)]
    assert month.table["seen"].to_pylist() == [dt.datetime(2024, 3, 4)]
    cp1252 = (HEAD + GOOD.replace("Oslo", "Tromsø")).encode("cp1252")
    found = read.read_batch(cp1252, "a.csv", SCHEMA, ReadSettings(encoding="cp1252"))
    assert found.table["city"].to_pylist() == ["Tromsø"]


@pytest.mark.parametrize(
    ("delimiter", "cells", "expected"),
    [
        (",", ['"1,234"', '"2,500"'], [1234.0, 2500.0]),  # a quoted comma beside a delimiter comma: thousands
        (";", ["1,234", "2,500"], [1.234, 2.5]),  # a semicolon file writes decimals with a comma
        (";", ["1.234", "2.500"], [1.234, 2.5]),
        (";", ["1.234", "2.500,5"], [1234.0, 2500.5]),
        (",", ['"1 234,5"', '"2,5"'], [1234.5, 2.5]),
        (",", ["1 234.5", "2"], [1234.5, 2.0]),
        (",", ["1'234'567.5", "2"], [1234567.5, 2.0]),
        (",", ["−3", "2"], [-3.0, 2.0]),
        (",", ["true", "false"], [1.0, 0.0]),
    ],
)
def test_numbers_are_read_in_one_style_a_column(delimiter, cells, expected):
    schema = Schema((Feature("x", "numeric"), Feature("y", "categorical")), "t", "regression")
    text = delimiter.join("xy") + "\n" + "".join(f"{cell}{delimiter}a\n" for cell in cells)
    assert read.read_batch(text.encode(), "a.csv", schema).table["x"].to_pylist() == expected


# --- labels and special columns -------------------------------------------------------------------------------------


def test_labels_of_rows_that_came_before():
    found = read.read_batch(b"bought,id\nyes,r1\nno,r2\n,r3\n", "labels.csv", SCHEMA)
    assert (found.kind, found.rows, found.keys) == ("labels", 2, ("r1", "r2"))
    assert found.target.to_pylist() == ["yes", "no"]
    assert found.table.num_columns == 0


def test_the_last_of_contradicting_labels_counts():
    found = read.read_batch(b"id,bought\nr1,yes\nr2,no\nr1,no\n", "labels.csv", SCHEMA)
    assert dict(zip(found.keys, found.target.to_pylist(), strict=True)) == {"r1": "no", "r2": "no"}
    assert "contradicting" in found.warnings[0]
    assert "line 4" in found.warnings[0]


def test_labels_need_ids():
    assert refusal("id,bought\nr1,yes\n,no\n").row == 3
    assert refusal("bought,other\nyes,1\n").column == "id"
    without = Schema(SCHEMA.features, "bought", "classification", ("no", "yes"))
    assert "no id column" in str(refusal("bought,other\nyes,1\n", without))


def test_ids_are_one_text_whatever_the_format():
    whole = to_parquet(pa.table({"id": [1.0, 2.0], "bought": ["yes", "no"]}))
    text = b"id,bought\n1,yes\n2.0,no\n"
    assert read.read_batch(whole, "a", SCHEMA).keys == read.read_batch(text, "b", SCHEMA).keys == ("1", "2")


def test_rows_without_label_id_or_time_are_rows():
    found = read.read_batch(b"age,income,city,seen\n1,2,Oslo,2024-01-01\n", "a.csv", SCHEMA)
    assert (found.keys, found.target, found.times) == (None, None, None)
    assert len(found.warnings) == 2
    twice = read.read_batch((HEAD + GOOD * 2).encode(), "a.csv", SCHEMA)
    assert "more than once" in twice.warnings[0]


def test_rare_unknown_classes_are_missing():
    rows = [row.copy() for row in make_rows(100)]
    rows[3][6] = "perhaps"
    found = read.read_batch(to_csv(rows).encode(), "a.csv", SCHEMA)
    assert found.target.to_pylist()[3] is None
    assert found.target.null_count == 1
    assert "'perhaps'" in found.warnings[0]
    assert "line" in found.warnings[0]


@pytest.mark.parametrize(
    ("classes", "cells", "expected"),
    [
        (("0", "1"), ["1", "0.0", "true"], ["1", "0", "1"]),
        (("false", "true"), ["TRUE", "False", "1"], ["true", "false", "true"]),
        (("no", "yes"), ["Yes", "NO", "y"], ["yes", "no", "yes"]),
        (("1", "2", "3"), ["3.0", "2", "1"], ["3", "2", "1"]),
    ],
)
def test_classes_have_one_text(classes, cells, expected):
    schema = Schema((Feature("x", "numeric"),), "t", "classification", classes)
    text = "x,t\n" + "".join(f"1,{cell}\n" for cell in cells)
    assert read.read_batch(text.encode(), "a.csv", schema).target.to_pylist() == expected


def test_truth_values_and_numbers_have_the_text_of_their_class():
    schema = Schema((Feature("x", "numeric"),), "t", "classification", ("false", "true"))
    table = pa.table({"x": [1, 2], "t": [True, False]})
    assert read.read_batch(to_parquet(table), "a", schema).target.to_pylist() == ["true", "false"]
    values = [1, 1.0, "1", " 1.0 ", True, "TRUE", 2.5, "1.10", "007", -0.0, "-0"]
    expected = ["1", "1", "1", "1", "true", "true", "2.5", "1.10", "007", "0", "0"]
    assert [read.class_text(value) for value in values] == expected


# --- without a schema -----------------------------------------------------------------------------------------------


def types_of(text: str, **options: object) -> dict[str, str]:
    """The inferred type of each column."""
    table = read.typed(read.read_table(text.encode(), "a.csv", ReadSettings(**options)))
    return {field.name: str(field.type) for field in table.schema}


def test_types_are_inferred_from_every_cell():
    text = (
        "whole,part,code,flag,day,word,open,long,none\n"
        "1,1.5,007,TRUE,31.01.2024,a,03/04/2024,12345678901234567890,\n"
        "2,,123,false,01.02.2024,1,05/06/2024,2,\n"
    )
    assert types_of(text) == {
        "whole": "int64", "part": "double", "code": "string", "flag": "string", "day": "timestamp[us]",
        "word": "string", "open": "string", "long": "string", "none": "string",
    }  # fmt: skip
    assert types_of(text, dates="day first")["open"] == "timestamp[us]"
    table = read.typed(read.read_table(text.encode(), "a.csv"))
    assert table["flag"].to_pylist() == ["true", "false"]


def test_a_few_words_do_not_turn_a_number_column_to_text():
    text = "x\n" + "".join(f"{at}\n" for at in range(100)) + "unknown\n"
    assert types_of(text) == {"x": "double"}
    few = "x\n" + "1\n2\n3\n" * 40 + "unknown\n"
    assert types_of(few) == {"x": "string"}


def test_kinds_that_are_known_are_kept():
    raw = read.read_table(b"zip,x\n00123,1\n4567,2\n", "a.csv")
    table = read.typed(raw, {"zip": "categorical", "x": "numeric"})
    assert table["zip"].to_pylist() == ["00123", "4567"]
    assert table.schema.field("x").type == pa.float64()
    with pytest.raises(Refused, match="'00123x' is not a number"):
        read.typed(read.read_table(b"zip,x\n00123x,1\n", "a.csv"), {"zip": "numeric"})


# --- streaming ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["plain", "decimal comma", "bom", "crlf", "gzip", "parquet", "parquet with codes",
                                  "dates day first", "utf-16", "json lines", "a row counter"])  # fmt: skip
def test_a_scan_equals_reading_at_once(case, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(SAME[case])
    whole = read.typed(read.read_table(path, "a.csv"))
    for small in (0, 10**9):
        scan = read.scan(path, small=small)
        assert scan.schema == whole.schema
        for _ in range(2):
            assert pa.Table.from_batches(scan, scan.schema).to_pylist() == whole.to_pylist()


def test_a_scan_keeps_known_kinds_and_refuses_while_it_reads(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(PLAIN)
    scan = read.scan(path, {"age": "numeric", "seen": "categorical"}, small=0)
    assert scan.schema.field("age").type == pa.float64()
    assert scan.schema.field("seen").type == pa.string()
    path.write_text(PLAIN + "too,short\n")
    with pytest.raises(Refused, match="expected 7 cells"):
        list(read.scan(path, small=0))
    path.write_text(PLAIN + 'a,2024-03-01,30,1.5,Oslo,2024-01-31,"yes\n')
    with pytest.raises(Refused, match="never closed"):
        list(read.scan(path, small=0))
    path.write_bytes(gzip.compress(PLAIN.encode())[:-30])
    with pytest.raises(Refused, match="gzip"):
        list(read.scan(path, small=0))
    path.write_text(PLAIN.replace(",yes\n", ",maybe\n"))
    with pytest.raises(Refused, match="'no' is not a number"):
        list(read.scan(path, {"bought": "numeric"}, small=0))
    with pytest.raises(Refused, match="cannot be opened"):
        read.scan(tmp_path / "none.csv")


# --- random tables --------------------------------------------------------------------------------------------------

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf")), max_size=8)
_LEVEL = (_TEXT | st.sampled_from(['"', "a,b", "a;b|c", "x\ty", "two\nlines", "'", "#", "é"])).map(str.strip)
_ROW = st.tuples(
    st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32).map(float),
    st.none() | st.integers(-(10**9), 10**9),
    st.none() | _LEVEL,
    st.none() | st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2050, 1, 1)),
)  # fmt: skip
_PLAIN = Schema(
    (Feature("x", "numeric"), Feature("n", "numeric"), Feature("c", "categorical"), Feature("d", "date")),
    "t", "regression", (), "id",
)  # fmt: skip


def level(text: str | None) -> str | None:
    """What a level is after reading."""
    if text is None or text in ReadSettings().null_words:
        return None
    return read.class_text(text)


@settings(max_examples=150)
@given(
    rows=st.lists(_ROW, min_size=1, max_size=12),
    order=st.permutations(range(5)),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    packed=st.booleans(),
)
def test_any_table_comes_back_from_csv(rows, order, delimiter, quoting, end, encoding, packed):
    names = ["x", "n", "c", "d", "id"]
    cells = [[*row, f"k{at}"] for at, row in enumerate(rows)]
    shuffled = [[row[at] for at in order] for row in cells]
    text = to_csv(shuffled, [names[at] for at in order], delimiter, quoting, end)
    data = text.encode(encoding)
    found = read.read_batch(gzip.compress(data) if packed else data, "a.csv", _PLAIN)
    assert found.table["x"].to_pylist() == [row[0] for row in rows]
    assert found.table["n"].to_pylist() == [row[1] for row in rows]
    assert found.table["c"].to_pylist() == [level(row[2]) for row in rows]
    assert found.table["d"].to_pylist() == [row[3] for row in rows]
    assert found.keys == tuple(row[4] for row in cells)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A file with a few bytes changed, cut out, doubled or put in."""
    cells = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(cells)) if cells else 0
        match rng.randrange(6):
            case 0:
                cells[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del cells[at : at + rng.randrange(1, 40)]
            case 2:
                cells[at:at] = cells[at : at + rng.randrange(1, 40)]
            case 3:
                cells[at:at] = rng.choice([b'"', b"\n", b"\r", b",", b";", b"\0", b"\xff", b"{", b"]", b"-1e999"])
            case 4:
                cells = cells[:at]
            case _:
                cells[at : at + 1] = bytes([cells[at] ^ (1 << rng.randrange(8))]) if cells else b""
    return bytes(cells)


@pytest.mark.parametrize(
    "case", ["plain", "all quoted", "decimal comma", "utf-16", "gzip", "json lines", "json array", "parquet", "crlf"]
)
def test_damaged_files_are_read_or_refused(case):
    rng = random.Random(case)
    for _ in range(220):
        data = mutated(SAME[case], rng)
        try:
            found = read.read_batch(data, "a.csv", SCHEMA)
            assert found.table.schema.equals(table_of(ROWS).schema) or found.kind == "labels"
            read.typed(read.read_table(data, "a.csv"))
        except Refused:
            continue


def test_large_columns_keep_their_precision():
    values = np.random.default_rng(1).normal(size=500)
    text = "x,y\n" + "".join(f"{value!r},a\n" for value in values.tolist())
    table = read.typed(read.read_table(text.encode(), "a.csv"))
    assert table["x"].to_pylist() == values.tolist()
