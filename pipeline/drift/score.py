"""Two profiles to a report: a calibrated score for every feature, one family-wise verdict for the batch.

Pure: no I/O, no clock, no randomness. The mathematics is told in docs/drift-score.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from pipeline.distances import DISTANCES
from pipeline.drift import crowd, faults, links, words
from pipeline.drift.crowd import Alone, Moves
from pipeline.drift.laws import LEAST
from pipeline.drift.look import REST, Sight, look
from pipeline.drift.measured import Distances, distances
from pipeline.drift.sides import Side, sides
from pipeline.drift.verdict import Ruling, rule
from pipeline.profile import Profile
from storage.records import DriftReport, FeatureDrift, Verdict
from storage.settings import Settings

Floats = NDArray[np.float64]
Rests = Mapping[str, Alone]
_TOGETHER = 512  # features of batches judged at once: their counts fit the caches
_SUSPECT = float(np.log(1e-4))  # features this surprising are searched for faults


def score(reference: Profile, batch: Profile, settings: Settings) -> DriftReport:
    """How far a batch is from the reference.

    Parameters
    ----------
    reference, batch : Profile
        Over the same grid. Features that only one of them has are passed over.
    settings : Settings
        ``drift``: budget, smallest effect, least rows, rule; ``features``: overrides; ``faults``.

    Returns
    -------
    DriftReport
        A score of 1.0 is the alarm line for every feature and for the batch; features come worst first; all figures are
        finite.
    """
    return next(scores(reference, [batch], settings))


def scores(reference: Profile, batches: Iterable[Profile], settings: Settings) -> Iterator[DriftReport]:
    """The same for many batches, several at a time, which is quicker than one by one.

    Parameters
    ----------
    reference : Profile
    batches : iterable of Profile
    settings : Settings

    Yields
    ------
    DriftReport
        In the order of the batches.
    """
    together = max(_TOGETHER // max(len(reference.features), 1), 1)
    for _, alike in groupby(batches, key=lambda batch: tuple(batch.features)):
        while some := list(islice(alike, together)):
            base, seen = sides(reference, some)
            moves = [crowd.moves(base, batch) for batch in some]
            rests = [moved.alone() if moved else {} for moved in moves]
            sights, known = look(base, seen, settings.drift.min_rows, rests), distances(base, seen)
            for batch, moved, rest, sight, measures in zip(some, moves, rests, sights, known, strict=True):
                yield _report(base, batch, sight, measures, moved, rest, settings)


def _report(
    base: Side, batch: Profile, sight: Sight, known: Distances, moves: Moves | None, rest: Rests, settings: Settings
) -> DriftReport:
    """What was seen of one batch, judged."""
    reference = base.profile
    if min(batch.rows, reference.rows) < settings.drift.min_rows:
        return _too_few(reference, batch, sight, known, settings)
    rules, watched, least = _asked(sight.names, reference, settings)
    calibrated = watched & np.array([rules[name] is None for name in sight.names], bool)
    judged = {name for name, asked in zip(sight.names, calibrated, strict=True) if asked}
    pairs = links.compare(base, batch, judged)
    ruling = rule(sight, pairs, moves, least, calibrated, settings)
    ruling = _with_rules(ruling, sight, rules, watched, known)
    features = [_feature(reference, batch, sight, at, ruling, known, rest) for at in range(len(sight.names))]
    suspects = [name for name, p in zip(sight.names, sight.log_p, strict=True) if p < _SUSPECT]
    report = DriftReport(
        rows=batch.rows, verdict="drift" if ruling.drifts else "stable", score=ruling.score,
        p_value=_chance(ruling.log_p), features=tuple(sorted(features, key=lambda one: (-one.drift, -one.score))),
        links=ruling.links, link_score=ruling.link_score,
        faults=faults.find(reference, batch, suspects, settings),
    )  # fmt: skip
    return replace(report, explanation=words.batch(report, ruling.crowd))


def _asked(
    names: tuple[str, ...], base: Profile, settings: Settings
) -> tuple[dict[str, tuple[str, float] | None], NDArray[np.bool_], Floats]:
    """Of each feature: its house rule, whether it is watched, the smallest effect that counts."""
    if not settings.features and settings.drift.rule == "calibrated":
        size = len(names)
        return dict.fromkeys(names), np.ones(size, bool), np.full(size, max(settings.drift.min_effect, 1e-9))
    watched = np.array([settings.of(name).watch for name in names], bool)
    least = np.array([_least_effect(name, settings) for name in names])
    return {name: house_rule(name, base, settings) for name in names}, watched, least


def house_rule(name: str, base: Profile, settings: Settings) -> tuple[str, float] | None:
    """The distance that alarms for a feature, and its threshold; None for the calibrated score."""
    own, all_ = settings.of(name), settings.drift
    chosen = own.rule or all_.rule
    if chosen == "calibrated" or base.grid.by_name[name].kind not in DISTANCES[chosen].kinds:
        return None
    general = all_.threshold if own.rule in (None, all_.rule) else None
    return chosen, own.threshold or general or DISTANCES[chosen].usual_threshold


def _least_effect(name: str, settings: Settings) -> float:
    own = settings.of(name).min_effect
    return max(settings.drift.min_effect if own is None else own, 1e-9)


def _with_rules(ruling: Ruling, sight: Sight, rules: dict, watched: NDArray[np.bool_], known: Distances) -> Ruling:
    """The ruling with the features that are judged by a distance of the person's choice."""
    if not any(rules.values()):
        return replace(ruling, scores=np.where(watched, ruling.scores, 0.0))
    scores, hits = np.where(watched, ruling.scores, 0.0), ruling.hits.copy()
    for at, name in enumerate(sight.names):
        chosen = rules[name]
        if chosen is not None and watched[at]:
            scores[at] = known[name][chosen[0]] / chosen[1]
            hits[at] = scores[at] >= 1.0
    drifts = bool(ruling.drifts or hits.any())
    best = max(ruling.score, float(scores.max(initial=0.0)))
    return replace(ruling, scores=scores, hits=hits, drifts=drifts, score=best)


def _feature(
    base: Profile, seen: Profile, sight: Sight, at: int, ruling: Ruling, known: Distances, rest: Rests
) -> FeatureDrift:
    """One line of the report."""
    name = sight.names[at]
    one, two = base.features[name], seen.features[name]
    link = ruling.blamed.get(name)
    hit = bool(ruling.hits[at])
    value, eye, log_p = float(ruling.scores[at]), sight.eyes[at], float(sight.log_p[at])
    verdict: Verdict = "drift" if hit or link else "stable"
    if verdict == "stable" and sight.few[at]:
        verdict = "too_few_rows"
    if hit and not (link and eye == REST):
        many = log_p + np.log(len(sight.names))
        text = words.feature(base, seen, name, eye, int(sight.cells[at]), many, rest.get(name))
    elif link:
        value, eye, text = max(value, link.score), "links", words.link(name, link)
    else:
        text = words.CALM if verdict == "stable" else words.FEW
    return FeatureDrift(
        name=name, kind=base.grid.by_name[name].kind, score=value, p_value=_chance(log_p),
        drift=verdict == "drift", verdict=verdict, effect=float(sight.effect[at]), distances=known[name],
        null_rate=two.nulls / max(seen.rows, 1), reference_null_rate=one.nulls / max(base.rows, 1),
        new_levels=words.new_levels(one, two), eye=eye, explanation=text,
    )  # fmt: skip


def _too_few(base: Profile, seen: Profile, sight: Sight, known: Distances, settings: Settings) -> DriftReport:
    """The report of a batch that is too small to judge."""
    features = tuple(
        FeatureDrift(
            name=name, kind=base.grid.by_name[name].kind, score=0.0, p_value=1.0, drift=False,
            verdict="too_few_rows", effect=0.0, distances=known[name],
            null_rate=seen.features[name].nulls / max(seen.rows, 1),
            reference_null_rate=base.features[name].nulls / max(base.rows, 1),
            new_levels=words.new_levels(base.features[name], seen.features[name]), eye="",
            explanation=words.FEW,
        )
        for name in sight.names
    )  # fmt: skip
    text = words.too_few(seen.rows, base.rows, settings.drift.min_rows)
    return DriftReport(seen.rows, "too_few_rows", 0.0, 1.0, features, explanation=text)


def _chance(log_p: float) -> float:
    return math.exp(max(log_p, LEAST))
