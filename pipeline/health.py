"""Whether a model can be trusted, in a word and a sentence. Pure: no I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import Episode, Health


@dataclass(frozen=True)
class Open:
    """What is open about a monitor at one moment."""

    batches: int  # scored so far
    held: Sequence[str] = ()  # what waits for a person: versions, doubtful labels
    training: str | None = None  # why, if one is queued or running
    fault: str | None = None  # what is broken in the newest batch
    episodes: Sequence[Episode] = ()  # that last
    harm_known: bool = False  # labels of drifted batches have come
    stuck: str | None = None  # trainings that failed in a row
    short: str | None = None  # the champion is as good as can be had, yet not as good as models here used to be


def judge(now: Open) -> tuple[Health, str]:
    """The state of a monitor.

    A model is unreliable from the moment drift is found until labels show whether it does harm; drift that does none is
    told as such.

    Parameters
    ----------
    now : Open

    Returns
    -------
    (Health, str)
        The word, and a sentence that says why.
    """
    if now.batches == 0:
        return "no_data", "No batch has arrived yet."
    loss = _last(now.episodes, "performance")
    drift = _last(now.episodes, "drift")
    if now.held:
        return "needs_you", f"A person has to confirm or refuse: {', '.join(now.held)}."
    if now.stuck:
        return "needs_you", now.stuck
    if now.training:
        return "learning", f"Unreliable until a new version is judged: {now.training}"
    if loss:
        return "unreliable", loss.summary
    if now.fault:
        return "unreliable", f"The newest batch is set aside. {now.fault}"
    if drift and not now.harm_known:
        return "unreliable", f"{drift.summary} Whether it does harm is not known until labels come."
    if drift:
        return "drifting", f"{drift.summary} Labels show no loss: drift seen, harm not seen."
    if now.short:
        return "healthy", f"The data look like the training data. {now.short} Nothing trained so far does better."
    return "healthy", "The data look like the training data, and no loss is seen."


def _last(episodes: Sequence[Episode], kind: str) -> Episode | None:
    return next((episode for episode in reversed(episodes) if episode.kind == kind), None)
