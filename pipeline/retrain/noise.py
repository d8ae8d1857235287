"""Is a loss explained by anything? Rows that fell are learned anew, beside the champion's own answers. Pure.

If the world changed, a model of the new rows knows better than the champion where it now errs. If labels were shuffled
or turned round by lot, nothing does: the champion, recalibrated, stays the best there is. A champion that is weak is
beaten by a model of any rows, so the new rows have to say more than calm rows do.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.hands import ONE, Hands
from pipeline.models import Predictions
from pipeline.models.threads import worth
from pipeline.retrain.field import unify
from pipeline.retrain.look import Look
from storage.errors import Refused
from storage.records import Feature, Schema

FOLDS = 4
EXPLAINS = 2.0  # standard errors by which a model of the rows must beat the recalibrated champion
LEAST_DUE = 0.02  # of what labels are expected to carry below which nothing can be missing
KEPT = 0.75  # share of what labels are expected to carry above which nothing is missing
_QUICK = {"early_stopping": False, "max_leaf_nodes": 8, "min_samples_leaf": 10, "learning_rate": 0.15}
_OWN = "\x00said "  # name of a column with the champion's answer; no column of a file can be called so


@dataclass(frozen=True)
class Noise:
    """What was found about a loss."""

    z: float  # by how many standard errors more than on calm rows a model of these rows beats the champion recalibrated
    kept: float  # what the labels still carry, as a share of what they should

    @property
    def doubtful(self) -> bool:
        """Whether the loss is explained by nothing."""
        return self.z < EXPLAINS and self.kept < KEPT


def noise(fallen: Sequence[Look], calm: Sequence[Look] = (), hands: Hands = ONE) -> list[Noise]:
    """How far the features of rows that fell explain where the champion errs.

    Parameters
    ----------
    fallen : sequence of Look
        Batches on which the champion fell. They are learned together, so that a small batch of a new world is
        understood with the help of its neighbours; each is judged by its own rows.
    calm : sequence of Look
        Batches that the champion has not learned either, and on which it did not fall.
    hands : Hands, optional
        What does the fits.

    Returns
    -------
    list of Noise
        One for each of ``fallen``; empty where nothing can be fitted.
    """
    studies = _studies([looks for looks in (fallen, calm) if looks], hands)
    if not studies:
        return []
    now, then = studies[0], studies[1] if len(studies) > 1 else None
    z, carried = np.full(len(fallen), -np.inf), np.array([now.carried(now.again, part) for part in now.parts])
    usual = then.carried(then.again) if then else math.nan
    for estimator, params in _learners(now.schema):
        anew, *others = hands.map(_cross_fitted, [(estimator, one.wide, one.schema, params) for one in studies])
        if anew is None:
            return []
        before, calmly = (0.0, 0.0), others[0] if others else None
        if then and calmly:
            before, usual = _mean(then.gains(calmly)), max(usual, then.carried(calmly))
        here = [_mean(now.gains(anew)[part]) for part in now.parts]
        z = np.maximum(z, [(mean - before[0]) / max(math.hypot(error, before[1]), 1e-12) for mean, error in here])
        carried = np.maximum(carried, [now.carried(anew, part) for part in now.parts])
        if z.min() >= EXPLAINS:
            break
    due = np.array([np.nanmax([_due(look), usual, 0.0]) for look in fallen])
    kept = np.where(due > LEAST_DUE, carried / np.maximum(due, LEAST_DUE), 1.0)
    return [Noise(*pair) for pair in zip(z.tolist(), kept.tolist(), strict=True)]


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """The mean and its standard error."""
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))


def _due(look: Look) -> float:
    """What sound labels would carry: ROC AUC over one half, times two; or the correlation. NaN where none is stated."""
    if look.schema.task == "regression":
        spread = float(np.var(look.y))
        usual = look.level.value**2 if look.level else 0.0
        return math.sqrt(max(1 - usual / spread, 0.0)) if spread else 0.0
    if look.said.probabilities is None:
        return math.nan
    return 2 * (performance.expected_area(look.said.probabilities, look.expected) - 0.5)


# --- rows learned anew ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Study:
    """Rows that are learned anew, and what the champion says of them once it is recalibrated."""

    wide: pa.Table  # with the champion's answers as further columns
    schema: Schema  # with these as further features
    answers: Schema  # with nothing else
    y: NDArray  # (n,) labels
    parts: tuple[slice, ...]  # the rows of each batch
    again: Predictions  # (n,)

    def gains(self, said: Predictions) -> NDArray[np.float64]:
        """How much closer to the labels these predictions are than the champion recalibrated, (n,)."""
        return self._losses(self.again) - self._losses(said)

    def _losses(self, said: Predictions) -> NDArray[np.float64]:
        """Brier's score, or the absolute error, of each row."""
        if not self.schema.classes:
            return np.abs(self.y - said.values)
        row = performance.METRICS["brier"].rows
        assert row is not None
        return row(performance.said(self.y, said.values, said.probabilities, self.schema))

    def carried(self, said: Predictions, rows: slice = slice(None)) -> float:
        """What these predictions tell about the labels: ROC AUC over one half, times two; or the correlation."""
        y, values = self.y[rows], said.values[rows]
        if said.probabilities is None:
            return float(np.corrcoef(y, values)[0, 1]) if np.std(values) and np.std(y) else 0.0
        number = performance.said(y, values, None, self.schema).truth
        area = performance.mean_area(number, said.probabilities[rows])
        return 2 * (area - 0.5) if np.isfinite(area) else 0.0


def _studies(groups: Sequence[Sequence[Look]], hands: Hands) -> list[_Study]:
    """Groups of batches put together, up to one on which the champion cannot be recalibrated."""
    drafts = [_draft(looks) for looks in groups]
    said = hands.map(_cross_fitted, [("linear", one.wide, one.answers, {}) for one in drafts])
    known = itertools.takewhile(lambda pair: pair[1] is not None, zip(drafts, said, strict=True))
    return [replace(draft, again=again) for draft, again in known]


def _draft(looks: Sequence[Look]) -> _Study:
    """Batches put together, the champion not yet recalibrated."""
    schema = looks[0].schema
    wide = unify([_with_answers(look, schema.classes) for look in looks])
    own = tuple(Feature(name, "numeric") for name in wide.column_names if name.startswith(_OWN))
    ends = np.cumsum([look.n for look in looks]).tolist()
    parts = tuple(slice(end - look.n, end) for end, look in zip(ends, looks, strict=True))
    y = np.concatenate([look.y for look in looks])
    return _Study(
        wide, replace(schema, features=(*schema.watched, *own)), replace(schema, features=own), y, parts, looks[0].said
    )


def _with_answers(look: Look, classes: Sequence[str]) -> pa.Table:
    """The rows with what the champion says as columns of numbers."""
    said, table = look.said, look.table
    if said.probabilities is not None:
        logs = np.log(np.clip(said.probabilities, 1e-3, 1.0))
        answers = list(logs.T[1:] - logs.T[0])
    elif classes:
        answers = [(said.values == name).astype(np.float64) for name in classes]
    else:
        answers = [np.asarray(said.values, dtype=np.float64)]
    for i, values in enumerate(answers):
        table = table.append_column(f"{_OWN}{i}", pa.array(values))
    return table


def _learners(schema: Schema) -> tuple[tuple[str, dict[str, Any]], ...]:
    """What the rows are learned with: the quick one first. Of boosting each class costs a tree a round."""
    rounds = max(20, 60 // max(1, len(schema.classes) - 1))
    return ("linear", {}), ("boosting", {**_QUICK, "max_iter": rounds})


def _cross_fitted(estimator: str, table: pa.Table, schema: Schema, params: dict[str, Any]) -> Predictions | None:
    """What learners of the other folds say of each row; None where one fold cannot be learned.

    The columns are prepared once for all folds: that looks at no label, and takes longer than a linear fit.
    """
    from sklearn.base import clone

    y = models.target(table, schema)
    y = y.astype(str) if schema.classes else y
    turn = np.arange(len(y)) % FOLDS
    if schema.classes and any(len(set(y[turn != k])) < 2 for k in range(FOLDS)):
        return None
    empty = [f.name for f in schema.watched if table.column(f.name).null_count == len(y)]
    values = np.empty(len(y), dtype=object if schema.classes else np.float64)
    chances = np.zeros((len(y), len(schema.classes))) if schema.classes else None
    try:
        pipeline = models.build(estimator, schema, 0, params, empty)
        with worth(len(y)), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = pipeline[0].fit_transform(models.frame(table, schema))
            for k in range(FOLDS):
                keep = turn == k
                learner = clone(pipeline[-1]).fit(rows[~keep], y[~keep])
                values[keep] = learner.predict(rows[keep])
                if chances is not None:
                    own = dict(zip(learner.classes_, learner.predict_proba(rows[keep]).T, strict=True))
                    chances[keep] = np.column_stack([own.get(name, np.zeros(keep.sum())) for name in schema.classes])
    except (Refused, TypeError, ValueError, np.linalg.LinAlgError):
        return None
    return Predictions(values, chances)
