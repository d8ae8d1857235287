"""A recorded file to a table in time order with a schema, and its replays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import models, read
from pipeline.backtest.replay import backtest, check_policy
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
    train = train or min(5_000, max(10, table.num_rows // 5))
    batch = batch or max(min(50, table.num_rows - train), (table.num_rows - train) // 30)
    score = scorer(table.slice(0, train), schema, chosen)
    for policy in policies:
        lines = backtest(
            table, schema, chosen, train=train, batch=batch, policy=policy,
            estimator=estimator or models.DEFAULT, seed=seed, score=score,
        )  # fmt: skip
        for line in lines:
            yield {**line, "policy": policy} if len(policies) > 1 and "summary" not in line else line


def recorded(path: Path, target: str, time_column: str | None, settings: Settings) -> tuple[pa.Table, Schema]:
    """A file as a table in time order, rows without a label left out, with the schema inferred from it."""
    table = read.typed(read.read_table(path, path.name, settings.read))
    for name in filter(None, (target, time_column)):
        if name not in table.column_names:
            told = f"Columns: {', '.join(table.column_names)}."
            raise Refused(f"There is no column {name!r}.", file=path.name, remedy=told)
    features = infer(table, target=target, time_column=time_column)
    if all(feature.kind == "ignored" for feature in features):
        raise Refused("No column is left to learn from.", file=path.name)
    task, classes = task_of(table.column(target), target, path.name)
    table = table.filter(pc.is_valid(table.column(target)))
    if time_column is not None:
        table = table.take(pc.sort_indices(table.column(time_column)))
    at = table.schema.get_field_index(target)
    labels = table.column(target)
    text = pa.array([read.class_text(value) for value in labels.to_pylist()]) if classes else labels.cast(pa.float64())
    return table.set_column(at, target, text), Schema(features, target, task, classes, time_column=time_column)
