"""What a person may ask: distributions, comparisons, previews, predictions. Nothing here writes.

Any process may ask, whoever holds the data folder: ``reading`` opens the shelf alone.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from sqlite_utils import Database

from pipeline import alerts, compare, dossier, drift, lineage, models, periods, quality, read, route, write
from pipeline.decide import decide
from pipeline.desk import Shelf
from pipeline.profile import Profile, association, distribution, merge, summary
from storage import history
from storage.errors import Missing, Refused
from storage.records import Batch, Comparison, Distribution, DriftReport, FeatureDrift, Monitor, Preview
from storage.settings import Settings, changed
from storage.store import DATABASE

_SAMPLE = 20  # rows of a preview


@contextmanager
def reading(folder: Path) -> Iterator[Views]:
    """The answers of a data folder, without holding it.

    Raises
    ------
    Missing
        If there is no data there.
    """
    if not (folder / DATABASE).exists():
        raise Missing(f"There is no data at {folder}. Start with: run.py init NAME --reference FILE --target COL")
    shelf = Shelf(folder)
    try:
        yield Views(shelf)
    finally:
        shelf.close()


class Views:
    """Answers over a shelf.

    Parameters
    ----------
    desk : Shelf
        Where to look.
    """

    def __init__(self, desk: Shelf) -> None:
        self.desk = desk
        self._compared = functools.lru_cache(maxsize=16)(self._compare)

    @property
    def db(self) -> Database:
        """This thread's connection for reading."""
        return self.desk.db

    # --- monitors --------------------------------------------------------------------------------------------------

    def the_monitor(self, name: str | None) -> Monitor:
        """The monitor of a name, or the only one if no name is given."""
        if name is not None:
            return history.monitor(self.db, name)
        found = history.monitors(self.db)
        if len(found) == 1:
            return found[0]
        names = ", ".join(monitor.name for monitor in found) or "none yet"
        raise Refused(f"Say which monitor with --monitor NAME. Monitors here: {names}.")

    def monitor_names(self) -> list[str]:
        """Names of all monitors."""
        return [monitor.name for monitor in history.monitors(self.db)]

    def settings(self, monitor_id: int) -> Settings:
        """The settings in force."""
        return history.settings_in_force(self.db, monitor_id)

    def status(self, name: str | None = None) -> list[dict[str, Any]]:
        """One plain line a monitor: can it be trusted, and why."""
        found = history.monitors(self.db) if name is None else [history.monitor(self.db, name)]
        return [self._status(monitor) for monitor in found]

    def _status(self, monitor: Monitor) -> dict[str, Any]:
        batches = history.batches(self.db, monitor.id)
        decisions = history.decisions(self.db, monitor.id, last=1)
        newest = history.timeline(self.db, monitor.id, last=1)
        return {
            "monitor": monitor.name,
            "health": monitor.health,
            "reason": monitor.health_reason,
            "since": monitor.health_since,
            "version": history.version(self.db, monitor.champion).number if monitor.champion else None,
            "batches": len(batches),
            "rows": sum(batch.rows for batch in batches),
            "last_batch": batches[-1].name if batches else None,
            "score": float(newest.score[-1]) if len(newest.score) else None,
            "verdict": newest.verdict[-1] if newest.verdict else None,
            "quarantined": len(self._waiting(monitor.id)),
            "decision": decisions[0].action if decisions else None,
            "decision_reason": decisions[0].reason if decisions else "",
        }

    def version_lines(self, name: str) -> list[dict[str, Any]]:
        """One plain line a version."""
        monitor = self.the_monitor(name)
        metric = quality.metric_of(monitor, self.settings(monitor.id))
        return [
            {
                "version": version.number,
                "state": version.state,
                "recipe": version.recipe,
                "rows": version.rows,
                "metric": metric,
                "value": version.metrics[metric].value if metric in version.metrics else None,
                "reason": version.reason,
                "created_at": version.created_at,
                "sha256": version.sha256,
            }
            for version in history.versions(self.db, monitor.id)
        ]

    def live(self, name: str, start: int, stop: int) -> list[dict[str, Any]]:
        """What was live between two moments and why: a line a champion, then a line a batch with rows of that time.

        The first go by the clock of this program, the second by the data's own dates, which may lie elsewhere.
        """
        monitor = self.the_monitor(name)
        numbers = {version.id: version.number for version in history.versions(self.db, monitor.id)}
        lines = [
            {
                "version": reign.version.number, "since": reign.since.created_at,
                "until": reign.until.created_at if reign.until else None, "trigger": reign.since.trigger,
                "author": reign.since.author, "reason": reign.since.reason,
                "ended_by": reign.until.reason if reign.until else "",
            }
            for reign in history.live(self.db, monitor.id, start, stop)
        ]  # fmt: skip
        return lines + [
            {"batch": batch.id, "name": batch.name, "rows": batch.rows, "version": numbers.get(batch.version_id)}
            for batch in history.dated(self.db, monitor.id, start, stop)
        ]

    def reproduce(self, name: str, number: int) -> dict[str, Any]:
        """A version trained again from its lineage, beside the stored one."""
        monitor = self.the_monitor(name)
        return lineage.reproduce(self.desk, monitor, history.version_numbered(self.db, monitor.id, number))

    def export(self, name: str) -> Iterator[dict[str, Any]]:
        """Everything known of a monitor but its rows: settings, batches, reports, decisions, versions, events."""
        monitor = self.the_monitor(name)
        yield {"kind": "monitor", "value": monitor}
        for row in history.settings_history(self.db, monitor.id):
            yield {"kind": "settings", "value": replace(row, data=alerts.masked_settings(row.data))}
        batches = history.batches(self.db, monitor.id, ("reference", "rows", "labels"))
        for batch in batches:
            yield {"kind": "batch", "value": batch}
        for batch_id, report in history.reports(self.db, [batch.id for batch in batches]):
            yield {"kind": "report", "batch": batch_id, "value": report}
        for kind, question in (
            ("performance", history.performance), ("version", history.versions), ("decision", history.decisions),
            ("episode", history.episodes), ("truth", history.truths),
        ):  # fmt: skip
            for value in question(self.db, monitor.id):
                yield {"kind": kind, "value": value}
        for event in history.events(self.db, monitor.id, last=-1):
            yield {"kind": "event", "value": event}

    def needs_person(self) -> list[dict[str, Any]]:
        """What waits for a person, newest first: held versions, quarantined batches, failed jobs and trainings."""
        waiting = []
        for monitor in history.monitors(self.db):
            for version in history.versions_in_short(self.db, monitor.id):
                if version.state == "held":
                    waiting.append(
                        _need("held", monitor.name, version.reason, version.created_at, version=version.number)
                    )
            for batch in self._waiting(monitor.id):
                waiting.append(_need("quarantined", monitor.name, batch.reason, batch.done_at, batch=batch))
            for batch in dossier.waiting(self.desk, monitor.id):
                waiting.append(_need("doubtful", monitor.name, batch.reason, batch.done_at, batch=batch))
        for job in history.jobs(self.db):
            if job.failures:
                waiting.append(_need("failed_job", None, f"{job.name}: {job.error}", job.last_run, job=job.name))
        return sorted(waiting, key=lambda need: -(need["since"] or 0))

    def _waiting(self, monitor_id: int) -> list[Batch]:
        found = history.quarantined(self.db, monitor_id)
        return [batch for batch in found if not batch.reason.startswith(dossier.DISCARDED)]

    # --- drift -----------------------------------------------------------------------------------------------------

    def profile(self, monitor: Monitor, batch_id: int, feature: str | None = None) -> Profile:
        """The stored profile of a batch, whole or of one feature."""
        rows, parts = history.profile_parts(self.db, batch_id, feature)
        return Profile.from_parts(self.desk.grid(monitor.grid), rows, parts)

    def distribution(
        self, monitor: str, feature: str, batches: int | Sequence[int], versus: str | Sequence[int] = "reference"
    ) -> Distribution:
        """One feature in a batch, or in several as one, and in their reference or in other batches; bins are shared."""
        owner = self.the_monitor(monitor)
        chosen = [batches] if isinstance(batches, int) else list(batches)
        seen = periods.merged(self.desk, owner, chosen, feature)
        if isinstance(versus, str):
            base = self.desk.reference(history.reference_of(self.db, chosen[-1]))
        else:
            base = periods.merged(self.desk, owner, versus, feature)
        return distribution(feature, base, seen)

    def quantiles(self, monitor: str, feature: str, columns: Sequence[Sequence[int]]) -> list[dict[str, Any] | None]:
        """One feature column by column, a column being some batches as one: quantiles of numbers, shares of levels.

        None where no batch of a column has a profile.
        """
        owner = self.the_monitor(monitor)
        home = {batch: at for at, batches in enumerate(columns) for batch in batches}
        found: list[Profile | None] = [None] * len(columns)
        for batch, seen in periods.profiles(self.desk, owner, home, feature):
            before = found[home[batch]]
            found[home[batch]] = seen if before is None else merge([before, seen])
        return [None if seen is None else summary(feature, seen) for seen in found]

    def associations(self, monitor: str, pair: tuple[str, str], columns: Sequence[Sequence[int]]) -> list[float]:
        """How strongly two linked features hang together in each column of batches, -1 to 1; NaN where unknown.

        Of several batches it is the mean over their rows.
        """
        owner = self.the_monitor(monitor)
        linked = self.desk.grid(owner.grid).linked
        if not set(pair) <= set(linked):
            return [float("nan")] * len(columns)
        a, b = (linked.index(name) for name in pair)
        home = {batch: at for at, batches in enumerate(columns) for batch in batches}
        found = [(0.0, 0.0)] * len(columns)  # each column's rows, and its sum of rows times association
        for batch, seen in periods.profiles(self.desk, owner, home, ""):
            if seen.joint is not None and seen.rows:
                rows, total = found[home[batch]]
                found[home[batch]] = (rows + seen.rows, total + seen.rows * association(seen.joint, seen.rows, a, b))
        return [total / rows if rows else float("nan") for rows, total in found]

    def together(self, monitor: str, batches: Sequence[int]) -> DriftReport:
        """The drift report of several batches merged into one."""
        return periods.together(self.desk, self.the_monitor(monitor), batches)[0]

    def together_alone(self, monitor: str, batches: Sequence[int], feature: str) -> FeatureDrift:
        """One feature of several batches merged into one, judged as if there were no other feature."""
        owner = self.the_monitor(monitor)
        seen = periods.merged(self.desk, owner, batches, feature)
        base = self.desk.reference(history.reference_of(self.db, batches[-1])).only([feature])
        return drift.score(base, seen, self.settings(owner.id)).features[0]

    def band(self, monitor: str, rows: int) -> tuple[float, float]:
        """Between which batch scores healthy batches of so many rows lie."""
        owner = self.the_monitor(monitor)
        return drift.healthy_band(self.desk.reference(owner.champion), rows, self.settings(owner.id))

    def settings_effect(self, monitor: str, assignments: dict[str, Any], last: int = 1000) -> dict[str, Any]:
        """How many of the newest batches would have alarmed under other settings, from their stored profiles.

        Returns
        -------
        dict
            ``alarms_before``, ``alarms_after``, ``batches`` (how many were scored again), and ``line``: in order, for
            each batch (id, alarmed, would have alarmed).
        """
        owner = self.the_monitor(monitor)
        after = changed(self.settings(owner.id), assignments)
        batches = [batch.id for batch in history.batches(self.db, owner.id, last=last)]
        before = {batch_id: report.drift for batch_id, report in history.reports(self.db, batches)}
        again = route.rescored(self.desk, owner, after, batches)
        line = [(batch_id, before.get(batch_id, False), report.drift) for batch_id, _, report in again]
        return {
            "alarms_before": sum(was for _, was, _ in line),
            "alarms_after": sum(would for _, _, would in line),
            "batches": len(line),
            "line": line,
        }

    # --- predictions -----------------------------------------------------------------------------------------------

    def preview(self, monitor: str, name: str, data: bytes) -> Preview:
        """What a file would do if it were ingested. Nothing is stored."""
        owner = self.the_monitor(monitor)
        settings = self.settings(owner.id)
        checked = read.read_batch(data, name, owner.schema, settings.read)
        known = history.batch_by_hash(self.db, owner.id, hashlib.sha256(data).hexdigest())
        labelled = 0 if checked.target is None else len(checked.target) - checked.target.null_count
        plain = Preview(
            name=name, kind=checked.kind, rows=checked.rows, labelled=labelled,
            columns=tuple((f.name, f.kind) for f in owner.schema.watched), sample=(), warnings=tuple(checked.warnings),
            duplicate_of=known.id if known else None, report=None, action="keep", trigger="none",
            reason="Labels for rows that came before.", predictions=(),
        )  # fmt: skip
        if checked.kind == "labels":
            return plain
        _, report, said = route.look(self.desk, owner, settings, checked.table)
        choice = decide(dossier.imagined(self.desk, owner, settings, report), settings)
        return replace(
            plain,
            sample=tuple(checked.table.slice(0, _SAMPLE).to_pylist()),
            report=report,
            action=choice.action,
            trigger=choice.trigger,
            reason=choice.reason,
            predictions=tuple(_prediction_rows(owner, checked.keys, said, _SAMPLE)),
        )

    def problems(self, monitor: str, name: str, data: bytes, most: int = 12) -> list[Refused]:
        """All that is wrong with a file, a column each: what a person has to mend before it can be ingested.

        The first refusal names one column; it is passed over and the file is read again, until nothing is wrong or what
        is wrong is of no column.
        """
        owner = self.the_monitor(monitor)
        settings, schema = self.settings(owner.id).read, owner.schema
        found: list[Refused] = []
        while len(found) < most:
            try:
                read.read_batch(data, name, schema, settings)
            except Refused as error:
                found.append(error)
                passed = [replace(f, kind="ignored") if f.name == error.column else f for f in schema.features]
                if tuple(passed) == schema.features:
                    break
                schema = replace(schema, features=tuple(passed))
            else:
                break
        return found

    def beside(self, batch_id: int, most: int | None = None) -> tuple[int, list[dict[str, Any]]]:
        """What today's champion says of a batch's rows beside what was said of them: (rows that differ, lines).

        A line has id, ``then`` (the stored prediction), ``now``, the label, and one probability a class for now.

        Raises
        ------
        Missing
            If the batch was not predicted, or its monitor has no champion.
        """
        batch = history.batch(self.db, batch_id)
        owner = history.monitor_by_id(self.db, batch.monitor_id)
        if batch.version_id is None or owner.champion is None:
            raise Missing(f"Batch #{batch_id} has no predictions.")
        rows = history.row_texts(self.db, batch_id)
        said = models.predict(self.desk.model(owner.champion), route.table_of(self.desk, owner, batch_id))
        now = _prediction_rows(owner, [key or str(at + 1) for at, key in enumerate(rows.keys)], said)
        lines = [
            {"id": line["id"], "then": then, "now": line["prediction"], "label": label, **_chances(line)}
            for line, then, label in zip(now, rows.predictions, rows.labels, strict=True)
        ]
        differ = sum(_differs(line["then"], line["now"]) for line in lines)
        lines.sort(key=lambda line: not _differs(line["then"], line["now"]))
        return differ, lines[:most]

    def predict(self, monitor: str, name: str, data: bytes) -> list[dict[str, Any]]:
        """The champion's predictions for a file: id, prediction, one probability a class."""
        owner = self.the_monitor(monitor)
        checked = read.read_batch(data, name, owner.schema, self.settings(owner.id).read)
        if checked.kind == "labels":
            raise Refused("These are labels without features; there is nothing to predict.", file=name)
        said = models.predict(self.desk.model(owner.champion), checked.table)
        return _prediction_rows(owner, checked.keys, said)

    def predict_csv(self, monitor: str, name: str, data: bytes) -> bytes:
        """The same as CSV bytes, safe to open in a spreadsheet."""
        return write.csv_of_rows(self.predict(monitor, name, data))

    def predictions_csv(self, batch_id: int) -> bytes:
        """The stored predictions of a batch as CSV bytes."""
        batch = history.batch(self.db, batch_id)
        owner = history.monitor_by_id(self.db, batch.monitor_id)
        rows = history.row_texts(self.db, batch_id)
        if batch.version_id is None:
            raise Missing(f"Batch #{batch_id} has no predictions.")
        lines = []
        for key, label, value, chances in zip(
            rows.keys, rows.labels, rows.predictions, rows.probabilities, strict=True
        ):
            line = {"id": key, "prediction": value, "label": label}
            if chances:
                line |= {f"p_{name}": p for name, p in zip(owner.schema.classes, orjson.loads(chances), strict=True)}
            lines.append(line)
        return write.csv_of_rows(lines)

    def compare(self, monitor: str, a: int, *others: int) -> tuple[Comparison, ...]:
        """Versions, by their numbers, each beside the first, on the same newest labelled rows.

        What was compared is remembered until other labels or settings come.
        """
        owner = self.the_monitor(monitor)
        ids = tuple(history.version_numbered(self.db, owner.id, number).id for number in (a, *others))
        return self._compared(owner.id, ids, self._labels_stamp(owner.id))

    def _labels_stamp(self, monitor_id: int) -> tuple[int, ...]:
        """What changes whenever the labelled rows or the settings do."""
        delivered = history.batches(self.db, monitor_id, ("labels",), last=1)
        settled = history.settings_row(self.db, monitor_id).id
        newest = (delivered[0].id, delivered[0].labelled) if delivered else ()
        return (history.learnable_rows(self.db, monitor_id), settled, *newest)

    def _compare(self, monitor_id: int, ids: tuple[int, ...], _: tuple[int, ...]) -> tuple[Comparison, ...]:
        owner = history.monitor_by_id(self.db, monitor_id)
        base, *rest = (history.version(self.db, version_id) for version_id in ids)
        return compare.versions(self.desk, owner, self.settings(monitor_id), base, rest)

    def learned_apart(self, monitor: str, a: int, b: int) -> DriftReport:
        """How far what version b was trained on is from what version a was trained on, from their profiles."""
        owner = self.the_monitor(monitor)
        base, other = (history.version_numbered(self.db, owner.id, number).id for number in (a, b))
        return drift.score(self.desk.reference(base), self.desk.reference(other), self.settings(owner.id))

    def model_bytes(self, version_id: int) -> bytes:
        """The artefact of a version, checked against its hash."""
        return self.desk.vault.get("models", history.version(self.db, version_id).sha256)


def _prediction_rows(
    monitor: Monitor, keys: Sequence[str] | None, said: models.Predictions, most: int | None = None
) -> list[dict[str, Any]]:
    """id, prediction, and one probability a class."""
    lines = []
    for at, value in enumerate(said.values[:most].tolist()):
        line = {"id": keys[at] if keys else at + 1, "prediction": value}
        if said.probabilities is not None:
            line |= {
                f"p_{n}": round(p, 6)
                for n, p in zip(monitor.schema.classes, said.probabilities[at].tolist(), strict=True)
            }
        lines.append(line)
    return lines


def _chances(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name.startswith("p_")}


def _differs(then: Any, now: Any) -> bool:
    """Whether two predictions are not the same answer; numbers by more than a millionth."""
    if isinstance(then, (int, float)) and isinstance(now, (int, float)):
        return abs(then - now) > 1e-6 * max(1.0, abs(then))
    return str(then) != str(now)


def _need(kind: str, monitor: str | None, text: str, since: int | None, **more: Any) -> dict[str, Any]:
    batch = more.get("batch")
    return {
        "kind": kind,
        "monitor": monitor,
        "text": text,
        "since": since,
        "batch_id": batch.id if batch else None,
        "batch_name": batch.name if batch else None,
        "acceptable": bool(batch and batch.version_id is not None),
        "version_number": more.get("version"),
        "job": more.get("job"),
    }
