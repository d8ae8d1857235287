"""Small files to try the Upload page with. Run ``python -m seed_data.samples`` to make them again.

They show the world as it is where the worked example begins to run by itself, so that ``normal.csv`` is what its newest
model knows and ``drifted.csv`` is not.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from seed_data import simulate

FOLDER = Path(__file__).with_name("samples")
_DAY, _SEED = 430, 7  # a quiet day; people other than those of the worked example's own stream
_EXTRA_KCAL = 450
_KJ_PER_KCAL = 4.184


def samples() -> dict[str, bytes]:
    """File name to content: a quiet day and its labels, a drifted one, and three that are broken.

    Ids begin with the name of their file, so each file can be uploaded beside the others and to the running example.
    """
    seen = simulate.day(_DAY, seed=_SEED)
    rows = seen.table
    kcal = rows["kcal"].to_numpy()
    words = pa.array(["a lot" if at % 9 == 4 else str(value) for at, value in enumerate(kcal)])
    kilojoules = np.where(np.arange(len(kcal)) % 10 < 3, np.round(kcal * _KJ_PER_KCAL), kcal).astype(np.int64)
    tables = {
        "normal": rows,
        "drifted": _with(rows, "kcal", pa.array(kcal + _EXTRA_KCAL)),
        "kilojoules": _with(rows, "kcal", pa.array(kilojoules)),
        "text-in-numbers": _with(rows, "kcal", words),
        "missing-column": rows.drop_columns(["bmi"]),
    }
    files = {f"{name}.csv": _csv(_named(table, name)) for name, table in tables.items()}
    return files | {"labels.csv": _csv(_named(seen.labels, "normal"))}


def _named(table: pa.Table, name: str) -> pa.Table:
    return _with(table, "id", pa.array([f"{name}-{at:03d}" for at in range(table.num_rows)]))


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
