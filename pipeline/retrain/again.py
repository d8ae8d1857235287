"""The rows that a version learned, from its lineage. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa

from pipeline.retrain.field import Trusted, apart, known, unify
from pipeline.retrain.recipes import Rows
from storage.errors import Missing
from storage.records import LabelledRows, Schema


def rows_again(
    reference: LabelledRows, batches: Sequence[LabelledRows], schema: Schema, details: Mapping[str, Any]
) -> pa.Table:
    """The table a version was fitted on.

    Parameters
    ----------
    reference : LabelledRows
        With the labels known when the version was made.
    batches : sequence of LabelledRows
        Likewise, those of ``details["learned"]["batches"]`` after the reference, in that order.
    schema : Schema
    details : mapping
        Of the version.

    Raises
    ------
    Missing
        If rows are gone, or the version does not say what it learned.
    """
    if "trusted" not in details:
        raise Missing("This version was made before lineage was kept in full.")
    trusted = Trusted(**details["trusted"])
    learn, holdout = apart(reference, schema, trusted)
    learned = details.get("learned")
    if learned is None:  # the first version
        return learn if trusted.frozen else known(reference, schema)
    whole = unify([learn, *(known(batch, schema) for batch in batches)])
    if whole.num_rows != learned["stop"]:
        gone = learned["stop"] - whole.num_rows
        raise Missing(f"Of the {learned['stop']:,} rows it was made from, {gone:,} are gone: they were forgotten.")
    recipe = Rows(**{item.name: learned[item.name] for item in fields(Rows) if item.name in learned})
    chosen = recipe.chosen(whole.num_rows)
    table = whole.take(pa.array(chosen))
    if len(chosen) == whole.num_rows and holdout.num_rows and not trusted.frozen:
        return unify([holdout, table])
    return table
