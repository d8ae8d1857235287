"""Keeps the present schema, with a little of everything in it, as SQL: ``python -m tests.data.keep_schema``.

Run it whenever a migration was added. The dump is named by its number and newest migration; dumps of older schemas stay
for ever, and ``tests/test_upgrade.py`` brings each of them up to date.
"""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from pipeline.service import Service
from storage.store import DATABASE
from tests.tables import labels_csv, rows_csv

SCHEMAS = Path(__file__).parent / "schemas"


def fill(folder: Path) -> None:
    """A monitor with a calm, a drifted and a refused batch, late labels, another version and a changed setting."""
    clock = itertools.count(1_770_000_000_000_000, 1_000_000)
    service = Service(folder, clock=lambda: next(clock))
    settings = {"retrain.min_labelled": 20, "retrain.auto": False}
    service.init(
        "shop", "reference.csv", rows_csv(0, 80, labelled=True), "bought", id_column="id", estimator="linear",
        settings=settings,
    )  # fmt: skip
    service.ingest("shop", "calm.csv", rows_csv(1, 40))
    service.ingest("shop", "labels.csv", labels_csv(1, 40))
    service.ingest("shop", "moved.csv", rows_csv(2, 40, shift=3))
    service.ingest("shop", "short.csv", b"id,age\n1,30\n")
    service.change_settings("shop", {"drift.budget": 0.02}, "calmer")
    service.retrain("shop")
    service.work("shop")
    service.close()


def main() -> None:
    """Write the dump of the present schema."""
    with tempfile.TemporaryDirectory() as work:
        fill(Path(work))
        with closing(sqlite3.connect(Path(work) / DATABASE)) as database:
            names = [row[0] for row in database.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
            target = SCHEMAS / f"{len(names)}-{names[-1]}.sql"
            target.write_text("\n".join(database.iterdump()) + "\n")
    print(f"Wrote {target.name}: {target.stat().st_size:,} bytes.")


if __name__ == "__main__":
    main()
