"""Comparing files with a reference file: no monitor, no database, constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import drift
from pipeline.profile import Profile, fit_grid, infer, profile
from storage.errors import Refused
from storage.records import DriftReport
from storage.settings import Settings


def check(
    reference: str | Path, batches: Sequence[str | Path], target: str | None = None, settings: Settings | None = None
) -> Iterator[tuple[str, DriftReport]]:
    """Compare files with a reference, one after the other.

    Parameters
    ----------
    reference : path
        CSV or Parquet.
    batches : sequence of path
        Files to judge.
    target : str, optional
        A column that is no feature.
    settings : Settings, optional
        Defaults where left out.

    Yields
    ------
    tuple of (str, DriftReport)
        The file's name and its report.

    Raises
    ------
    Refused
        If a file cannot be read, or has none of the reference's features.
    """
    settings = settings or Settings()
    head = pa.Table.from_batches(_head(reference))
    features = infer(head, target=target)
    grid = fit_grid(head, features)
    if not grid.features:
        raise Refused("No column of the reference can be compared.", file=str(reference))
    base = profile(_pieces(reference), grid)
    for path in batches:
        yield Path(path).name, drift.score(base, _seen(path, grid), settings)


def _seen(path: str | Path, grid: Any) -> Profile:
    return profile(_pieces(path), grid)


def _head(path: str | Path, rows: int = 200_000) -> list[pa.RecordBatch]:
    found, seen = [], 0
    for piece in _pieces(path):
        found.append(piece)
        seen += piece.num_rows
        if seen >= rows:
            break
    if not seen:
        raise Refused("There is no row in it.", file=str(path))
    return found


def _pieces(path: str | Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file, piece by piece."""
    path = Path(path)
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=65_536)
        else:
            from pyarrow import csv

            with csv.open_csv(path) as reader:
                yield from reader
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"It cannot be read: {error}.", file=str(path)) from error


def report_json(name: str, report: DriftReport) -> dict[str, Any]:
    """A report as the plain object that ``run.py check --json`` prints.

    Parameters
    ----------
    name : str
        Of the batch.
    report : DriftReport
    """
    return {
        "batch": name,
        "rows": report.rows,
        "verdict": report.verdict,
        "drift": report.drift,
        "score": report.score,
        "p_value": report.p_value,
        "features": [
            {
                "name": one.name,
                "kind": one.kind,
                "score": one.score,
                "p_value": one.p_value,
                "drift": one.drift,
                "distances": one.distances,
                "effect": one.effect,
                "null_rate": one.null_rate,
                "reference_null_rate": one.reference_null_rate,
                "new_levels": list(one.new_levels),
                "eye": one.eye,
                "explanation": one.explanation,
            }
            for one in report.features
        ],
        "dependence": {
            "score": report.link_score,
            "drift": any(link.drift for link in report.links),
            "pairs": [vars(link) for link in report.links],
        },
        "faults": [vars(fault) for fault in report.faults],
        "explanation": report.explanation,
    }
