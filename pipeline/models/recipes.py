"""Estimators by name or dotted path, with a pipeline in front that survives what training never showed.

scikit-learn is imported inside the functions: it costs more than a second, and many commands need none of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from storage.errors import Refused
from storage.records import Schema

MOST_LEVELS = 250  # of one categorical feature; rarer ones share a level (gradient boosting bins at most 255)


@dataclass(frozen=True)
class Recipe:
    """A named estimator: one row of ``RECIPES``."""

    name: str
    label: str
    classification: str  # dotted path
    regression: str
    native: bool = False  # takes missing values and level codes as they are
    params: Mapping[str, Any] = field(default_factory=dict)


_BOOSTING = {"early_stopping": False, "max_iter": 100}
RECIPES: dict[str, Recipe] = {
    row.name: row
    for row in (
        Recipe(
            "boosting",
            "Gradient boosting (histograms)",
            "sklearn.ensemble.HistGradientBoostingClassifier",
            "sklearn.ensemble.HistGradientBoostingRegressor",
            native=True,
            params=_BOOSTING,
        ),
        Recipe(
            "forest",
            "Random forest",
            "sklearn.ensemble.RandomForestClassifier",
            "sklearn.ensemble.RandomForestRegressor",
            params={"n_estimators": 100, "min_samples_leaf": 3},
        ),
        Recipe(
            "linear",
            "Logistic or ridge regression",
            "sklearn.linear_model.LogisticRegression",
            "sklearn.linear_model.Ridge",
        ),
    )
}
DEFAULT = "boosting"


def build(
    estimator: str,
    schema: Schema,
    seed: int,
    params: Mapping[str, Any] | None = None,
    empty: Collection[str] = (),
) -> Any:
    """An unfitted pipeline: imputation and encoding that survive what training never showed, then the estimator.

    Parameters
    ----------
    estimator : str
        A row of ``RECIPES`` or a dotted path such as ``sklearn.svm.SVC``.
    schema : Schema
    seed : int
        Given to the estimator as ``random_state`` where it takes one.
    params : mapping, optional
        Passed to the estimator, over the recipe's own.
    empty : collection of str
        Features without a single value in the training rows; they are left out.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Takes the data frame of ``frame``.

    Raises
    ------
    Refused
        If there is no such estimator, it is for another task, or it does not take these parameters.
    """
    from sklearn.pipeline import Pipeline

    recipe = RECIPES.get(estimator)
    path = getattr(recipe, schema.task) if recipe else estimator
    given = {**(recipe.params if recipe else {}), **(params or {})}
    native = recipe.native if recipe else "HistGradientBoosting" in path
    learner = _made(_found(path), path, given, seed)
    _check_task(learner, schema, path)
    numeric = [f.name for f in schema.watched if f.kind != "categorical" and f.name not in empty]
    levels = [f.name for f in schema.watched if f.kind == "categorical" and f.name not in empty]
    if native and levels:
        learner.set_params(categorical_features=[False] * len(numeric) + [True] * len(levels))
    return Pipeline([("prepare", _prepare(numeric, levels, native)), ("model", learner)])


def _found(path: str) -> Callable[..., Any]:
    """The class at a dotted path."""
    module, _, name = path.rpartition(".")
    if not module:
        raise Refused(
            f"There is no estimator {path!r}.",
            remedy=f"Name one of {', '.join(RECIPES)}, or a dotted path such as sklearn.svm.SVC.",
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Refused(f"The estimator {path!r} cannot be imported: {error}.") from error
    if not (hasattr(found, "fit") and hasattr(found, "predict") and hasattr(found, "get_params")):
        raise Refused(f"{path!r} is not an estimator: it has no fit, predict and get_params.")
    return found


def _made(kind: Callable[..., Any], path: str, params: Mapping[str, Any], seed: int) -> Any:
    """The estimator with its parameters, seeded, using one core."""
    try:
        learner = kind(**params)
        known = learner.get_params()
        fixed = {"random_state": seed, "n_jobs": 1}
        return learner.set_params(**{key: value for key, value in fixed.items() if key in known and key not in params})
    except (TypeError, ValueError) as error:
        raise Refused(f"{path} cannot be made: {error}.", remedy="Give the parameters it needs.") from error


def _check_task(learner: Any, schema: Schema, path: str) -> None:
    """Refuse a regressor for classes and the reverse."""
    from sklearn.base import is_classifier, is_regressor

    fits = is_classifier(learner) if schema.task == "classification" else is_regressor(learner)
    if not fits:
        raise Refused(f"{path} does not do {schema.task}, but the target {schema.target!r} needs it.")


def _prepare(numeric: Sequence[str], levels: Sequence[str], native: bool) -> Any:
    """The column transformer in front of the estimator."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    if native:
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
            max_categories=MOST_LEVELS,
        )
        parts = [("numbers", "passthrough", list(numeric)), ("levels", codes, list(levels))]
    else:
        numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, max_categories=MOST_LEVELS)
        parts = [("numbers", numbers, list(numeric)), ("levels", one_hot, list(levels))]
    return ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0.0)
