"""Small tables for tests: customers who buy, made from a seed."""

from __future__ import annotations

import csv
import io

import numpy as np


def people(seed: int, rows: int, shift: float = 0.0) -> tuple[list[dict[str, object]], list[str]]:
    """Rows of age, income, city and a target that follows from them; ``shift`` moves income by standard deviations."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    income = rng.normal(50 + 10 * shift, 10, rows)
    city = rng.choice(["Bergen", "Oslo", "Tromsø"], rows, p=[0.3, 0.5, 0.2])
    chance = 1 / (1 + np.exp(-((income - 50) / 5 + (age - 50) / 30)))
    bought = rng.random(rows) < chance
    table = [
        {"id": f"{seed}-{at}", "age": int(age[at]), "income": round(float(income[at]), 3), "city": str(city[at])}
        for at in range(rows)
    ]
    return table, ["yes" if value else "no" for value in bought]


def rows_csv(seed: int, rows: int, *, shift: float = 0.0, labelled: bool = False, delimiter: str = ",") -> bytes:
    """The rows as a CSV file, with the target ``bought`` if labelled."""
    table, bought = people(seed, rows, shift)
    if labelled:
        table = [{**row, "bought": answer} for row, answer in zip(table, bought, strict=True)]
    return to_csv(table, delimiter)


def labels_csv(seed: int, rows: int, shift: float = 0.0) -> bytes:
    """The labels of the same rows, by id."""
    table, bought = people(seed, rows, shift)
    return to_csv([{"id": row["id"], "bought": answer} for row, answer in zip(table, bought, strict=True)])


def to_csv(rows: list[dict[str, object]], delimiter: str = ",") -> bytes:
    """Dictionaries as a CSV file."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, fieldnames=list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()
