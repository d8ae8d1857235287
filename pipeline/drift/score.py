"""Two profiles to a report: a calibrated score for every feature, one family-wise verdict for the batch.

Pure: no I/O, no clock, no randomness. The mathematics is told in docs/drift-score.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.distances import DISTANCES
from pipeline.drift import dates, eyes, faults, links, words
from pipeline.drift.laws import LEAST, pool
from pipeline.drift.pair import Pair, pair_of
from pipeline.profile import Profile
from storage.records import DriftReport, FeatureDrift, Link, Verdict
from storage.settings import Settings

Floats = NDArray[np.float64]
NUMERIC_EYES = {"location": 0.2, "scale": 0.15, "cumulative": 0.1, "shape": 0.15, "single value": 0.15, "tails": 0.15, "nulls": 0.1}
LEVEL_EYES = {"shape": 0.4, "single level": 0.25, "new levels": 0.25, "nulls": 0.1}
FEATURE_SHARE = 0.8  # of the budget; the rest goes to links between features
_NAMED_AT = 0.02  # rate of wrongly named features once a batch drifts (Benjamini and Hochberg 1995)


@dataclass(frozen=True)
class Looked:
    """What the eyes saw of some features: arrays of shape (features, eyes)."""

    names: tuple[str, ...]
    eyes: tuple[str, ...]
    weights: Floats
    log_p: Floats
    effect: Floats
    cell: NDArray[np.intp]  # (features,): the single value or level that changed most


def score(reference: Profile, batch: Profile, settings: Settings) -> DriftReport:
    """How far a batch is from the reference.

    Parameters
    ----------
    reference, batch : Profile
        Over the same grid.
    settings : Settings
        ``drift``: budget, smallest effect, least rows, rule; ``features``: overrides; ``faults``.

    Returns
    -------
    DriftReport
        A score of 1.0 is the alarm line for every feature and for the batch; all figures are finite.
    """
    pair = pair_of(reference, batch, settings)
    looked = look(pair)
    return judge(pair, looked, links.compare(reference, batch), settings)


def look(pair: Pair) -> list[Looked]:
    """All eyes over all features, a matrix a kind."""
    return [one for one in (_numbers(pair), _levels(pair), dates.look(pair, Looked)) if one is not None]


def _numbers(pair: Pair) -> Looked | None:
    base, seen, lens = pair.base_numbers, pair.numbers, pair.lens
    if not base.names:
        return None
    n, m = pair.effective(base.names, seen.present, base.present)
    p, q = base.shares, seen.shares
    few = ~pair.enough(seen.present, base.present)
    tails = eyes.counted(
        np.einsum("tfc,fc->ft", lens.lower, q) * n[:, None], n[:, None], np.einsum("tfc,fc->ft", lens.lower, p) * m[:, None], m[:, None]
    )
    ratio, base_ratio = n / np.maximum(seen.present, 1), m / np.maximum(base.present, 1)
    single = eyes.heaviest(seen.shards * ratio[:, None], n, base.shards * base_ratio[:, None], m)
    rows = (
        eyes.shift(lens.scores, p, q, n, m),
        eyes.shift(lens.squares, p, q, n, m),
        eyes.gap(p, q, n, m),
        eyes.shape(pair.grouped(seen.cells) * ratio[:, None], pair.grouped(base.cells) * base_ratio[:, None], n, m),
        single[:2],
        (pool(tails[0], np.full(4, 0.25)), np.take_along_axis(tails[1], tails[0].argmin(axis=1)[:, None], 1)[:, 0]),
        pair.nulls(base.names, seen.nulls, base.nulls),
    )
    return looked(base.names, NUMERIC_EYES, rows, few, single[2])


def _levels(pair: Pair) -> Looked | None:
    base, seen = pair.base_levels, pair.levels
    if not base.names:
        return None
    n, m = pair.effective(base.names, seen.present, base.present)
    few = ~pair.enough(seen.present, base.present)
    ratio, base_ratio = (n / np.maximum(seen.present, 1))[:, None], (m / np.maximum(base.present, 1))[:, None]
    x = np.concatenate([seen.counts, seen.new[:, None]], axis=1) * ratio
    y = np.concatenate([base.counts, base.new[:, None]], axis=1) * base_ratio
    single = eyes.heaviest(x[:, :-1], n, y[:, :-1], m)
    rows = (
        eyes.shape(x, y, n, m),
        single[:2],
        pair.new_levels(n, m),
        pair.nulls(base.names, seen.nulls, base.nulls),
    )
    return looked(base.names, LEVEL_EYES, rows, few, single[2])


def looked(names: tuple[str, ...], weights: dict[str, float], rows: tuple, few: Floats, cell: NDArray[np.intp]) -> Looked:
    """Put eyes side by side; with too few rows only the nulls (the last eye) are looked at."""
    log_p = np.stack([row[0] for row in rows], axis=1)
    log_p[few, :-1] = 0.0
    effect = np.stack([row[1] for row in rows], axis=1)
    return Looked(names, tuple(weights), np.array(list(weights.values())), np.maximum(log_p, LEAST * 10), effect, cell)


# --- the verdict --------------------------------------------------------------------------------------------------------


def judge(pair: Pair, seen: list[Looked], pairs: links.Pairs | None, settings: Settings) -> DriftReport:
    """Verdict, scores and words from what the eyes saw."""
    names = [name for one in seen for name in one.names]
    few_rows = pair.batch.rows < settings.drift.min_rows or pair.reference.rows < settings.drift.min_rows
    size = max(len(names), 1)
    weight = FEATURE_SHARE / size
    line = np.log(settings.drift.budget) + np.log(weight)
    log_p, material, effect, eye = _gathered(seen, pair)
    calibrated = np.array([pair.rule(name) is None for name in names], bool)
    log_p, material = np.where(calibrated, log_p, 0.0), np.where(calibrated, material, 0.0)
    link_p, link_line = _link_family(pairs, settings)
    batch_p = pool(np.r_[log_p, link_p], np.r_[np.full(len(names), weight), 1 - FEATURE_SHARE]) if names else np.float64(0)
    material_p = pool(np.r_[material, link_p if link_line else 0.0], np.r_[np.full(len(names), weight), 1 - FEATURE_SHARE]) if names else np.float64(0)
    drifts = bool(material_p <= np.log(settings.drift.budget)) and not few_rows
    naming = max(_benjamini(material), line) if drifts else line
    ratio = effect / np.array([pair.least_effect(name) for name in names]) if names else effect
    scores = np.minimum(np.where(material < 0, material / naming, np.minimum(log_p / naming, 0.99)), ratio)
    distances = pair.distances()
    for at, name in enumerate(names):
        rule = pair.rule(name)
        if rule is not None:
            scores[at] = distances[name].get(rule[0], 0.0) / rule[1]
    hits = (scores >= 1.0) & (drifts | ~calibrated) & (not few_rows)
    found_links, link_score = _links(pairs, link_line, settings, few_rows, {n for n, hit in zip(names, hits, strict=True) if hit})
    overall = float((material_p + np.log(weight)) / line)
    best = float(scores.max(initial=0.0)) if not drifts else max(min(overall, float(ratio.max(initial=1.0))), float(scores.max(initial=0.0)), 1.0)
    best = max(best, link_score)
    verdict: Verdict = "too_few_rows" if few_rows else "drift" if drifts or hits.any() else "stable"
    if verdict == "stable":
        best = min(best, 0.99)
    features = []
    for at, name in enumerate(names):
        features.append(_feature(pair, name, float(scores[at]) if not few_rows else 0.0, float(log_p[at]), bool(hits[at]), float(effect[at]), eye[at], distances[name]))
    for name in pair.unwatched:
        features.append(_feature(pair, name, 0.0, 0.0, False, 0.0, ("", 0), pair.distances()[name]))
    features.sort(key=lambda one: -one.score)
    suspects = [name for name, p in zip(names, log_p, strict=True) if p < line]
    found = faults.find(pair.reference, pair.batch, suspects, settings) if not few_rows else ()
    report = DriftReport(
        rows=pair.batch.rows, verdict=verdict, score=best if not few_rows else 0.0, p_value=_chance(batch_p),
        features=tuple(features), links=found_links, link_score=link_score, faults=found,
    )  # fmt: skip
    return words.explained(report, settings)


def _gathered(seen: list[Looked], pair: Pair) -> tuple[Floats, Floats, Floats, list[tuple[str, int]]]:
    """Of every feature: log p over all eyes, over those with an effect that matters, that effect, and the eye."""
    logs, materials, effects, best = [], [], [], []
    for one in seen:
        least = np.array([pair.least_effect(name) for name in one.names])[:, None]
        matters = np.where(one.effect >= least, one.log_p, 0.0)
        logs.append(pool(one.log_p, one.weights))
        materials.append(pool(matters, one.weights) * (matters < 0).any(axis=1))
        leading = np.where((matters < 0).any(axis=1, keepdims=True), matters, one.log_p) - np.log(one.weights)
        at = leading.argmin(axis=1)
        effects.append(one.effect[np.arange(len(at)), at])
        best.extend((one.eyes[i], int(cell)) for i, cell in zip(at, one.cell, strict=True))
    if not logs:
        none = np.zeros(0)
        return none, none, none, []
    return np.concatenate(logs), np.concatenate(materials), np.concatenate(effects), best


def _benjamini(log_p: Floats) -> float:
    """The step-up threshold below which features are named, as a log p."""
    ordered = np.sort(log_p)
    allowed = np.log(_NAMED_AT * np.arange(1, len(ordered) + 1) / len(ordered))
    below = np.nonzero(ordered <= allowed)[0]
    return float(allowed[below[-1]]) if len(below) else -np.inf


def _link_family(pairs: links.Pairs | None, settings: Settings) -> tuple[float, float]:
    """Log p of the family of links that matter, and the alarm line of one link."""
    if pairs is None or not len(pairs.log_p):
        return 0.0, 0.0
    matters = np.where(pairs.effect >= settings.drift.min_effect, pairs.log_p, 0.0)
    line = float(np.log(settings.drift.budget * (1 - FEATURE_SHARE) / len(matters)))
    return float(min(matters.min() + np.log(len(matters)), 0.0)), line


def _links(
    pairs: links.Pairs | None, line: float, settings: Settings, few_rows: bool, drifting: set[str]
) -> tuple[tuple[Link, ...], float]:
    """The pairs worth telling, worst first, and the score of the worst."""
    if pairs is None or not line or few_rows:
        return (), 0.0
    scores = np.minimum(pairs.log_p / line, pairs.effect / max(settings.drift.min_effect, 1e-9))
    order = np.argsort(-scores)[:20]
    found = tuple(
        Link(
            pairs.names[pairs.first[at]], pairs.names[pairs.second[at]], float(scores[at]), _chance(pairs.log_p[at]),
            float(pairs.reference[at]), float(pairs.batch[at]), bool(scores[at] >= 1.0),
        )
        for at in order
        if scores[at] > 0.5
    )  # fmt: skip
    return found, float(scores.max(initial=0.0))


def _chance(log_p: float) -> float:
    return float(np.exp(np.maximum(log_p, LEAST)))


def _feature(
    pair: Pair, name: str, value: float, log_p: float, hit: bool, effect: float, eye: tuple[str, int], distances: dict[str, float]
) -> FeatureDrift:
    grid = pair.reference.grid.by_name[name]
    base, seen = pair.reference.features[name], pair.batch.features[name]
    known = base.new or {}
    fresh = sorted(((n, level) for level, n in (seen.new or {}).items() if level not in known), reverse=True)
    verdict: Verdict = "drift" if hit else "stable"
    if not hit and min(seen.present, base.present) < pair.settings.drift.min_rows:
        verdict = "too_few_rows"
    return FeatureDrift(
        name=name, kind=grid.kind, score=value, p_value=_chance(log_p), drift=hit, verdict=verdict, effect=effect,
        distances=distances, null_rate=seen.nulls / max(pair.batch.rows, 1),
        reference_null_rate=base.nulls / max(pair.reference.rows, 1), new_levels=tuple(level for _, level in fresh[:20]),
        eye=eye[0], explanation=words.feature(pair, name, eye, log_p, hit),
    )  # fmt: skip


def names_of_distances() -> tuple[str, ...]:
    """The distances a report carries."""
    return tuple(DISTANCES)
