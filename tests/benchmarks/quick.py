"""Learners for comparisons: gradient boosting in few rounds, the same for all policies; support vectors."""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.svm import SVC


class HistGradientBoostingQuick(HistGradientBoostingClassifier):
    """Thirty rounds of fifteen leaves: a few points below the default learner, in a fraction of its time."""

    def __init__(
        self,
        *,
        random_state: Any = None,
        categorical_features: Any = None,
        max_iter: int = 30,
        learning_rate: float = 0.2,
        max_leaf_nodes: int = 15,
        early_stopping: bool = False,
    ) -> None:
        super().__init__(
            random_state=random_state,
            categorical_features=categorical_features,
            max_iter=max_iter,
            learning_rate=learning_rate,
            max_leaf_nodes=max_leaf_nodes,
            early_stopping=early_stopping,
        )


class SupportVectors(SVC):
    """Support vectors that state probabilities."""

    def __init__(self, *, random_state: Any = None, probability: bool = True) -> None:
        super().__init__(random_state=random_state, probability=probability)
