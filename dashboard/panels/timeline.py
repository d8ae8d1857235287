"""What the drift page says and shows of the batches in view: title, controls, legend, episodes, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from dash import html

from dashboard import charts, look, parts, say, scope, stretch, theme
from dashboard.charts.frame import MARKS
from dashboard.window import Window, window
from storage import history
from storage.errors import Refused
from storage.records import Episode, Monitor

if TYPE_CHECKING:
    from pipeline.service import Service

SORTS = (("matters", "What matters"), ("worst", "Worst"), ("name", "Name"))
AXES = (("auto", "Auto"), ("time", "Time"), ("count", "Number"))
TRUTHS = {  # kind of episode -> kinds of known truth that explain it
    "drift": ("input drift", "gradual drift"),
    "performance": ("concept drift",),
    "fault": ("unit fault", "missing values"),
}
KEYS = ("range", "start", "end", "steps", "sort", "x", "find", "rows")  # of the address, besides the chosen cell
STRETCH = ("range", "start", "end", "steps", "x")  # of these, what says which batches are drawn, and where
USUAL = {"steps": "batch", "sort": "matters", "x": "auto", "rows": "some"}
EPISODES, MOST_EPISODES = 8, 25  # that are shown, and that can be unfolded
TURN = 4000  # stored feature profiles that are merged while a person waits; the rest is done by the job
CELLS = 24_000  # of a heatmap with all features: a browser draws more only slowly, and an eye sees no more
STRIP = 300  # columns of the strip of the whole history


def query_of(asked: Mapping[str, str]) -> dict[str, str]:
    """The part of an address that says what is shown, without what goes without saying."""
    return {key: asked[key] for key in KEYS if asked.get(key) and asked[key] != USUAL.get(key)}


def view_of(service: Service, owner: Monitor, asked: Mapping[str, str], narrow: bool) -> Window:
    """The batches an address asks for; days and weeks that are due are merged as far as a person may wait."""
    wanted = stretch.ask(
        asked.get("range", ""), asked.get("start", ""), asked.get("end", ""), asked.get("steps", ""),
        asked.get("x", ""), narrow=narrow,
    )  # fmt: skip
    if wanted.steps != "batch" and owner.champion:
        with suppress(Refused):  # who may only look waits for the job
            service.merge_periods(owner.name, wanted.steps, TURN)
    most = 150 if narrow else stretch.MOST
    if asked.get("rows") == "all":
        most = min(most, max(100, CELLS // max(1, len(owner.schema.watched))))
    return window(service.db, owner, wanted, most)


def drawn_of(service: Service, view: Window, asked: Mapping[str, str]) -> charts.DriftView:
    """What the heatmap shows of them."""
    sort = asked.get("sort", "")
    sort = sort if sort in dict(SORTS) else "matters"
    return scope.drift_view(service, view, sort, asked.get("find", ""), asked.get("rows", ""))


def controls(view: Window, asked: Mapping[str, str]) -> list[Any]:
    """What part of the history, in what steps, in what order."""
    return [
        parts.choice("drift", "Last", "range", stretch.RANGES, view.ask.key),
        parts.choice("drift", "By", "steps", stretch.STEPS, view.ask.steps),
        parts.ends("drift", asked.get("start", ""), asked.get("end", "")),
        parts.choice("drift", "Order", "sort", SORTS, asked.get("sort") or "matters"),
        parts.choice("drift", "Axis", "x", AXES, view.ask.axis) if view.ask.steps == "batch" else None,
    ]


def rows_control(drawn: charts.DriftView, asked: Mapping[str, str]) -> list[Any]:
    """Which features have a row; only where there are more than a page shows."""
    if drawn.of <= scope.ROWS and not asked.get("find") and not asked.get("rows"):
        return []
    options = (
        ("some", f"First {scope.ROWS}"), ("drifted", f"Drifted ({drawn.drifted})"), ("all", f"All ({drawn.of})"),
    )  # fmt: skip
    return [parts.choice("drift", "Features", "rows", options, asked.get("rows") or "some")]


def heading(service: Service, owner: Monitor, view: Window) -> Any:
    """What drifts now, and since when."""
    episodes = [item for item in history.episodes(service.db, owner.id, open_only=True) if item.kind == "drift"]
    newest = scope.newest_scored(service.db, owner)
    report = history.report(service.db, newest)
    if episodes:
        last = episodes[-1]
        began = history.batch(service.db, last.onset_batch)
        verb = "drifts" if len(last.features) == 1 else "drift"
        title = f"{say.listing(last.features) or 'The data'} {verb} since {say.batch_time(began)}"
    elif report.drift:
        title = f"{say.listing(report.drifted) or 'The newest batch'} drifted in the newest batch"
    else:
        drifted = sum(verdict == "drift" for verdict in view.verdict)
        units = {"batch": "batches", "day": "days", "week": "weeks"}[view.ask.steps]
        title = "Nothing drifts now" + (f"; {drifted} of {len(view)} {units} in view did" if drifted else "")
    return parts.heading(title, f"Newest batch: {report.explanation}", above=owner.name)


def title(view: Window) -> str:
    """What part of the history is drawn, and what was put together to draw it."""
    batches = say.count(len(view.ids), "batch", "batches")
    units = batches if view.ask.steps == "batch" else f"{say.count(len(view.units), view.ask.steps)} of {batches}"
    text = f"{say.date(int(view.at[0]))} to {say.date(int(view.at[-1]))}, {units}"
    return text + (f" of {view.total:,}" if view.total > len(view.ids) else "")


def how_to_read(view: Window, drawn: charts.DriftView) -> str:
    """What a cell is, and what was downsampled or left out."""
    words = [
        "Colour is the drift score of a feature: blue below the alarm line of 1, orange to vermilion above. Choose a "
        "cell, or use the arrow keys and Enter."
    ]
    unit = {"batch": "batches", "day": "days", "week": "weeks"}[view.ask.steps]
    if view.ask.steps != "batch":
        words.append(
            f"The rows of each {view.ask.steps} (UTC) are merged and judged as one; broken batches are left out."
        )
    if view.waiting:
        words.append(f"{say.count(view.waiting, view.ask.steps)} not merged yet; they come by themselves.")
    if view.together > 1:
        words.append(f"Downsampled: a column is {view.together} {unit}, of which the worst is drawn.")
    if len(drawn.features) < drawn.of:
        words.append(f"{len(drawn.features)} of {drawn.of} features are drawn.")
    return " ".join(words)


def label(drawn: charts.DriftView) -> str:
    """The finding of the chart as a sentence."""
    drifted = sum(verdict == "drift" for verdict in drawn.verdict)
    worst = ""
    if drawn.heat.size and np.isfinite(drawn.heat).any():
        row, column = np.unravel_index(np.nanargmax(drawn.heat), drawn.heat.shape)
        worst = f"; worst {drawn.features[row]} at {say.score(float(drawn.heat[row, column]))} times the alarm line"
    return f"{drifted} of {len(drawn.keys)} {'batches' if drawn.steps == 'batch' else drawn.steps + 's'} drift{worst}"


def legend(drawn: charts.DriftView) -> html.Div:
    """What strokes, fills and signs mean; only those that occur."""
    words = [("scale", "score of a cell: 0, alarm at 1, 3 and more"), ("alarm", "alarm line")]
    if drawn.band is not None:
        words.append(("band", "where 9 of 10 healthy ones of that size lie"))
    if any(span.tone == "drift" for span in drawn.spans):
        words.append(("episode", "drift episode, line = onset"))
    if any(span.tone == "quarantine" for span in drawn.spans):
        words.append(("fault", "broken data"))
    if drawn.truths:
        words.append(("truth", "known truth of the demo"))
    signs = {"promote": "★", "train": "△", "reject": "▽", "hold": "⋈", "rollback": "◀", "quarantine": "⊠",
             "settings": "◇", "fail": "✕"}  # fmt: skip
    kinds = {mark.kind for mark in drawn.marks}
    told = [f"{sign} {MARKS[kind].label}" for kind, sign in signs.items() if kind in kinds]
    return parts.legend(*words, *([("none", "   ".join(told))] if told else []))


def strip(service: Service, owner: Monitor, view: Window, anew: bool = True) -> Any:
    """The whole history in one line, with the stretch in view marked; drag over it to see another.

    Not ``anew``: only what changes on it when another stretch comes into view.
    """
    whole = window(service.db, owner, stretch.Ask("all", axis=view.ask.axis), STRIP, view.line)
    shown = whole.span(int(view.ids[0]), int(view.ids[-1])) if len(view.ids) else None
    span = charts.Span(*shown, "in view") if shown else None
    colours = theme.palette(look().dark)
    if not anew:
        return charts.moved(whole.place, span, colours, metric=False)
    return charts.whole_history(whole.place, whole.keys, whole.score, span, colours)


def happenings(drawn: charts.DriftView, view: Window) -> Any:
    """The signs of the chart as a list, newest first: what it says without hovering."""
    if not drawn.marks:
        return parts.quiet("No training, promotion, quarantine or change of settings in view.")
    runs: list[list[charts.Mark]] = []
    for mark in sorted(drawn.marks, key=lambda one: -one.position):
        if runs and runs[-1][0].kind == mark.kind:
            runs[-1].append(mark)
        else:
            runs.append([mark])
    rows = [
        [
            _stood(view, run),
            (MARKS[run[0].kind].label if run[0].kind in MARKS else run[0].kind)
            + (f" × {len(run)}" if len(run) > 1 else ""),
            parts.clip(run[0].text, 220),
        ]
        for run in runs[:12]
    ]
    columns = [parts.Column("When"), parts.Column("What"), parts.Column("Why", wide=True)]
    return parts.table(columns, rows, "What happened in view", cards=True)


def _stood(view: Window, run: Sequence[charts.Mark]) -> str:
    """When something happened, or from when to when it did so again and again."""
    last, first = run[0].position, run[-1].position
    if not view.place.timed:
        return view.keys[last]
    words = [say.date(int(view.at[at])) for at in dict.fromkeys((first, last))]
    return " to ".join(dict.fromkeys(words))


def episodes(service: Service, owner: Monitor) -> Any:
    """Successive alarms of one trouble, told as one, with the known truth beside them on the demo."""
    db = service.db
    found = list(reversed(history.episodes(db, owner.id)))[:MOST_EPISODES]
    truths = history.truths(db, owner.id)
    if not found:
        return parts.quiet("No episode yet: no batch has alarmed twice for one reason.")
    columns = [
        parts.Column("Kind"), parts.Column("What", wide=True), parts.Column("Began", named=True),
        parts.Column("Said", named=True), parts.Column("Ended", named=True),
    ]  # fmt: skip
    if truths:
        columns.insert(4, parts.Column("Truth", named=True))
    tones = {"drift": "bad", "performance": "warn", "fault": "aside"}
    words = {"drift": "Drift", "performance": "Loss", "fault": "Broken"}
    rows = []
    for item in found:
        row: list[Any] = [
            parts.badge(say.Word(words[item.kind], tones[item.kind])),
            item.summary,
            _batch_cell(db, owner, item.onset_batch),
            _batch_cell(db, owner, item.found_batch),
            "lasts" if item.end_batch is None else _batch_cell(db, owner, item.end_batch),
        ]
        if truths:
            row.insert(4, _truth_of(db, item, truths))
        rows.append(row)
    newest = parts.table(columns, rows[:EPISODES], "Episodes, newest first", cards=True)
    if len(rows) <= EPISODES:
        return newest
    older = parts.table(columns, rows[EPISODES:], "Older episodes", cards=True)
    return [newest, html.Details([html.Summary(f"{len(rows) - EPISODES} older"), older], className="more")]


def _batch_cell(db: Any, owner: Monitor, batch_id: int) -> Any:
    found = history.batch(db, batch_id)
    if found.kind == "labels":  # they have no time of their own: told by the rows that came before them
        found = next(iter(history.batches(db, owner.id, last=1, before=batch_id)), found)
    return html.Div(
        [
            parts.link(say.date(found.ends_at or found.received_at), f"{scope.base(owner)}/batches/{batch_id}"),
            html.Div(f"#{batch_id}", className="muted small"),
        ],
        className="nowrap",
    )


def _truth_of(db: Any, episode: Episode, truths: Sequence[Any]) -> Any:
    """The known truth of the same sort that began nearest to an episode, not later than it was said."""
    said = history.batch(db, episode.found_batch)
    began = history.batch(db, episode.onset_batch)
    when = began.ends_at or began.received_at
    latest = said.ends_at or max(when, said.received_at)
    near = [truth for truth in truths if truth.kind in TRUTHS[episode.kind] and truth.starts_at <= latest]
    named = [truth for truth in near if set(truth.features) & set(episode.features) or not episode.features]
    if episode.kind == "performance":
        named = near
    if not named:
        return "–"
    truth = min(named, key=lambda one: abs(one.starts_at - when))
    day = html.Div(f"day {truth.day}", className="muted small")
    return html.Div([say.date(truth.starts_at), day], className="nowrap", title=truth.description)


def features(service: Service, owner: Monitor, drawn: charts.DriftView) -> Any:
    """The rows of the heatmap as a table."""
    shares = scope.importance(service.db, owner)
    columns = [
        parts.Column("Feature", wide=True), parts.Column("Now", right=True), parts.Column("Worst", right=True),
        parts.Column("Alarmed in", right=True), parts.Column("Importance", right=True, hide=True),
    ]  # fmt: skip
    rows = []
    for at, name in enumerate(drawn.features[: scope.ROWS]):
        scores = drawn.heat[at]
        seen = scores[np.isfinite(scores)]
        alarmed = int((seen >= 1).sum())
        rows.append(
            [
                parts.link(parts.clip(name), scope.feature_path(owner, name)),
                say.score(float(scores[-1])),
                say.score(float(seen.max())) if len(seen) else "–",
                f"{alarmed} of {len(seen)}" if alarmed else "–",
                say.percent(shares.get(name, 0.0), 0) if shares else "–",
            ]
        )
    return parts.table(columns, rows, "Features and how often they alarmed")
