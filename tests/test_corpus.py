"""Every nasty file becomes what it must: the same table, a warned one, or a refusal that says where and what."""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.read import Checked, read_batch
from storage.errors import Refused
from storage.records import Feature, Schema
from tests.corpus import CASES, TRUTH, Case
from tests.corpus.clean import SCHEMA, WATCHED, clean_csv
from tests.corpus.fuzz import fuzz, mutated

_CELLS: dict[str, Any] = {"numeric": float, "categorical": str, "date": lambda value: value}


def _of(*becomes: str) -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES.values() if case.becomes in becomes]


def _read(case: Case) -> Checked:
    return read_batch(case.data(), case.file, case.schema, case.settings)


def _or_refusal(data: bytes, case: Case) -> Checked | Refused:
    try:
        return read_batch(data, case.file, case.schema, case.settings)
    except Refused as error:
        return error


def _expected(case: Case) -> dict[str, list[Any]]:
    """The cells that each watched column, the ids, times and labels must have."""
    columns = {}
    for feature in SCHEMA.watched:
        cells = case.change.get(feature.name, [row[feature.name] for row in TRUTH])
        columns[feature.name] = [None if cell is None else _CELLS[feature.kind](cell) for cell in cells]
    for part, name in (("keys", "id"), ("times", "when"), ("target", "bought")):
        columns[part] = case.change.get(name, [row[name] for row in TRUTH])
    return columns


def _found(checked: Checked, case: Case) -> dict[str, list[Any]]:
    columns = {name: checked.table.column(name).to_pylist() for name in checked.table.column_names}
    columns["keys"] = None if checked.keys is None else list(checked.keys)
    columns["times"] = None if checked.times is None else checked.times.to_pylist()
    columns["target"] = None if checked.target is None else checked.target.to_pylist()
    return columns


def _assert_table(checked: Checked, case: Case) -> None:
    expected = _expected(case) | dict.fromkeys(case.lacks, None)
    assert checked.kind == "rows"
    assert checked.rows == len(TRUTH)
    assert tuple(checked.table.column_names) == WATCHED
    kinds = {"numeric": pa.float64(), "categorical": pa.string(), "date": pa.timestamp("us")}
    assert list(checked.table.schema.types) == [kinds[feature.kind] for feature in SCHEMA.watched]
    found = _found(checked, case)
    for name, cells in expected.items():
        assert found[name] == cells, name


def _assert_says(case: Case, text: str) -> None:
    for word in case.says:
        assert word in text


@pytest.mark.parametrize("case", _of("same"))
def test_it_means_the_same(case):
    _assert_table(_read(case), case)


@pytest.mark.parametrize("case", _of("noticed", "changed"))
def test_it_is_taken_and_said(case):
    checked = _read(case)
    _assert_table(checked, case)
    _assert_says(case, " ".join(checked.warnings))
    if case.becomes == "noticed":
        assert checked.warnings


@pytest.mark.parametrize("case", _of("safe"))
def test_it_is_the_same_or_refused(case):
    checked = _or_refusal(case.data(), case)
    if isinstance(checked, Refused):
        assert str(checked).startswith(case.file)
    else:
        _assert_table(checked, case)


@pytest.mark.parametrize("case", _of("labels"))
def test_labels_find_their_rows(case):
    checked = _read(case)
    labels = case.change or {row["id"]: row["bought"] for row in TRUTH}
    assert checked.kind == "labels"
    assert dict(zip(checked.keys, checked.target.to_pylist(), strict=True)) == labels
    assert checked.rows == len(labels)
    _assert_says(case, " ".join(checked.warnings))


@pytest.mark.parametrize("case", _of("refused"))
def test_it_is_refused_with_the_right_reason(case):
    with pytest.raises(Refused) as refused:
        _read(case)
    text = str(refused.value)
    assert text.startswith(case.file)
    _assert_says(case, text)
    assert len(text) < 1000
    assert "\n" not in text


def test_the_corpus_is_large_and_the_same_at_every_making():
    assert len(CASES) >= 300
    for case in CASES.values():
        assert case.data() == case.data(), case.name


# --- broken at random -------------------------------------------------------------------------------------------------

_MUTATIONS = 4_000


def test_mutated_files_are_read_or_refused_and_nothing_else():
    rng = np.random.default_rng(2026)
    names = ("plain", "semicolon", "all_quoted", "utf16_le", "gzip", "parquet", "json_lines", "json_array",
             "thousands_european", "date_day_first", "labels", "quoted_commas_and_breaks")  # fmt: skip
    files = [(CASES[name], CASES[name].data()) for name in names]
    refused = 0
    for at in range(_MUTATIONS):
        case, data = files[at % len(files)]
        outcome = _or_refusal(mutated(data, rng), case)
        if isinstance(outcome, Refused):
            refused += 1
        else:
            assert outcome.rows > 0
    assert 0.2 * _MUTATIONS < refused < _MUTATIONS


def test_the_fuzzer_finds_only_our_own_errors():
    told = fuzz(2_000, 2027)
    assert told["inputs"] == 2_000
    assert told["read"] > 50
    assert told["refused"] > 50
    assert told["memory_growth_mb"] < 200


@pytest.mark.parametrize("column", range(11))
def test_a_cell_put_in_or_taken_out_never_shifts_a_column(column):
    """Wherever a row gains or loses a delimiter, the file is refused and the line named."""
    lines = clean_csv().decode().splitlines()
    plain = [at for at in range(1, 61) if '"' not in lines[at]]
    for at in plain[::7]:
        cells = lines[at].split(",")
        for broken in ([*cells[:column], "", *cells[column:]], [*cells[:column], *cells[column + 1 :]]):
            text = "\n".join([*lines[:at], ",".join(broken), *lines[at + 1 :]])
            with pytest.raises(Refused, match=f"line {at + 1}"):
                read_batch(text.encode(), "batch.csv", SCHEMA)


# --- any table, any way of writing it ---------------------------------------------------------------------------------

_ANY = Schema((Feature("x", "numeric"), Feature("level", "categorical"), Feature("n", "numeric")), "y", "regression",
              (), "key")  # fmt: skip
_NUMBER = st.one_of(st.none(), st.floats(-1e9, 1e9, allow_subnormal=False), st.integers(-(2**40), 2**40).map(float))
_LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Zs", "Zl", "Zp", "Cf", "Mn", "Lm"))
_LEVEL = st.one_of(
    st.none(), st.text(_LETTERS, min_size=1, max_size=6).map(lambda text: f"a{text}z"),
    st.sampled_from(["a,b", "a;b", 'say "a"', "two\nlines", "a\tb", "a|b", "#1", "=1+1", "x y"]),
)  # fmt: skip


@st.composite
def _tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = draw(st.integers(1, 12))
    return [
        {"key": f"k{at}", "x": draw(_NUMBER), "level": draw(_LEVEL), "n": draw(_NUMBER), "y": float(at)}
        for at in range(rows)
    ]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=_tables(), order=st.permutations(["key", "x", "level", "n", "y"]), delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    comma=st.booleans(), last=st.booleans(),
)  # fmt: skip
def test_any_table_comes_back_from_any_csv(rows, order, delimiter, quoting, end, encoding, comma, last):
    marks = any(row[name] is not None and row[name] % 1 for row in rows for name in ("x", "n"))
    swap = comma and marks and delimiter == ";"
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(order)
    for row in rows:
        cells = {k: repr(v).replace(".", ",") if swap and isinstance(v, float) else v for k, v in row.items()}
        writer.writerow(["" if cells[name] is None else cells[name] for name in order])
    text = sink.getvalue()
    checked = read_batch((text if last else text.removesuffix(end)).encode(encoding), "any.csv", _ANY)
    assert checked.keys == tuple(row["key"] for row in rows)
    composed = [row["level"] and unicodedata.normalize("NFC", row["level"]) for row in rows]
    assert checked.table.column("level").to_pylist() == composed
    for name in ("x", "n"):
        assert checked.table.column(name).to_pylist() == [row[name] for row in rows], name
    assert checked.target.to_pylist() == [row["y"] for row in rows]
