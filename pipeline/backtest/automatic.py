"""A batch under the settings' own decisions: what is decided, and what comes of it. In memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline import retrain
from pipeline.backtest.person import confirms, released, same_again
from pipeline.backtest.situation import situation
from pipeline.backtest.state import Replay, promote, version_of
from pipeline.decide import Choice, decide, normal_of
from pipeline.models import Predictions
from pipeline.retrain import Outcome, Rival

MOST_RETIRED = 5  # earlier champions that stay candidates
ASSUMED = {"answered_by": "assumed person"}


def automatic(replay: Replay, at: int, rows: pa.Table, said: Predictions) -> tuple[dict[str, Any], bool]:
    """What the settings would have decided, and its consequences: words for the line, and whether it fitted."""
    choice = decide(situation(replay, at), replay.settings)
    line: dict[str, Any] = {}
    if choice.action == "quarantine" and released(replay):
        choice, line = decide(situation(replay, at), replay.settings), dict(ASSUMED)
    line |= {"decision": choice.action, "trigger": choice.trigger, "reason": choice.reason}
    replay.normal = normal_of(choice.details) or replay.normal
    if choice.action == "quarantine":
        replay.aside[at] = replay.batches.pop()
        return line, False
    if choice.action == "rollback":
        promote(replay, at, replay.retired[-1], "watch")
        return line | {"decision": "promote"}, False
    confirmed = _confirmed(replay, at, rows, said)
    if confirmed:
        return line | confirmed, False
    if choice.action != "train":
        return line, False
    outcome = retrain.contest(_order(replay, choice), hands=replay.hands)
    if outcome.suspect and same_again(replay, at, outcome):
        outcome = retrain.contest(_order(replay, choice), hands=replay.hands)
        line |= ASSUMED
    replay.train_seconds += outcome.seconds
    _record(replay, at, outcome, choice.trigger)
    line |= {"decision": outcome.action, "reason": outcome.reason, "candidates": list(outcome.candidates)}
    return line, outcome.fitted > 0


def _confirmed(replay: Replay, at: int, rows: pa.Table, said: Predictions) -> dict[str, Any]:
    """The words of a held challenger's promotion, if a person would confirm it now; it does not wait any longer."""
    held, replay.pending = replay.pending, None
    told = confirms(replay, held, rows, said) if held is not None else ""
    if held is None or not told:
        return {}
    replay.versions += 1
    promote(replay, at, replace(held, version_id=replay.versions), "person")
    return {"decision": "promote", "trigger": "person", "reason": told} | ASSUMED


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
        promote(replay, at, _winner(replay, outcome), trigger)
    elif outcome.fitted:
        replay.rejections += 1
        if outcome.action == "hold" and outcome.model is not None:
            replay.pending = version_of(outcome, replay.versions + 1)


def _winner(replay: Replay, outcome: Outcome) -> Rival:
    if outcome.recalled is None:
        replay.versions += 1
        return version_of(outcome, replay.versions)
    return next(r for r in replay.retired if r.version_id == outcome.recalled)
