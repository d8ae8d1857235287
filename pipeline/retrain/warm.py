"""Imported once by the fork server, so that every training starts with scikit-learn in memory."""

import pandas
import sklearn.compose
import sklearn.ensemble
import sklearn.impute
import sklearn.linear_model
import sklearn.preprocessing
import skops.io
import threadpoolctl

import pipeline.retrain.contest

__all__ = ["pandas", "pipeline", "sklearn", "skops", "threadpoolctl"]
