"""The settings of a monitor: one validated value, stored whole, every change a new row.

Defaults are what we would sign for an unknown table. A key is addressed with dots, as in
``run.py init ... --set drift.budget=0.02 --set features.bmi.min_effect=0.2``.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.errors import Refused

Rule = Literal["calibrated", "ks", "psi", "js", "hellinger", "tv", "wasserstein", "chi2", "cramers_v"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class FeatureSettings(_Section):
    """Overrides for one feature; what is None is inherited from the monitor."""

    watch: bool = Field(True, description="False leaves the feature out of the verdict (it is still drawn)")
    rule: Rule | None = Field(None, description="alarm rule for this feature")
    threshold: float | None = Field(None, gt=0, description="alarm threshold of a distance rule")
    min_effect: float | None = Field(None, ge=0, description="smallest effect size that counts as drift")


class DriftSettings(_Section):
    """When a batch drifts."""

    rule: Rule = Field("calibrated", description="calibrated score, or a distance with its own threshold")
    threshold: float | None = Field(None, gt=0, description="alarm threshold of a distance rule; None: its usual one")
    budget: float = Field(0.01, gt=0, lt=1, description="share of healthy batches that may alarm, over all features")
    min_effect: float = Field(0.1, ge=0, description="smallest effect size that counts as drift")
    min_rows: int = Field(30, ge=1, description="below this many rows the verdict is 'too few rows'")


class FaultSettings(_Section):
    """When data counts as broken rather than changed."""

    watch: bool = Field(True, description="look for broken data at all")
    null_rise: float = Field(0.1, gt=0, le=1, description="rise of a feature's null rate that counts as a fault")
    outside: float = Field(0.05, gt=0, le=1, description="share of rows far outside the reference's range")


class RetrainSettings(_Section):
    """When to train, and what a challenger must show."""

    metric: str = Field("auto", description="metric that decides; auto: accuracy or rmse; dotted path allowed")
    auto: bool = Field(True, description="train on triggers without a person")
    auto_promote: bool = Field(True, description="False holds every winner for a person")
    on_drift: bool = Field(True, description="a new drift episode triggers a contest")
    on_performance: bool = Field(True, description="a measured loss triggers a contest")
    on_estimate: bool = Field(False, description="an estimated loss triggers a contest")
    on_growth: bool = Field(True, description="new rows trigger a contest when the learning curve says they pay")
    every_batches: int | None = Field(None, ge=1, description="train every so many batches")
    every_rows: int | None = Field(None, ge=1, description="train after so many new labelled rows")
    alpha: float = Field(0.01, gt=0, lt=1, description="error level of the loss trigger")
    margin: float = Field(0.0, ge=0, description="how much better a challenger must be, in units of the metric")
    worth: float = Field(
        0.01, gt=0, description="smallest loss or gain worth acting on: of the metric, or as a share of an error"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence of the paired comparison")
    min_labelled: int = Field(200, ge=2, description="newest labelled rows needed to judge")
    cooldown: int = Field(1, ge=0, description="batches between two trainings")
    tenure: int = Field(1, ge=0, description="batches a new champion stays before it may be replaced")
    watch: int = Field(10, ge=0, description="batches a new champion is watched more closely")
    budget: int = Field(25, ge=1, description="trainings allowed in any 100 batches")
    breaker: int = Field(3, ge=1, description="failed trainings in a row after which a person is asked")
    seconds: float = Field(600, gt=0, description="time limit of one training")
    slower: float = Field(10, ge=1, description="times slower than the champion from which a challenger is held")
    larger: float = Field(10, ge=1, description="times larger than the champion from which a challenger is held")
    max_bytes: int | None = Field(None, ge=1, description="size of a model above which it is held")
    max_ms: float | None = Field(None, gt=0, description="milliseconds for 1,000 predictions above which it is held")
    holdout: float = Field(
        0.1, ge=0, lt=1, description="share of the reference kept as trusted rows (100 to 1,000), read at the founding"
    )


class SegmentSettings(_Section):
    """Parts of the rows that are measured apart: levels of a category, quarters of a number."""

    features: tuple[str, ...] = Field(
        (), description="features whose parts are measured apart; none named: the twelve that matter most"
    )
    min_rows: int = Field(50, ge=10, description="rows of a part below which nothing is said of it")
    fall: float = Field(
        0.05, ge=0, description="most a part may lose to the champion: of the metric, or as a share of an error"
    )


class ReadSettings(_Section):
    """How files are read."""

    null_words: tuple[str, ...] = Field(
        (
            "",
            "NA",
            "N/A",
            "n/a",
            "NaN",
            "nan",
            "NAN",
            "-NaN",
            "-nan",
            "NaT",
            "<NA>",
            "null",
            "NULL",
            "Null",
            "(null)",
            "\\N",
            "None",
            "?",
            "-",
            "#N/A",
            "#N/A N/A",
            "#NA",
            "#NULL!",
            "#DIV/0!",
            "#VALUE!",
            "#REF!",
            "#NAME?",
            "#NUM!",
            "1.#QNAN",
            "1.#IND",
            "-1.#QNAN",
            "-1.#IND",
        ),
        description="cells read as missing",
    )
    max_bytes: int = Field(200_000_000, ge=1, description="largest file, packed or unpacked")
    max_rows: int = Field(5_000_000, ge=1, description="most rows in a file")
    max_columns: int = Field(2_000, ge=1, description="most columns in a file")
    max_cells: int = Field(100_000_000, ge=1, description="most rows times columns in a file")
    max_cell: int = Field(65_536, ge=1, description="most bytes in a cell")
    encoding: str = Field("", description="of text that is not UTF-8 or UTF-16, as in 'cp1252'")
    decimal: Literal["", ".", ","] = Field("", description="decimal mark where a file leaves it open, as in '1,234'")
    dates: Literal["", "day first", "month first"] = Field("", description="order where it is open, as in '03/04/2024'")
    bad_cells: float = Field(
        0.05, ge=0, le=1, description="share of unreadable cells, read as missing, a column may have"
    )


class KeepSettings(_Section):
    """What is kept, and for how long. Scores and profiles are kept for ever."""

    rows_days: int | None = Field(None, ge=1, description="days after which rows and files are let go; None: never")
    versions: int = Field(50, ge=1, description="former versions kept besides champion, held and pinned ones")


class AlertSettings(_Section):
    """One alert channel."""

    channel: str = Field("log", description="row of pipeline.alerts")
    on: tuple[str, ...] = Field(("drift", "hold", "quarantine", "promote", "rollback", "failure"))
    options: dict[str, Any] = Field(default_factory=dict)


class Settings(_Section):
    """Everything a person may choose about a monitor."""

    drift: DriftSettings = DriftSettings()
    faults: FaultSettings = FaultSettings()
    retrain: RetrainSettings = RetrainSettings()
    segments: SegmentSettings = SegmentSettings()
    read: ReadSettings = ReadSettings()
    keep: KeepSettings = KeepSettings()
    features: dict[str, FeatureSettings] = Field(default_factory=dict)
    alerts: tuple[AlertSettings, ...] = ()

    def of(self, feature: str) -> FeatureSettings:
        """The overrides of one feature, or the empty ones."""
        return self.features.get(feature, _NO_OVERRIDES)


_NO_OVERRIDES = FeatureSettings()


def parse(data: dict[str, Any]) -> Settings:
    """Settings from a plain dictionary.

    Raises
    ------
    Refused
        Naming the key, what was given and what is allowed.
    """
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        given = "" if first["type"] == "extra_forbidden" else f" Got {first['input']!r}."
        raise Refused(f"Setting {key!r}: {first['msg']}.{given}") from error


def changed(settings: Settings, assignments: dict[str, Any]) -> Settings:
    """A copy with some keys, written with dots, set to new values.

    Parameters
    ----------
    settings : Settings
    assignments : dict
        Dotted key to value. Text is read as JSON where it is JSON, else taken as text.

    Raises
    ------
    Refused
        For a key that does not exist or a value outside its range.
    """
    data = settings.model_dump(mode="json")
    for key, value in assignments.items():
        *path, last = _split(key)
        node: Any = data
        for part in path:
            if not isinstance(node, dict):
                raise Refused(f"Setting {key!r} does not exist.")
            node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise Refused(f"Setting {key!r} does not exist.")
        node[last] = _value(value)
    return parse(data)


def _split(key: str) -> list[str]:
    """``features.a.b.rule`` names the feature ``a.b``: only the ends of such a key are ours."""
    parts = key.split(".")
    if parts[0] == "features" and len(parts) > 3:
        return ["features", ".".join(parts[1:-1]), parts[-1]]
    return parts


def _value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
