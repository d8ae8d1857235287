"""How far off a model expects to be: a small model of its misses, beside it (direct loss estimation)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.models.fitted import Model, fit, predict
from storage.errors import Refused
from storage.records import Schema

_COARSE = {"early_stopping": False, "max_iter": 40, "max_leaf_nodes": 8, "learning_rate": 0.1}
_FOLDS = 4
_LUCK = 1.0  # standard errors by which something must show


def with_errors(model: Model, table: pa.Table, misses: NDArray[np.float64], seed: int) -> Model:
    """A model that also says how far off it expects to be.

    Parameters
    ----------
    model : Model
    table : pyarrow.Table of n rows
    misses : ndarray of shape (n, m)
        How far off a model that was not fitted on these rows was, as ``performance.misses`` has it.
    seed : int

    Returns
    -------
    Model
        A classifier comes back as it was where its rows do not tell when its confidence misleads.
    """
    try:
        if model.classes and not _tells(model.schema, table, misses[:, 0], seed):
            return model
        return replace(model, errors=tuple(_learned(model.schema, table, miss, seed).pipeline for miss in misses.T))
    except Refused:
        return model


def _tells(schema: Schema, table: pa.Table, misses: NDArray[np.float64], seed: int) -> bool:
    """Whether what is learned from three quarters of the rows shows on the fourth by more than luck."""
    turn = np.arange(len(misses)) * _FOLDS // len(misses)
    shown = np.empty(len(misses))
    for k in range(_FOLDS):
        inside, outside = np.flatnonzero(turn != k), np.flatnonzero(turn == k)
        learned = _learned(schema, table.take(inside), misses[inside], seed)
        shown[outside] = predict(learned, table.take(outside)).values * misses[outside]
    return float(shown.sum()) > _LUCK * float(np.sqrt((shown**2).sum()))


def _learned(schema: Schema, table: pa.Table, misses: NDArray[np.float64], seed: int) -> Model:
    """A small regression of misses (n,) on the features."""
    table = table.select([feature.name for feature in schema.watched]).append_column(schema.target, pa.array(misses))
    return fit("boosting", table, replace(schema, task="regression", classes=()), seed, params=_COARSE)
