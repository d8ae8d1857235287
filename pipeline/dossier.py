"""The dossier a decision is made from: performance, episodes and the situation, gathered from what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import orjson
import pyarrow as pa
from sqlite_utils import Database

from pipeline import drift, health, models, performance
from pipeline.decide import Choice, Normal, Point, Situation, normal_of
from pipeline.desk import Desk, Shelf
from pipeline.quality import labelled_rows, metric_of
from pipeline.retrain import Order, Rival
from storage import history
from storage.records import (
    Batch,
    DriftReport,
    Episode,
    Event,
    Fault,
    FeatureDrift,
    Health,
    LabelledRows,
    Metric,
    Monitor,
    Performance,
    Training,
    Version,
)
from storage.settings import Settings

ACCEPTED = "A person says that this is right."  # the reason of a batch whose data or labels were doubted
_MOST_OF_FIVE = 3
_LOOK_BACK = 200  # batches that a decision looks at
DISCARDED = "Left for good."  # what the reason of a batch begins with once a person has set it aside
_RECALLED = 3  # earlier champions that a contest judges again


@dataclass(frozen=True)
class Dossier:
    """What is known at the moment of a decision."""

    situation: Situation
    episodes: tuple[Episode, ...]  # those that began, changed or ended
    began: tuple[Episode, ...]
    ended: tuple[Episode, ...]
    joined: tuple[tuple[Episode, tuple[str, ...]], ...] = ()  # features that began to drift within one

    def events(self, desk: Desk, monitor: Monitor, batch: Batch) -> list[Event]:
        """Lines for the ledger: an episode is told once when it begins and once when it ends."""
        told = []
        for episode in self.began:
            told.append(desk.event(monitor, episode.kind, episode.summary, level="warning", batch_id=batch.id))
        for episode, names in self.joined:
            verb = "drifts" if len(names) == 1 else "drift"
            text = f"{' and '.join(names)} {verb} as well now, within the drift since batch #{episode.onset_batch}."
            told.append(desk.event(monitor, episode.kind, text, level="warning", batch_id=batch.id))
        for episode in self.ended:
            text = f"The {episode.kind} episode that began with batch #{episode.onset_batch} has ended."
            told.append(desk.event(monitor, "episode_ended", text, batch_id=batch.id))
        return told


def situation(desk: Desk, monitor: Monitor, settings: Settings, batch: Batch, fresh: Sequence[Performance],
              strange: Mapping[int, str] = MappingProxyType({})) -> Dossier:  # fmt: skip
    """All that a decision after this batch looks at.

    ``fresh`` is performance that is not stored yet, ``strange`` why labels of a batch should be looked at closely.
    """
    metric = metric_of(monitor, settings)
    standings = history.standings(desk.db, monitor.id, metric, _LOOK_BACK)
    decided = batch.id if batch else None
    sound = [item for item in standings if not item.quarantined or item.batch == decided]
    points = _points(sound, metric, decided, fresh)
    arrivals = [item.received_at for item in sound]
    versions = history.versions(desk.db, monitor.id)
    champion = next(version for version in versions if version.id == monitor.champion)
    trainings = [item for item in history.trainings(desk.db, monitor.id) if item.state in ("judged", "failed")]
    fitted = [item for item in trainings if item.progress.get("fitted")]
    reigns = history.reigns(desk.db, monitor.id)
    promoted_at = reigns[-1].created_at if len(reigns) > 1 else None
    since_promotion = None if promoted_at is None else sum(at > promoted_at for at in arrivals)
    stored = history.episodes(desk.db, monitor.id)
    episodes = _episodes(monitor, settings, stored, standings)
    answered = max((item.batch_id or 0 for item in fitted), default=0)
    current = Situation(
        schema=monitor.schema,
        points=tuple(points),
        champion_id=monitor.champion,
        expected=champion.metrics.get(metric),
        champion_rows=champion.rows,
        doubling=champion.details.get("doubling"),
        doubling_error=champion.details.get("doubling_error", 0.0),
        grown=bool(reigns) and reigns[-1].trigger == "rows",
        new_rows=history.learnable_rows(desk.db, monitor.id, after=max(champion.trained_on)),
        since_training=sum(at > fitted[0].created_at for at in arrivals) if fitted else None,
        since_promotion=since_promotion,
        trainings=_recent(fitted, arrivals),
        batches=history.count_batches(desk.db, monitor.id),
        rejections=_in_a_row(fitted, lambda item: item.progress.get("verdict") == "reject"),
        failures=_in_a_row(trainings, lambda item: item.state == "failed"),
        onset=_unanswered(episodes, answered),
        retired=any(version.state == "retired" for version in versions),
        held=any(version.state == "held" for version in versions),
        strange=next(iter(reversed(strange.values())), ""),
        normal=_normal(desk, monitor),
        rival=_rival(desk, monitor, settings, champion, reigns, since_promotion),
    )
    before = {(item.kind, item.found_batch): item for item in stored}
    moved = [item for item in episodes if before.get((item.kind, item.found_batch)) != item]
    began = tuple(item for item in moved if (item.kind, item.found_batch) not in before)
    ended = tuple(item for item in moved if item.end_batch is not None and item not in began)
    joined = tuple(
        (item, new)
        for item in moved
        if item.kind == "drift" and (old := before.get((item.kind, item.found_batch)))
        if (new := item.features[len(old.features) :])
    )
    return Dossier(current, tuple(moved), began, ended, joined)


def imagined(shelf: Shelf, monitor: Monitor, settings: Settings, report: DriftReport) -> Situation:
    """The situation as it would be after a batch that is not stored."""
    now = situation(shelf, monitor, settings, None, ()).situation
    point = Point(0, report.rows, report.verdict, report.score, report.faults, report.drifted)
    onset = now.onset if now.onset is not None else 0 if report.drift else None
    return replace(now, points=(*now.points, point), onset=onset, batches=now.batches + 1)


def _unanswered(episodes: Sequence[Episode], answered: int) -> int | None:
    """Onset of the drift episode that lasts and that no training has answered."""
    lasting = [e for e in episodes if e.kind == "drift" and e.end_batch is None and e.found_batch > answered]
    return lasting[-1].onset_batch if lasting else None


def _episodes(
    monitor: Monitor, settings: Settings, stored: Sequence[Episode], standings: Sequence[history.Standing]
) -> list[Episode]:
    """The episodes over the newest batches; one that overlaps a stored one of its kind is that one, seen again.

    The newest batches are a window: an episode that began before it keeps the beginning it is stored with.
    """
    found: dict[tuple[str, int], Episode] = {}
    for item in drift.episodes([(standing.batch, _light(standing)) for standing in standings], settings):
        known = next((old for old in reversed(stored) if _same(old, item)), None)
        now = replace(item, monitor_id=monitor.id)
        if known is not None:
            joined = _joined(item, known, standings) if item.end_batch is None else ()
            now = replace(known, end_batch=item.end_batch, features=(*known.features, *joined))
        found[now.kind, now.found_batch] = now
    return list(found.values())


def _joined(item: Episode, known: Episode, standings: Sequence[history.Standing]) -> tuple[str, ...]:
    """Features that have begun to drift within an episode: not once, but in most of the newest batches."""
    newest = [{drifted[0] for drifted in standing.drifted} for standing in standings[-5:]]
    new = [name for name in item.features if name not in known.features]
    return tuple(name for name in new if sum(name in batch for batch in newest) >= _MOST_OF_FIVE)


def _same(old: Episode, new: Episode) -> bool:
    begins_before_it_ended = old.end_batch is None or new.onset_batch <= old.end_batch
    return old.kind == new.kind and old.found_batch <= new.found_batch and begins_before_it_ended


def _light(standing: history.Standing) -> DriftReport:
    """A stored report without the features that stood still."""
    features = tuple(
        FeatureDrift(name, "numeric", score, p_value, True, "drift", effect, {}, 0.0, 0.0, (), "", explanation)
        for name, score, p_value, effect, explanation in standing.drifted
    )
    return DriftReport(
        standing.rows, standing.verdict, standing.score, standing.p_value, features, faults=_faults(standing.faults)
    )


def _points(
    standings: Sequence[history.Standing], metric: str, decided: int | None, fresh: Sequence[Performance]
) -> list[Point]:
    """Batches as decisions see them; only the one being decided brings its faults."""
    newest = {item.batch_id: item for item in fresh if metric in item.metrics}
    points = []
    for standing in standings:
        said = newest.get(standing.batch)
        points.append(
            Point(
                batch_id=standing.batch,
                rows=standing.rows,
                verdict=standing.verdict,
                score=standing.score,
                faults=_faults(standing.faults) if standing.batch == decided else (),
                drifted=tuple(item[0] for item in standing.drifted),
                measured=said.metrics[metric] if said else _metric(standing.measured),
                estimated=_metric(standing.estimated),
                version_id=said.version_id if said else standing.measured_version or standing.version,
            )
        )
    return points


def _metric(text: str | None) -> Metric | None:
    return Metric(**orjson.loads(text)) if text else None


def _faults(text: str) -> tuple[Fault, ...]:
    return tuple(Fault(**item) for item in orjson.loads(text))


def _recent(fitted: Sequence, arrivals: Sequence[int]) -> int:
    """Trainings within the newest 100 batches."""
    horizon = arrivals[-100] if len(arrivals) >= 100 else 0
    return sum(item.created_at >= horizon for item in fitted)


def _in_a_row(items: Sequence[Training], wanted: Callable[[Training], bool]) -> int:
    """How many of the newest in a row are as wanted; ``items`` are newest first."""
    return next((at for at, item in enumerate(items) if not wanted(item)), len(items))


def _normal(desk: Shelf, monitor: Monitor) -> Normal | None:
    """The newest level that had to be accepted as the usual one."""
    told = history.events(desk.db, monitor.id, kinds=("new_normal",), last=1)
    return normal_of(told[0].details) if told else None


def _rival(
    desk: Shelf,
    monitor: Monitor,
    settings: Settings,
    champion: Version,
    reigns: Sequence,
    since_promotion: int | None,
) -> performance.Paired | None:
    """A new champion beside its predecessor, on the labelled rows that came since it was promoted."""
    if since_promotion is None or since_promotion > settings.retrain.watch or reigns[-1].action == "rollback":
        return None
    before = reigns[-1].version_id
    if before is None:
        return None
    taught = set(champion.trained_on)
    fresh = [
        batch.id
        for batch in history.batches(desk.db, monitor.id, last=_LOOK_BACK)
        if batch.version_id == champion.id and batch.labelled and batch.learnable and batch.id not in taught
    ]
    parts = [part for batch_id in fresh if (part := labelled_rows(desk, monitor, batch_id)) is not None]
    if not parts:
        return None
    return compare_on(desk, monitor, settings, before, champion.id, parts)


def compare_on(
    shelf: Shelf, monitor: Monitor, settings: Settings, a: int, b: int, parts: Sequence[LabelledRows]
) -> performance.Paired:
    """Two versions on the same labelled rows."""
    table = pa.concat_tables([part.table for part in parts])
    labels = models.target(table, monitor.schema)
    first, second = (models.predict(shelf.model(version), table) for version in (a, b))
    return performance.compare(
        labels,
        (first.values, first.probabilities),
        (second.values, second.probabilities),
        monitor.schema,
        settings.retrain.metric,
        settings.retrain.confidence,
    )


def waiting(shelf: Shelf, monitor_id: int) -> list[Batch]:
    """Batches whose labels are doubted and of which a person has said nothing yet."""
    return [batch for batch in history.doubtful(shelf.db, monitor_id) if not batch.reason.startswith(DISCARDED)]


def predecessor(db: Database, monitor: Monitor) -> Version | None:
    """The champion before this one; rolling back twice goes back two, not to and fro."""
    line: list[int] = []
    for decision in history.reigns(db, monitor.id):
        if decision.action == "rollback" and decision.challenger_id in line:
            del line[line.index(decision.challenger_id) + 1 :]
        else:
            line.append(decision.challenger_id)
    return history.version(db, line[-2]) if len(line) > 1 else None


def performance_episode(shelf: Shelf, monitor: Monitor, batch: Batch, choice: Choice) -> list[Episode]:
    """A measured loss as an episode: begun, going on, or ended."""
    lasting = [item for item in history.episodes(shelf.db, monitor.id, open_only=True) if item.kind == "performance"]
    lost = "performance" in choice.details.get("fired", ())
    if lost and not lasting:
        onset = choice.change_at if choice.change_at is not None else batch.id
        return [Episode(0, monitor.id, "performance", onset, batch.id, None, (), choice.reason)]
    if not lost and choice.action != "quarantine":
        return [replace(item, end_batch=batch.id) for item in lasting]
    return []


def state_of(
    desk: Shelf,
    monitor: Monitor,
    *,
    episodes: Sequence[Episode] = (),
    training: str | None = None,
    without_training: int | None = None,
    fault: str | None = None,
    without_held: int | None = None,
    holds: str | None = None,
    stuck: str | None = None,
    short: str | None = None,
    answered: bool = False,
) -> tuple[Health, str]:
    """The health of a monitor after what is about to be stored.

    ``episodes`` replace their stored forms; ``answered``: a new champion makes the lasting ones history.
    """
    current = {(item.kind, item.found_batch): item for item in history.episodes(desk.db, monitor.id)}
    current |= {(item.kind, item.found_batch): item for item in episodes}
    lasting = [] if answered else [item for item in current.values() if item.end_batch is None]
    open_trainings = history.trainings(desk.db, monitor.id, open_only=True)
    asked = [item.reason for item in open_trainings if item.id != without_training]
    newest = history.batches(desk.db, monitor.id, last=1)
    if fault is None and newest and newest[0].state == "quarantined" and newest[0].version_id is not None:
        fault = None if newest[0].reason.startswith(DISCARDED) else newest[0].reason
    versions = history.versions(desk.db, monitor.id)
    held = [f"v{version.number}" for version in versions if version.state == "held" and version.id != without_held]
    held += [f"the labels of {batch.name}" for batch in waiting(desk, monitor.id)]
    drift_began = max((item.found_batch for item in lasting if item.kind == "drift"), default=None)
    return health.judge(
        health.Open(
            batches=history.count_batches(desk.db, monitor.id),
            held=held + ([holds] if holds else []),
            training=training or (asked[0] if asked else None),
            fault=fault,
            episodes=lasting,
            harm_known=drift_began is not None and history.labelled_since(desk.db, monitor.id, drift_began) > 0,
            stuck=stuck,
            short=short,
        )
    )


def order(desk: Shelf, monitor: Monitor, settings: Settings, training: Training) -> Order:
    """Everything a contest may look at."""
    asked = next(
        (d for d in history.decisions(desk.db, monitor.id, batch_id=training.batch_id) if d.action == "train"), None
    )
    details = asked.details if asked and training.batch_id is not None else {}
    batches = history.batches(desk.db, monitor.id, ("reference", "rows"))
    reference = labelled_rows(desk, monitor, batches[0].id)
    parts = [
        labelled_rows(desk, monitor, b.id) for b in batches[1:] if b.learnable and b.labelled and b.state != "received"
    ]
    versions = history.versions(desk.db, monitor.id)
    champion = next(version for version in versions if version.id == monitor.champion)
    kept = [version for version in reversed(versions) if version.state == "retired" and version.removed_at is None]
    return Order(
        schema=monitor.schema,
        estimator=monitor.estimator,
        settings=settings,
        seed=champion.seed,
        reference=reference,
        batches=tuple(part for part in parts if part is not None),
        champion=_rival_of(desk, champion),
        retired=tuple(_rival_of(desk, version) for version in kept[:_RECALLED]),
        trigger=training.trigger,
        reason=training.reason,
        change_at=details.get("change_at"),
        look=tuple(details.get("look", ())),
        fit=details.get("fit", True),
        accepted=tuple(batch.id for batch in batches if batch.reason == ACCEPTED),
    )


def _rival_of(desk: Shelf, version: Version) -> Rival:
    return Rival(
        version_id=version.id,
        model=desk.vault.get("models", version.sha256),
        trained_on=version.trained_on,
        recipe=version.recipe,
        rows=version.rows,
        size=version.size,
        metrics=version.metrics,
        details=version.details,
    )
