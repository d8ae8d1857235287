"""Imported once by the fork server, so that every child starts with scikit-learn and ours in memory."""

import pandas
import sklearn.compose
import sklearn.ensemble
import sklearn.impute
import sklearn.linear_model
import sklearn.preprocessing
import skops.io
import threadpoolctl

import pipeline.backtest
import pipeline.learn

__all__ = ["pandas", "pipeline", "sklearn", "skops", "threadpoolctl"]
