"""Other detectors with their defaults, each run by the Python of its own environment, where nothing of ours is.

``PYTHON -I tests/benchmarks/peers.py NAME [REFERENCE BATCH..]`` fits a peer on a file and judges others. Without files
it reads one JSON object a line, ``{"reference": FILE}`` to be fitted or ``{"batch": FILE}`` to be judged. It answers
each with a line: ``{"alarm", "columns", "seconds", "read"}``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def evidently(reference: Any) -> Any:
    """Data set drift of the preset: at least half of the columns drift; it fits nothing."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    def judge(batch: Any) -> tuple[bool, list[str]]:
        found = Report([DataDriftPreset()]).run(batch, reference).dict()["metrics"]
        drifted = []
        for one in found:
            config = one["config"]
            if "column" in config:
                value, line = float(one["value"]), config["threshold"]
                if value < line if "p_value" in config["method"] else value >= line:
                    drifted.append(config["column"])
        share = next(one for one in found if "drift_share" in one["config"])
        return share["value"]["share"] >= share["config"]["drift_share"], drifted

    return judge


def nannyml(reference: Any) -> Any:
    """Univariate drift of any column, chunks of the batch's size, 1,000 rows at most."""
    from nannyml import UnivariateDriftCalculator

    fitted: dict[int, Any] = {}

    def judge(batch: Any) -> tuple[bool, list[str]]:
        size = min(len(batch), 1_000)
        if size not in fitted:
            made = UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=size)
            fitted[size] = made.fit(reference)
        table = fitted[size].calculate(batch).filter(period="analysis").to_df()
        alarms = table.xs("alert", axis=1, level=-1).any()
        return bool(alarms.any()), sorted({key[0] for key, alarm in alarms.items() if alarm})

    return judge


def alibi(reference: Any) -> Any:
    """TabularDrift: Kolmogorov-Smirnov and chi-square, Bonferroni. It knows no missing values: they are filled."""
    from alibi_detect.cd import TabularDrift

    names, filled = list(reference.columns), _filled(reference)
    levels = {at: None for at, name in enumerate(names) if filled[name].dtype == object}
    detector = TabularDrift(filled.to_numpy(), p_val=0.05, categories_per_feature=levels)

    def judge(batch: Any) -> tuple[bool, list[str]]:
        data = detector.predict(_filled(batch)[names].to_numpy(), drift_type="batch")["data"]
        return bool(data["is_drift"]), [n for n, p in zip(names, data["p_val"], strict=True) if p < data["threshold"]]

    return judge


def _filled(frame: Any) -> Any:
    """A frame with medians and a level of its own where values are missing."""
    made = frame.copy()
    for name in made.columns:
        if made[name].dtype.kind in "fiu":
            made[name] = made[name].fillna(made[name].median())
        else:
            made[name] = made[name].astype(object).where(made[name].notna(), "missing")
    return made


def scipy(reference: Any) -> Any:
    """Kolmogorov-Smirnov and chi-square a column, Bonferroni at .05: what one writes by hand."""
    import pandas as pd
    from scipy.stats import chi2_contingency, ks_2samp

    def p_value(name: str, batch: Any) -> float:
        one, two = reference[name].dropna(), batch[name].dropna()
        if one.dtype.kind in "fiu":
            return float(ks_2samp(one, two).pvalue)
        counts = pd.concat([one.value_counts(), two.value_counts()], axis=1).fillna(0)
        return float(chi2_contingency(counts.to_numpy(), correction=False).pvalue)

    def judge(batch: Any) -> tuple[bool, list[str]]:
        found = [name for name in reference.columns if p_value(name, batch) < 0.05 / reference.shape[1]]
        return bool(found), found

    return judge


PEERS = {one.__name__: one for one in (evidently, nannyml, alibi, scipy)}


def read(path: str) -> Any:
    """A Parquet file, text as plain strings: some peers know no other."""
    import pandas as pd

    frame = pd.read_parquet(path)
    for name in frame.columns:
        if frame[name].dtype.kind not in "fiub":
            frame[name] = frame[name].astype(object)
    return frame


def serve(name: str, files: list[str]) -> None:
    """Answer for each file, or for each line until the input ends. What a peer prints by itself goes to stderr."""
    os.environ |= {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}  # a benchmark tells nobody
    answers, sys.stdout = os.fdopen(os.dup(1), "w", buffering=1), sys.stderr
    judge = None
    named = ({"reference" if at == 0 else "batch": file} for at, file in enumerate(files))
    for asked in named if files else map(json.loads, sys.stdin):
        started = time.perf_counter()
        table = read(next(iter(asked.values())))
        ready = time.perf_counter()
        alarm, columns = False, []
        if "reference" in asked:
            judge = PEERS[name](table)
        else:
            alarm, columns = judge(table)
        done = time.perf_counter()
        answer = {"alarm": alarm, "columns": columns, "seconds": done - ready, "read": ready - started}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
