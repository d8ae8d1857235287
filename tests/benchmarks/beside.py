"""Peers as processes beside us: ``--peer NAME=/path/to/python`` of the benchmarks (see ``peers``)."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.peers import PEERS

SCRIPT = Path(__file__).with_name("peers.py")


def peer(text: str) -> tuple[str, str]:
    """``NAME=/path/to/python`` of an option, as (name, path)."""
    name, _, python = text.partition("=")
    if name not in PEERS or not Path(python).exists():
        raise argparse.ArgumentTypeError(f"{text!r} should read NAME=/path/to/python, NAME one of {', '.join(PEERS)}")
    return name, python


def command(name: str, python: str, *files: str) -> list[str]:
    """What runs a peer; ``-I`` keeps our modules out of its way."""
    return [python, "-I", str(SCRIPT), name, *files]


class Peer(AbstractContextManager["Peer"]):
    """A peer's process; it keeps the reference it was given."""

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            command(name, python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **what: str) -> dict[str, Any]:
        """Give it a file, ``reference=`` or ``batch=``; its answer."""
        print(json.dumps(what), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def fit(self, reference: pa.Table) -> Callable[[pa.Table], tuple[bool, set[str]]]:
        """A judge of batches, as the quality benchmark asks for one; tables go through files."""
        self._told("reference", reference)

        def judge(batch: pa.Table) -> tuple[bool, set[str]]:
            answer = self._told("batch", batch)
            return answer["alarm"], set(answer["columns"])

        return judge

    def _told(self, what: str, table: pa.Table) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.parquet"
            pq.write_table(table, path)
            return self.ask(**{what: str(path)})
