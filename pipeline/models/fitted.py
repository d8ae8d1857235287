"""Fit and predict: tables in, figures out. pandas and scikit-learn are imported when they are needed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.models.recipes import build
from pipeline.models.threads import worth
from storage.errors import Refused
from storage.records import Feature, Schema

ONE_CORE = 100_000  # rows up to which one core is used: more do not make it faster, and they are shared


@contextmanager
def one_core(rows: int) -> Iterator[None]:
    """Keep OpenMP and BLAS to one thread for few rows: their waiting for each other costs more than it brings."""
    if rows > ONE_CORE:
        yield
        return
    with _pools().limit(limits=1):
        yield


@functools.cache
def _pools() -> Any:
    import sklearn.ensemble  # noqa: F401  loads the libraries that are to be limited
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@dataclass(frozen=True)
class Model:
    """A fitted model, whole: what predicts, for which table, with which classes."""

    pipeline: Any
    schema: Schema
    classes: tuple[str, ...]  # of the columns of ``predict_proba``; empty for regression
    errors: tuple[Any, ...] = ()  # models of how far off it is, one for each column of ``Predictions.losses``


@dataclass(frozen=True)
class Predictions:
    """What a model says about n rows."""

    values: NDArray[Any]  # (n,) text or float64
    probabilities: NDArray[np.float64] | None  # (n, classes of the schema)
    losses: NDArray[np.float64] | None = None  # (n, m) how far off it expects to be, as ``performance.misses`` has it


def frame(table: pa.Table, schema: Schema) -> Any:
    """The features of a table as scikit-learn takes them.

    Parameters
    ----------
    table : pyarrow.Table
        Normalised: numbers, text, timestamps; null where missing. Columns beyond the features are left out.
    schema : Schema

    Returns
    -------
    pandas.DataFrame
        Numbers and dates (as days since 1970) as float64, levels as text, missing as NaN.
    """
    import pandas as pd

    return pd.DataFrame({f.name: column(table, f) for f in schema.watched}, copy=False)


def column(table: pa.Table, feature: Feature) -> NDArray[Any]:
    """One feature as float64, or as text with NaN where missing, (n,); infinities are missing."""
    raw = table.column(feature.name)
    if feature.kind == "categorical":
        values = np.array(raw.cast(pa.string()).to_pylist(), dtype=object)
        values[np.equal(values, None)] = np.nan
        return values
    if feature.kind == "date":
        raw = pc.divide(raw.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64()), 86_400e6)
    numbers = raw.cast(pa.float64()).combine_chunks()
    values = np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def target(table: pa.Table, schema: Schema) -> NDArray[Any]:
    """The target column: text of classes (object, None where missing) or float64 (NaN where missing), (n,)."""
    column = table.column(schema.target)
    if schema.task == "classification":
        return np.array(column.cast(pa.string()).to_pylist(), dtype=object)
    return np.array(column.cast(pa.float64()).combine_chunks().to_numpy(zero_copy_only=False), dtype=np.float64)


def fit(
    estimator: str,
    table: pa.Table,
    schema: Schema,
    seed: int,
    weights: NDArray[np.float64] | None = None,
    params: Mapping[str, Any] | None = None,
) -> Model:
    """Fit an estimator on the rows of a table that have a label.

    Parameters
    ----------
    estimator, schema, seed, params
        As in ``build``.
    table : pyarrow.Table of n rows
        Features and target.
    weights : ndarray of shape (n,), optional
        Weight of each row; an estimator that takes none learns from all rows alike.

    Raises
    ------
    Refused
        If no row has a label, there is one class only, or the estimator cannot learn from these rows.
    """
    from sklearn.utils.validation import has_fit_parameter

    labels = target(table, schema)
    known = np.not_equal(labels, None) if schema.task == "classification" else np.isfinite(labels)
    if not known.all():
        table, labels = table.filter(pa.array(known)), labels[known]
        weights = None if weights is None else weights[known]
    _check_labels(labels, schema)
    empty = [f.name for f in schema.watched if table.column(f.name).null_count == table.num_rows]
    if len(empty) == len(schema.watched):
        raise Refused("No feature has a single value in the rows to learn from.")
    pipeline = build(estimator, schema, seed, params, empty)
    weighted = weights is not None and has_fit_parameter(pipeline.named_steps["model"], "sample_weight")
    extra = {"model__sample_weight": weights} if weighted else {}
    labels = labels.astype(str) if schema.task == "classification" else labels
    try:
        with worth(table.num_rows), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline.fit(frame(table, schema), labels, **extra)
    except (TypeError, ValueError, MemoryError, np.linalg.LinAlgError) as error:
        raise Refused(f"{estimator} cannot learn from these {len(labels)} rows: {error}") from error
    classes = tuple(str(c) for c in pipeline.classes_) if schema.task == "classification" else ()
    return Model(pipeline, schema, classes)


def _check_labels(labels: NDArray[Any], schema: Schema) -> None:
    """Refuse what no estimator can learn from."""
    if len(labels) < 2:
        raise Refused(f"There are {len(labels)} labelled rows; at least two are needed to learn from.")
    if schema.task == "classification" and len(set(labels)) < 2:
        raise Refused(f"All {len(labels)} labels are {labels[0]!r}; there is nothing to tell apart.")


def predict(model: Model, table: pa.Table) -> Predictions:
    """What a model says about the rows of a table.

    Parameters
    ----------
    model : Model
    table : pyarrow.Table of n rows
        The features; the target is not looked at.

    Returns
    -------
    Predictions
        Probabilities have one column a class of the schema, in its order, and sum to 1 over those the model knows;
        None for a classifier without probabilities and for regression.
    """
    schema = model.schema
    if table.num_rows == 0:
        empty = np.empty(0, dtype=object if model.classes else np.float64)
        return Predictions(empty, np.empty((0, len(schema.classes))) if model.classes else None)
    rows = frame(table, schema)
    with worth(len(rows)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = np.column_stack([part.predict(rows) for part in model.errors]) if model.errors else None
        if not model.classes:
            values = np.asarray(model.pipeline.predict(rows), dtype=np.float64).reshape(len(rows))
            return Predictions(values, None, losses)
        if not hasattr(model.pipeline, "predict_proba"):
            return Predictions(np.asarray(model.pipeline.predict(rows)).astype(str).astype(object), None, losses)
        own = np.asarray(model.pipeline.predict_proba(rows), dtype=np.float64)
    values = np.array(model.classes, dtype=object)[own.argmax(1)]
    return Predictions(values, _aligned(own, model.classes, schema.classes), losses)


def _aligned(own: NDArray[np.float64], classes: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities (n, classes of the model) as (n, classes of the schema); a class never learned has 0."""
    if tuple(classes) == tuple(wanted):
        return own
    at = {name: i for i, name in enumerate(classes)}
    out = np.zeros((len(own), len(wanted)))
    for j, name in enumerate(wanted):
        if name in at:
            out[:, j] = own[:, at[name]]
    return out


def importance(
    model: Model,
    table: pa.Table,
    loss: Callable[[Predictions], float],
    rng: np.random.Generator,
    repeats: int = 2,
) -> dict[str, float]:
    """How much worse the model gets when a feature's values are shuffled among the rows (Breiman 2001).

    Parameters
    ----------
    model : Model
    table : pyarrow.Table
        Rows the model was not fitted on.
    loss : callable
        Predictions for these rows -> a figure that is lower when they are better.
    rng : numpy.random.Generator
    repeats : int
        Shuffles a feature.

    Returns
    -------
    dict
        Feature to mean rise of the loss; about 0 (also slightly negative) for one that is not used.
    """
    base = loss(predict(model, table))
    out: dict[str, float] = {}
    for feature in model.schema.watched:
        at = table.schema.get_field_index(feature.name)
        rises = []
        for _ in range(repeats):
            column = table.column(at).take(pa.array(rng.permutation(table.num_rows)))
            rises.append(loss(predict(model, table.set_column(at, table.field(at), column))) - base)
        out[feature.name] = float(np.mean(rises))
    return out
