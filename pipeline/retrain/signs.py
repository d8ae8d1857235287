"""Signs that labels are wrong rather than new, read off one set of rows and what the champion made one expect. Pure.

A changed concept keeps labels learnable: where the champion errs, something in the features tells so. Labels that were
shuffled, partly turned round or overwritten do not. What costs next to nothing is here; see ``overwritten`` for groups
of one label, and ``noise`` for losses that nothing explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pipeline import performance
from pipeline.retrain.look import Look, unlikely
from pipeline.retrain.overwritten import RISK, overwritten

FALL = 0.05  # of accuracy, or of an error relative to its level: less is not doubted for the loss it brings
CLEAR = 4.0  # standard errors beyond which a loss is no chance


def plain(look: Look) -> Iterator[str]:
    """Sentences of doubt from what costs next to nothing."""
    checks = (_constant, _against) if look.schema.task == "regression" else (_one_class, _turned, _exchanged)
    for check in (*checks, overwritten):
        doubt = check(look)
        if doubt:
            yield doubt


def fell(look: Look) -> bool:
    """Whether the champion does clearly worse on these rows than it made one expect."""
    if look.schema.task == "regression":
        if look.level is None:
            return True
        squared = (look.y - look.said.values) ** 2
        error = float(squared.std()) / math.sqrt(look.n)
        usual = look.level.value
        return squared.mean() - usual**2 > CLEAR * error and math.sqrt(squared.mean()) > (1 + 2 * FALL) * usual
    return _lost_accuracy(look) or _lost_order(look)


def _lost_accuracy(look: Look) -> bool:
    now = float(look.right.mean())
    then = look.level.value if look.level else float(look.expected.max(1).mean())
    error = math.sqrt(max(then * (1 - then), 0.01) * (1 / look.n + 1 / max(look.level.rows if look.level else 1, 200)))
    return then - now > max(FALL, 0.75 * CLEAR * error)


def _lost_order(look: Look) -> bool:
    """Whether the labels are less likely than they should be, and less well ordered by the stated chances."""
    p, y = look.expected, look.number
    if look.said.probabilities is None or (y < 0).any() or unlikely(look) < CLEAR:
        return False
    now = performance.mean_area(y, look.said.probabilities)
    then = performance.expected_area(look.said.probabilities, p)
    return bool(np.isfinite(now) and np.isfinite(then) and now - 0.5 < 0.7 * (then - 0.5))


def _constant(look: Look) -> str:
    return f"all {look.n} are {look.y[0]:g}." if float(np.std(look.y)) == 0.0 else ""


def _against(look: Look) -> str:
    if float(np.std(look.said.values)) == 0.0 or float(np.std(look.y)) == 0.0:
        return ""
    r = float(np.corrcoef(look.y, look.said.values)[0, 1])
    if r > -0.2 or r > -3 / math.sqrt(look.n):
        return ""
    return f"they run against the predictions (correlation {r:.2f}): turned round, or the world is."


def _one_class(look: Look) -> str:
    """All the same although the champion expects others."""
    first = str(look.y[0])
    if any(str(v) != first for v in look.y) or first not in look.schema.classes:
        return ""
    p = look.expected[:, look.schema.classes.index(first)]
    if float(np.log(p).sum()) > math.log(RISK):
        return ""
    return f"all {look.n} are {first!r}, where about {100 * (1 - p.mean()):.0f}% others were to be expected."


def _turned(look: Look) -> str:
    """Two classes that came the other way round."""
    if look.said.probabilities is None or len(look.schema.classes) != 2:
        return ""
    truth = look.number == 1
    area = performance.area(truth, look.said.probabilities[:, 1])
    few = min(int(truth.sum()), int((~truth).sum()))
    if not np.isfinite(area) or area > 0.5 - max(0.15, 1.2 / math.sqrt(max(few, 1))):
        return ""
    return f"they say the opposite of the predictions (ROC AUC {area:.2f}): turned round, or the world is."


def _exchanged(look: Look) -> str:
    """Three and more classes: predictions follow the labels under other names, or fewer are right than by guessing."""
    if len(look.schema.classes) < 3:
        return ""
    counts = performance.confusion(performance.said(look.y, look.said.values, None, look.schema))
    total = counts.sum()
    if not total:
        return ""
    right, mapped = np.trace(counts) / total, counts.max(axis=0).sum() / total
    if right <= 0.35 * mapped and mapped >= 0.6:
        share, own = 100 * mapped, 100 * right
        return f"{share:.0f}% follow the predictions under other names, {own:.0f}% under their own: turned round?"
    by_lot = float((counts.sum(0) * counts.sum(1)).sum()) / total**2
    if right > 0.5 * by_lot or by_lot - right < CLEAR * math.sqrt(by_lot * (1 - by_lot) / total):
        return ""
    return f"{100 * right:.0f}% agree with the predictions, fewer than by lot ({100 * by_lot:.0f}%): turned round?"
