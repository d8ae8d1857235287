"""One fit as a piece of work for another process. Pure, seeded; the time is measured only to be told."""

from __future__ import annotations

import time
from typing import NamedTuple

import pyarrow as pa

from pipeline import models
from pipeline.models import Model, Predictions
from storage.errors import Refused
from storage.records import Schema


class Fit(NamedTuple):
    """What came of it: a model and what it says of the rows it was asked about, or why there is none."""

    model: Model | None
    said: Predictions | None
    seconds: float
    refused: Refused | None = None


NONE = Fit(None, None, 0.0)


def learn(estimator: str, table: pa.Table, schema: Schema, seed: int, asked: pa.Table) -> Fit:
    """A model of the rows of a table, and what it says of others."""
    began = time.perf_counter()
    try:
        model = models.fit(estimator, table, schema, seed)
        return Fit(model, models.predict(model, asked), time.perf_counter() - began)
    except Refused as error:
        return Fit(None, None, time.perf_counter() - began, error)
