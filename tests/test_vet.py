"""Crafted model files: refused before anything in them is built, in little memory, and nothing of theirs runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.models import dump, load
from pipeline.service import Service
from storage import history
from storage.errors import ProductError, Unhealthy
from tests.tables import rows_csv


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    """An artefact as the program makes it."""
    service = Service(tmp_path_factory.mktemp("vet"))
    owner = service.init("shop", "r.csv", rows_csv(0, 200, labelled=True), "bought", id_column="id")
    data = service.model_bytes(owner.champion)
    service.close()
    return data


def rewritten(data: bytes, change: Callable[[dict[str, bytes]], None], **how: int) -> bytes:
    """The archive with other content."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", **how) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return sink.getvalue()


def with_node(data: bytes, node: dict) -> bytes:
    """The archive with a node of ours in place of the list of classes."""

    def change(entries: dict[str, bytes]) -> None:
        schema = json.loads(entries["schema.json"])
        schema["content"]["classes"] = node
        entries["schema.json"] = json.dumps(schema).encode()

    return rewritten(data, change)


def node(loader: str, module: str, name: str, **more: object) -> dict:
    return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": 987654321, **more}


def arguments(*values: str) -> dict:
    items = [node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True) for value in values]
    return node("TupleNode", "builtins", "tuple", content=items)


def first_array(entries: dict[str, bytes]) -> str:
    return next(name for name in entries if name.endswith(".npy"))


def head(shape: str, dtype: str = "'<f8'") -> bytes:
    """The head of an array that says what it likes, with eight bytes behind it."""
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(118 - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"\0" * 8


class Marker:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


SYSTEM = node("FunctionNode", "os", "system")
CALLED = {"args": arguments("mkdir x"), "kwds": arguments(), "namespace": arguments()}
FOREIGN = {
    "another type": node("ObjectNode", "subprocess", "Popen", content=None),
    "another function": SYSTEM,
    "a function under a name we trust": node(
        "OperatorFuncNode", "operator", "add", attrs=arguments("x"), content=SYSTEM
    ),
    "a method under a name we trust": node(
        "MethodNode", "builtins", "method", content={"func": "system", "obj": SYSTEM}
    ),
    "a reduced call": node("ReduceNode", "os", "system", content=arguments("mkdir x")),
    "an operator": node("OperatorFuncNode", "operator", "methodcaller", attrs=arguments("system")),
    "a partial of a command": node("PartialNode", "functools", "partial", content={"func": SYSTEM, **CALLED}),
    "a partial of eval": node(
        "PartialNode", "functools", "partial", content={"func": node("TypeNode", "builtins", "eval"), **CALLED}
    ),
    "eval": node("FunctionNode", "builtins", "eval"),
    "a function of numpy that runs what it is given": node("FunctionNode", "numpy.testing", "rundocs"),
    "no module": node("ObjectNode", "", "x", content=None),
    "a number for a module": {**node("ObjectNode", "", "x"), "__module__": 7},
    "a loader that is none": node("Nothing", "numpy", "x"),
    "a loader that is a list": node(["ObjectNode"], "numpy", "x"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", FOREIGN)
def test_nodes_of_others_are_refused(good, what):
    with pytest.raises(Unhealthy):
        load(with_node(good, FOREIGN[what]))


HEADS = {
    "a million million numbers": head("(1000000000000,)"),
    "more numbers than can be counted": head("(9223372036854775807, 9223372036854775807)"),
    "fewer than there are": head("(0,)"),
    "less than none": head("(-1, -1)"),
    "objects": head("(1,)", "'|O'"),
    "a head without an end": b"\x93NUMPY\x01\x00\xff\xff" + b"{" * 60000,
    "an unknown version": b"\x93NUMPY\x09\x00\x10\x00" + b" " * 40,
    "no array": b"abc",
    "nothing": b"",
}


@pytest.mark.parametrize("what", HEADS)
def test_arrays_that_lie_are_refused_before_they_are_made(good, what):
    def change(entries: dict[str, bytes]) -> None:
        entries[first_array(entries)] = HEADS[what]

    bad = rewritten(good, change)
    tracemalloc.start()
    with pytest.raises(Unhealthy):
        load(bad)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_packed_bomb_is_refused_unopened(good):
    def change(entries: dict[str, bytes]) -> None:
        sink = io.BytesIO()
        np.save(sink, np.zeros(20_000_000))
        entries[first_array(entries)] = sink.getvalue()

    bad = rewritten(good, change, compression=zipfile.ZIP_DEFLATED)
    assert len(bad) < 2_000_000
    tracemalloc.start()
    with pytest.raises(Unhealthy, match="compressed"):
        load(bad)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["../x.npy", "/etc/x.npy", "model.pkl", "x.py", "a/b.npy"])
def test_other_files_in_the_archive_are_refused(good, name):
    with pytest.raises(Unhealthy):
        load(rewritten(good, lambda entries: entries.update({name: b"x"})))


@pytest.mark.parametrize(
    "schema", [b"", b"[]", b"{}", b"null", b"[" * 200_000, b'{"protocol": 0}', b'{"protocol": 2}', b"\xff"]
)
def test_a_schema_that_is_none_is_refused(good, schema):
    with pytest.raises(Unhealthy):
        load(rewritten(good, lambda entries: entries.update({"schema.json": schema})))


@pytest.mark.parametrize("name", ["model.skops", "rows.csv", "rows.parquet", "rows.json", "rows.csv.gz"])
def test_a_pickle_under_any_name_runs_nothing(tmp_path, name):
    marker = tmp_path / "ran"
    data = pickle.dumps(Marker(marker))
    with pytest.raises(Unhealthy):
        load(data)
    service = Service(tmp_path / "data")
    service.init("shop", "r.csv", rows_csv(0, 120, labelled=True), "bought", id_column="id", estimator="linear")
    batch = service.ingest("shop", name, data).batch
    assert batch.state == "quarantined"
    assert batch.reason
    with pytest.raises(ProductError):
        service.init("other", name, data, "bought")
    assert not marker.exists()
    service.close()


def test_every_bit_of_an_artefact_counts(good, tmp_path):
    """Bytes that are not those of the hash are never parsed; here they are parsed all the same, and do no harm."""
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(good), 60):
        bad = bytearray(good)
        bad[at] ^= 1 << int(rng.integers(8))
        try:
            load(bytes(bad))
        except Unhealthy:
            continue


def test_what_we_make_passes(good):
    model = load(good)
    assert load(dump(model)).classes == model.classes


def test_a_swapped_artefact_never_predicts(tmp_path):
    service = Service(tmp_path)
    owner = service.init("shop", "r.csv", rows_csv(0, 120, labelled=True), "bought", id_column="id", estimator="linear")
    version = history.version(service.db, owner.champion)
    path = service.desk.vault.path("models", version.sha256)
    path.chmod(0o600)
    path.write_bytes(pickle.dumps(Marker(tmp_path / "ran")))
    service.desk.model.cache_clear()
    with pytest.raises(Unhealthy, match="hash"):
        service.predict("shop", "a.csv", rows_csv(1, 10))
    assert not (tmp_path / "ran").exists()
    service.close()
