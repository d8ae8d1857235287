"""Downloads must not run anything in a spreadsheet, and must come back as they were."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.write import csv_of_names, csv_of_rows


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "\n=1", "＝1+1"])
def test_formulas_are_disarmed(cell):
    ((shown,),) = list(csv.reader(io.StringIO(csv_of_rows([{"x": cell}]).decode(), newline="")))[1:]
    assert shown == f"'{cell}"


@pytest.mark.parametrize("cell", ["-2.5", "+3", "1e5", "-1e-3", "plain", "a=b", ""])
def test_plain_cells_are_left_alone(cell):
    assert csv_of_rows([{"x": cell, "y": 1}]) == f"x,y\r\n{cell},1\r\n".encode()


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.floats(allow_nan=False)}), min_size=1, max_size=5))
def test_cells_come_back(rows):
    text = csv_of_rows(rows).decode("utf-8", "surrogatepass") if _encodable(rows) else None
    if text is None:
        return
    back = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [float(row["b"]) for row in back] == [row["b"] for row in rows]
    assert [row["a"].removeprefix("'") for row in back] == [row["a"].removeprefix("'") for row in rows]


def _encodable(rows):
    try:
        return [row["a"].encode() for row in rows]
    except UnicodeEncodeError:
        return None


@pytest.mark.parametrize("name", ["=x", "@x"])
def test_names_of_columns_are_disarmed_too(name):
    assert csv_of_rows([{name: 1}]) == f"'{name}\r\n1\r\n".encode()


def test_a_header_alone_is_disarmed():
    assert csv_of_names(["id", "=x", "-1", "a,b"]) == b'id,\'=x,-1,"a,b"\r\n'


def test_missing_values_are_empty_and_no_rows_are_no_table():
    assert csv_of_rows([{"a": None, "b": "x"}]) == b"a,b\r\n,x\r\n"
    assert csv_of_rows([]).strip() == b""
