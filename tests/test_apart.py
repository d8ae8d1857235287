"""What is done in a child process: it may die, hang or want too much, and only itself is hurt."""

from __future__ import annotations

import io
import os
import signal
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import apart, read
from pipeline.read import columnar
from pipeline.service import Service
from storage import history
from storage.errors import Refused, Unhealthy
from storage.settings import ReadSettings
from tests.tables import rows_csv


@pytest.fixture(autouse=True)
def prepared():
    apart.prepare()


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def dies(data, name, settings, tell):
    os.kill(os.getpid(), signal.SIGSEGV)


def hangs(tell):
    threading.Event().wait()


def wants(size, tell):
    return len(bytearray(size))


def test_what_is_unpacked_apart_is_the_same():
    data = parquet(x=[1.5, None, 3.0], city=["Oslo", None, "Bergen"], n=[1, 2, 3])
    apart_, here = (
        columnar.read(data, "a.parquet", ReadSettings()),
        columnar.unpacked(data, "a.parquet", ReadSettings()),
    )
    assert apart_.table.equals(here.table)
    assert apart_.table.num_rows == 3


def test_a_refusal_comes_home_with_its_column():
    data = parquet(city=pa.array(["x" * 9000] * 40))
    with pytest.raises(Refused, match="text unpacks to") as caught:
        read.read_table(data, "a.parquet", ReadSettings(max_bytes=20_000))
    assert (caught.value.file, caught.value.column) == ("a.parquet", "city")


def test_what_brings_the_reader_down_is_refused(monkeypatch):
    monkeypatch.setattr(columnar, "_in_child", dies)
    with pytest.raises(Refused, match=r"a\.parquet: .* died \(exit code -11\)\. Write it again"):
        read.read_table(parquet(x=[1.0]), "a.parquet")


def test_a_file_that_brings_the_reader_down_is_set_aside_and_the_next_one_is_done(tmp_path, monkeypatch):
    service = Service(tmp_path / "data")
    service.init("m", "reference.csv", rows_csv(0, 300, labelled=True), "bought", id_column="id", estimator="linear")
    monkeypatch.setattr(columnar, "_in_child", dies)
    service.ingest("m", "bad.parquet", parquet(x=np.arange(3.0)))
    service.ingest("m", "good.csv", rows_csv(1, 100))
    bad, good = history.batches(service.db, 1, last=2)
    assert (bad.state, good.state) == ("quarantined", "done")
    assert "cannot be unpacked" in bad.reason
    service.close()


def test_a_child_that_hangs_is_ended():
    with pytest.raises(Unhealthy, match=r"listening did not finish within 0\.5 seconds"):
        apart.call(hangs, (), 0.5, what="listening")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell the size of a process")
def test_a_child_gets_no_more_memory_than_it_may_have():
    assert apart.call(wants, (1 << 20,), 60, memory=1 << 29) == 1 << 20
    with pytest.raises(Unhealthy, match="MemoryError"):
        apart.call(wants, (1 << 30,), 60, memory=1 << 29)
