"""Small files to try the Upload page with. Run ``python -m seed_data.samples`` to make them again."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from seed_data import simulate

FOLDER = Path(__file__).with_name("samples")
_QUIET_DAY, _DRIFTED_DAY, _SEED = 100, 150, 7


def samples() -> dict[str, bytes]:
    """File name to content: a quiet day, a drifted one, and two that are broken."""
    quiet = simulate.day(_QUIET_DAY, seed=_SEED).table
    words = ["a lot" if at % 9 == 4 else str(value) for at, value in enumerate(quiet["kcal"].to_pylist())]
    return {
        "normal.csv": _csv(quiet),
        "drifted.csv": _csv(simulate.day(_DRIFTED_DAY, seed=_SEED).table),
        "text-in-numbers.csv": _csv(_with(quiet, "kcal", pa.array(words))),
        "missing-column.csv": _csv(quiet.drop_columns(["bmi"])),
        "labels.csv": _csv(simulate.day(_QUIET_DAY, seed=_SEED).labels),
        "kilojoules.csv": _csv(_in_kilojoules(quiet)),
    }


def _in_kilojoules(table: pa.Table) -> pa.Table:
    kcal = table["kcal"].to_numpy()
    faulty = np.arange(len(kcal)) % 10 < 3
    return _with(table, "kcal", pa.array(np.where(faulty, np.round(kcal * 4.184), kcal).astype(np.int64)))


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pc.write_csv(table, sink)
    return sink.getvalue()


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, data in samples().items():
        (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main()
