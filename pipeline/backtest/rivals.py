"""The rival policies of a backtest: fixed rules that know nothing of contests, gates or labels in doubt. Pure.

A rule says after each batch whether to fit now and on how many of the newest rows. What it fits becomes the champion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from storage.errors import Refused
from storage.records import DriftReport

DELTA = 0.002  # of ADWIN: how seldom a window without change is cut
CLOCK = 32  # rows between two places at which ADWIN looks for a cut, as in the paper
NO_DRIFT = 0.5  # share of drifted features from which the usual recipe trains


@dataclass
class Seen:
    """What a rule may look at after a batch."""

    first: int  # rows of the first training
    rows: int  # rows so far, the first training included
    number: int  # what stands behind the colon of the policy
    batch: int = 0  # running number
    report: DriftReport | None = None
    errors: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))  # of the champion, ADWIN's window


@dataclass(frozen=True)
class Rule:
    """A rival policy: one row of ``RIVALS``. ``due`` gives how many of the newest rows to learn, 0 for none."""

    name: str
    label: str
    due: Callable[[Seen], int]


def _usual(seen: Seen) -> int:
    """All rows, when at least half of the features drift."""
    report = seen.report
    if report is None or not report.features:
        return 0
    return seen.rows if sum(f.drift for f in report.features) >= NO_DRIFT * len(report.features) else 0


def _adwin(seen: Seen) -> int:
    """The rows since the change, when the window of errors is cut; the cut stays in ``seen``."""
    kept = adwin(seen.errors)
    risen = kept and len(seen.errors) > kept and seen.errors[-kept:].mean() > seen.errors[:-kept].mean()
    seen.errors = seen.errors[len(seen.errors) - kept :]
    return kept if risen else 0


def adwin(errors: NDArray[np.float64], delta: float = DELTA) -> int:
    """How many of the newest errors are from one world.

    Parameters
    ----------
    errors : ndarray of shape (n,)
        Between 0 and 1, oldest first.
    delta : float
        Confidence.

    Returns
    -------
    int
        n when no cut is needed.

    Notes
    -----
    The oldest errors are dropped while any two parts of the window differ by more than
    sqrt(2/m s2 ln(2/d)) + 2/(3m) ln(2/d), with 1/m = 1/n0 + 1/n1, s2 the variance of the window and d = delta/ln(n).
    Cuts are looked for every 32 errors of an exact window instead of at the paper's buckets.

    References
    ----------
    Bifet and Gavalda, Learning from time-changing data with adaptive windowing, SDM 2007.

    Examples
    --------
    >>> adwin(np.repeat([0.0, 1.0], [200, 100]))
    108
    """
    kept = errors
    while len(kept) > 2 * CLOCK:
        n = len(kept)
        older = np.arange(CLOCK, n - CLOCK // 2, CLOCK)
        sums = np.cumsum(kept)
        before, after = sums[older - 1] / older, (sums[-1] - sums[older - 1]) / (n - older)
        term = math.log(2 * math.log(n) / delta)
        m = 1 / (1 / older + 1 / (n - older))
        allowed = np.sqrt(2 / m * kept.var() * term) + 2 / (3 * m) * term
        cuts = np.flatnonzero(np.abs(before - after) > allowed)
        if not len(cuts):
            break
        kept = kept[older[cuts[0]] :]
    return len(kept)


RIVALS: dict[str, Rule] = {
    row.name: row
    for row in (
        Rule("never", "The first model for ever", lambda seen: 0),
        Rule("always", "All history, every batch", lambda seen: seen.rows),
        Rule("window", "The newest rows, as many as the first training had, every batch", lambda seen: seen.first),
        Rule("every:K", "All history, every K-th batch", lambda seen: 0 if seen.batch % seen.number else seen.rows),
        Rule("usual", "All history, when half of the features drift", _usual),
        Rule("adwin", "The rows since the change, when ADWIN cuts the errors", _adwin),
    )
}
POLICIES = ("auto", *RIVALS)


def check_policy(policy: str) -> tuple[str, int]:
    """A policy's name as in ``POLICIES``, and its number.

    Raises
    ------
    Refused
        If there is no such policy.
    """
    name, _, number = policy.partition(":")
    if policy in POLICIES and policy != "every:K":
        return policy, 1
    if name == "every" and number.isdigit() and int(number) > 0:
        return "every:K", int(number)
    raise Refused(
        f"There is no policy {policy!r}.", remedy=f"Name one of {', '.join(POLICIES)} (every:5, for example)."
    )
