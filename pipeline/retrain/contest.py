"""The contest of training sets: candidates are judged, with the champion, on the newest rows none of them has seen.

Pure given the order: no I/O, seeded fits. Times are measured only to be told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.decide import DECAY, HEAVY
from pipeline.models import Model, Predictions
from pipeline.performance import Paired
from pipeline.retrain import gates
from pipeline.retrain import labels as labels_
from pipeline.retrain.field import Field, lay_out, unify
from pipeline.retrain.order import Order, Outcome, Rival
from pipeline.retrain.recipes import LEAST, Rows, recipes
from storage.errors import Refused
from storage.records import Metric, Schema
from storage.settings import Settings

USUAL_GAIN = 0.01  # of a doubling of rows: points of accuracy, or a share of an error
USUAL_SPREAD = 0.02  # of that among tables
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Entry:
    """One candidate, judged."""

    name: str
    model: Model
    said: Predictions  # on the jury; of its first half, where it could not stand, what the champion says
    against: Paired  # champion first, candidate second
    learned: NDArray[np.intp]  # rows learned for the second half of the jury
    seconds: float
    early: Model | None = None  # what stood for it on the first half
    rows: Rows | None = None  # None for an earlier champion
    rival: Rival | None = None
    note: str = ""

    def told(self, field_: Field) -> dict[str, Any]:
        """As a row of the table of candidates."""
        m, gain = self.against.second, self.against.gain
        return {
            "recipe": self.name,
            "trained_on": list(self.rival.trained_on if self.rival else field_.touched(self.learned)),
            "rows": self.rival.rows if self.rival else len(self.learned),
            "metric": self.against.metric,
            "value": m.value,
            "low": m.low,
            "high": m.high,
            "gain": gain.value,
            "p_better": self.against.p_better,
            "seconds": round(self.seconds, 4),
            "version": self.rival.version_id if self.rival else None,
        }


def contest(order: Order, progress: Progress | None = None) -> Outcome:
    """Hold a contest.

    Parameters
    ----------
    order : Order
    progress : callable, optional
        Given a dictionary with ``done``, ``of`` and ``what`` after each fit.

    Returns
    -------
    Outcome
        ``promote`` with a winner, ``reject`` when nothing is better by more than noise, ``hold`` when something is
        doubtful: with an artefact when a challenger waits, without one when the labels themselves are doubted.
    """
    began = time.perf_counter()
    tell = progress or (lambda message: None)
    champion = _loaded(order.champion)
    order = replace(order, champion=replace(order.champion, model=champion))
    doubted = labels_.doubts(order, champion)
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
    entries, base = _entries(order, field_, champion, tell)
    outcome = _verdict(order, field_, entries, base, tell)
    details = {**outcome.details, "label_doubts": {str(k): v for k, v in doubted.items()}}
    return replace(outcome, suspect=tuple(doubted), details=details, seconds=time.perf_counter() - began)


def _loaded(rival: Rival) -> Model:
    return rival.model if isinstance(rival.model, Model) else models.load(rival.model)


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


def _entries(order: Order, field_: Field, champion: Model, tell: Progress) -> tuple[list[Entry], Predictions]:
    """Everything that stands for election, judged on the same rows; and what the champion says."""
    jury = field_.table.slice(field_.jury)
    labels = field_.labels[field_.jury :]
    base = models.predict(champion, jury)
    entries = []
    for rival in order.retired:
        began = time.perf_counter()
        model = _loaded(rival)
        said = models.predict(model, jury)
        against = _against(order, labels, base, said)
        name = f"earlier version: {rival.recipe}"
        entries.append(Entry(name, model, said, against, np.arange(0), time.perf_counter() - began, rival=rival))
    if not order.fit:
        return entries, base
    newest = int(np.sum(field_.batch == field_.batch[-1]))
    rows = recipes(field_, _change(order), newest)
    for done, recipe in enumerate(rows):
        entry = _fitted(order, field_, recipe, labels, base)
        if entry is not None:
            entries.append(entry)
        tell({"done": done + 1, "of": len(rows) + 1, "what": recipe.name})
    return entries, base


def _change(order: Order) -> int | None:
    """Batch at which the present world began: where a change is suspected now, or was when the champion came."""
    return order.change_at if order.change_at is not None else order.champion.details.get("change_at")


def _fitted(order: Order, field_: Field, recipe: Rows, labels: NDArray[Any], base: Predictions) -> Entry | None:
    """One recipe, judged on each half of the jury with what was there before; None when it cannot be learned."""
    began = time.perf_counter()
    half = field_.middle - field_.jury
    late = _learned(order, field_, recipe, field_.middle)
    if late is None:
        return None
    early = _learned(order, field_, recipe, field_.jury)
    second = models.predict(late, field_.table.slice(field_.middle))
    first = models.predict(early, field_.table.slice(field_.jury, half)) if early else _part(base, slice(0, half))
    said = joined(first, second)
    against = _against(order, labels, base, said)
    seconds = time.perf_counter() - began
    return Entry(recipe.name, late, said, against, recipe.chosen(field_.middle), seconds, early, rows=recipe)


def _learned(order: Order, field_: Field, recipe: Rows, stop: int) -> Model | None:
    """A recipe fitted on its rows before ``stop``."""
    rows = recipe.chosen(stop)
    if len(rows) < LEAST:
        return None
    try:
        return models.fit(order.estimator, field_.rows_of(rows), order.schema, order.seed)
    except Refused:
        return None


def _part(said: Predictions, rows: slice) -> Predictions:
    return Predictions(said.values[rows], None if said.probabilities is None else said.probabilities[rows])


def _against(order: Order, labels: NDArray[Any], base: Predictions, said: Predictions) -> Paired:
    asked = order.settings.retrain
    return performance.compare(
        labels,
        (base.values, base.probabilities),
        (said.values, said.probabilities),
        order.schema,
        asked.metric,
        asked.confidence,
    )


def _verdict(order: Order, field_: Field, entries: list[Entry], base: Predictions, tell: Progress) -> Outcome:
    """The best candidate, tested against the champion, gated, and fitted once more on all it may use."""
    table = tuple(entry.told(field_) for entry in entries)
    judged = field_.batches(field_.jury, field_.rows)
    fitted = sum(entry.rows is not None for entry in entries)
    if not entries:
        told = "No candidate could be fitted." if order.fit else "There is no earlier champion to recall."
        return Outcome("reject", told, judged_on=judged)
    best = choose([e for e in entries if _restores(e, order) and not _hasty(e, order)] or entries)
    common = {
        "candidates": table,
        "judged_on": judged,
        "comparison": _comparison(best.against),
        "metrics": _metrics(order, field_, best),
        "recipe": best.name,
        "fitted": fitted,
    }
    gain, row = best.against.gain, best.against
    name = row.metric.replace("_", " ")
    told = (
        f"{best.name[0].upper()}{best.name[1:]}: {name} {row.second.value:.3f} against the champion's "
        f"{row.first.value:.3f} on the newest {gain.rows} labelled rows (p = {row.p_better:.1g})"
    )
    if not better(best.against, order) or not _restores(best, order) or _hasty(best, order):
        return Outcome("reject", f"{told}: not better by more than noise.", **common)
    trial = gates.Trial(order, field_, best.model, best.said, base)
    doubts, checked = gates.challenger(trial), trial.details
    if best.rival is not None:
        action = "hold" if doubts or not order.settings.retrain.auto_promote else "promote"
        return Outcome(
            action, _ending(told, doubts, order), recalled=best.rival.version_id, trained_on=best.rival.trained_on,
            rows=best.rival.rows, doubts=tuple(doubts), details=checked, **common,
        )  # fmt: skip
    tell({"done": fitted, "of": fitted + 1, "what": "last fit"})
    action = "hold" if doubts or not order.settings.retrain.auto_promote else "promote"
    return _finished(order, field_, best, Outcome(
        action, _ending(told, doubts, order), doubts=tuple(doubts), details=checked, **common))  # fmt: skip


def joined(first: Predictions, second: Predictions) -> Predictions:
    """Predictions of two sets of rows, one after the other."""
    p = None
    if first.probabilities is not None and second.probabilities is not None:
        p = np.concatenate([first.probabilities, second.probabilities])
    return Predictions(np.concatenate([first.values, second.values]), p)


def choose(entries: list[Entry]) -> Entry:
    """The entry with the largest gain over the champion; the earlier in the list (more rows) when equal."""
    return max(entries, key=lambda entry: np.nan_to_num(entry.against.gain.value, nan=-np.inf))


def _restores(entry: Entry, order: Order) -> bool:
    """Whether an earlier champion is back at the level it was promoted with; a new candidate need not be.

    Where nothing new may be fitted, one that is far ahead is enough: it is the best there is until then.
    """
    if entry.rival is None or entry.against.metric not in entry.rival.metrics:
        return True
    row, before = performance.primary(order.schema, order.settings.retrain.metric), entry.rival.metrics
    now, then = entry.against.second, before[entry.against.metric]
    worth = order.settings.retrain.worth * (1.0 if row.task == "classification" else abs(then.value))
    if not order.fit and entry.against.p_better < order.settings.retrain.alpha / 10:
        return entry.against.gain.value > 2 * worth
    slack = (now.high - now.low + then.high - then.low) / 4
    return row.gain(now.value, then.value) < slack + worth


def _hasty(entry: Entry, order: Order) -> bool:
    """Whether a candidate that learned within the newest batch alone should wait for the next.

    It is judged within the very batch that it learned, which may be a world of its own. So the lead must be heavy, and
    where the champion is one that had to be called back, the last haste has been paid for already.
    """
    if entry.rows is None or entry.early is not None:
        return False
    if any(rival.version_id > order.champion.version_id for rival in order.retired):
        return True
    against = entry.against
    return against.p_better >= order.settings.retrain.alpha / 10 or against.gain.value < HEAVY * _worth(order, against)


def better(against: Paired, order: Order) -> bool:
    """Whether a candidate beats the champion by more than noise and more than the margin.

    Where rows have come and nothing else is known to have happened, that more of them help is likely beforehand; where
    the champion has measurably lost, that something newer is better. There a lead worth having needs less proof.
    """
    asked, gain = order.settings.retrain, against.gain.value
    if against.p_better < (1 - asked.confidence) / 2:
        return gain > asked.margin
    level = (1 - asked.confidence) * {"rows": 1, "performance": 2}.get(order.trigger, 0)
    return against.p_better < level and gain > max(asked.margin, _worth(order, against))


def _worth(order: Order, against: Paired) -> float:
    """The smallest gain worth acting on, in units of the metric."""
    task = performance.primary(order.schema, order.settings.retrain.metric).task
    return order.settings.retrain.worth * (1.0 if task == "classification" else abs(against.first.value))


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


def _own(field_: Field, entry: Entry) -> int:
    """Row from which on an entry stood for itself."""
    return field_.jury if entry.early is not None or entry.rival is not None else field_.middle


def _metrics(order: Order, field_: Field, entry: Entry) -> dict[str, Metric]:
    """All metrics of a candidate on those rows of the jury that it judged itself."""
    own = _own(field_, entry)
    said = _part(entry.said, slice(own - field_.jury, None))
    return performance.measure(
        field_.labels[own:], said.values, said.probabilities, order.schema, order.settings.retrain.metric
    )[0]


def _refit(order: Order, field_: Field, rows: NDArray[np.intp]) -> Model:
    """The winning recipe on everything it may use: jury included; trusted rows only where they are not frozen."""
    learn = field_.rows_of(rows)
    if _whole(field_, rows):
        learn = unify([field_.holdout, learn])
    return models.fit(order.estimator, learn, order.schema, order.seed)


def _whole(field_: Field, rows: NDArray[np.intp]) -> bool:
    """Whether these rows are all there are, so that trusted rows that are not frozen belong to them too."""
    return len(rows) == field_.rows and field_.holdout.num_rows > 0 and not field_.trusted.frozen


def _finished(order: Order, field_: Field, best: Entry, outcome: Outcome) -> Outcome:
    """The outcome with the winner's artefact and everything that is kept with a version."""
    assert best.rows is not None
    chosen = best.rows.chosen(field_.rows)
    winner = _refit(order, field_, chosen)
    own = _own(field_, best)
    labels, judged = field_.labels[own:], field_.table.slice(own)
    said = _part(best.said, slice(own - field_.jury, None))
    losses = None
    if order.schema.task == "regression":
        winner = models.with_errors(winner, judged, np.abs(labels - said.values), order.seed)
        losses = models.predict(winner, judged).losses
    details = {
        **outcome.details,
        "learned": {**asdict(best.rows), "stop": field_.rows, "batches": field_.batches(0, field_.rows)},
        "trusted": field_.trusted.as_details(),
        "cuts": order.champion.details.get("cuts") or {},
        "confusion": _confusion(order, labels, said),
        **doubling(order, field_, best),
        "change_at": _change(order),
        "calibration": performance.calibrate(labels, said.values, said.probabilities, order.schema, losses),
    }
    importance: dict[str, float] = {}
    if order.dump:
        last = field_.table.slice(field_.middle)
        importance = ranked(best.model, last, field_.labels[field_.middle :], order.schema, order.settings, order.seed)
    artefact = models.dump(winner, field_.table) if order.dump else None
    outcome = _gated(outcome, gates.Trial(order, field_, winner, best.said, best.said, details, artefact))
    return replace(
        outcome,
        artefact=artefact,
        model=None if order.dump else winner,
        trained_on=field_.touched(chosen),
        rows=len(chosen) + (field_.holdout.num_rows if _whole(field_, chosen) else 0),
        importance=importance,
        details=details,
        environment=models.environment(),
        fitted=outcome.fitted + 2,
    )


def _gated(outcome: Outcome, trial: gates.Trial) -> Outcome:
    """The outcome after the gates that look at the last fit."""
    doubts = gates.winner(trial)
    if not doubts:
        return outcome
    told = " ".join([*outcome.doubts, *doubts])
    reason = f"{outcome.reason.split(', but: ')[0].rstrip('.')}, but: {told} A person has to confirm."
    return replace(outcome, action="hold", reason=reason, doubts=(*outcome.doubts, *doubts))


def _confusion(order: Order, labels: NDArray[Any], said: Predictions) -> list[list[int]]:
    """Truth against prediction on the jury; empty for regression."""
    if order.schema.task == "regression":
        return []
    return performance.confusion(performance.said(labels, said.values, None, order.schema)).tolist()


def doubling(order: Order, field_: Field, best: Entry) -> dict[str, float]:
    """What another doubling of its rows would bring the winner, judged on rows that it had not seen; see ``curve``."""
    own = _own(field_, best)
    whole = best.early or best.model
    learned = best.rows.chosen(own) if best.rows else best.learned
    try:
        quarter = models.fit(order.estimator, field_.rows_of(learned[3::4]), order.schema, order.seed)
    except Refused:
        return {}
    unseen = field_.table.slice(own)
    return curve(_against(order, field_.labels[own:], models.predict(quarter, unseen), models.predict(whole, unseen)))


def curve(against: Paired) -> dict[str, float]:
    """The learning curve at its end, from the gain of all rows over a quarter of them.

    Parameters
    ----------
    against : Paired
        A quarter of the rows (first) and all of them (second), on rows of neither.

    Returns
    -------
    dict
        ``doubling``, the gain that the last doubling brought, and ``doubling_error``, how uncertain it is.

    Notes
    -----
    Each doubling is taken to bring ``DECAY`` times what the one before brought, as for an error that falls with a power
    of the rows, so that the two doublings between a quarter and all of the rows brought 1 + 1/DECAY times the last.
    The figure is drawn towards what a doubling usually brings by as much as it is uncertain.
    """
    both = 1 + 1 / DECAY
    gain, error = against.gain.value / both, max((against.gain.high - against.gain.low) / 3.92, 1e-9) / both
    row = performance.METRICS.get(against.metric)
    scale = abs(against.second.value) if row is not None and row.task == "regression" else 1.0
    usual, spread = USUAL_GAIN * scale, USUAL_SPREAD * scale
    trust = spread**2 / (spread**2 + error**2)
    return {"doubling": max(0.0, trust * gain + (1 - trust) * usual), "doubling_error": math.sqrt(trust) * error}


def ranked(
    model: Model, table: pa.Table, labels: NDArray[Any], schema: Schema, settings: Settings, seed: int
) -> dict[str, float]:
    """Importance of each feature by permutation, in units of the deciding metric, on at most 1,000 rows."""
    row = performance.primary(schema, settings.retrain.metric)
    rows, labels = table.slice(0, 1000), labels[:1000]

    def loss(said: Predictions) -> float:
        value = row.value(performance.said(labels, said.values, said.probabilities, schema))
        return -value if row.higher else value

    return models.importance(model, rows, loss, np.random.default_rng(seed), 2 if len(schema.watched) <= 50 else 1)
