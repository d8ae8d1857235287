"""A version made again from its lineage: the same rows, labels, recipe and seed must give the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline import models
from pipeline.desk import Shelf
from pipeline.quality import labelled_rows
from pipeline.retrain import rows_again
from pipeline.revision import revision
from storage import history
from storage.errors import Missing
from storage.records import Monitor, Version

COMPARED = 2_000  # rows on which the two are compared
SAME = 1e-9  # largest difference of a probability or, relative, of a number


def reproduce(shelf: Shelf, monitor: Monitor, version: Version) -> dict[str, Any]:
    """Train a version again and compare its predictions with those of the stored one. Nothing is written.

    Returns
    -------
    dict
        ``version``, ``same``, ``rows`` learned, ``compared`` rows, ``difference`` (the largest), ``environment``
        (what differs between then and now: name to [then, now]) and ``text``, a sentence.

    Raises
    ------
    Missing
        If rows it was made from are gone.
    """
    until = version.details.get("labels_until")
    ids = (version.details.get("learned") or {}).get("batches") or version.trained_on
    first = history.batches(shelf.db, monitor.id, ("reference",))[0].id
    parts = {batch_id: labelled_rows(shelf, monitor, batch_id, until) for batch_id in dict.fromkeys((first, *ids))}
    if any(part is None for part in parts.values()):
        gone = ", ".join(f"#{batch_id}" for batch_id, part in parts.items() if part is None)
        raise Missing(f"The rows of batch {gone} are gone, so v{version.number} cannot be made again.")
    reference = parts.pop(first)
    table = rows_again(reference, list(parts.values()), monitor.schema, version.details)
    model = models.fit(version.estimator, table, monitor.schema, version.seed)
    rows = table.slice(max(0, table.num_rows - COMPARED))
    a, b = models.predict(shelf.model(version.id), rows), models.predict(model, rows)
    difference = _difference(a, b)
    same = difference <= SAME
    changed = _changed(version)
    verdict = "the same" if same else "not the same"
    text = (
        f"v{version.number}, trained again on {table.num_rows:,} rows, gives {verdict} predictions for "
        f"{rows.num_rows:,} rows"
    )
    if not same:
        text += f" (largest difference {difference:.2g})"
        if changed:
            text += f"; since then {', '.join(changed)} changed"
    return {
        "version": version.number, "same": same, "rows": table.num_rows, "compared": rows.num_rows,
        "difference": difference, "environment": changed, "text": f"{text}.",
    }  # fmt: skip


def _difference(a: models.Predictions, b: models.Predictions) -> float:
    """The largest difference: of probabilities, else of numbers relative to their size, else 1 where answers differ."""
    if a.probabilities is not None and b.probabilities is not None:
        return float(np.max(np.abs(a.probabilities - b.probabilities), initial=0.0))
    if a.values.dtype == object:
        return float(np.any(a.values != b.values))
    return float(np.max(np.abs(a.values - b.values) / np.maximum(np.abs(a.values), 1.0), initial=0.0))


def _changed(version: Version) -> dict[str, list[str]]:
    """What of libraries and code is not as it was."""
    now = {**models.environment(), "code": revision()}
    return {name: [then, now.get(name, "")] for name, then in version.environment.items() if now.get(name) != then}
