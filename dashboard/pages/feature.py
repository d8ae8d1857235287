"""``/m/<monitor>/features/<name>``: one feature's distribution, distances, explanation and history."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
import numpy as np
from dash import Input, Output, State, callback, html

from dashboard import charts, look, parts, say, scope, service, theme
from dashboard.guard import guarded
from storage import history
from storage.errors import Missing
from storage.records import Distribution, DriftReport, FeatureDrift, Link, Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/features/<name>",
    title=lambda monitor="", name="": f"{unquote(name)} - {unquote(monitor)}",
    order=101,
)
VERSUS = (("reference", "Reference"), ("previous", "Batch before"))


@guarded("drift", "monitor", "name")
def layout(monitor: str = "", name: str = "", batch: str = "", vs: str = "", range: str = "", **_: Any) -> html.Div:
    """The page, wholly from its path and query."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    names = [item.name for item in owner.schema.features]
    if name not in names:
        raise Missing(f"{owner.name} has no feature “{name[:200]}”. Its features: {say.listing(names, 12)}.")
    watched = next(item for item in owner.schema.features if item.name == name)
    key, last, complaint = scope.chosen_range(range, look().narrow)
    view = scope.window(serving.db, owner, last)
    scores = history.feature_scores(serving.db, owner.id, name, last=last)
    if watched.kind == "ignored" or not scores:
        reason = f"It is not watched: {watched.note}." if watched.kind == "ignored" else "No batch has been scored yet."
        return parts.page(
            monitors,
            owner,
            "drift",
            parts.heading(name, above=owner.name),
            html.Div(parts.empty(reason), className="panel"),
        )
    chosen = int(batch) if batch.isdecimal() else scores[-1][0]
    item = dict(scores).get(chosen) or _one(serving.db, owner, name, chosen)
    vs = vs if vs in dict(VERSUS) else "reference"
    return parts.page(
        monitors,
        owner,
        "drift",
        parts.asked("feature", monitor=owner.name, name=name, range=range, batch=batch, vs=vs),
        parts.live("feature-head", _head(owner, name, item, chosen, names, view)),
        parts.notice(complaint, "warn") if complaint else None,
        html.Div(
            [
                parts.segments(
                    "Against", scope.feature_path(owner, name), {"batch": batch, "range": range}, "vs", VERSUS, vs
                ),
                parts.segments(
                    "Batches", scope.feature_path(owner, name), {"batch": batch, "vs": vs}, "range", scope.RANGES, key
                ),
            ],
            className="heading-tools",
        ),
        html.Div(_body(owner, name, item, chosen, vs, view), className="grid-2"),
        _history_panel(owner, name, view, chosen),
        parts.live("feature-links", _links(owner, name, chosen)),
    )


def _one(db: Any, owner: Monitor, name: str, batch: int) -> FeatureDrift:
    found = history.batch(db, batch)
    if found.monitor_id != owner.id:
        raise Missing(f"Batch #{batch} is not one of {owner.name}.")
    for item in history.report(db, batch).features:
        if item.name == name:
            return item
    raise Missing(f"Batch #{batch} has no score of “{name}”.")


def _head(owner: Monitor, name: str, item: FeatureDrift, batch: int, names: list[str], view: scope.Window) -> Any:
    found = history.batch(service().db, batch)
    verb = (
        "drifted"
        if item.drift
        else "has too few rows to say"
        if item.verdict == "too_few_rows"
        else "looks like the reference"
    )
    title = f"{name} {verb} on {say.batch_time(found)}" if found.ends_at else f"{name} {verb} in batch #{batch}"
    at = names.index(name)
    steps = []
    for text, step, other in (("‹ Feature", "previous-feature", at - 1), ("Feature ›", "next-feature", at + 1)):
        if 0 <= other < len(names):
            steps.append(
                html.Span(
                    parts.link(
                        text,
                        scope.feature_path(owner, names[other], batch),
                        className="btn btn-quiet",
                        title=names[other],
                    ),
                    **{"data-step": step},
                )
            )
    place = view.batch.tolist().index(batch) if batch in view.batch else None
    for text, step, move in (("‹ Batch", "previous-batch", -1), ("Batch ›", "next-batch", 1)):
        if place is not None and 0 <= place + move < len(view):
            other = int(view.batch[place + move])
            steps.append(
                html.Span(
                    parts.link(
                        text, scope.feature_path(owner, name, other), className="btn btn-quiet", title=f"batch #{other}"
                    ),
                    **{"data-step": step},
                )
            )
    return parts.heading(
        title, item.explanation, tools=html.Div(steps, className="pager"), above=f"{owner.name}, {item.kind} feature"
    )


def _body(owner: Monitor, name: str, item: FeatureDrift, batch: int, vs: str, view: scope.Window) -> list[Any]:
    versus: str | list[int] = "reference"
    if vs == "previous":
        before = [int(one) for one in view.batch if one < batch]
        versus = before[-1:] or "reference"
    shown = service().distribution(owner.name, name, batch, versus)
    figure = charts.distribution(shown, theme.palette(look().dark), look().narrow)
    against = "the reference" if versus == "reference" else f"batch #{versus[0]}"
    fan = _fan(owner, name, view)
    return [
        html.Div(
            [
                parts.panel(
                    f"Batch #{batch} against {against}",
                    parts.legend(
                        ("reference", f"{against}, {say.count(shown.reference_rows, 'row')}"),
                        (
                            "batch" if shown.edges else "batch-fill",
                            f"batch #{batch}, {say.count(shown.batch_rows, 'row')}",
                        ),
                    ),
                    parts.chart("distribution", figure, f"{name}: distribution in batch #{batch} against {against}"),
                    _tails(shown),
                ),
                parts.panel(
                    f"Its values over the last {say.count(len(view), 'batch', 'batches')}",
                    _fan_legend(shown),
                    parts.chart("fan", fan, f"{name} over the last {len(view)} batches"),
                )
                if fan is not None
                else None,
            ],
            className="stack",
        ),
        html.Div(
            [
                parts.panel(
                    "How far it moved",
                    _numbers(item),
                    sub="The score is the surprise of the largest check; 1 is the alarm line.",
                ),
                parts.panel("The figures", _stats(shown, against), flush=True),
            ],
            className="stack",
        ),
    ]


def _fan_legend(shown: Distribution) -> Any:
    if not shown.edges:
        return parts.legend(("dotted-grey", "share in the newest reference"))
    return parts.legend(
        ("batch", "median"),
        ("half", "25 to 75 %"),
        ("band", "5 to 95 %"),
        ("dotted-grey", "the same in the newest reference"),
    )


def _tails(shown: Distribution) -> Any:
    words = []
    if shown.reference_null or shown.batch_null:
        words.append(
            f"Missing: {say.percent(shown.batch_null)} of the batch, "
            f"{say.percent(shown.reference_null)} of what it is compared with."
        )
    new = [label for label, is_new in zip(shown.labels, shown.new, strict=True) if is_new]
    if new:
        words.append(f"New levels: {say.listing(new, 5)}.")
    if shown.edges and shown.reference_stats and shown.batch_stats:
        low, high = shown.reference_stats.get("min"), shown.reference_stats.get("max")
        if low is not None and shown.batch_stats.get("min", low) < low:
            words.append(f"Reaches below the reference's smallest value ({say.number(low)}).")
        if high is not None and shown.batch_stats.get("max", high) > high:
            words.append(f"Reaches above the reference's largest value ({say.number(high)}).")
    return html.P(" ".join(words), className="muted small") if words else None


def _numbers(item: FeatureDrift) -> Any:
    word = say.VERDICTS["drift"] if item.drift else say.VERDICTS[item.verdict]
    distances = [(say.DISTANCES.get(key, key), say.number(value)) for key, value in item.distances.items()]
    return parts.facts(
        ("Verdict", parts.badge(word)),
        ("Score", f"{say.score(item.score)} (alarm at 1)"),
        ("Carried by", item.eye or "–"),
        ("p-value", say.p_value(item.p_value)),
        ("Effect size", say.number(item.effect)),
        *distances,
    )


def _stats(shown: Distribution, against: str) -> Any:
    labels = (
        ("mean", "Mean"),
        ("sd", "Standard deviation"),
        ("min", "Smallest"),
        ("q05", "5 %"),
        ("q25", "25 %"),
        ("q50", "Median"),
        ("q75", "75 %"),
        ("q95", "95 %"),
        ("max", "Largest"),
    )
    dated = shown.kind == "date"

    def write(value: float | None) -> str:
        if value is None:
            return "–"
        return say.date(int(value)) if dated else say.number(value, 4)

    columns = [
        parts.Column(""),
        parts.Column("Compared with", right=True),
        parts.Column("Batch", right=True),
        parts.Column("Change", right=True),
    ]
    rows: list[list[Any]] = [["Rows", f"{shown.reference_rows:,}", f"{shown.batch_rows:,}", ""]]
    for key, label in labels:
        a, b = shown.reference_stats.get(key), shown.batch_stats.get(key)
        if a is not None or b is not None:
            change = "" if a is None or b is None or dated or (key == "sd" and not a) else say.signed(b - a)
            rows.append([label, write(a), write(b), change])
    rows.append(
        [
            "Missing",
            say.percent(shown.reference_null),
            say.percent(shown.batch_null),
            f"{say.signed(100 * (shown.batch_null - shown.reference_null), 1)} points",
        ]
    )
    if not shown.edges:
        for label, a, b in sorted(
            zip(shown.labels, shown.reference, shown.batch, strict=True), key=lambda line: -abs(line[2] - line[1])
        )[:8]:
            rows.append(
                [parts.clip(label, 30), say.percent(a), say.percent(b), f"{say.signed(100 * (b - a), 1)} points"]
            )
    return parts.table(columns, rows, f"Figures of the batch and {against}")


def _history_panel(owner: Monitor, name: str, view: scope.Window, batch: int) -> Any:
    figure, drifted = _history(owner, name, view, batch)
    sentence = f"Alarmed in {drifted} of the last {say.count(len(view), 'batch', 'batches')}"
    return parts.panel(sentence, parts.chart("history", figure, f"Drift score of {name}: {sentence.lower()}"))


def _history(owner: Monitor, name: str, view: scope.Window, batch: int) -> tuple[Any, int]:
    scores = dict(history.feature_scores(service().db, owner.id, name, last=len(view) + 50))
    score = np.array([scores[one].score if one in scores else np.nan for one in view.batch.tolist()])
    verdict = [
        "" if one not in scores else "drift" if scores[one].drift else scores[one].verdict
        for one in view.batch.tolist()
    ]
    figure = charts.history(view.place, view.batch, score, verdict, theme.palette(look().dark), batch)
    return figure, sum(word == "drift" for word in verdict)


def _fan(owner: Monitor, name: str, view: scope.Window) -> Any:
    batches = view.batch.tolist()
    found = zip(batches, service().quantiles(owner.name, name, [[one] for one in batches]), strict=True)
    lines = {batch: line for batch, line in found if line is not None}
    shown = service().distribution(owner.name, name, batches[-1])
    colours = theme.palette(look().dark)
    first = next((lines[one] for one in batches if one in lines), None)
    if first is None:
        return None
    if "shares" in first:
        levels = dict.fromkeys(level for one in batches if one in lines for level in lines[one]["shares"])
        shares = {
            level: np.array([lines[one]["shares"].get(level, 0.0) if one in lines else np.nan for one in batches])
            for level in levels
        }
        reference = dict(zip(shown.labels, shown.reference, strict=True))
        return charts.composition(view.place, shares, reference, colours)
    keys = ("q05", "q25", "q50", "q75", "q95")
    quantiles = {key: np.array([_float(lines.get(one, {}).get(key)) for one in batches]) for key in keys}
    return charts.fan(view.place, quantiles, shown.reference_stats, name, colours)


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _other(link: Link, name: str) -> str:
    return link.b if link.a == name else link.a


def _links(owner: Monitor, name: str, batch: int) -> Any:
    report: DriftReport = history.report(service().db, batch)
    links = [link for link in report.links if name in (link.a, link.b)]
    if not links:
        return None
    columns = [
        parts.Column("With"),
        parts.Column("Reference", right=True),
        parts.Column("Batch", right=True),
        parts.Column("Score", right=True),
        parts.Column("Verdict"),
    ]
    rows = [
        [
            parts.link(parts.clip(_other(link, name)), scope.feature_path(owner, _other(link, name), batch)),
            say.number(link.reference, 2), say.number(link.batch, 2), say.score(link.score),
            parts.badge(say.VERDICTS["drift" if link.drift else "stable"]),
        ]
        for link in links
    ]  # fmt: skip
    return parts.panel(
        "Links with other features",
        parts.table(columns, rows, f"Links of {name}"),
        sub="Association between two features, from −1 to 1. A link may break while each feature alone stands still.",
        flush=True,
    )


@callback(
    Output(parts.graph_id("history"), "figure"),
    Output(parts.graph_id("fan"), "figure"),
    Input("change", "data"),
    State("feature-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer batches in the charts over time; the chosen batch stays as it is."""
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    _, last, _ = scope.chosen_range(asked["range"], look().narrow)
    view = scope.window(serving.db, owner, last)
    batch = int(asked["batch"]) if asked["batch"].isdecimal() else int(view.batch[-1])
    figure, _ = _history(owner, asked["name"], view, batch)
    return charts.refreshed(figure), charts.refreshed(_fan(owner, asked["name"], view))
