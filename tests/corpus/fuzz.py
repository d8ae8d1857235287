"""Mutated files through reader and validator: ``python -m tests.corpus.fuzz INPUTS [SEED]`` prints what came of them.

Whatever the bytes, there is a checked table or our own refusal in one short line; anything else ends the run with the
input that did it.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from pipeline.read import FORMATS, columnar, read_batch, read_table, typed
from storage.errors import Refused
from storage.settings import ReadSettings
from tests.corpus import CASES, Case

_LARGEST = 100_000  # bytes of a file that is mutated
_SPLICES = (
    b",", b";", b'"', b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"1e999", b"NaN", b"{", b"[", b"#", b"PAR1",
    b"\xff\xfe", b'""', b"\r\n", b"-inf", b"9" * 400, b"\xf0\x9f\x98\x80", b"\x1f\x8b", b"=1+1", b"null", b"\\u0000",
    b"2024-02-30", b"0x", b"\xc2\xa0", b"($1)", b"\\ud800", b"}", b"]", b":",
)  # fmt: skip
LIMITS = ReadSettings(max_bytes=2_000_000, max_rows=100_000, max_cells=2_000_000)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with a byte flipped, a piece cut out, doubled or moved, or something put in."""
    at, to = sorted(int(x) for x in rng.integers(0, len(data) + 1, 2))
    match int(rng.integers(6)):
        case 0 if data:
            flipped = bytearray(data)
            for place in rng.integers(0, len(data), int(rng.integers(1, 5))):
                flipped[place] ^= 1 << int(rng.integers(8))
            return bytes(flipped)
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[min(to, at + 50) :]
        case 3:
            return data[:to] + data[max(at, to - 300) :]
        case 4:
            return data[:at] + _SPLICES[int(rng.integers(len(_SPLICES)))] + data[at:]
        case _:
            return data[:at] + rng.bytes(int(rng.integers(1, 20))) + data[at:]


def one(case: Case, data: bytes) -> bool:
    """Whether one input is read. Raises AssertionError for a refusal that is none, anything else for a fault."""
    try:
        checked = read_batch(data, case.file, case.schema, LIMITS)
        assert checked.rows > 0
        assert checked.kind == "labels" or checked.table.num_rows == checked.rows
        typed(read_table(data, case.file, LIMITS))
        return True
    except Refused as error:
        text = str(error)
        assert text.startswith(case.file), text
        assert len(text) < 2000, text
        assert "\n" not in text, text
        return False


@mock.patch.dict(FORMATS, parquet=replace(FORMATS["parquet"], read=columnar.unpacked))  # here: a fault ends the run
def fuzz(inputs: int, seed: int) -> dict[str, Any]:
    """Mutate files of the corpus so often, once to three times each.

    Returns
    -------
    dict
        Counts, the slowest input in seconds and the growth of memory in MB.
    """
    rng = np.random.default_rng(seed)
    files = [(case, data) for case in CASES.values() if len(data := case.data()) <= _LARGEST]
    told: dict[str, Any] = {"inputs": 0, "read": 0, "refused": 0, "slowest_seconds": 0.0, "slowest": ""}
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark of memory begins anew
    before = _peak()
    for at in range(inputs):
        case, data = files[at % len(files)]
        for _ in range(int(rng.integers(1, 4))):
            data = mutated(data, rng)
        began = time.perf_counter()
        try:
            told["read" if one(case, data) else "refused"] += 1
        except BaseException:
            found = Path(f"fuzz-{case.name}-{seed}-{at}")
            found.write_bytes(data)
            print(f"kept the input in {found}", file=sys.stderr)
            raise
        seconds = time.perf_counter() - began
        told["inputs"] += 1
        if seconds > told["slowest_seconds"]:
            told |= {"slowest_seconds": round(seconds, 3), "slowest": case.name}
    told["memory_growth_mb"] = (_peak() - before) // 1024
    return told


def _peak() -> int:
    """The most memory this process has had, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)), flush=True)
