"""A CSV file read in blocks is read by the rules of one read at once: the same table, or the same refusal."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import read
from storage.errors import Refused
from storage.settings import ReadSettings
from tests.corpus import CASES

AT_ONCE = 1 << 40


def outcome(path: Path, small: int, block: int, options: ReadSettings) -> tuple[str, object]:
    """The table, or why there is none."""
    try:
        scan = read.scan(path, settings=options, small=small, block=block)
        return "read", pa.Table.from_batches(scan, scan.schema).to_pydict()
    except Refused as error:
        return "refused", (str(error), error.row, error.column)


def same(path: Path, block: int, options: ReadSettings | None = None) -> None:
    """Both ways agree, to the words of a refusal."""
    options = options or ReadSettings()
    whole, pieces = outcome(path, AT_ONCE, block, options), outcome(path, 0, block, options)
    assert pieces[0] == whole[0], (whole, pieces)
    if whole[0] == "read" or "not whole" not in str(whole[1]):  # a decoder counts its own bytes
        assert repr(pieces) == repr(whole)  # NaN is no value of a text file, so equal texts are equal values


@pytest.mark.parametrize("block", [1, 40, 1 << 24])
@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES.values()])
def test_every_nasty_file_becomes_the_same(case, block, tmp_path):
    path = tmp_path / Path(case.file).name
    path.write_bytes(case.data())
    limits = {"max_bytes", "max_rows", "max_cells", "max_columns"} & case.settings.model_fields_set
    limits = limits or "many_columns" in case.name or "huge" in case.name
    if limits:
        pytest.skip("the limits of a file hold only where it is read at once")
    if case.name.startswith("total_below"):
        pytest.skip("a last row that adds up the others is left out only where all of them lie in memory")
    same(path, block, case.settings)


CELL = st.sampled_from(
    ["1", "2.5", "-3", "", "NA", "x", "a b", '"q"', '"a,b"', '"a\nb"', '"a""b"', ' "s"', '"open', 'in"side', "é", "#",
     "2024-01-05", "true", '""', "1,5"]
)  # fmt: skip
ROW = st.lists(CELL, min_size=2, max_size=4).map(",".join)
SOUND = st.lists(CELL, min_size=3, max_size=3).map(",".join)
LINE = st.one_of(SOUND, SOUND, ROW, st.sampled_from(["", "# said", ",,", "a,b,c", " "]))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(LINE, max_size=12), end=st.sampled_from(["\n", "\r\n", "\r"]), last=st.booleans(),
    block=st.integers(1, 60), packed=st.booleans(),
    codec=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    start=st.sampled_from(["a,b,c", '"a",b,c', "# note\na,b,c", "a,b,c,", ",b,c"]),
)  # fmt: skip
def test_any_file_becomes_the_same(tmp_path, lines, end, last, block, packed, codec, start):
    text = end.join([start, *lines]) + (end if last else "")
    data = text.encode(codec, "replace")
    path = tmp_path / "any.csv"
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    same(path, block)


def test_a_large_file_is_judged_to_the_line(tmp_path):
    rows = [f"{at},{at % 7}.5,level {at % 3}" for at in range(60_000)]
    path = tmp_path / "large.csv"
    for line, odd in ((50_001, "1,2"), (50_001, '1,"open,x'), (50_001, "1,2,3,4")):
        path.write_text("\n".join(["a,b,c", *rows[: line - 2], odd, *rows[line - 2 :]]))
        with pytest.raises(Refused) as found:
            list(read.scan(path, small=0, block=1 << 16))
        assert found.value.row == line
        assert found.value.file == "large.csv"
    path.write_text("\n".join(["a,b,c", *rows[:50_000], *(f"{at},word,c" for at in range(9_000))]))
    with pytest.raises(Refused, match=r"'word' is not a number; 9,000 of 59,000 cells") as found:
        list(read.scan(path, {"b": "numeric"}, small=0, block=1 << 16))
    assert (found.value.row, found.value.column) == (50_002, "b")
