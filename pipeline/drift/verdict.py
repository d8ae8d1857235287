"""From what was seen to a verdict: the budget of the batch, the alarm lines, which features are named.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.laws import pool
from pipeline.drift.links import Pairs
from pipeline.drift.look import Sight
from storage.records import Link
from storage.settings import Settings

Floats = NDArray[np.float64]
FEATURES, LINKS, CROWD = 0.7, 0.15, 0.15  # shares of the budget: single features, their links, many small moves at once
NAMED_AT = 0.02  # rate of wrongly named features once a batch drifts (Benjamini and Hochberg 1995)
_NAMED_IN_CROWD = 0.2  # the same where only the crowd spoke
_TOLD = 20  # links in a report


@dataclass(frozen=True)
class Ruling:
    """What was decided about a batch."""

    drifts: bool
    score: float
    log_p: float
    scores: Floats  # (features,)
    hits: NDArray[np.bool_]
    links: tuple[Link, ...]
    link_score: float
    blamed: dict[str, Link]  # features named for a broken link, with the worst one
    crowd: bool  # only the crowd spoke


def rule(
    sight: Sight, pairs: Pairs | None, crowd: tuple[float, float], least: Floats, watched: Floats, settings: Settings
) -> Ruling:
    """The verdict by the calibrated score.

    Parameters
    ----------
    sight : Sight
    pairs : Pairs or None
    crowd : tuple of float
        Log p-value and effect of all linked features together.
    least : ndarray of shape (features,)
        Smallest effect that counts.
    watched : ndarray of bool, shape (features,)
        Features the calibrated score speaks for.
    settings : Settings

    Notes
    -----
    A p-value speaks only where the effect is large enough; the p-values of all families are pooled with their shares of
    the budget as weights. A batch drifts if the pooled value is within the budget. Then features are named by the
    step-up procedure of Benjamini and Hochberg, never more strictly than by their share of the budget.
    """
    budget = float(np.log(settings.drift.budget))
    size = max(int(watched.sum()), 1)
    line = budget + np.log(FEATURES / size)
    log_p = np.where(watched, sight.log_p, 0.0)
    big = sight.effect >= least
    link_p, link_scores = _links(pairs, settings)
    crowd_p = crowd[0] if crowd[1] >= settings.drift.min_effect else 0.0
    silent = 0.0 if watched.any() else FEATURES
    weights = np.concatenate((watched * (FEATURES / size), (LINKS, CROWD, silent)))
    spoken = float(pool(np.concatenate((np.where(big, log_p, 0.0), (link_p, crowd_p, 0.0))), weights))
    surprise = float(pool(np.concatenate((log_p, (link_p, crowd[0], 0.0))), weights))
    drifts = spoken <= budget
    scores = np.minimum(log_p / line, sight.effect / least)
    hits = (scores >= 1.0) & drifts
    if drifts:
        named = np.where(big, log_p, 0.0)
        naming = max(_step_up(named, NAMED_AT), line)
        if not (named <= naming).any() and (link_scores < 1.0).all():
            naming = max(_step_up(named, _NAMED_IN_CROWD), float(named.min(initial=0.0)), line)
        hits = (named <= naming) & (named < 0) & big
        if naming < 0:
            scores = np.where(
                hits, np.maximum(np.minimum(log_p / naming, sight.effect / least), 1.0), np.minimum(scores, 0.99)
            )
    drifting = {name for name, hit in zip(sight.names, hits, strict=True) if hit}
    told, blamed = _told(pairs, link_scores, drifting)
    crowd_score = min(crowd_p / (budget + np.log(CROWD)), crowd[1] / max(settings.drift.min_effect, 1e-9))
    link_score = float(link_scores.max(initial=0.0))
    best = max(float(scores.max(initial=0.0)), link_score, crowd_score)
    if drifts:
        largest = max(float((sight.effect / least).max(initial=0.0)), crowd[1] / max(settings.drift.min_effect, 1e-9))
        best = max(best, min(float((spoken + np.log(FEATURES / size)) / line), largest), 1.0)
    else:
        best = min(best, 0.99)
    return Ruling(
        drifts, float(best), surprise, scores, hits, told, link_score, blamed, not drifting and not blamed and drifts
    )


def _step_up(log_p: Floats, rate: float) -> float:
    """The threshold below which features are named, as a log p; minus infinity if none is."""
    ordered = np.sort(log_p)
    allowed = np.log(rate * np.arange(1, len(ordered) + 1) / max(len(ordered), 1))
    below = np.nonzero(ordered <= allowed)[0]
    return float(allowed[below[-1]]) if len(below) else -np.inf


def _links(pairs: Pairs | None, settings: Settings) -> tuple[float, Floats]:
    """Log p of the family of links that matter, and the score of each pair."""
    if pairs is None or not len(pairs.log_p):
        return 0.0, np.zeros(0)
    least = max(settings.drift.min_effect, 1e-9)
    many = len(pairs.log_p)
    line = np.log(settings.drift.budget * LINKS / many)
    speaking = np.where(pairs.effect >= least, pairs.log_p, 0.0)
    return float(min(speaking.min() + np.log(many), 0.0)), np.minimum(pairs.log_p / line, pairs.effect / least)


def _told(pairs: Pairs | None, scores: Floats, drifting: set[str]) -> tuple[tuple[Link, ...], dict[str, Link]]:
    """The worst links, and the features to blame for those that broke.

    A link with a drifting feature at one end is explained by it. Of the rest, the feature with the most broken links is
    blamed, then the next, until all are explained; of a single broken link both ends are.
    """
    if pairs is None or not len(scores):
        return (), {}
    told = []
    for at in np.argsort(-scores, kind="stable")[: max(_TOLD, int((scores >= 1).sum()))]:
        a, b = pairs.names[pairs.first[at]], pairs.names[pairs.second[at]]
        broken = bool(scores[at] >= 1.0) and a not in drifting and b not in drifting
        if scores[at] > 0.5:
            p = float(np.exp(max(pairs.log_p[at], -700.0)))
            told.append(Link(a, b, float(scores[at]), p, float(pairs.reference[at]), float(pairs.batch[at]), broken))
    blamed: dict[str, Link] = {}
    left = [link for link in told if link.drift]
    while left:
        ends = [end for link in left for end in (link.a, link.b)]
        hub = max(dict.fromkeys(ends), key=ends.count)
        mine = [link for link in left if hub in (link.a, link.b)]
        blamed[hub] = mine[0]
        if len(mine) == 1:
            other = mine[0].b if hub == mine[0].a else mine[0].a
            blamed.setdefault(other, mine[0])
        left = [link for link in left if link not in mine]
    return tuple(told[:_TOLD]), blamed
