"""Tables that no one here prepared: two, seven classes and numbers, through drift, retraining and comparison."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, make_classification, make_friedman1

from pipeline.service import Service
from storage import history
from storage.upkeep import doctor


def cancer() -> tuple[pd.DataFrame, str]:
    table = load_breast_cancer(as_frame=True).frame.sample(frac=4, replace=True, random_state=0)
    return table.assign(target=table["target"].map({0: "malignant", 1: "benign"})), "mean radius"


def seven_classes() -> tuple[pd.DataFrame, str]:
    X, y = make_classification(
        2400, 8, n_informative=6, n_redundant=0, n_classes=7, n_clusters_per_class=1, class_sep=2, random_state=0
    )
    table = pd.DataFrame(X, columns=[f"x{at}" for at in range(8)])
    return table.assign(target=y), "x0"


def numbers() -> tuple[pd.DataFrame, str]:
    X, y = make_friedman1(2400, 6, noise=0.5, random_state=0)
    return pd.DataFrame(X, columns=[f"x{at}" for at in range(6)]).assign(target=y), "x3"


CASES = {"two classes": (cancer, 2), "seven classes": (seven_classes, 7), "numbers": (numbers, 0)}


def csv(table: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    table.to_csv(sink, index=False)
    return sink.getvalue()


@pytest.mark.parametrize("case", CASES)
def test_a_table_of_any_kind(case, tmp_path: Path):
    make, classes = CASES[case]
    table, moving = make()
    table.insert(0, "key", np.arange(len(table)))
    reference, pieces = table[:1200], [table[1200:1500], table[1500:1800], table[1800:2100]]
    pieces[2] = pieces[2].assign(**{moving: pieces[2][moving] + 3 * reference[moving].std()})
    service = Service(tmp_path / "data")
    settings = {"retrain.min_labelled": 100, "retrain.cooldown": 0}
    monitor = service.init("any", "reference.csv", csv(reference), "target", id_column="key", settings=settings)
    assert len(monitor.schema.classes) == classes
    calm, _, moved = [service.ingest("any", f"{at}.csv", csv(piece)).batch for at, piece in enumerate(pieces)]
    assert not history.report(service.db, calm.id).drift
    assert moving in history.report(service.db, moved.id).drifted
    service.retrain("any")
    service.work("any")
    trained = next(
        d for d in history.decisions(service.db, monitor.id) if d.trigger == "person" and d.action != "train"
    )
    assert trained.action in ("promote", "reject", "hold"), trained.reason
    assert any(decision.details.get("candidates") for decision in history.decisions(service.db, monitor.id))
    line = service.status("any")[0]
    assert line["batches"] == 3
    versions = history.versions(service.db, monitor.id)
    (seen,) = service.compare("any", 1, versions[-1].number)
    assert seen.rows >= 300
    assert set(seen.differences) == set(seen.metrics_a)
    said = service.predict("any", "new.csv", csv(table[2100:2110].drop(columns="target")))
    assert [row["id"] for row in said] == [str(at) for at in range(2100, 2110)]
    service.close()
    assert [finding.text for finding in doctor(tmp_path / "data") if not finding.ok] == []
