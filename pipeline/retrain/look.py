"""Labelled rows beside what the version that predicted them made one expect. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.models import Predictions
from storage.records import Metric, Schema

SURE = 0.02  # least chance the champion is credited with for a label


@dataclass(frozen=True)
class Look:
    """Labelled rows as they are looked at."""

    schema: Schema
    table: pa.Table  # n rows
    y: NDArray  # (n,) labels as they came
    said: Predictions  # of the champion
    chances: NDArray[np.float64] | None  # (n, classes) what it made one expect, calibrated; None for regression
    level: Metric | None  # its accuracy or RMSE when it was promoted
    past: Callable[[], pa.Table]  # earlier sound rows, read only when they are needed

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    @property
    def number(self) -> NDArray[np.intp]:
        """Class number of each label, -1 for an unknown one."""
        at = {name: i for i, name in enumerate(self.schema.classes)}
        return np.array([at.get(str(value), -1) for value in self.y], dtype=np.intp)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Where the champion is right; of a regression, where it errs by less than twice its usual error."""
        if self.schema.task == "classification":
            return self.y.astype(str) == self.said.values.astype(str)
        usual = self.level.value if self.level else float(np.std(self.y))
        return np.abs(self.y - self.said.values) < 2 * usual

    @property
    def expected(self) -> NDArray[np.float64]:
        """Chances (n, classes), none below ``SURE``."""
        assert self.chances is not None
        p = np.maximum(self.chances, SURE)
        return p / p.sum(1, keepdims=True)


def unlikely(look: Look, rows: NDArray[np.bool_] | slice = slice(None)) -> float:
    """By how many standard errors these labels are less likely than the champion made one expect."""
    p, y = look.expected[rows], look.number[rows]
    logs = np.log(p)
    mean = (p * logs).sum(1)
    spread = (p * logs**2).sum(1) - mean**2
    came = np.where(y >= 0, logs[np.arange(len(y)), np.maximum(y, 0)], math.log(SURE))
    return float((mean - came).sum()) / math.sqrt(float(spread.sum()) + 1e-9)
