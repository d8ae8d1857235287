"""``/m/<monitor>/models/compare?a=v1&b=v2``: two versions on the same rows, and everything in which they differ."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

import dash
import dash_bootstrap_components as dbc
import numpy as np
from dash import Input, Output, State, callback, html, no_update

from dashboard import charts, flips, look, parts, say, scope, service, theme
from dashboard.guard import guarded
from storage import history
from storage.errors import Refused
from storage.records import Comparison, Metric, Monitor, Version

dash.register_page(
    __name__,
    path_template="/m/<monitor>/models/compare",
    title=lambda monitor="": f"Compare versions - {unquote(monitor)}",
    order=103,
)


@guarded("models", "monitor")
def layout(monitor: str = "", a: str = "", b: str = "", diff: str = "1", **_: Any) -> html.Div:
    """The page, wholly from its path and query."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    versions = history.versions(serving.db, owner.id)
    if len(versions) < 2:
        return parts.page(
            monitors,
            owner,
            "models",
            parts.heading("Nothing to compare yet", above=owner.name),
            html.Div(
                parts.empty(
                    "There is one version. Retraining runs when data drift, when performance is lost, or when you ask.",
                    parts.action("Train now", "retrain", owner.name, primary=True),
                    parts.link("Back to the models", f"{scope.base(owner)}/models", className="btn btn-quiet"),
                ),
                className="panel",
            ),
        )
    left, right, complaint = _pair(owner, versions, a, b)
    found = serving.compare(owner.name, left.number, right.number)
    return parts.page(
        monitors,
        owner,
        "models",
        parts.asked("compare", monitor=owner.name, diff=diff, a=f"v{left.number}", b=f"v{right.number}"),
        _head(owner, left, right, found),
        parts.notice(complaint, "warn") if complaint else None,
        _choosers(versions, left, right),
        _seen(found, left, right),
        html.Div(
            [_metrics(found, left, right), _matrices_difference(found, left, right)], className="grid-2 grid-even"
        ),
        _matrices(found, left, right),
        html.Div([_importance(left, right), _lineage(owner, left, right, diff != "0")], className="grid-2 grid-even"),
        flips.flips(found, left, right),
    )


def _pair(owner: Monitor, versions: list[Version], a: str, b: str) -> tuple[Version, Version, str]:
    """The two versions asked for; by default the champion and the newest other, the older one first."""
    numbers = {f"v{item.number}": item for item in versions}
    unknown = [text for text in (a, b) if text and text not in numbers]
    complaint = f"There is no version “{unknown[0][:20]}” here; showing others." if unknown else ""
    champion = next((item for item in versions if item.id == owner.champion), versions[0])
    others = [item for item in versions if item.id != champion.id]
    usual = sorted((champion, others[-1]), key=lambda item: item.number)
    left, right = numbers.get(a), numbers.get(b)
    if left is None and right is None:
        left, right = usual
    elif left is None and right is not None:
        left = (
            champion
            if right.id != champion.id
            else next((item for item in others if item.id == champion.parent_id), others[-1])
        )
    elif right is None and left is not None:
        right = champion if left.id != champion.id else others[-1]
    return left, right, complaint


def _head(owner: Monitor, left: Version, right: Version, found: Comparison) -> Any:
    buttons = [
        parts.action(f"Promote v{item.number}", "promote", owner.name, item.number, primary=item.state == "held")
        for item in (left, right)
        if item.id != owner.champion
    ]
    return parts.heading(
        found.verdict or f"v{left.number} and v{right.number}",
        f"Both predict the same {say.count(found.rows, 'labelled row')} of "
        f"{say.count(len(found.batches), 'batch', 'batches')}.",
        tools=buttons,
        above=f"{owner.name}, v{left.number} against v{right.number}",
    )


def _choosers(versions: list[Version], left: Version, right: Version) -> html.Div:
    options = [
        {
            "label": f"v{item.number}, {say.VERSIONS[item.state].text.lower()}: {item.recipe}"[:80],
            "value": f"v{item.number}",
        }
        for item in reversed(versions)
    ]
    return html.Div(
        [
            html.Label("Version a", htmlFor="compare-a", className="segments-label"),
            dbc.Select(
                id="compare-a", options=options, value=f"v{left.number}", size="sm", style={"width": "min(300px, 100%)"}
            ),
            html.Label("Version b", htmlFor="compare-b", className="segments-label"),
            dbc.Select(
                id="compare-b",
                options=options,
                value=f"v{right.number}",
                size="sm",
                style={"width": "min(300px, 100%)"},
            ),
        ],
        className="heading-tools",
    )


def _seen(found: Comparison, left: Version, right: Version) -> Any:
    names = [f"v{item.number}" for item in (left, right) if item.id in found.seen_by]
    if not names:
        return None
    return parts.notice(
        f"{say.listing(names)} learned from some of these rows, so "
        f"{'its figures flatter it' if len(names) == 1 else 'their figures flatter them'}.",
        "warn",
    )


def _metrics(found: Comparison, left: Version, right: Version) -> Any:
    columns = [
        parts.Column("Metric", wide=True), parts.Column(f"v{left.number}", right=True),
        parts.Column(f"v{right.number}", right=True), parts.Column("Difference, 95 %", right=True),
    ]  # fmt: skip
    rows, lines = [], []
    for name in sorted({*found.metrics_a, *found.metrics_b}, key=lambda key: (key != found.primary, key)):
        a, b, change = found.metrics_a.get(name), found.metrics_b.get(name), found.differences.get(name)
        rows.append([say.metric_label(name), _figure(name, a), _figure(name, b), _change(name, change)])
        lines.append("strong" if name == found.primary else "")
    return parts.panel(
        "On the same rows",
        parts.table(columns, rows, "Metrics of both versions", lines),
        sub="Differences are b minus a, paired row by row; a sign and a word where the interval leaves out zero.",
        flush=True,
    )


def _figure(name: str, metric: Metric | None) -> Any:
    if metric is None:
        return "–"
    return [say.metric_value(name, metric.value), html.Div(say.metric_interval(name, metric), className="muted small")]


def _change(name: str, change: Metric | None) -> Any:
    if change is None or not np.isfinite(change.value):
        return "–"
    sure = np.isfinite(change.low) and np.isfinite(change.high) and (change.low > 0 or change.high < 0)
    better = (change.value > 0) == say.more_is_better(name)
    text = f"{say.metric_change(name, change.value)}{' ▲ better' if sure and better else ' ▼ worse' if sure else ''}"
    reach = say.change_interval(name, change.low, change.high)
    return [
        html.Span(text, className="good" if sure and better else "worse" if sure else ""),
        html.Div(reach, className="muted small"),
    ]


def _matrices_difference(found: Comparison, left: Version, right: Version) -> Any:
    if not found.confusion_a or not found.confusion_b:
        return None
    change = np.array(found.confusion_b) - np.array(found.confusion_a)
    gained = int(np.trace(change))
    word = "more" if gained > 0 else "fewer" if gained < 0 else "more or fewer"
    figure = charts.confusion(change.tolist(), found.classes, theme.palette(look().dark), difference=True)
    return parts.panel(
        f"v{right.number} is right on {say.count(abs(gained), 'row')} {word}",
        parts.chart(
            "confusion-change", figure, f"Confusion of v{right.number} minus v{left.number}, in rows", still=True
        ),
        sub=f"Rows of v{right.number} minus rows of v{left.number}. On the diagonal more is better.",
    )


def _matrices(found: Comparison, left: Version, right: Version) -> Any:
    if not found.confusion_a:
        return None
    panels = []
    for key, item, matrix in (("a", left, found.confusion_a), ("b", right, found.confusion_b)):
        counts = np.array(matrix)
        share = counts.trace() / max(1, counts.sum())
        figure = charts.confusion(matrix, found.classes, theme.palette(look().dark))
        panels.append(
            parts.panel(
                f"v{item.number} is right on {say.percent(share)}",
                parts.chart(f"confusion-{key}", figure, f"Confusion matrix of v{item.number}", still=True),
            )
        )
    return html.Div(panels, className="grid-2")


def _importance(left: Version, right: Version) -> Any:
    if not left.importance and not right.importance:
        return None
    changes = {
        name: right.importance.get(name, 0.0) - left.importance.get(name, 0.0)
        for name in {*left.importance, *right.importance}
    }
    most = max(changes, key=lambda name: abs(changes[name]))
    figure = charts.dumbbell(
        left.importance,
        right.importance,
        (f"v{left.number}", f"v{right.number}"),
        theme.palette(look().dark),
        look().narrow,
    )
    return parts.panel(
        f"{most} changed most in importance",
        parts.chart("importance", figure, f"Permutation importance in v{left.number} and v{right.number}", still=True),
        sub="How much the metric loses when a feature is shuffled; sorted by change.",
    )


def _lineage(owner: Monitor, left: Version, right: Version, only: bool) -> Any:
    numbers = {item.id: f"v{item.number}" for item in history.versions(service().db, owner.id)}
    lines = [
        ("State", *(say.VERSIONS[item.state].text for item in (left, right))),
        ("Came from", *(numbers.get(item.parent_id or 0, "–") for item in (left, right))),
        ("Recipe", left.recipe, right.recipe),
        ("Rows learned", f"{left.rows:,}", f"{right.rows:,}"),
        ("Batches learned", *(_batches(item) for item in (left, right))),
        ("Estimator", left.estimator, right.estimator),
        ("Seed", str(left.seed), str(right.seed)),
        ("Time to train", say.seconds(left.train_seconds), say.seconds(right.train_seconds)),
        ("Made", say.clock(left.created_at), say.clock(right.created_at)),
        ("Size of the file", say.size(left.size), say.size(right.size)),
        *(
            (name, left.environment.get(name, "–"), right.environment.get(name, "–"))
            for name in sorted({*left.environment, *right.environment})
        ),
    ]
    lines += _settings(owner, left, right)
    shown = [line for line in lines if not only or line[1] != line[2]]
    query = {"a": f"v{left.number}", "b": f"v{right.number}"}
    toggle = parts.segments(
        "Show",
        f"{scope.base(owner)}/models/compare",
        query,
        "diff",
        (("1", "Differences"), ("0", "All")),
        "1" if only else "0",
    )
    columns = [
        parts.Column(""),
        parts.Column(f"v{left.number}", wide=True),
        parts.Column(f"v{right.number}", wide=True),
    ]
    return parts.panel(
        "Where they come from",
        parts.table(
            columns,
            [[line[0], parts.clip(line[1], 70), parts.clip(line[2], 70)] for line in shown],
            "Lineage of both versions",
        ),
        sub=f"{len(lines) - len(shown)} equal lines are hidden." if only else None,
        tools=toggle,
        flush=True,
    )


def _batches(item: Version) -> str:
    learned = item.trained_on
    if not learned:
        return "the reference"
    return f"{len(learned):,} (#{learned[0]} to #{learned[-1]})"


def _settings(owner: Monitor, left: Version, right: Version) -> list[tuple[str, str, str]]:
    """Settings in force when each was made, key by key."""
    rows = {row.id: row.data for row in history.settings_history(service().db, owner.id)}
    a, b = _flat(rows.get(left.settings_id, {})), _flat(rows.get(right.settings_id, {}))
    return [(f"setting {key}", str(a.get(key, "–")), str(b.get(key, "–"))) for key in sorted({*a, *b})]


def _flat(data: dict[str, Any], head: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in data.items():
        out |= _flat(value, f"{head}{key}.") if isinstance(value, dict) else {f"{head}{key}": value}
    return out


@callback(
    Output("go", "href", allow_duplicate=True),
    Input("compare-a", "value"),
    Input("compare-b", "value"),
    State("compare-asked", "data"),
    prevent_initial_call=True,
)
def choose(a: str, b: str, asked: dict[str, str]) -> Any:
    """Another pair: its own address, so that it can be shared and gone back from."""
    if not a or not b or (a, b) == (asked["a"], asked["b"]):
        return no_update
    if a == b:
        raise Refused("Choose two different versions.")
    query = {"a": a, "b": b, **({"diff": "0"} if asked["diff"] == "0" else {})}
    return f"{scope.base(asked['monitor'])}/models/compare?{urlencode(query)}"
