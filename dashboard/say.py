"""Values as a page writes them: numbers with sensible precision, times, and the words and signs of every state.

One meaning has one word and one sign on all pages. No I/O, no clock (``now`` is an argument).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from storage.records import Batch, Metric, Monitor

SECOND = 1_000_000


@dataclass(frozen=True)
class Word:
    """How a state is told: a word, and a tone that carries sign and colour (see ``assets/app.css``)."""

    text: str
    tone: str  # ok, warn, bad, few, none, aside, busy


HEALTH: dict[str, Word] = {
    "healthy": Word("Healthy", "ok"),
    "drifting": Word("Drifting", "warn"),
    "unreliable": Word("Unreliable", "bad"),
    "learning": Word("Learning", "busy"),
    "needs_you": Word("Needs you", "warn"),
    "no_data": Word("No data", "none"),
}
VERDICTS: dict[str, Word] = {
    "stable": Word("Stable", "ok"),
    "drift": Word("Drift", "bad"),
    "too_few_rows": Word("Too few rows", "few"),
    "": Word("Not checked", "none"),
}
STATES: dict[str, Word] = {
    "received": Word("Received", "busy"),
    "validated": Word("Rows checked", "busy"),
    "scored": Word("Scored", "busy"),
    "decided": Word("Decided", "busy"),
    "training": Word("Training", "busy"),
    "judged": Word("Judged", "busy"),
    "done": Word("Done", "ok"),
    "quarantined": Word("Quarantined", "aside"),
}
VERSIONS: dict[str, Word] = {
    "champion": Word("Champion", "ok"),
    "candidate": Word("Candidate", "busy"),
    "held": Word("Held for you", "warn"),
    "retired": Word("Retired", "none"),
    "rejected": Word("Rejected", "aside"),
    "rolled_back": Word("Rolled back", "bad"),
}
ACTIONS: dict[str, Word] = {
    "keep": Word("Keep", "ok"),
    "train": Word("Train", "busy"),
    "promote": Word("Promote", "ok"),
    "reject": Word("Reject", "aside"),
    "hold": Word("Hold", "warn"),
    "quarantine": Word("Quarantine", "aside"),
    "rollback": Word("Roll back", "bad"),
    "accept": Word("Accept", "ok"),
    "fail": Word("Failed", "bad"),
}
LEVELS: dict[str, Word] = {
    "info": Word("Info", "none"),
    "warning": Word("Warning", "warn"),
    "error": Word("Error", "bad"),
}
TRIGGERS: dict[str, str] = {
    "init": "first training",
    "none": "nothing",
    "drift": "data drift",
    "performance": "measured loss",
    "estimate": "estimated loss",
    "schedule": "schedule",
    "rows": "enough new rows",
    "fault": "broken data",
    "person": "a person",
    "watch": "watch over a new champion",
    "labels": "labels that seem strange",
}
# label, written as a percentage, more is better
METRICS: dict[str, tuple[str, bool, bool]] = {
    "accuracy": ("Accuracy", True, True),
    "balanced_accuracy": ("Balanced accuracy", True, True),
    "f1": ("F1", False, True),
    "roc_auc": ("ROC AUC", False, True),
    "log_loss": ("Log loss", False, False),
    "brier": ("Brier score", False, False),
    "rmse": ("RMSE", False, False),
    "mae": ("MAE", False, False),
    "r2": ("R²", False, True),
}
DISTANCES: dict[str, str] = {
    "ks": "Kolmogorov–Smirnov",
    "psi": "Population stability index",
    "js": "Jensen–Shannon",
    "wasserstein": "Wasserstein (in standard deviations)",
    "hellinger": "Hellinger",
    "tv": "Total variation",
    "chi2": "Chi-square",
    "cramers_v": "Cramér's V",
    "cvm": "Cramér–von Mises",
    "kl": "Kullback–Leibler",
}


def metric_label(name: str) -> str:
    """A metric's name as people write it."""
    return METRICS[name][0] if name in METRICS else name.replace("_", " ").capitalize()


def is_percent(name: str) -> bool:
    """Whether a metric is written as a percentage."""
    return name in METRICS and METRICS[name][1]


def more_is_better(name: str) -> bool:
    """Whether a larger value of the metric is a better one."""
    return METRICS[name][2] if name in METRICS else True


def metric_value(name: str, value: float) -> str:
    """``87.3 %`` or ``0.942`` or ``13.2``."""
    return percent(value) if is_percent(name) else number(value)


def metric_interval(name: str, metric: Metric) -> str:
    """``84.1 to 89.0 %``; empty where the interval is not known."""
    if not (math.isfinite(metric.low) and math.isfinite(metric.high)) or metric.low == metric.high:
        return ""
    if is_percent(name):
        return f"{100 * metric.low:.1f} to {100 * metric.high:.1f} %"
    return f"{number(metric.low)} to {number(metric.high)}"


def metric_change(name: str, change: float) -> str:
    """A signed difference: ``+2.1 points`` for percentages, else the number."""
    if not math.isfinite(change):
        return "–"
    return f"{signed(100 * change, 1)} points" if is_percent(name) else signed(change)


def change_interval(name: str, low: float, high: float) -> str:
    """The interval of a difference: ``+0.9 to +3.3``; empty where it is not known."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    if is_percent(name):
        return f"{signed(100 * low, 1)} to {signed(100 * high, 1)}"
    return f"{signed(low)} to {signed(high)}"


def signed(value: float, digits: int | None = None) -> str:
    """With a sign that is a true minus."""
    text = f"{abs(value):.{digits}f}" if digits is not None else number(abs(value))
    if float(text.replace(",", "").replace("−", "-") or 0) == 0:  # a small number has an exponent with a true minus
        return f"±{text}"
    return f"{'+' if value > 0 else '−'}{text}"


def number(value: float | None, significant: int = 3) -> str:
    """Three significant digits without exponents for everyday sizes; thousands with commas; a dash for nothing."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1 and float(value).is_integer():
        text = f"{value:,.0f}"
    elif size >= 10 ** (significant - 1):
        text = f"{value:,.0f}" if size >= 1000 else f"{value:,.1f}"
    elif size >= 1e-4:
        decimals = max(0, significant - 1 - math.floor(math.log10(size)))
        text = f"{value:.{decimals}f}"
    else:
        text = f"{value:.1e}"
    return text.replace("-", "−")


def score(value: float | None) -> str:
    """A drift score against its alarm line of 1: two decimals, fewer when it is far beyond."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share between 0 and 1 as ``87.3 %``."""
    if share is None or not math.isfinite(share):
        return "–"
    return f"{100 * share:.{digits}f} %".replace("-", "−")


def p_value(value: float) -> str:
    """``0.03`` or ``< 0.0001``."""
    if not math.isfinite(value):
        return "–"
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}" if value < 0.995 else "1"


def count(value: int, noun: str = "", plural: str = "") -> str:
    """``1,204 rows``; the noun in the singular for one."""
    word = "" if not noun else noun if value == 1 else plural or f"{noun}s"
    return f"{value:,} {word}".strip()


def listing(names: Sequence[str], most: int = 3) -> str:
    """``bmi, kcal and 4 more``."""
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def cut(text: str, most: int = 40) -> str:
    """A long name cut for a sentence."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def size(octets: int) -> str:
    """``14 kB``."""
    value = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return ""


def seconds(value: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min``, ``5 h``, ``12 days``."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 100:
        return f"{value:.0f} s"
    if value < 5400:
        return f"{value / 60:.0f} min"
    if value < 129_600:
        return f"{value / 3600:.0f} h"
    return f"{value / 86_400:.0f} days"


def ago(then: int | None, now: int) -> str:
    """``12 s ago``; ``never`` for no time at all."""
    if then is None:
        return "never"
    passed = (now - then) / SECOND
    if passed < 2:
        return "just now" if passed > -2 else f"in {seconds(-passed)}"
    return f"{seconds(round(passed))} ago".replace(".0 s", " s")


def when(moment: int) -> datetime:
    """Microseconds as a time in UTC."""
    return datetime.fromtimestamp(moment / SECOND, UTC)


def date(moment: int | None) -> str:
    """``3 Mar 2026``."""
    return "–" if moment is None else f"{when(moment):%-d %b %Y}"


def date_of(seconds: float) -> str:
    """A moment in seconds since 1970, as distributions of dates hold it."""
    return date(int(seconds * SECOND))


def clock(moment: int | None) -> str:
    """``3 Mar 2026, 14:05 UTC``."""
    return "–" if moment is None else f"{when(moment):%-d %b %Y, %H:%M} UTC"


def hour(moment: int) -> str:
    """``14:05:09``."""
    return f"{when(moment):%H:%M:%S}"


def batch_time(batch: Batch) -> str:
    """When a batch's rows are from (its own time), else when it arrived."""
    if batch.ends_at is None:
        return clock(batch.received_at)
    if batch.starts_at is not None and date(batch.starts_at) != date(batch.ends_at):
        return f"{date(batch.starts_at)} to {date(batch.ends_at)}"
    return date(batch.ends_at)


def batch_title(batch: Batch) -> str:
    """``Batch #142``."""
    return f"Batch #{batch.id}"


def feature_scope(monitor: Monitor) -> str:
    """``10 features, target obese``."""
    return f"{count(len(monitor.schema.watched), 'feature')}, target {monitor.schema.target}"
