"""Files that mean the same as the clean one, or nearly: read, with a warning where something was understood."""

from __future__ import annotations

import csv
import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from storage.settings import ReadSettings
from tests.corpus.case import Case
from tests.corpus.clean import NAMES, TRUTH, clean_csv, edited, joined, lines, packed, parquet, plain, table, written

_TEXT = "city smoker code"


def _number(way: Any) -> Any:
    return lambda value: "" if value is None else way(value)


def _comma(value: float) -> str:
    return f"{value}".replace(".", ",")


def _grouped(value: float, group: str, mark: str) -> str:
    return f"{value:,.1f}".replace(",", "\0").replace(".", mark).replace("\0", group)


def _date(form: str) -> Any:
    return lambda value: "" if value is None else value.strftime(form)


def _json_rows() -> list[dict[str, Any]]:
    return [{name: plain(v) if isinstance(v, datetime) else v for name, v in row.items()} for row in TRUTH]


def _json_lines(end: str = "\n", **options: Any) -> bytes:
    return "".join(json.dumps(row, **options) + end for row in _json_rows()).encode()


def _without(*names: str) -> bytes:
    return written(names=[name for name in NAMES if name not in names])


def _column(name: str, **special: Any) -> list[Any]:
    """The clean cells of a column with some rows changed, given as r<row>=value."""
    return [special.get(f"r{at}", row[name]) for at, row in enumerate(TRUTH)]


def _changed(name: str, **special: Any) -> bytes:
    return written([{**row, name: special.get(f"r{at}", row[name])} for at, row in enumerate(TRUTH)])


SHAPES = (
    Case("plain", clean_csv),
    Case("semicolon", lambda: written(delimiter=";")),
    Case("tab", lambda: written(delimiter="\t"), file="batch.tsv"),
    Case("bar", lambda: written(delimiter="|")),
    Case("all_quoted", lambda: written(quoting=csv.QUOTE_ALL)),
    Case("text_quoted", lambda: written(quoting=csv.QUOTE_NONNUMERIC)),
    Case("crlf", lambda: written(end="\r\n")),
    Case("cr_only", lambda: written(end="\r")),
    Case("mixed_line_ends", lambda: b"\r\n".join(clean_csv().split(b"\n", 20))),
    Case("return_below_header", lambda: clean_csv().replace(b"\n", b"\r", 1), "safe"),
    Case("returns_in_quotes", lambda: written([{**r, "note": "a\rb"} for r in TRUTH], quoting=csv.QUOTE_ALL), "safe"),
    Case("returns_now_and_then", lambda: clean_csv().replace(b"\nc1003", b"\rc1003"), "safe"),
    Case("no_last_line_end", lambda: clean_csv().rstrip(b"\n")),
    Case("blank_lines_below", lambda: clean_csv() + b"\n\n  \n"),
    Case("blank_lines_between", lambda: clean_csv().replace(b"\n", b"\n\n")),
    Case("blank_lines_above", lambda: b"\n\n" + clean_csv()),
    Case("reversed_columns", lambda: written(names=NAMES[::-1])),
    Case("spaces_around_cells", lambda: written(every=lambda value: f"  {plain(value)} ")),
    Case("spaces_before_quotes", lambda: written(quoting=csv.QUOTE_ALL).replace(b'","', b'", "')),
    Case("trailing_delimiters", lambda: joined([f"{line}," for line in lines()]), "safe"),
    Case("trailing_delimiters_of_rows", lambda: joined([lines()[0], *(f"{x}," for x in lines()[1:])]), "safe"),
    Case("empty_rows_below", lambda: clean_csv() + b"," * (len(NAMES) - 1) + b"\n", "noticed"),
    Case("sep_line", lambda: b"sep=;\r\n" + written(delimiter=";", end="\r\n")),
    Case("sep_line_quoted", lambda: b'"sep=\t"\n' + written(delimiter="\t")),
    Case("comments_above", lambda: b"# made by a tool\n# 2024, again\n" + clean_csv(), "noticed", ("comment",)),
    Case("comment_below", lambda: clean_csv() + b"# end of file\n", "noticed", ("comment",)),
    Case("hash_before_header", lambda: b"#" + clean_csv(), "safe"),
    Case("row_counter", lambda: joined([f"{at - 1 if at else ''},{x}" for at, x in enumerate(lines())]), "noticed"),
    Case("no_suffix", clean_csv, file="batch"),
    Case("csv_named_parquet", clean_csv, file="batch.parquet"),
)
ENCODINGS = (
    Case("bom", lambda: b"\xef\xbb\xbf" + clean_csv()),
    Case("bom_quoted", lambda: b"\xef\xbb\xbf" + written(quoting=csv.QUOTE_ALL, end="\r\n")),
    Case("utf16_le", lambda: b"\xff\xfe" + clean_csv().decode().encode("utf-16-le")),
    Case("utf16_be", lambda: b"\xfe\xff" + clean_csv().decode().encode("utf-16-be")),
    Case("utf16_without_mark", lambda: clean_csv().decode().encode("utf-16-le"), "safe"),
    Case("utf16_excel", lambda: written(delimiter="\t", end="\r\n").decode().encode("utf-16")),
    Case("utf32", lambda: clean_csv().decode().encode("utf-32"), "safe"),
    Case("cp1252_said", lambda: clean_csv().replace("Łódź".encode(), "Tromsø".encode()).decode().encode("cp1252"),
         "changed", settings=ReadSettings(encoding="cp1252"),
         change={"city": ["Tromsø" if row["city"] == "Łódź" else row["city"] for row in TRUTH]}),
    Case("decomposed_letters", lambda: unicodedata.normalize("NFD", clean_csv().decode()).encode()),
    Case("gzip", lambda: packed(clean_csv()), file="batch.csv.gz"),
    Case("gzip_unnamed", lambda: packed(clean_csv())),
    Case("gzip_two_members", lambda: packed(clean_csv()[:500]) + packed(clean_csv()[500:])),
    Case("gzip_utf16", lambda: packed(clean_csv().decode().encode("utf-16")), file="batch.csv.gz"),
    Case("gzip_json", lambda: packed(_json_lines()), file="batch.jsonl.gz"),
)  # fmt: skip
TYPED = (
    Case("parquet", lambda: parquet(table()), file="batch.parquet"),
    Case("parquet_named_csv", lambda: parquet(table())),
    Case("parquet_many_groups", lambda: parquet(table(), row_group_size=7), file="batch.parquet"),
    Case("parquet_zstd", lambda: parquet(table(), compression="zstd"), file="batch.parquet"),
    Case("parquet_gzip", lambda: packed(parquet(table())), file="batch.parquet.gz"),
    Case("parquet_codes", lambda: parquet(_cast(city=pa.dictionary(pa.int8(), pa.string()),
                                                smoker=pa.dictionary(pa.int32(), pa.string()))), file="b.parquet"),
    Case("parquet_large_text", lambda: parquet(_cast(city=pa.large_string(), id=pa.large_string())), file="b.parquet"),
    Case("parquet_small_whole", lambda: parquet(_cast(age=pa.int8())), file="b.parquet"),
    Case("parquet_unsigned", lambda: parquet(_cast(age=pa.uint64())), file="b.parquet"),
    Case("parquet_decimals", lambda: parquet(_cast(income=pa.decimal128(12, 2))), file="b.parquet"),
    Case("parquet_days", lambda: parquet(_cast(joined=pa.date32())), file="b.parquet"),
    Case("parquet_zoned", lambda: parquet(_cast(when=pa.timestamp("ms", "Europe/Oslo"))), file="b.parquet"),
    Case("parquet_nanoseconds", lambda: parquet(_cast(when=pa.timestamp("ns"))), file="b.parquet"),
    Case("parquet_nan", lambda: parquet(_nan_for_null("age", "income")), file="b.parquet"),
    Case("parquet_all_text", lambda: parquet(pa.table({n: [plain(r[n]) for r in TRUTH] for n in NAMES})),
         file="b.parquet"),
    Case("json_lines", _json_lines, file="batch.jsonl"),
    Case("json_lines_crlf", lambda: _json_lines("\r\n"), file="batch.jsonl"),
    Case("json_lines_escaped", lambda: _json_lines(ensure_ascii=True, sort_keys=True), file="batch.ndjson"),
    Case("json_array", lambda: json.dumps(_json_rows()).encode(), file="batch.json"),
    Case("json_pretty_array", lambda: json.dumps(_json_rows(), indent=2).encode(), file="batch.json"),
    Case("json_bom", lambda: b"\xef\xbb\xbf" + _json_lines(), file="batch.json"),
    Case("json_absent_keys", lambda: "".join(
        json.dumps({n: v for n, v in row.items() if v is not None}) + "\n" for row in _json_rows()).encode(),
        file="batch.jsonl"),
    Case("json_nan", lambda: "".join(
        json.dumps({n: float("nan") if v is None and n == "age" else v for n, v in row.items()}) + "\n"
        for row in _json_rows()).encode(), file="batch.jsonl"),
    Case("json_numbers_as_text", lambda: "".join(
        json.dumps({n: str(v) if n in ("age", "income") and v else v for n, v in row.items()}) + "\n"
        for row in _json_rows()).encode(), file="batch.jsonl"),
)  # fmt: skip


def _cast(**types: pa.DataType) -> pa.Table:
    given = table()
    for name, kind in types.items():
        at = given.column_names.index(name)
        column = given.column(name)
        if pa.types.is_timestamp(kind) and kind.tz:
            column = column.cast(pa.timestamp("us", "UTC"))
        given = given.set_column(at, name, column.cast(kind))
    return given


def _nan_for_null(*names: str) -> pa.Table:
    given = table()
    for name in names:
        cells = [float("nan") if row[name] is None else float(row[name]) for row in TRUTH]
        given = given.set_column(given.column_names.index(name), name, pa.array(cells))
    return given


HEADERS = (
    Case("header_capitals", lambda: written(header=[name.upper() for name in NAMES]), "noticed", ("AGE", "age")),
    Case("header_spaces", lambda: written(header=[f"  {name} " for name in NAMES])),
    Case("header_no_break_space", lambda: written(header=[f"{name}\u00a0" for name in NAMES])),
    Case("header_zero_width", lambda: written(header=[f"\u200b{name}" for name in NAMES]), "safe"),
    Case("header_quoted", lambda: clean_csv().replace(b"age,income", b'"age","income"', 1)),
    Case("extra_columns", lambda: joined([f"{x},{at or 'extra'}" for at, x in enumerate(lines())]),
         "noticed", ("extra",)),
    Case("pandas_index_column", lambda: parquet(table().append_column("__index_level_0__", [list(range(len(TRUTH)))])),
         "noticed", ("__index_level_0__",), "b.parquet"),
    Case("two_extra_of_one_name", lambda: joined([f"{x},{'z,z' if not at else '1,2'}" for at, x in enumerate(lines())]),
         "safe"),
    Case("no_target", lambda: _without("bought"), lacks=("target",)),
    Case("no_id", lambda: _without("id"), "noticed", ("id",), lacks=("keys",)),
    Case("no_time", lambda: _without("when"), "noticed", ("when",), lacks=("times",)),
    Case("no_ignored_column", lambda: _without("note")),
    Case("empty_target", lambda: written(cells={"bought": lambda value: ""}), "safe", lacks=("target",)),
)  # fmt: skip
NUMBERS = (
    Case("decimal_comma", lambda: written(delimiter=";", cells={"income": _number(_comma), "share": _number(_comma)})),
    Case("decimal_comma_quoted", lambda: written(cells={"income": _number(_comma), "share": _number(_comma)})),
    Case("thousands_english", lambda: written(cells={"income": _number(lambda v: _grouped(v, ",", "."))})),
    Case("thousands_european", lambda: written(
        delimiter=";", cells={"income": _number(lambda v: _grouped(v, ".", ",")), "share": _number(_comma)})),
    Case("thousands_swiss", lambda: written(cells={"income": _number(lambda v: _grouped(v, "'", "."))})),
    Case("thousands_no_break_space", lambda: written(
        delimiter=";", cells={"income": _number(lambda v: _grouped(v, "\u00a0", ",")), "share": _number(_comma)})),
    Case("plus_signs", lambda: written(cells={"age": _number(lambda v: f"+{v}")})),
    Case("exponents", lambda: written(cells={"income": _number(lambda v: f"{v:.6e}")})),
    Case("whole_with_fraction", lambda: written(cells={"age": _number(lambda v: f"{v}.0")})),
    Case("many_zeros", lambda: written(cells={"income": _number(lambda v: f"{v}000")})),
    Case("bare_point", lambda: written(cells={"share": _number(lambda v: f"{v}".replace("0.", "."))})),
    Case("percent", lambda: written(cells={"share": _number(lambda v: f"{v * 100:.0f}%")}), "safe"),
    Case("percent_spaced", lambda: written(cells={"share": _number(lambda v: f"{v * 100:.0f} %")}), "safe"),
    Case("dollars", lambda: written(cells={"income": _number(lambda v: f"${v:,.2f}")}), "safe"),
    Case("euros", lambda: written(cells={"income": _number(lambda v: f"{_grouped(v, '.', ',')} €")}), "safe"),
    Case("ambiguous_thousands", lambda: written(
        delimiter=";", cells={"income": _number(lambda v: f"{v - 0.5:,.0f}")}), "changed",
         change={"income": [None if r["income"] is None else r["income"] - 0.5 for r in TRUTH]},
         settings=ReadSettings(decimal=".")),
    Case("infinities", lambda: _changed("income", r2="inf", r3="-Infinity"), "changed", ("income", "infinit"),
         change={"income": _column("income", r2=None, r3=None)}),
    Case("few_bad_cells", lambda: _changed("age", r10="abc"), "changed", ("age", "abc", "12"),
         change={"age": _column("age", r10=None)}),
    Case("null_words", lambda: written(cells={"age": lambda v: "NA" if v is None else str(v),
                                              "income": lambda v: "null" if v is None else str(v),
                                              "city": lambda v: "N/A" if v is None else v,
                                              "joined": lambda v: "-" if v is None else plain(v)})),
    Case("null_words_of_sheets", lambda: written(cells={"age": lambda v: "#N/A" if v is None else str(v)}), "safe"),
    Case("null_words_kept", lambda: _changed("city", r1="NA"), "changed",
         change={"city": _column("city", r1="NA")}, settings=ReadSettings(null_words=("",))),
    Case("nulls_everywhere", lambda: written(cells={"income": lambda v: ""}), "changed",
         change={"income": [None] * len(TRUTH)}),
    Case("other_unit", lambda: written(cells={"age": _number(lambda v: str(v * 12))}), "changed",
         change={"age": [None if r["age"] is None else r["age"] * 12 for r in TRUTH]}),
)  # fmt: skip
DATES = tuple(
    Case(f"date_{name}", lambda form=form: written(cells={"joined": _date(form)}), becomes)
    for name, form, becomes in (
        ("points", "%d.%m.%Y", "same"), ("slashes_year_first", "%Y/%m/%d", "same"),
        ("day_first", "%d/%m/%Y", "same"), ("month_first", "%m/%d/%Y", "same"),
        ("t_and_z", "%Y-%m-%dT%H:%M:%SZ", "same"), ("offset", "%Y-%m-%dT%H:%M:%S+00:00", "same"),
        ("month_name", "%d %b %Y", "same"), ("american", "%B %d, %Y", "same"),
        ("fraction", "%Y-%m-%d 00:00:00.000", "same"), ("compact", "%Y%m%d", "safe"),
        ("two_digit_year", "%d/%m/%y", "safe"),        ("half_day", "%Y-%m-%d 12:00 AM", "safe"),
    )
)  # fmt: skip
DATES += (
    Case("date_epoch_seconds", lambda: written(cells={"when": lambda v: f"{v.replace(tzinfo=UTC).timestamp():.0f}"})),
    Case("date_epoch_ms", lambda: written(cells={"when": lambda v: f"{v.replace(tzinfo=UTC).timestamp() * 1e3:.0f}"})),
    Case("date_order_open", lambda: written(
        [{**r, "joined": datetime(2024, 4, 3)} for r in TRUTH], cells={"joined": _date("%d/%m/%Y")}),  # noqa: DTZ001
        "refused", ("joined", "03/04/2024")),
    Case("date_order_said", lambda: written(
        [{**r, "joined": datetime(2024, 4, 3)} for r in TRUTH], cells={"joined": _date("%d/%m/%Y")}),  # noqa: DTZ001
        "changed", settings=ReadSettings(dates="day first"),
        change={"joined": [datetime(2024, 4, 3)] * len(TRUTH)}),  # noqa: DTZ001
)  # fmt: skip
WORDS = (
    Case("quoted_commas_and_breaks", lambda: written([{**r, "note": 'a, "b"\nc'} for r in TRUTH])),
    Case("inch_marks", lambda: edited(5, lambda line: line.replace("free text", '5" pipe'))),
    Case("new_levels", lambda: _changed("city", r0="Bodø", r1="Bodø"), "changed",
         change={"city": _column("city", r0="Bodø", r1="Bodø")}),
    Case("formula_levels", lambda: _changed("city", r0="=1+1"), "changed", change={"city": _column("city", r0="=1+1")}),
    Case("markup_levels", lambda: _changed("city", r0="<img src=x>"), "changed",
         change={"city": _column("city", r0="<img src=x>")}),
    Case("target_capitals", lambda: written(cells={"bought": str.upper}), "noticed", ("YES",)),
    Case("target_spaces", lambda: written(cells={"bought": lambda v: f" {v} "})),
    Case("target_truth", lambda: written(cells={"bought": lambda v: str(v == "yes")}), "safe"),
    Case("few_unknown_classes", lambda: _changed("bought", r3="maybe"), "changed", ("bought", "maybe", "5"),
         change={"bought": _column("bought", r3=None)}),
    Case("repeated_ids", lambda: _changed("id", r1="c1000"), "changed", ("id",),
         change={"id": _column("id", r1="c1000")}),
)  # fmt: skip

ACCEPTED = (*SHAPES, *ENCODINGS, *TYPED, *HEADERS, *NUMBERS, *DATES, *WORDS)
