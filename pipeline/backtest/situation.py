"""What a decision sees in a replay. In memory."""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa

from pipeline import drift, models, performance, retrain
from pipeline.backtest.state import Replay
from pipeline.decide import Point, Situation
from pipeline.models import Model, Predictions
from pipeline.performance import Paired
from storage.records import DriftReport, Metric

LOOK_BACK = 200  # batches that a decision looks at


def notice(
    replay: Replay,
    at: int,
    rows: pa.Table,
    said: Predictions,
    report: DriftReport | None,
    levels: tuple[Metric | None, Metric | None],
) -> None:
    """Keep what decisions look at of the newest batch; ``levels`` are its measured and its estimated performance."""
    replay.strange = _strange(replay, rows, said)
    replay.points.append(_point(replay, at, rows, report, *levels))
    if report is not None:
        replay.reports.append((at, report))
    _watch(replay, at, rows, said)


def situation(replay: Replay, at: int) -> Situation:
    """What a decision sees after batch ``at``."""
    live = replay.champion
    metric = performance.primary(replay.schema, replay.settings.retrain.metric).name
    newest = max((i for i in live.trained_on), default=0)
    new = [b for b in replay.batches if b.batch_id > newest and b.batch_id not in replay.suspect]
    return Situation(
        schema=replay.schema,
        points=tuple(replay.points[-LOOK_BACK:]),
        champion_id=live.version_id,
        expected=live.metrics.get(metric),
        champion_rows=live.rows,
        doubling=live.details.get("doubling"),
        doubling_error=live.details.get("doubling_error", 0.0),
        grown=replay.crowned_by == "rows",
        new_rows=sum(b.table.num_rows for b in new),
        since_training=at - replay.trained_at[-1] if replay.trained_at else None,
        since_promotion=at - replay.promoted_at if replay.promoted_at is not None else None,
        trainings=sum(at - i < 100 for i in replay.trained_at),
        batches=at,
        rejections=replay.rejections,
        onset=_onset(replay),
        retired=bool(replay.retired),
        held=False,
        strange=replay.strange,
        normal=replay.normal,
        rival=_rival_since(replay),
    )


def _strange(replay: Replay, rows: pa.Table, said: Predictions) -> str:
    """Why the labels of a batch should be looked at closely; empty if nothing is odd."""
    live, schema = replay.champion, replay.schema
    names = [feature.name for feature in schema.watched] + [schema.target]
    table = rows.select(names)
    if table.column(schema.target).null_count:
        return ""
    sound = [b for b in replay.batches[:-1] if b.batch_id not in replay.suspect][-5:]
    parts = [part.table.select(names) for part in (replay.reference, *sound)]
    past = pa.concat_tables(parts, promote_options="permissive")
    return retrain.strange(retrain.look_at(schema, table, said, live.details, live.metrics, lambda: past))


def _point(
    replay: Replay,
    at: int,
    rows: pa.Table,
    report: DriftReport | None,
    measured: Metric | None,
    estimated: Metric | None,
) -> Point:
    version = replay.champion.version_id
    if report is None:
        return Point(at, rows.num_rows, "stable", 0.0, (), (), measured, estimated, version)
    faults = tuple(fault for fault in report.faults if (fault.feature, fault.kind) not in replay.believed)
    return Point(at, rows.num_rows, report.verdict, report.score, faults, report.drifted, measured, estimated, version)


def _watch(replay: Replay, at: int, rows: pa.Table, said: Predictions) -> None:
    """Let the predecessor of a young champion say what it would have said."""
    young = replay.promoted_at is not None and at - replay.promoted_at <= replay.settings.retrain.watch
    if not young or not replay.retired or replay.crowned_by == "watch":
        replay.watched = {}
        return
    before = replay.retired[-1].model
    assert isinstance(before, Model)
    replay.watched[at] = (models.target(rows, replay.schema), models.predict(before, rows), said)


def _rival_since(replay: Replay) -> Paired | None:
    """The predecessor (first) and the young champion (second) on what may be learned since the promotion."""
    learnable = {b.batch_id for b in replay.batches} - set(replay.suspect)
    kept = [item for at, item in replay.watched.items() if at in learnable]
    if not kept:
        return None
    labels = np.concatenate([item[0] for item in kept])
    sides = [functools.reduce(retrain.joined, (item[k] for item in kept)) for k in (1, 2)]
    known = np.not_equal(labels, None) if replay.schema.task == "classification" else np.isfinite(labels)
    if not known.any():
        return None
    first, second = ((s.values[known], None if s.probabilities is None else s.probabilities[known]) for s in sides)
    asked = replay.settings.retrain
    return performance.compare(labels[known], first, second, replay.schema, asked.metric, asked.confidence)


def _onset(replay: Replay) -> int | None:
    """When the inputs began to drift, while it lasts and no training has answered it."""
    found = drift.episodes(replay.reports[-LOOK_BACK:], replay.settings)
    lasting = [e for e in found if e.kind == "drift" and e.end_batch is None and e.found_batch > replay.answered]
    return lasting[-1].onset_batch if lasting else None
