"""Comparing files with a reference file: no monitor, no database, memory that does not grow with rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import drift
from pipeline.profile import Grid, Profile, fit_grid, infer, profile
from storage.errors import Refused
from storage.records import DriftReport, Kind
from storage.settings import Settings

_HEAD = 100_000  # rows that kinds and cells are taken from
_PIECE = 32_768  # rows read at a time
_BUFFER = 1 << 18  # bytes of a Parquet column read at a time; else a whole row group is held
_PARQUET = b"PAR1"


def check(
    reference: str | Path, batches: Sequence[str | Path], target: str | None = None, settings: Settings | None = None
) -> Iterator[tuple[str, DriftReport]]:
    """Compare files with a reference, one after the other.

    Parameters
    ----------
    reference : path
        Any format that can be read; Parquet and CSV are streamed.
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
        If a file cannot be read, or has none of the reference's features; if a setting is of a feature that is not
        there.
    """
    settings = settings or Settings()
    base = fitted(Path(reference), target)
    unknown = sorted(set(settings.features) - set(base.grid.by_name))
    if unknown:
        raise Refused(f"A setting is of the feature {unknown[0]!r}, which is not compared.", file=Path(reference).name)
    kinds = {one.name: one.kind for one in base.grid.features}
    for path in map(Path, batches):
        seen = profile(_pieces(path, kinds, _watched(path, base.grid)), base.grid)
        yield path.name, drift.score(base, seen, settings)


def fitted(path: Path, target: str | None = None) -> Profile:
    """The profile of a reference file, over cells laid on its first rows.

    Raises
    ------
    Refused
        If it cannot be read, has no rows or nothing that can be compared, or lacks the target.
    """
    rows = _pieces(path)
    first: list[pa.RecordBatch] = []
    while sum(piece.num_rows for piece in first) < _HEAD and (piece := next(rows, None)) is not None:
        first.append(piece)
    if not any(piece.num_rows for piece in first):
        raise Refused("There is no row in it.", file=path.name)
    head = pa.Table.from_batches(first)
    if target is not None and target not in head.column_names:
        raise Refused("It has no such column.", file=path.name, column=target)
    grid = fit_grid(head, infer(head, target=target))
    if not grid.features:
        raise Refused("No column of the reference can be compared.", file=path.name)
    return profile(chain(first, rows), grid)


def _watched(path: Path, grid: Grid) -> list[str]:
    """The features that a batch has; one that it lacks counts as missing throughout."""
    names = _names(path)
    watched = [one.name for one in grid.features if names is None or one.name in names]
    if not watched:
        wanted = ", ".join(one.name for one in grid.features[:5])
        raise Refused(f"It has none of the reference's columns ({wanted}).", file=path.name)
    return watched


# --- reading --------------------------------------------------------------------------------------------------------


def _pieces(
    path: Path, kinds: Mapping[str, Kind] | None = None, names: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a file, piece by piece.

    Parquet says what its columns are and is taken at its word, text still coded as it lies in the file. Other formats
    go through ``pipeline.read``, which finds out.
    """
    if _is_parquet(path):
        yield from _parquet(path, names)
        return
    from pipeline.read import scan

    for piece in scan(path, kinds):
        yield piece.select([name for name in names if name in piece.schema.names]) if names else piece


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == _PARQUET
    except OSError as error:
        raise Refused(f"It cannot be opened: {error.strerror}.", file=path.name) from error


def _names(path: Path) -> list[str] | None:
    """The columns of a file that says so cheaply; None for others."""
    if not _is_parquet(path):
        return None
    with _opened(path, []) as file:
        return file.schema_arrow.names


def _parquet(path: Path, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    with _opened(path, []) as file:
        texts = [column.name for column in file.schema_arrow if _is_text(column.type)]
    with _opened(path, texts) as file:
        try:
            yield from file.iter_batches(batch_size=_PIECE, columns=names)
        except (OSError, pa.ArrowException) as error:
            raise Refused(f"The Parquet file is damaged: {error}.", file=path.name) from error


def _opened(path: Path, texts: list[str]) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, read_dictionary=texts, buffer_size=_BUFFER, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise Refused(f"The Parquet file is damaged: {error}.", file=path.name) from error


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


# --- telling --------------------------------------------------------------------------------------------------------


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
