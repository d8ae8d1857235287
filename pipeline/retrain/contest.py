"""The contest of training sets: candidates are judged, with the champion, on the newest rows none of them has seen.

Pure given the order: no I/O, seeded fits. Times are measured only to be told.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from pipeline.apart import Progress
from pipeline.hands import ONE, Hands
from pipeline.models import Predictions
from pipeline.performance import Paired
from pipeline.retrain import gates
from pipeline.retrain import labels as labels_
from pipeline.retrain.entries import Entry, loaded, stand
from pipeline.retrain.field import Field, lay_out
from pipeline.retrain.judging import better, choose, hasty, restores
from pipeline.retrain.order import Order, Outcome
from pipeline.retrain.refit import finished, metrics_of


def contest(order: Order, progress: Progress | None = None, hands: Hands = ONE) -> Outcome:
    """Hold a contest.

    Parameters
    ----------
    order : Order
    progress : callable, optional
        Given a dictionary with ``done``, ``of`` and ``what`` after each fit.
    hands : Hands, optional
        What does the fits.

    Returns
    -------
    Outcome
        ``promote`` with a winner, ``reject`` when nothing is better by more than noise, ``hold`` when something is
        doubtful: with an artefact when a challenger waits, without one when the labels themselves are doubted.
    """
    began = time.perf_counter()
    tell = progress or (lambda message: None)
    champion = loaded(order.champion)
    order = replace(order, champion=replace(order.champion, model=champion))
    doubted = labels_.doubts(order, champion, hands)
    if doubted and order.trigger != "person":
        ids = tuple(doubted)
        if order.batches and order.batches[-1].batch_id in doubted:
            return _held_labels(order, doubted, began)
        order = replace(order, batches=tuple(b for b in order.batches if b.batch_id not in ids))
    if order.trigger == "labels" and not order.retired:
        told = "The labels were looked at closely: they are unusual, but what they say can be learned."
        return Outcome("reject", told, suspect=tuple(doubted), seconds=time.perf_counter() - began)
    field_ = lay_out(order)
    least = min(100, order.settings.retrain.min_labelled)
    if field_.rows - field_.jury < least:
        told = f"Only {field_.rows - field_.jury} labelled rows are left to judge by; {least} are needed."
        return Outcome("reject", told, suspect=tuple(doubted), seconds=time.perf_counter() - began)
    entries, base = stand(order, field_, champion, tell, hands)
    outcome = _verdict(order, field_, entries, base, tell, hands)
    details = {**outcome.details, "label_doubts": {str(k): v for k, v in doubted.items()}}
    return replace(outcome, suspect=tuple(doubted), details=details, seconds=time.perf_counter() - began)


def _held_labels(order: Order, doubted: dict[int, str], began: float) -> Outcome:
    newest = order.batches[-1].batch_id
    return Outcome(
        "hold",
        f"{doubted[newest]} A person has to look at these labels before they are learned.",
        suspect=tuple(doubted),
        turned="turned round" in doubted[newest],
        doubts=tuple(doubted.values()),
        details={"label_doubts": {str(k): v for k, v in doubted.items()}},
        seconds=time.perf_counter() - began,
    )


def _verdict(
    order: Order, field_: Field, entries: list[Entry], base: Predictions, tell: Progress, hands: Hands
) -> Outcome:
    """The best candidate, tested against the champion, gated, and fitted once more on all it may use."""
    judged = field_.batches(field_.jury, field_.rows)
    if not entries:
        told = "No candidate could be fitted." if order.fit else "There is no earlier champion to recall."
        return Outcome("reject", told, judged_on=judged)
    able = [entry for entry in entries if not entry.behind]
    best = choose([e for e in able if restores(e, order) and not hasty(e, order)] or able)
    told = _told(best)
    outcome = Outcome(
        "reject",
        f"{told}: not better by more than noise.",
        candidates=tuple(entry.told(field_) for entry in entries),
        judged_on=judged,
        comparison=_comparison(best.against),
        metrics=metrics_of(order, field_, best),
        recipe=best.name,
        fitted=sum(entry.rows is not None for entry in entries),
    )
    if not better(best.against, order) or not restores(best, order) or hasty(best, order):
        return outcome
    trial = gates.Trial(order, field_, best.model, best.said, base)
    doubts = gates.challenger(trial)
    outcome = replace(
        outcome,
        action="hold" if doubts or not order.settings.retrain.auto_promote else "promote",
        reason=_ending(told, doubts, order),
        doubts=tuple(doubts),
        details=trial.details,
    )
    if best.rival is not None:
        rival = best.rival
        return replace(outcome, recalled=rival.version_id, trained_on=rival.trained_on, rows=rival.rows)
    tell({"done": outcome.fitted, "of": outcome.fitted + 1, "what": "last fit"})
    return finished(order, field_, best, outcome, hands)


def _told(best: Entry) -> str:
    """How the best did beside the champion."""
    against = best.against
    return (
        f"{best.name[0].upper()}{best.name[1:]}: {against.metric.replace('_', ' ')} {against.second.value:.3f} against "
        f"the champion's {against.first.value:.3f} on the newest {against.gain.rows} labelled rows "
        f"(p = {against.p_better:.1g})"
    )


def _ending(told: str, doubts: list[str], order: Order) -> str:
    if doubts:
        return f"{told}, but: {' '.join(doubts)} A person has to confirm."
    if not order.settings.retrain.auto_promote:
        return f"{told}. Promotion waits for a person, as the settings ask."
    return f"{told}."


def _comparison(against: Paired) -> dict[str, Any]:
    return {
        "metric": against.metric,
        "champion": against.first.value,
        "challenger": against.second.value,
        "gain": against.gain.value,
        "low": against.gain.low,
        "high": against.gain.high,
        "rows": against.gain.rows,
        "p_better": against.p_better,
        "flips": against.flips,
    }
