"""A whole replay, batch by batch: each is predicted and measured before anything is learned from it. In memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import models, performance
from pipeline.backtest.replay import step
from pipeline.backtest.rivals import check_policy
from pipeline.backtest.score import Score
from pipeline.backtest.state import start
from pipeline.hands import ONE, hands
from storage.errors import Refused
from storage.records import Schema
from storage.settings import Settings


def backtest(
    table: pa.Table,
    schema: Schema,
    settings: Settings,
    *,
    train: int,
    batch: int,
    policy: str = "auto",
    estimator: str = models.DEFAULT,
    seed: int = 0,
    score: Score | None = None,
) -> Iterator[dict[str, Any]]:
    """Replay a table in its order, cut into batches of one size.

    Parameters
    ----------
    table : pyarrow.Table
        Normalised, in time order, with the target.
    train, batch : int
        Rows of the first training and of each batch; a last piece shorter than half a batch is left out.
    schema, settings, policy, estimator, seed, score
        As in ``replayed``.

    Yields
    ------
    dict
        As ``replayed``.

    Raises
    ------
    Refused
        If there is no such policy or there are too few rows.
    """
    check_policy(policy)
    batches = pieces(table, train, batch)
    yield from replayed(
        table.slice(0, train), batches, schema, settings, policy=policy, estimator=estimator, seed=seed, score=score
    )


def replayed(
    reference: pa.Table,
    batches: Sequence[pa.Table],
    schema: Schema,
    settings: Settings,
    *,
    policy: str = "auto",
    estimator: str = models.DEFAULT,
    seed: int = 0,
    score: Score | None = None,
) -> Iterator[dict[str, Any]]:
    """Replay batches as they came.

    Parameters
    ----------
    reference : pyarrow.Table
        What the first model learns, with the target.
    batches : sequence of pyarrow.Table
        In time order, with the target; a null label is a row that is predicted only.
    schema : Schema
    settings : Settings
    policy : str
        ``auto`` (the settings' own decisions) or a rival of ``RIVALS``.
    estimator : str
    seed : int
    score : callable, optional
        From ``scorer``; None replays without looking at the inputs.

    Yields
    ------
    dict
        A line a batch, then ``{"summary": ...}``.

    Raises
    ------
    Refused
        If there is no such policy or the first rows cannot be learned from.
    """
    name, number = check_policy(policy)
    values: list[float] = []
    retrains = 0
    with hands() if name == "auto" else ONE as helping:
        replay = start(reference, schema, settings, estimator, seed, name, helping)
        for at, rows in enumerate(batches, start=1):
            line, fitted = step(replay, at, rows, number, score)
            retrains += fitted
            values.append(line["value"])
            yield line
    yield {
        "summary": {
            "policy": policy,
            "metric": performance.primary(schema, settings.retrain.metric).name,
            "mean": _mean(values),
            "last_quarter": _mean(values[-max(1, len(values) // 4) :]),
            "batches": len(values),
            "retrains": retrains,
            "promotions": replay.promotions,
            "train_seconds": round(replay.train_seconds, 3),
        }
    }


def _mean(values: Sequence[float]) -> float:
    """Over the batches with labels; nan if there are none."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def pieces(table: pa.Table, train: int, batch: int) -> list[pa.Table]:
    """The batches after the first training rows; a last one shorter than half a batch is left out.

    Raises
    ------
    Refused
        If no batch is left, or the first training is too small.
    """
    if train < 10 or batch < 1:
        raise Refused(f"A backtest needs at least 10 training rows and 1 row a batch, not {train} and {batch}.")
    found = [table.slice(start, batch) for start in range(train, table.num_rows, batch)]
    found = [piece for piece in found if piece.num_rows >= max(1, batch / 2)]
    if not found:
        raise Refused(f"The file has {table.num_rows} rows; {train} train the first model and none are left to replay.")
    return found
