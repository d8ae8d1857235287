"""A recorded stream replayed in memory.

Each batch is predicted by the champion of its moment before anything is learned from it (prequential). Labels come with
their batch. Where a person would be asked, the recorded stream answers as a careful person would: a held challenger is
confirmed when it also wins on the next batch, turned-round labels are accepted when the next batch says the same, and
so is data that looked broken (after two more batches, where it looks like a wrong unit).
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import drift, models, performance, retrain
from pipeline.backtest.rivals import RIVALS, Seen
from pipeline.backtest.score import REFERENCE, Score
from pipeline.decide import Choice, Normal, Point, Situation, decide, normal_of
from pipeline.models import Model, Predictions
from pipeline.performance import Paired
from pipeline.retrain import Outcome, Rival
from storage.errors import Refused
from storage.records import DriftReport, LabelledRows, Metric, Schema
from storage.settings import Settings

LOOK_BACK = 200  # batches that a decision looks at
MOST_RETIRED = 5  # earlier champions that stay candidates


@dataclass
class Replay:
    """Where a replay stands."""

    schema: Schema
    settings: Settings
    estimator: str
    seed: int
    reference: LabelledRows
    champion: Rival
    policy: str = "auto"  # as in ``POLICIES``
    errors: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # of the champion, for a rival policy
    retired: list[Rival] = field(default_factory=list)
    versions: int = 1
    batches: list[LabelledRows] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    trained_at: list[int] = field(default_factory=list)  # batch ids
    promoted_at: int | None = None
    rejections: int = 0
    reports: list[tuple[int, DriftReport]] = field(default_factory=list)
    answered: int = 0  # batch of the last contest that fitted
    watched: list[tuple[Any, Predictions, Predictions]] = field(default_factory=list)  # since the promotion
    normal: Normal | None = None  # the newest level that had to be accepted
    crowned_by: str = "init"  # trigger that made the champion
    suspect: dict[int, str] = field(default_factory=dict)
    accepted: set[int] = field(default_factory=set)
    aside: dict[int, LabelledRows] = field(default_factory=dict)  # quarantined
    believed: set[tuple[str, str]] = field(default_factory=set)  # (feature, kind) of faults that are the world's ways
    pending: Rival | None = None
    strange: str = ""  # why the newest labels should be looked at closely
    train_seconds: float = 0.0
    promotions: int = 0


def start(table: pa.Table, schema: Schema, settings: Settings, estimator: str, seed: int, policy: str) -> Replay:
    """A replay before its first batch; a rival policy needs only the first model, not what decisions rest on."""
    reference = LabelledRows(REFERENCE, table)
    if policy != "auto":
        began = time.perf_counter()
        model = models.fit(estimator, table, schema, seed)
        first = Rival(1, model, (REFERENCE,), "all history", table.num_rows)
        return Replay(
            schema, settings, estimator, seed, reference, first, policy, train_seconds=time.perf_counter() - began
        )
    outcome = retrain.train_first(reference, schema, estimator, settings, seed, dump=False)
    return Replay(
        schema, settings, estimator, seed, reference, _rival(outcome, 1), policy, train_seconds=outcome.seconds
    )


def _rival(outcome: Outcome, version: int) -> Rival:
    """The version that an outcome makes."""
    assert outcome.model is not None
    return Rival(
        version, outcome.model, outcome.trained_on, outcome.recipe, outcome.rows, outcome.metrics, outcome.details
    )


def step(replay: Replay, at: int, rows: pa.Table, number: int, score: Score | None) -> tuple[dict[str, Any], bool]:
    """One batch: predicted, measured, decided upon, perhaps learned.

    Parameters
    ----------
    replay : Replay
        Moves on.
    at : int
        Running number of the batch, from 1.
    rows : pyarrow.Table
        With the target; rows without a label are predicted only.
    number : int
        What stands behind the colon of the policy.
    score : callable or None

    Returns
    -------
    (dict, bool)
        Its line, and whether something was fitted.
    """
    live = replay.champion
    assert isinstance(live.model, Model)
    said = models.predict(live.model, rows)
    measured, estimated = _performance(replay, rows, said)
    report = score(at, rows, live.trained_on) if score is not None else None
    metric = performance.primary(replay.schema, replay.settings.retrain.metric).name
    line: dict[str, Any] = {
        "batch": at,
        "rows": rows.num_rows,
        "metric": metric,
        "value": measured.value if measured else float("nan"),
        "estimated": estimated.value if estimated else None,
        "drift": bool(report.drift) if report else None,
        "score": report.score if report else None,
        "decision": "keep",
        "version": live.version_id,
        "trained_on": {"window": live.recipe, "rows": live.rows},
    }
    replay.batches.append(LabelledRows(at, rows))
    if replay.policy != "auto":
        fitted = _by_rule(replay, at, rows, said, number, report)
        line |= {"decision": "promote" if fitted else "keep", "reason": RIVALS[replay.policy].label}
        return line, fitted
    replay.strange = _strange(replay, rows, said)
    replay.points.append(_point(replay, at, rows, report, measured, estimated))
    if report is not None:
        replay.reports.append((at, report))
    _watch(replay, at, rows, said)
    outcome_line, fitted = _automatic(replay, at, rows, said)
    return line | outcome_line, fitted


def _performance(replay: Replay, rows: pa.Table, said: Predictions) -> tuple[Metric | None, Metric | None]:
    """The deciding metric of the champion on a batch, measured and estimated."""
    schema = replay.schema
    row = performance.primary(schema, replay.settings.retrain.metric)
    labels = models.target(rows, schema)
    known = np.not_equal(labels, None) if schema.task == "classification" else np.isfinite(labels)
    figures = performance.said(
        labels[known],
        said.values[known],
        None if said.probabilities is None else said.probabilities[known],
        schema,
    )
    measured = performance.with_interval(row, figures) if known.any() else None
    calibration = replay.champion.details.get("calibration") or {}
    estimates = performance.estimate(said.values, said.probabilities, calibration, schema, said.losses)
    return measured if measured and np.isfinite(measured.value) else None, estimates.get(row.name)


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
        replay.watched = []
        return
    before = replay.retired[-1].model
    assert isinstance(before, Model)
    replay.watched.append((models.target(rows, replay.schema), models.predict(before, rows), said))


def _rival_since(replay: Replay) -> Paired | None:
    """The predecessor (first) and the young champion (second) on what came since the promotion."""
    if not replay.watched:
        return None
    labels = np.concatenate([item[0] for item in replay.watched])
    sides = [functools.reduce(retrain.joined, (item[k] for item in replay.watched)) for k in (1, 2)]
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


def _by_rule(
    replay: Replay, at: int, rows: pa.Table, said: Predictions, number: int, report: DriftReport | None
) -> bool:
    """A rival policy's training, if it is due; False if not, or if its rows cannot be learned from."""
    tables = [replay.reference.table, *(b.table for b in replay.batches)]
    total = sum(table.num_rows for table in tables)
    replay.errors = np.concatenate([replay.errors, _errors(replay, rows, said)])
    seen = Seen(tables[0].num_rows, total, number, at, report, replay.errors)
    newest = RIVALS[replay.policy].due(seen)
    replay.errors = seen.errors
    if not newest:
        return False
    began = time.perf_counter()
    whole = pa.concat_tables(tables)
    whole = whole.slice(max(0, total - newest))
    try:
        model = models.fit(replay.estimator, whole, replay.schema, replay.seed)
    except Refused:
        return False
    replay.train_seconds += time.perf_counter() - began
    replay.versions += 1
    replay.promotions += 1
    words = "all history" if whole.num_rows == total else f"last {whole.num_rows:,} rows"
    ids = [REFERENCE, *(b.batch_id for b in replay.batches)]
    kept = np.cumsum([table.num_rows for table in tables]) > total - newest
    replay.champion = Rival(
        replay.versions, model, tuple(i for i, k in zip(ids, kept, strict=True) if k), words, whole.num_rows
    )
    return True


def _errors(replay: Replay, rows: pa.Table, said: Predictions) -> NDArray[np.float64]:
    """Loss of each labelled row between 0 and 1: wrong or right, or the absolute error over four deviations."""
    labels = models.target(rows, replay.schema)
    if replay.schema.task == "classification":
        known = np.not_equal(labels, None)
        return (labels[known].astype(str) != said.values[known].astype(str)).astype(np.float64)
    known = np.isfinite(labels)
    spread = float(np.nanstd(models.target(replay.reference.table, replay.schema))) or 1.0
    return np.minimum(np.abs(labels[known] - said.values[known]) / (4 * spread), 1.0)


def _automatic(replay: Replay, at: int, rows: pa.Table, said: Predictions) -> tuple[dict[str, Any], bool]:
    """What the settings would have decided, and its consequences."""
    choice = decide(situation(replay, at), replay.settings)
    released = choice.action == "quarantine" and _released(replay)
    if released:
        choice = decide(situation(replay, at), replay.settings)
    line: dict[str, Any] = {"decision": choice.action, "trigger": choice.trigger, "reason": choice.reason}
    if released:
        line["answered_by"] = "assumed person"
    replay.normal = normal_of(choice.details) or replay.normal
    if choice.action == "quarantine":
        replay.aside[at] = replay.batches.pop()
        return line, False
    if choice.action == "rollback":
        return line | _roll_back(replay, at), False
    confirmed = _confirmed(replay, at, rows, said)
    if confirmed:
        return line | confirmed, False
    if choice.action != "train":
        return line, False
    outcome = retrain.contest(_order(replay, choice))
    if outcome.suspect and _same_again(replay, at, outcome):
        outcome = retrain.contest(_order(replay, choice))
        line["answered_by"] = "assumed person"
    replay.train_seconds += outcome.seconds
    _record(replay, at, outcome, choice.trigger)
    line |= {"decision": outcome.action, "reason": outcome.reason, "candidates": list(outcome.candidates)}
    return line, outcome.fitted > 0


def _released(replay: Replay) -> bool:
    """Whether data that looks broken is the world's way: the batch before looked the same, so a person lets both in."""
    newest = [_doubted(point) for point in replay.points[-3:]]
    again = newest[-1] & newest[-2] if len(newest) > 1 else set()
    units = {pair for pair in again if pair[1] == "unit" and (len(newest) < 3 or pair not in newest[0])}
    replay.believed |= again - units
    for number, point in enumerate(replay.points):
        if point.faults and _doubted(point) <= replay.believed:
            replay.points[number] = replace(point, faults=())
            if point.batch_id in replay.aside:
                replay.batches.append(replay.aside.pop(point.batch_id))
    replay.batches.sort(key=lambda rows: rows.batch_id)
    return not replay.points[-1].faults


def _doubted(point: Point) -> set[tuple[str, str]]:
    return {(fault.feature, fault.kind) for fault in point.faults}


def _same_again(replay: Replay, at: int, outcome: Outcome) -> bool:
    """Whether the batch before was doubted for the same reason: then the world is like that, and a person accepts."""
    before = at - 1 in replay.suspect or at - 1 in replay.accepted
    if not before or at not in outcome.suspect or not outcome.turned:
        return False
    replay.accepted |= {at - 1, at}
    replay.suspect.pop(at - 1, None)
    return True


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


def _order(replay: Replay, choice: Choice) -> retrain.Order:
    learnable = tuple(b for b in replay.batches if b.batch_id not in replay.suspect)
    return retrain.Order(
        replay.schema,
        replay.estimator,
        replay.settings,
        replay.seed,
        replay.reference,
        learnable,
        replay.champion,
        tuple(replay.retired[-MOST_RETIRED:][::-1]),
        choice.trigger,
        choice.reason,
        choice.change_at,
        tuple(sorted(replay.accepted)),
        choice.fit,
        dump=False,
    )


def _record(replay: Replay, at: int, outcome: Outcome, trigger: str) -> None:
    """Take in what a contest brought."""
    if outcome.fitted:
        replay.trained_at.append(at)
        replay.answered = at
    for batch in outcome.suspect:
        replay.suspect[batch] = " ".join(outcome.doubts)
    if outcome.action == "promote":
        replay.rejections = 0
        _promote(replay, at, _winner(replay, outcome), trigger)
    elif outcome.fitted:
        replay.rejections += 1
        if outcome.action == "hold" and outcome.model is not None:
            replay.pending = _rival(outcome, replay.versions + 1)


def _winner(replay: Replay, outcome: Outcome) -> Rival:
    if outcome.recalled is None:
        replay.versions += 1
        return _rival(outcome, replay.versions)
    return next(r for r in replay.retired if r.version_id == outcome.recalled)


def _promote(replay: Replay, at: int, winner: Rival, trigger: str) -> None:
    replay.retired = [r for r in replay.retired if r.version_id != winner.version_id] + [replay.champion]
    replay.champion = winner
    replay.crowned_by = trigger
    replay.promoted_at = at
    replay.promotions += 1
    replay.pending = None
    replay.watched = []


def _roll_back(replay: Replay, at: int) -> dict[str, Any]:
    _promote(replay, at, replay.retired[-1], "watch")
    return {"decision": "promote"}


def _confirmed(replay: Replay, at: int, rows: pa.Table, said: Predictions) -> dict[str, Any]:
    """The assumed person's answer to a held challenger, from the batch after it."""
    held, replay.pending = replay.pending, None
    if held is None:
        return {}
    assert isinstance(held.model, Model)
    other = models.predict(held.model, rows)
    labels = models.target(rows, replay.schema)
    asked = replay.settings.retrain
    against = performance.compare(
        labels, (said.values, said.probabilities), (other.values, other.probabilities), replay.schema, asked.metric
    )
    if against.p_better > 0.01:
        return {}
    replay.versions += 1
    _promote(replay, at, replace(held, version_id=replay.versions), "person")
    told = f"The held challenger wins on the next batch too (p = {against.p_better:.1g}); a person would confirm it."
    return {"decision": "promote", "trigger": "person", "reason": told, "answered_by": "assumed person"}
