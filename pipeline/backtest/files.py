"""A recorded file to a table in time order with a schema, and its replays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import models, read
from pipeline.backtest.prequential import pieces, replayed
from pipeline.backtest.rivals import check_policy
from pipeline.backtest.score import scorer
from pipeline.profile import infer
from pipeline.target import task_of
from storage.errors import Refused
from storage.records import Schema
from storage.settings import Settings, changed


def backtest_file(
    path: str | Path,
    *,
    target: str,
    time_column: str | None = None,
    train: int | None = None,
    batch: int | None = None,
    policies: Sequence[str] = ("auto",),
    estimator: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Replay a recorded file under one policy after the other.

    Parameters
    ----------
    path : path
        Any format that can be ingested, with the target.
    target : str
    time_column : str, optional
        Rows are taken in its order; otherwise in that of the file.
    train, batch : int, optional
        Rows of the first training (a fifth of the file, at most 5,000) and of each batch (a thirtieth of the rest, at
        least 50).
    policies : sequence of str
    estimator : str, optional
    settings : mapping, optional
        Dotted key to value, over the defaults.
    seed : int

    Yields
    ------
    dict
        As ``backtest``; with more than one policy each line says its ``policy``.

    Raises
    ------
    Refused
        If the file, a column, a policy or a setting is not as it should be.
    """
    for policy in policies:
        check_policy(policy)
    chosen = changed(Settings(), dict(settings or {}))
    table, schema = recorded(Path(path), target, time_column, chosen)
    reference, batches = cut(table, train, batch)
    score = scorer(reference, schema, chosen)
    for policy in policies:
        lines = replayed(
            reference, batches, schema, chosen, policy=policy, estimator=estimator or models.DEFAULT, seed=seed,
            score=score,
        )  # fmt: skip
        for line in lines:
            yield {**line, "policy": policy} if len(policies) > 1 and "summary" not in line else line


def cut(table: pa.Table, train: int | None = None, batch: int | None = None) -> tuple[pa.Table, list[pa.Table]]:
    """The first training rows and the batches after them.

    Parameters
    ----------
    table : pyarrow.Table
        In time order.
    train, batch : int, optional
        As in ``backtest_file``.
    """
    train = train or min(5_000, max(10, table.num_rows // 5))
    batch = batch or max(min(50, table.num_rows - train), (table.num_rows - train) // 30)
    return table.slice(0, train), pieces(table, train, batch)


def recorded(
    path: Path, target: str, time_column: str | None, settings: Settings, name: str | None = None
) -> tuple[pa.Table, Schema]:
    """A file as a table in time order, rows without a label left out, with the schema inferred from it."""
    name = name or path.name
    table = read.typed(read.read_table(path, name, settings.read))
    for wanted in filter(None, (target, time_column)):
        if wanted not in table.column_names:
            told = f"Columns: {', '.join(table.column_names)}."
            raise Refused(f"There is no column {wanted!r}.", file=name, remedy=told)
    features = infer(table, target=target, time_column=time_column)
    if all(feature.kind == "ignored" for feature in features):
        raise Refused("No column is left to learn from.", file=name)
    task, classes = task_of(table.column(target), target, name)
    table = table.filter(pc.is_valid(table.column(target)))
    if time_column is not None:
        table = table.take(pc.sort_indices(table.column(time_column)))
    at = table.schema.get_field_index(target)
    labels = table.column(target)
    text = pa.array([read.class_text(value) for value in labels.to_pylist()]) if classes else labels.cast(pa.float64())
    return table.set_column(at, target, text), Schema(features, target, task, classes, time_column=time_column)
