"""Several policies over a monitor's stored history, or over a file that was handed in: side by side, as plain values.

Runs in a child process with its own reading connection; nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import models, performance
from pipeline.apart import Progress
from pipeline.backtest.files import cut, recorded
from pipeline.backtest.prequential import replayed
from pipeline.backtest.rivals import RIVALS
from pipeline.backtest.score import scorer
from pipeline.desk import Shelf
from pipeline.dossier import labelled_rows
from storage import history
from storage.errors import Refused
from storage.records import Backtest, Schema
from storage.settings import Settings, changed

MOST = 12  # runs in one backtest
LEAST = 2  # labelled batches of a history that can be replayed


class Stream:
    """What is replayed: the first training rows, the batches after it, and how each is called."""

    def __init__(
        self, reference: pa.Table, batches: Sequence[pa.Table], named: Sequence[Mapping[str, Any]],
        schema: Schema, estimator: str, settings: Settings,
    ) -> None:  # fmt: skip
        self.reference, self.batches, self.named = reference, batches, named
        self.schema, self.estimator, self.settings = schema, estimator, settings


def variants(settings: Settings) -> list[dict[str, Any]]:
    """Settings worth trying beside those in force: ``{"policy", "label", "settings": {dotted key: value}}`` each.

    Parameters
    ----------
    settings : Settings
        In force.
    """
    now = settings.retrain
    rows = [
        ("Settings in force", {}),
        ("Half the budget of trainings", {"retrain.budget": max(1, now.budget // 2)}),
        ("Twice the budget of trainings", {"retrain.budget": min(100, now.budget * 2)}),
        ("Only losses twice as large count", {"retrain.worth": now.worth * 2}),
        ("Losses half as large count", {"retrain.worth": now.worth / 2}),
        ("Measured loss alone, no growth and no drift", {"retrain.on_growth": False, "retrain.on_drift": False}),
    ]
    return [{"policy": "auto", "label": label, "settings": assignments} for label, assignments in rows]


def compared(shelf: Shelf, asked: Backtest, tell: Progress) -> dict[str, Any]:
    """Replay a stream under every run that was asked for.

    Parameters
    ----------
    shelf : Shelf
    asked : Backtest
        Its ``options``: ``runs`` (list of ``{"policy", "label"?, "settings"?}``; settings are dotted keys over those in
        force), ``last`` (newest batches of the history, or None for all), ``file`` (None for the monitor's history, or
        ``{"sha256", "name", "target", "time", "train", "batch", "estimator"}``).
    tell : callable
        Given ``{"done", "of", "what"}`` after each batch.

    Returns
    -------
    dict
        ``metric``, ``higher`` (whether more is better), ``rows`` of the first training, ``batches`` (a list of
        ``{"batch": running number, "id": stored batch or None, "name", "rows", "at": microseconds or None}``),
        ``runs``, ``frontier`` (numbers of the runs that no other beats with as few trainings, fewest trainings first)
        and ``best`` (number of the best run of the settings' own decisions; None if none was asked for).

        Each of ``runs`` has ``policy``, ``label``, ``settings`` (what was assigned), ``summary`` (as the last line of
        ``run.py backtest``), ``values`` and ``estimated`` (one a batch; None without labels), ``score`` and ``drift``,
        ``versions`` (which predicted the batch), ``decisions`` (a word a batch) and ``told`` (``{"batch", "decision",
        "trigger", "reason", "trained", "version", "trained_on": {"window", "rows"}}`` for the batches where something
        was done; ``trained`` is whether anything was fitted; version and what it was trained on are those of the
        batches after it).

    Raises
    ------
    Refused
        If there is too little to replay, or a policy or setting does not exist.
    """
    stream = _stream(shelf, asked)
    wanted = asked.options.get("runs") or variants(stream.settings)
    if len(wanted) > MOST:
        raise Refused(f"{len(wanted)} runs are more than the {MOST} that one backtest takes.")
    of = len(wanted) * len(stream.batches)
    runs = []
    for number, run in enumerate(wanted):
        label = run.get("label") or _label(run)

        def step(at: int, before: int = number * len(stream.batches), label: str = label) -> None:
            tell({"done": before + at, "of": of, "what": f"{label}: batch {at} of {len(stream.batches)}"})

        runs.append(_run(stream, run, label, step))
    row = performance.primary(stream.schema, stream.settings.retrain.metric)
    return {
        "metric": row.name,
        "higher": row.higher,
        "rows": stream.reference.num_rows,
        "batches": list(stream.named),
        "runs": runs,
        "frontier": frontier(runs, row.higher),
        "best": _best(runs, row.higher),
    }


def _stream(shelf: Shelf, asked: Backtest) -> Stream:
    monitor = history.monitor_by_id(shelf.db, asked.monitor_id) if asked.monitor_id is not None else None
    settings = history.settings_in_force(shelf.db, monitor.id) if monitor else Settings()
    file = asked.options.get("file")
    if file is not None:
        path = shelf.vault.path("spool", file["sha256"])
        table, schema = recorded(Path(path), file["target"], file.get("time"), settings, name=file["name"])
        reference, batches = cut(table, file.get("train"), file.get("batch"))
        named = [
            {"batch": at, "id": None, "name": f"rows {reference.num_rows + sum(b.num_rows for b in batches[: at - 1])}"
             f" to {reference.num_rows + sum(b.num_rows for b in batches[:at])}", "rows": b.num_rows, "at": None}
            for at, b in enumerate(batches, start=1)
        ]  # fmt: skip
        return Stream(reference, batches, named, schema, file.get("estimator") or models.DEFAULT, settings)
    if monitor is None:
        raise Refused("Say which monitor's history to replay, or give a file.")
    return _stored(shelf, monitor, settings, asked.options.get("last"))


def _stored(shelf: Shelf, monitor: Any, settings: Settings, last: int | None) -> Stream:
    """A monitor's labelled batches in the order they came, from the very first training table on.

    With ``last``, the labelled batches before those join the first training table.
    """
    known = [
        batch
        for batch in history.batches(shelf.db, monitor.id, ("reference", "rows"))
        if batch.labelled and batch.state != "received" and (batch.version_id is not None or batch.kind == "reference")
    ]
    parts = [(batch, rows) for batch in known if (rows := labelled_rows(shelf, monitor, batch.id)) is not None]
    first = next((rows.table for batch, rows in parts if batch.kind == "reference"), None)
    parts = [(batch, rows) for batch, rows in parts if batch.kind == "rows"]
    if first is None or len(parts) < LEAST:
        raise Refused(
            f"{monitor.name} has {len(parts)} batches with labels; at least {LEAST} are needed to replay its history."
        )
    if last is not None and last < len(parts):
        early = [rows.table for batch, rows in parts[:-last] if batch.learnable]
        first = pa.concat_tables([first, *early], promote_options="permissive")
        parts = parts[-last:]
    named = [
        {"batch": at, "id": batch.id, "name": batch.name, "rows": rows.table.num_rows,
         "at": batch.starts_at if batch.starts_at is not None else batch.received_at}
        for at, (batch, rows) in enumerate(parts, start=1)
    ]  # fmt: skip
    return Stream(first, [rows.table for _, rows in parts], named, monitor.schema, monitor.estimator, settings)


def _label(run: Mapping[str, Any]) -> str:
    """A run in words, where the person who asked gave none."""
    policy, given = run["policy"], run.get("settings") or {}
    words = ", ".join(f"{key} = {value}" for key, value in given.items())
    if policy == "auto":
        return words or "Settings in force"
    name = "every:K" if policy.startswith("every:") else policy
    label = RIVALS[name].label if name in RIVALS else policy
    return label.replace("K-th", f"{policy.partition(':')[2]}th")


def _run(stream: Stream, run: Mapping[str, Any], label: str, step: Callable[[int], None]) -> dict[str, Any]:
    """One policy over the stream."""
    given = dict(run.get("settings") or {})
    settings = changed(stream.settings, given)
    score = scorer(stream.reference, stream.schema, settings)
    lines: list[dict[str, Any]] = []
    for line in replayed(
        stream.reference, stream.batches, stream.schema, settings,
        policy=run["policy"], estimator=stream.estimator, score=score,
    ):  # fmt: skip
        lines.append(line)
        if "summary" not in line:
            step(line["batch"])
    *lines, last = lines
    after = [*lines[1:], lines[-1]]
    told = [
        {"batch": line["batch"], "decision": line["decision"], "trigger": line.get("trigger", "schedule"),
         "reason": line.get("reason", ""), "trained": line["trained"], "version": then["version"],
         "trained_on": then["trained_on"]}
        for line, then in zip(lines, after, strict=True)
        if line["decision"] != "keep"
    ]  # fmt: skip
    return {
        "policy": run["policy"],
        "label": label,
        "settings": given,
        "summary": {key: _plain(value) for key, value in last["summary"].items()},
        "values": [_plain(line["value"]) for line in lines],
        "estimated": [_plain(line["estimated"]) for line in lines],
        "score": [_plain(line["score"]) for line in lines],
        "drift": [bool(line["drift"]) for line in lines],
        "versions": [line["version"] for line in lines],
        "decisions": [line["decision"] for line in lines],
        "told": told,
    }


def _plain(value: Any) -> Any:
    """Numbers that JSON cannot hold become None."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def frontier(runs: Sequence[Mapping[str, Any]], higher: bool) -> list[int]:
    """Numbers of the runs that no other beats with as few trainings, fewest trainings first.

    Examples
    --------
    >>> runs = [{"summary": {"mean": m, "retrains": r}} for m, r in ((0.7, 0), (0.8, 9), (0.75, 12))]
    >>> frontier(runs, higher=True)
    [0, 1]
    """
    sign = 1 if higher else -1
    known = [at for at, run in enumerate(runs) if run["summary"]["mean"] is not None]
    order = sorted(known, key=lambda at: (runs[at]["summary"]["retrains"], -sign * runs[at]["summary"]["mean"]))
    kept: list[int] = []
    for at in order:
        if not kept or sign * runs[at]["summary"]["mean"] > sign * runs[kept[-1]]["summary"]["mean"]:
            kept.append(at)
    return kept


def _best(runs: Sequence[Mapping[str, Any]], higher: bool) -> int | None:
    """The best of the settings that a person could take over."""
    own = [at for at, run in enumerate(runs) if run["policy"] == "auto" and run["summary"]["mean"] is not None]
    sign = 1 if higher else -1
    return max(own, key=lambda at: sign * runs[at]["summary"]["mean"], default=None)
