"""The artefact: a model as bytes, and back.

A skops archive of plain values and scikit-learn objects. It is loaded only when every type in it is on our own list, it
was made by the same minor version of scikit-learn, and it repeats the predictions it was stored with. There is no
pickle here. A new layout gets the next ``FORMAT`` number and a branch in ``load``; old branches stay and stay tested.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.models.fitted import Model, Predictions, column, predict
from pipeline.models.vet import vet
from storage.errors import Refused, Unhealthy
from storage.records import Feature, Schema

FORMAT = 1
CHECK_ROWS = 20

# What skops asks about although it only holds numbers; whatever else skops does not know is refused.
TRUSTED: frozenset[str] = frozenset(
    {
        "functools.partial",  # only of a function that is trusted itself: gradient boosting wraps check_array in one
        "numpy.dtype",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils.validation.check_array",
    }
)

_BROKEN = (
    zipfile.BadZipFile, ArithmeticError, AttributeError, EOFError, ImportError, LookupError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip  # what a crafted archive may raise while it is built


def environment() -> dict[str, str]:
    """Versions of what an artefact depends on."""
    names = ("numpy", "scipy", "scikit-learn", "skops", "pandas", "pyarrow")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}


def _check_table(table: pa.Table, schema: Schema, rng: np.random.Generator) -> pa.Table:
    """Made-up rows over the same values, so that no person's row is kept inside an artefact."""
    columns = {}
    for feature in schema.watched:
        if feature.kind == "categorical":
            counts = pc.value_counts(table.column(feature.name).cast(pa.string()).drop_null()).to_pylist()
            common = sorted((-row["counts"], row["values"]) for row in counts)[:5]
            levels = [name for _, name in common] or [None]
            columns[feature.name] = pa.array(
                [levels[i] for i in rng.integers(len(levels), size=CHECK_ROWS)], pa.string()
            )
            continue
        values = column(table, feature)
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, (0.05, 0.95)) if len(values) else (0.0, 1.0)
        made = np.round(rng.uniform(low, high, CHECK_ROWS), 6)
        if feature.kind == "date":
            columns[feature.name] = pa.array((made * 86_400e6).astype(np.int64), pa.int64()).cast(pa.timestamp("us"))
        else:
            columns[feature.name] = pa.array(made)
    return pa.table(columns)


def dump(model: Model, table: pa.Table | None = None) -> bytes:
    """The artefact of a model, loaded back and compared before it is handed out.

    Parameters
    ----------
    model : Model
    table : pyarrow.Table, optional
        Rows whose ranges the stored check rows are drawn from; none are stored themselves.

    Raises
    ------
    Refused
        If the estimator does not survive: a type that is not on our list, or other predictions after loading.
    """
    from skops.io import dumps

    checks = _check_table(table, model.schema, np.random.default_rng(0)) if table is not None else None
    said = None if checks is None else _figures(predict(model, checks))
    content = {
        "format": FORMAT,
        "schema": json.dumps(asdict(model.schema)),
        "classes": list(model.classes),
        "environment": environment(),
        "pipeline": model.pipeline,
        "errors": list(model.errors),
        "checks": "" if checks is None else _packed(checks).hex(),
        "said": np.empty(0) if said is None else said,
    }
    try:
        data = dumps(content)
        load(data)
    except Unhealthy as error:
        raise Refused(f"This estimator cannot be kept: {error}") from error
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise Refused(f"This estimator cannot be kept: {error}.") from error
    return data


def load(data: bytes) -> Model:
    """The model in an artefact. The caller has compared the bytes with their hash.

    Raises
    ------
    Unhealthy
        For bytes that are no artefact, types that are not on our list, another minor version of scikit-learn, or
        predictions on the check rows that differ from those stored.
    """
    from skops.io import get_untrusted_types, loads
    from skops.io.exceptions import UntrustedTypesFoundException

    vet(data)
    try:
        foreign = [name for name in get_untrusted_types(data=data) if name not in TRUSTED]
        if foreign:
            raise Unhealthy(f"The model holds types that are not trusted: {', '.join(sorted(foreign)[:5])}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = loads(data, trusted=sorted(TRUSTED))
    except (UntrustedTypesFoundException, *_BROKEN) as error:
        raise Unhealthy(f"The model cannot be read: {error}.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Unhealthy("The model is of a format this version does not know; retrain it.")
    _check_environment(content["environment"])
    model = Model(
        content["pipeline"],
        schema_from_json(content["schema"]),
        tuple(content["classes"]),
        tuple(content["errors"]),
    )
    if content["checks"]:
        said = _figures(predict(model, _unpacked(bytes.fromhex(content["checks"]))))
        if not np.allclose(said, content["said"], rtol=1e-9, atol=1e-9, equal_nan=True):
            raise Unhealthy("The model does not repeat the predictions it was stored with; retrain it.")
    return model


def _check_environment(made: Mapping[str, str]) -> None:
    """Refuse an artefact of another minor version of scikit-learn."""
    here = environment()["scikit-learn"]
    there = made.get("scikit-learn", "")
    if here.split(".")[:2] != there.split(".")[:2]:
        raise Unhealthy(f"The model was made with scikit-learn {there}, here is {here}; retrain it.")


def schema_from_json(text: str) -> Schema:
    """A schema from the JSON of its fields."""
    fields = json.loads(text)
    features = tuple(Feature(**feature) for feature in fields.pop("features"))
    return Schema(features, classes=tuple(fields.pop("classes")), **fields)


def _figures(said: Predictions) -> NDArray[np.float64]:
    """Predictions as one array of figures, for comparison."""
    if said.probabilities is not None:
        return said.probabilities
    if said.values.dtype == object:
        return np.array([float(sum(map(ord, str(value)))) for value in said.values])
    return said.values


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _unpacked(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
