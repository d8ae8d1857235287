"""Who stands for election in a contest: earlier champions, and every recipe fitted on what was there before the jury.

Pure given the order: no I/O, seeded fits. Times are measured only to be told.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import models, performance
from pipeline.apart import Progress
from pipeline.hands import ONE, Done, Hands
from pipeline.models import Model, Predictions
from pipeline.performance import Paired
from pipeline.retrain.field import Field
from pipeline.retrain.fits import NONE, Fit, learn
from pipeline.retrain.order import Order, Rival
from pipeline.retrain.recipes import LEAST, Rows, recipes

RACE = 0.05  # p-value at which a candidate is clearly behind another
FAR = 2.0  # times the rows since the change, which is only estimated, that are learned even where those before it harm


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
    behind: bool = False  # clearly worse than another on the second half, so that it was not tried on the first

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

    def own(self, field_: Field) -> int:
        """Row from which on it stood for itself."""
        return field_.jury if self.early is not None or self.rival is not None else field_.middle


def stand(
    order: Order, field_: Field, champion: Model, tell: Progress, hands: Hands = ONE
) -> tuple[list[Entry], Predictions]:
    """Everything that stands for election, judged on the same rows; and what the champion says."""
    jury = field_.table.slice(field_.jury)
    labels = field_.labels[field_.jury :]
    base = models.predict(champion, jury)
    entries = []
    for rival in order.retired:
        began = time.perf_counter()
        model = loaded(rival)
        said = models.predict(model, jury)
        against = compared(order, labels, base, said)
        name = f"earlier version: {rival.recipe}"
        entries.append(Entry(name, model, said, against, np.arange(0), time.perf_counter() - began, rival=rival))
    if not order.fit:
        return entries, base
    newest = int(np.sum(field_.batch == field_.batch[-1]))
    rows = recipes(field_, change(order), newest)
    runners = _runners(order, field_, rows, tell, hands)
    behind = _behind(order, field_, runners)
    able = [None if n in behind else runner.recipe for n, runner in enumerate(runners)]
    half = field_.table.slice(field_.jury, field_.middle - field_.jury)
    early = _fits(order, field_, able, field_.jury, half, hands)
    entries += [
        _entry(order, field_, runner, labels, base, first, n in behind)
        for n, (runner, first) in enumerate(zip(runners, early, strict=True))
    ]
    return entries, base


def loaded(rival: Rival) -> Model:
    """The model of a version, read from its artefact where needed."""
    return rival.model if isinstance(rival.model, Model) else models.load(rival.model)


def change(order: Order) -> int | None:
    """Batch at which the present world began: where a change is suspected now, or was when the champion came."""
    return order.change_at if order.change_at is not None else order.champion.details.get("change_at")


@dataclass(frozen=True)
class _Runner:
    """A recipe on the second half of the jury."""

    recipe: Rows
    model: Model
    said: Predictions
    seconds: float


def _runners(order: Order, field_: Field, rows: Sequence[Rows], tell: Progress, hands: Hands) -> list[_Runner]:
    """Recipes with what was there before the second half of the jury: those that can be learned and are worth trying.

    Those that reach far back before the change wait until it is known whether the rows there harm.
    """
    stop, labels = field_.middle, field_.labels[field_.middle :]
    second, found = field_.table.slice(stop), dict[Rows, _Runner]()

    def tried(some: Sequence[Rows]) -> None:
        def done(number: int) -> None:
            tell({"done": before + number, "of": len(rows) + 1, "what": some[number - 1].name})

        before = len(found)
        for recipe, fit in zip(some, _fits(order, field_, some, stop, second, hands, done), strict=True):
            if fit.model is not None and fit.said is not None:
                found[recipe] = _Runner(recipe, fit.model, fit.said, fit.seconds)

    since = next((recipe for recipe in rows if recipe.since), None)
    far = [] if since is None else [one for one in rows[1:] if len(one.chosen(stop)) > FAR * len(since.chosen(stop))]
    tried([recipe for recipe in rows if recipe not in far])
    leading = [found[recipe].said for recipe in (rows[0], since) if recipe in found]
    if far and (len(leading) < 2 or compared(order, labels, *leading).p_better >= RACE):
        tried(far)
    return [found[recipe] for recipe in rows if recipe in found]


def _fits(
    order: Order, field_: Field, rows: Sequence[Rows | None], stop: int, asked: pa.Table, hands: Hands,
    done: Done | None = None,
) -> list[Fit]:  # fmt: skip
    """Recipes fitted on their rows before ``stop``; no model where there is no recipe, or too few rows for it."""
    chosen = {n: recipe.chosen(stop) for n, recipe in enumerate(rows) if recipe is not None}
    able = {n: field_.rows_of(mine) for n, mine in chosen.items() if len(mine) >= LEAST}
    given = [(order.estimator, table, order.schema, order.seed, asked) for table in able.values()]
    found = dict(zip(able, hands.map(learn, given, done), strict=True))
    return [found.get(n, NONE) for n in range(len(rows))]


def _behind(order: Order, field_: Field, runners: Sequence[_Runner]) -> set[int]:
    """Those clearly worse on the second half than the best that can stand on both: the first they need not try."""
    labels = field_.labels[field_.middle :]
    whole = [runner for runner in runners if len(runner.recipe.chosen(field_.jury)) >= LEAST]
    if len(whole) < 2:
        return set()
    leads = [compared(order, labels, whole[0].said, runner.said).gain.value for runner in whole]
    best = whole[int(np.argmax(np.nan_to_num(leads, nan=-np.inf)))]
    return {
        n
        for n, runner in enumerate(runners)
        if runner is not best and compared(order, labels, runner.said, best.said).p_better < RACE
    }


def _entry(
    order: Order, field_: Field, runner: _Runner, labels: NDArray[Any], base: Predictions,
    early: Fit, behind: bool,
) -> Entry:  # fmt: skip
    """A recipe judged on each half of the jury with what was there before, unless it is behind on the second."""
    recipe = runner.recipe
    said = joined(early.said or part(base, slice(0, field_.middle - field_.jury)), runner.said)
    return Entry(
        recipe.name, runner.model, said, compared(order, labels, base, said), recipe.chosen(field_.middle),
        runner.seconds + early.seconds, early.model, rows=recipe, behind=behind,
    )  # fmt: skip


def part(said: Predictions, rows: slice) -> Predictions:
    """Predictions of these rows."""
    return Predictions(said.values[rows], None if said.probabilities is None else said.probabilities[rows])


def joined(first: Predictions, second: Predictions) -> Predictions:
    """Predictions of two sets of rows, one after the other."""
    p = None
    if first.probabilities is not None and second.probabilities is not None:
        p = np.concatenate([first.probabilities, second.probabilities])
    return Predictions(np.concatenate([first.values, second.values]), p)


def compared(order: Order, labels: NDArray[Any], first: Predictions, second: Predictions) -> Paired:
    """Two sets of predictions of the same rows, by the metric that decides."""
    asked = order.settings.retrain
    return performance.compare(
        labels,
        (first.values, first.probabilities),
        (second.values, second.probabilities),
        order.schema,
        asked.metric,
        asked.confidence,
    )
