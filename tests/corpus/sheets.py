"""Files as sheets, reports, databases and careless exports write them: what is said clearly is understood."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tarfile
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from storage.settings import ReadSettings
from tests.corpus.case import Case
from tests.corpus.clean import NAMES, TRUTH, clean_csv, edited, joined, lines, packed, parquet, plain, table, written


def _number(way: Any, none: str = "") -> Any:
    return lambda value: none if value is None else way(value)


def _word(name: str, word: str) -> bytes:
    """The table with another word for a missing value in one column."""
    return written(cells={name: lambda value: word if value is None else plain(value)})


def _total(label: str = "Total", mark: str = ",") -> bytes:
    sums = {name: sum(row[name] or 0 for row in TRUTH) for name in ("age", "income", "share")}
    cells = [label if name == "id" else f"{sums[name]:.2f}" if name in sums else "" for name in NAMES]
    return written(delimiter=mark) + mark.join(cells).encode() + b"\n"


def _shuffled() -> list[str]:
    names = list(NAMES)
    random.Random(3).shuffle(names)
    return names


def _days(form: str, **changes: Any) -> bytes:
    return written(cells={"joined": _number(lambda value: value.strftime(form))}, **changes)


def _epoch(factor: float) -> bytes:
    return written(cells={"when": lambda v: f"{int(v.replace(tzinfo=UTC).timestamp()) * int(factor)}"})


def _shifted_zone() -> bytes:
    return written(cells={"when": lambda v: (v + timedelta(hours=5, minutes=30)).isoformat() + "+05:30"})


MONEY = (
    Case("priced_dollars", lambda: written(cells={"income": _number(lambda v: f"${v:,.2f}")}), "noticed", ("$",)),
    Case("priced_dollars_spaced", lambda: written(cells={"income": _number(lambda v: f"$ {v:.1f}")}), "noticed"),
    Case("priced_pounds_behind", lambda: written(cells={"income": _number(lambda v: f"{v:.1f}£")}), "noticed", ("£",)),
    Case("priced_euros", lambda: written(
        delimiter=";", cells={"income": _number(lambda v: f"{v:.2f} €".replace(".", ",")),
                              "share": _number(lambda v: f"{v}".replace(".", ","))}), "noticed", ("€",)),
    Case("priced_in_two_currencies", lambda: written(
        [{**r, "income": f"{'$€'[at % 2]}{r['income']}" if r["income"] else None} for at, r in enumerate(TRUTH)]),
        "refused", ("income", "$", "€")),
    Case("brackets_for_minus", lambda: written(
        [{**r, "income": -r["income"] if r["income"] else None} for r in TRUTH],
        cells={"income": _number(lambda v: f"({-v:,.1f})")}), "changed",
        change={"income": [None if r["income"] is None else -r["income"] for r in TRUTH]}),
    Case("typographic_minus", lambda: written(
        [{**r, "income": -r["income"] if r["income"] else None} for r in TRUTH],
        cells={"income": _number(lambda v: f"\u2212{-v}")}), "changed",
        change={"income": [None if r["income"] is None else -r["income"] for r in TRUTH]}),
    Case("thousands_thin_space", lambda: written(
        cells={"income": _number(lambda v: f"{v:,.1f}".replace(",", "\u2009"))})),
    Case("capital_exponents", lambda: written(cells={"income": _number(lambda v: f"{v:.7E}")})),
    Case("numbers_no_break_space", lambda: written(cells={"age": _number(lambda v: f"\u00a0{v}\u00a0")})),
    Case("percent_signs", lambda: written(cells={"share": _number(lambda v: f"{100 * v:.0f}%")}), "safe"),
    Case("per_mille", lambda: written(cells={"share": _number(lambda v: f"{1000 * v:.0f}‰")}), "refused", ("share",)),
    Case("kilo_letters", lambda: written(cells={"income": _number(lambda v: f"{v / 1000:.1f}k")}), "refused",
         ("income",)),
    Case("hexadecimal", lambda: written(cells={"age": _number(hex)}), "refused", ("age", "0x")),
    Case("ranges", lambda: written(cells={"age": _number(lambda v: f"{v // 10 * 10}-{v // 10 * 10 + 9}")}), "refused",
         ("age",)),
    Case("sheet_errors_everywhere", lambda: written(cells={"income": lambda v: "#REF!"}), "changed",
         change={"income": [None] * len(TRUTH)}),
)  # fmt: skip
NULLS = tuple(
    Case(f"null_{at}", lambda name=name, word=word: _word(name, word))
    for at, (name, word) in enumerate(
        (("age", "#N/A"), ("age", "<NA>"), ("age", "n/a"), ("age", "\\N"), ("income", "NaT"), ("income", "."),
         ("income", "n.a."), ("income", "--"), ("joined", "NaT"), ("joined", "(null)"), ("city", "\\N"),
         ("city", "#N/A"), ("age", "missing"), ("joined", "unknown"), ("age", "-nan"), ("age", "1.#QNAN"))
    )
)  # fmt: skip
DATES = (
    Case("days_as_one_number", lambda: _days("%Y%m%d")),
    Case("days_as_whole_numbers", lambda: parquet(table().set_column(
        NAMES.index("joined"), "joined",
        pa.array([None if r["joined"] is None else int(r["joined"].strftime("%Y%m%d")) for r in TRUTH]))),
        file="b.parquet"),
    Case("days_with_weekday", lambda: _days("%a, %d %b %Y")),
    Case("days_with_long_weekday", lambda: _days("%A %d %B %Y")),
    Case("days_with_midnight", lambda: _days("%Y-%m-%d 00:00")),
    Case("days_of_mail", lambda: _days("%a, %d %b %Y 00:00:00 +0000")),
    Case("days_with_ordinals", lambda: _days("%B %dth, %Y")),
    Case("days_dashed", lambda: _days("%d-%b-%Y")),
    Case("times_in_another_zone", _shifted_zone),
    Case("times_in_nanoseconds", lambda: _epoch(1e9)),
    Case("times_in_microseconds", lambda: _epoch(1e6)),
    Case("days_short_year", lambda: _days("%d.%m.%y"), "safe"),
    Case("days_of_sheets", lambda: written(cells={"joined": _number(
        lambda v: str((v - datetime(1899, 12, 30)).days))}), "safe"),  # noqa: DTZ001
    Case("days_without_year", lambda: _days("%d %b"), "refused", ("joined",)),
)  # fmt: skip
ROWS = (
    Case("total_below", _total, "noticed", ("adds up",)),
    Case("total_below_german", lambda: _total("Summe"), "noticed", ("adds up",)),
    Case("total_below_semicolons", lambda: _total("Grand total", ";"), "noticed", ("adds up",)),
    Case("joined_files", lambda: clean_csv(TRUTH[:30]) + clean_csv(TRUTH[30:]), "noticed", ("header appears again",)),
    Case("joined_files_with_marks", lambda: b"\xef\xbb\xbf" + clean_csv(TRUTH[:30]) + b"\xef\xbb\xbf"
         + clean_csv(TRUTH[30:]), "noticed", ("header appears again",)),
    Case("count_of_rows_below", lambda: clean_csv() + b"(60 rows)\n", "noticed", ("rows",)),
    Case("count_of_rows_below_blank", lambda: clean_csv() + b"\n60 rows affected.\n", "noticed", ("rows",)),
    Case("comments_between", lambda: joined(
        [x for at, line in enumerate(lines()) for x in ([line, "# a note"] if at == 9 else [line])]), "noticed"),
    Case("rows_shuffled_columns", lambda: written(names=_shuffled())),
    Case("long_quoted_note", lambda: written([{**r, "note": "word, " * 2000} for r in TRUTH])),
    Case("note_of_line_breaks", lambda: written([{**r, "note": "a\r\nb\nc"} for r in TRUTH], end="\r\n")),
    Case("note_of_quotes", lambda: written([{**r, "note": '"' * 5} for r in TRUTH])),
    Case("formula_texts", lambda: written(cells={"code": lambda v: f'="{v}"'})),
    Case("vertical_tabs_around", lambda: written(cells={"city": lambda v: "" if v is None else f"\t{v}\v"})),
    Case("rule_below_header", lambda: joined([lines()[0], "---", *lines()[1:]]), "safe"),
    Case("fixed_width", lambda: joined([" ".join(f"{x:<12}" for x in next(csv.reader([line]))) for line in lines()]),
         "refused"),
    Case("delimited_by_carets", lambda: written(delimiter="^"), "refused"),
    Case("single_quotes", lambda: clean_csv().replace(b'"', b"'"), "refused"),
    Case("two_tables", lambda: clean_csv() + b"\nkey,value\na,1\n", "refused", ("line",)),
    Case("markdown_table", lambda: joined([f"| {' | '.join(next(csv.reader([line])))} |" for line in lines()]), "safe"),
)  # fmt: skip
HEADERS = (
    Case("header_joints", lambda: written(header=[f"{n[:2]}-{n[2:]}" if len(n) > 3 else n for n in NAMES]), "noticed"),
    Case("header_points", lambda: written(header=[f"{n[:2]}.{n[2:]}" if len(n) > 3 else n for n in NAMES]), "noticed"),
    Case("header_wide_letters", lambda: written(
        header=["".join(chr(ord(c) + 0xFEE0) for c in n) for n in NAMES]), "noticed"),
    Case("header_line_break", lambda: written(header=[n if n != "income" else "in\ncome" for n in NAMES]), "noticed"),
    Case("spare_columns_of_one_name", lambda: joined(
        [f"{x},{'z,z,z' if not at else '1,2,3'}" for at, x in enumerate(lines())]), "noticed", ("'z'", "twice")),
    Case("header_units", lambda: written(header=[n if n != "income" else "income (EUR)" for n in NAMES]), "refused",
         ("income",)),
    Case("header_of_other_table", lambda: b"a,b,c\n1,2,3\n", "refused", ("age",)),
    Case("header_numbers", lambda: joined(["1,2,3,4,5,6,7,8,9,10,11", *lines()[1:]]), "refused", ("names",)),
    Case("two_targets", lambda: joined([f"{x},{'bought' if not at else 'yes'}" for at, x in enumerate(lines())]),
         "refused", ("bought", "twice")),
    Case("two_ids", lambda: joined([f"{x},{'id' if not at else 'c1'}" for at, x in enumerate(lines())]), "refused",
         ("'id'", "twice")),
)  # fmt: skip


def _tar() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        entry = tarfile.TarInfo("batch.csv")
        entry.size = len(clean_csv())
        archive.addfile(entry, io.BytesIO(clean_csv()))
    return sink.getvalue()


def _zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("batch.csv", clean_csv())
    return sink.getvalue()


def _rows_json(**changes: Any) -> bytes:
    rows = [{name: plain(v) if isinstance(v, datetime) else v for name, v in row.items()} for row in TRUTH]
    return json.dumps({"data": rows, **changes}).encode()


STRANGE = (
    Case("zip_with_a_table", _zipped, "refused", ("ZIP",), "batch.csv.zip"),
    Case("tar_gz_with_a_table", _tar, "refused", (), "batch.tar.gz"),
    Case("xlsx_named_csv", _zipped, "refused", ("Excel",), "batch.csv"),
    Case("rich_text", lambda: b"{\\rtf1\\ansi Customers}", "refused", (), "batch.csv"),
    Case("yaml", lambda: b"- age: 1\n  city: Oslo\n" * 20, "refused", (), "batch.csv"),
    Case("sql_dump", lambda: b"INSERT INTO t VALUES (1,'a');\n" * 20, "refused", (), "batch.csv"),
    Case("log_lines", lambda: b"2024-01-01 10:00:00,123 INFO started\n" * 20, "refused", (), "batch.csv"),
    Case("json_wrapped", _rows_json, "safe", (), "batch.json"),
    Case("json_column_wise", lambda: json.dumps({n: [plain(r[n]) for r in TRUTH] for n in NAMES}).encode(), "refused",
         (), "batch.json"),
    Case("json_named_csv", lambda: json.dumps([{"age": 1}]).encode(), "refused", ("income",), "batch.csv"),
    Case("html_named_csv", lambda: b"\n\n <HTML><table><tr><td>1</td></tr></table></HTML>", "refused", ("web page",)),
    Case("pdf_named_parquet", lambda: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "refused", ("PDF",), "b.parquet"),
    Case("gzip_of_a_picture", lambda: packed(b"\x89PNG\r\n\x1a\n" + b"\0" * 50), "refused", ("PNG",), "b.csv.gz"),
    Case("gzip_bomb_of_rows", lambda: gzip.compress(b"age,income\n" + b"1,2\n" * 5_000_000, mtime=0), "refused",
         ("1,000,000",), "b.csv.gz", ReadSettings(max_bytes=1_000_000)),
    Case("gzip_trailing_garbage", lambda: packed(clean_csv()) + b"garbage", "refused", (), "b.csv.gz"),
    Case("parquet_bomb", lambda: parquet(pa.table({"age": np.zeros(20_000_000, np.int8)})), "refused", ("rows",),
         "b.parquet"),
    Case("parquet_no_rows", lambda: parquet(table().slice(0, 0)), "refused", ("row",), "b.parquet"),
    Case("parquet_doubled", lambda: parquet(table()) + parquet(table()), "safe", (), "b.parquet"),
    Case("mixed_encodings", lambda: clean_csv()[:1500] + "Ångström\n".encode("latin-1") + clean_csv()[1500:], "refused",
         ("UTF-8", "line")),
    Case("utf16_after_utf8", lambda: clean_csv() + clean_csv().decode().encode("utf-16"), "refused", ()),
    Case("half_a_letter_at_the_end", lambda: clean_csv() + b"\xc3", "refused", ("UTF-8",)),
    Case("control_letters", lambda: edited(6, lambda x: x.replace("free", "fr\x01ee")), "safe"),
    Case("delimiter_soup", lambda: b",;|\t" * 300, "refused"),
    Case("quotes_alone", lambda: b'"' * 999, "refused"),
    Case("one_long_line", lambda: b"a" * 900_000, "refused"),
    Case("a_million_line_ends", lambda: b"\n" * 1_000_000, "refused", ("empty",)),
    Case("header_and_a_million_line_ends", lambda: clean_csv().split(b"\n")[0] + b"\n" * 1_000_000, "refused"),
)  # fmt: skip

SHEETS = (*MONEY, *NULLS, *DATES, *ROWS, *HEADERS, *STRANGE)
