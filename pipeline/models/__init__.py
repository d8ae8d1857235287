"""Estimators: build, fit, predict, keep, load. No file is touched here; bytes go in and out.

``recipes`` makes unfitted pipelines, ``fitted`` turns tables into models and models into predictions, ``errors`` adds
how far off a model expects to be, ``artefact`` turns models into bytes and back.
"""

from pipeline.models.artefact import FORMAT, TRUSTED, dump, environment, load
from pipeline.models.errors import with_errors
from pipeline.models.fitted import Model, Predictions, column, fit, frame, importance, predict, target
from pipeline.models.recipes import DEFAULT, RECIPES, Recipe, build

__all__ = [
    "DEFAULT",
    "FORMAT",
    "RECIPES",
    "TRUSTED",
    "Model",
    "Predictions",
    "Recipe",
    "build",
    "column",
    "dump",
    "environment",
    "fit",
    "frame",
    "importance",
    "load",
    "predict",
    "target",
    "with_errors",
]
