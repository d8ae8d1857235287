"""From what was seen to a verdict: the budget of the batch, the alarm lines, which features are named.

Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.drift.crowd import Moves
from pipeline.drift.laws import pool
from pipeline.drift.links import Pairs
from pipeline.drift.look import WEIGHT_OF_REST, Sight
from storage.records import Link
from storage.settings import Settings

Floats = NDArray[np.float64]
FEATURES, LINKS, CROWD = 0.74, 0.13, 0.13  # shares of the budget: single features, links, many small moves at once
NAMED_AT = 0.01  # rate of wrongly named features once a batch drifts (Benjamini and Hochberg 1995)
_NAMED_IN_CROWD = 0.2  # the same where only the crowd spoke
_TOLD = 20  # links in a report
_SUSPECTS = 6  # features, most surprising first, of which the one that explains the rest is sought


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
    sight: Sight, pairs: Pairs | None, moves: Moves | None, least: Floats, watched: Floats, settings: Settings
) -> Ruling:
    """The verdict by the calibrated score.

    Parameters
    ----------
    sight : Sight
    pairs : Pairs or None
    moves : Moves or None
        Of all linked features together.
    least : ndarray of shape (features,)
        Smallest effect that counts.
    watched : ndarray of bool, shape (features,)
        Features the calibrated score speaks for.
    settings : Settings

    Notes
    -----
    A p-value speaks only where the effect may be large enough; the p-values of all families are pooled by their shares
    of the budget. A batch drifts if the pooled value is within the budget. Then features are named.
    """
    budget, size = float(np.log(settings.drift.budget)), max(int(watched.sum()), 1)
    line = budget + np.log(FEATURES / size)
    log_p, reach = np.where(watched, sight.log_p, 0.0), sight.most / least
    loud = np.where(reach >= 1.0, log_p, 0.0)
    link_p, link_scores = _links(pairs, settings)
    crowd, wide = _crowd(sight, moves, watched, settings)
    crowd_p = crowd if wide >= 1.0 else 0.0
    weights = np.append(watched * (FEATURES / size), (LINKS, CROWD))
    both = np.array([np.append(loud, (link_p, crowd_p)), np.append(log_p, (link_p, crowd))])
    spoken, surprise = pool(both, weights).tolist()
    drifts = spoken <= budget
    hits, scores = np.zeros(len(loud), bool), np.minimum(log_p / line, reach)
    if drifts:
        loud = _witnessed(sight, loud, moves, line)
        hits, scores = _named(loud, scores, reach, sight.effect / least, line, bool((link_scores < 1.0).all()))
    named = {name: own for name, hit, own in zip(sight.names, hits, sight.own, strict=True) if hit}
    told, blamed = _told(pairs, link_scores, {name for name, own in named.items() if own <= line}, set(named))
    link_score = float(link_scores.max(initial=0.0))
    best = float(max(scores.max(initial=0.0), link_score, min(crowd_p / (budget + np.log(CROWD)), wide)))
    if drifts:
        together = min(float((spoken + np.log(FEATURES / size)) / line), max(float(reach.max(initial=0.0)), wide))
        best = max(best, together, 1.0)
    only_crowd = drifts and not hits.any() and not blamed
    best = best if drifts else min(best, 0.99)
    return Ruling(drifts, best, surprise, scores, hits, told, link_score, blamed, only_crowd)


def _crowd(sight: Sight, moves: Moves | None, watched: Floats, settings: Settings) -> tuple[float, float]:
    """Log p of all watched features together, and the most they may have moved over what counts."""
    if moves is None:
        return 0.0, 0.0
    log_p, most = moves.together({name for name, asked in zip(sight.names, watched, strict=True) if asked})
    return log_p, most / max(settings.drift.min_effect, 1e-9)


def _witnessed(sight: Sight, loud: Floats, moves: Moves | None, line: float) -> Floats:
    """Surprises of a drifting batch's features with none that only a drifting witness makes.

    A feature that drifts puts the others off from where it says they ought to be. So those that drift by themselves are
    not asked, nor, one after the other, the one whose leaving explains the rest best.
    """
    own = np.where(loud < 0, sight.own, 0.0)
    if moves is None:
        return own
    naming = max(_step_up(own, NAMED_AT), line)
    found, out = own.copy(), {name for name, p in zip(sight.names, own, strict=True) if p <= naming}
    weight = float(np.log(WEIGHT_OF_REST))
    at = {name: place for place, name in enumerate(sight.names) if loud[place] < 0}
    while True:
        left = {name: one.log_p - weight for name, one in moves.alone(out).items() if name in at}
        suspects = sorted((name for name, p in left.items() if p <= naming), key=lambda name: left[name])[:_SUSPECTS]
        if not suspects:
            return found
        one = max(suspects, key=lambda name: _left_over(moves, out | {name}))
        found[at[one]] = min(found[at[one]], left[one])
        out.add(one)


def _left_over(moves: Moves, without: set[str]) -> float:
    """What is left to explain without some features: the sum of the others' log p-values.

    The most surprising feature is not always the one that moved: shuffle one of three nearly equal columns, and a ratio
    of them is further off than any.
    """
    return sum(one.log_p for one in moves.alone(without).values())


def _named(
    loud: Floats, scores: Floats, reach: Floats, moved: Floats, line: float, unexplained: bool
) -> tuple[NDArray, Floats]:
    """Which features of a drifting batch are named, and all scores with theirs at 1 or above.

    By the step-up procedure of Benjamini and Hochberg, never more strictly than by their share of the budget, among
    those that moved as far as matters (``moved`` at least 1). Where that names none and nothing else explains the
    batch, among those that may have moved so far; then less strictly; then the most surprising one.
    """
    far = np.where(moved >= 1.0, loud, 0.0)
    asked = ((far, NAMED_AT), (loud, NAMED_AT), (loud, _NAMED_IN_CROWD)) if unexplained else ((far, NAMED_AT),)
    for speaking, rate in asked:
        naming = max(_step_up(speaking, rate), line)
        hits = (speaking <= naming) & (speaking < 0)
        if hits.any():
            break
    else:
        if unexplained:
            naming = float(loud.min(initial=0.0))
            hits = (loud <= naming) & (loud < 0)
    if naming < 0:
        raised = np.maximum(np.minimum(loud / naming, reach), 1.0)
        scores = np.where(hits, raised, np.minimum(scores, 0.99))
    return hits, scores


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
    speaking = np.where(pairs.most >= least, pairs.log_p, 0.0)
    return float(min(speaking.min() + np.log(many), 0.0)), np.minimum(pairs.log_p / line, pairs.most / least)


def _told(
    pairs: Pairs | None, scores: Floats, drifting: set[str], named: set[str]
) -> tuple[tuple[Link, ...], dict[str, Link]]:
    """The worst links, and the features to blame for those that broke.

    A link with an end that drifts by itself is explained by it. Of the rest, features that are named already are
    blamed, then the feature with the most broken links, then the next, until all are explained; of a single broken link
    both ends are.
    """
    if pairs is None or not len(scores):
        return (), {}
    told = []
    worth = np.flatnonzero(scores > 0.5)
    for at in worth[np.argsort(-scores[worth], kind="stable")][: max(_TOLD, int((scores >= 1).sum()))]:
        a, b = pairs.names[pairs.first[at]], pairs.names[pairs.second[at]]
        broken = bool(scores[at] >= 1.0) and a not in drifting and b not in drifting
        p = float(np.exp(max(pairs.log_p[at], -700.0)))
        told.append(Link(a, b, float(scores[at]), p, float(pairs.reference[at]), float(pairs.batch[at]), broken))
    return tuple(told[:_TOLD]), _blamed([link for link in told if link.drift], named)


def _blamed(left: list[Link], named: set[str]) -> dict[str, Link]:
    """Features that explain the broken links, each with its worst one."""
    blamed: dict[str, Link] = {}
    while left:
        ends = [end for link in left for end in (link.a, link.b)]
        hub = max(dict.fromkeys(ends), key=lambda end: (end in named, ends.count(end)))
        mine = [link for link in left if hub in (link.a, link.b)]
        blamed[hub] = mine[0]
        if len(mine) == 1 and hub not in named:
            blamed.setdefault(mine[0].b if hub == mine[0].a else mine[0].a, mine[0])
        left = [link for link in left if link not in mine]
    return blamed
