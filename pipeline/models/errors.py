"""How far off a model expects to be: a small model of its misses, beside it (direct loss estimation)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.hands import ONE, Hands
from pipeline.models.fitted import Model, fit, predict
from storage.errors import Refused
from storage.records import Schema

_COARSE = {"early_stopping": False, "max_iter": 20, "max_leaf_nodes": 8, "learning_rate": 0.2}
_FOLDS = 4
_LUCK = 1.0  # standard errors by which something must show


def with_errors(model: Model, table: pa.Table, misses: NDArray[np.float64], seed: int, hands: Hands = ONE) -> Model:
    """A model that also says how far off it expects to be.

    Parameters
    ----------
    model : Model
    table : pyarrow.Table of n rows
    misses : ndarray of shape (n, m)
        How far off a model that was not fitted on these rows was, as ``performance.misses`` has it.
    seed : int
    hands : Hands, optional
        What does the fits.

    Returns
    -------
    Model
        A classifier comes back as it was where its rows do not tell when its confidence misleads.
    """
    try:
        if model.classes and not _tells(model.schema, table, misses[:, 0], seed, hands):
            return model
        learned = hands.map(_learned, [(model.schema, table, miss, seed) for miss in misses.T])
        return replace(model, errors=tuple(one.pipeline for one in learned))
    except Refused:
        return model


def _tells(schema: Schema, table: pa.Table, misses: NDArray[np.float64], seed: int, hands: Hands) -> bool:
    """Whether what is learned from three quarters of the rows shows on the fourth by more than luck."""
    turn = np.arange(len(misses)) * _FOLDS // len(misses)
    inside = [np.flatnonzero(turn != k) for k in range(_FOLDS)]
    learned = hands.map(_learned, [(schema, table.take(rows), misses[rows], seed) for rows in inside])
    shown = np.concatenate(
        [predict(one, table.take(np.flatnonzero(turn == k))).values for k, one in enumerate(learned)]
    )
    shown *= misses  # the folds follow one another
    return float(shown.sum()) > _LUCK * float(np.sqrt((shown**2).sum()))


def _learned(schema: Schema, table: pa.Table, misses: NDArray[np.float64], seed: int) -> Model:
    """A small regression of misses (n,) on the features."""
    table = table.select([feature.name for feature in schema.watched]).append_column(schema.target, pa.array(misses))
    return fit("boosting", table, replace(schema, task="regression", classes=()), seed, params=_COARSE)
