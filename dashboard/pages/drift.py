"""``/m/<monitor>/drift``: every feature against every batch, when trouble began, when it was found, what was done."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

import dash
import numpy as np
from dash import ClientsideFunction, Input, Output, State, callback, clientside_callback, html, no_update

from dashboard import brief, charts, look, parts, say, scope, service, theme
from dashboard.guard import guarded
from storage import history
from storage.errors import Missing
from storage.records import DriftReport, Episode, Monitor

dash.register_page(
    __name__, path_template="/m/<monitor>/drift", title=lambda monitor="": f"Drift - {unquote(monitor)}", order=104
)
SORTS = (("matters", "What matters"), ("worst", "Worst"), ("name", "Name"))
TRUTHS = {  # kind of episode -> kinds of known truth that explain it
    "drift": ("input drift", "gradual drift"),
    "performance": ("concept drift",),
    "fault": ("unit fault", "missing values"),
}
AXES = (("auto", "Auto"), ("time", "Time"), ("count", "Number"))


@guarded("drift", "monitor")
def layout(
    monitor: str = "", range: str = "", sort: str = "", x: str = "", feature: str = "", batch: str = "", **_: Any
) -> html.Div:
    """The page, wholly from its path and query."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    key, last, complaint = scope.chosen_range(range, look().narrow)
    sort = sort if sort in dict(SORTS) else "matters"
    x = x if x in dict(AXES) else "auto"
    view = scope.window(serving.db, owner, last, x)
    if not len(view):
        return parts.page(
            monitors,
            owner,
            "drift",
            parts.heading("No batch has been scored yet", above=owner.name),
            html.Div(
                parts.empty(
                    "The drift of each feature is drawn here as soon as the first batch is scored.",
                    parts.link("Upload a batch", f"{scope.base(owner)}/upload", className="btn btn-main"),
                ),
                className="panel",
            ),
        )
    drawn = scope.drift_view(serving, view, sort)
    query = {"range": key if range else "", "sort": sort if sort != "matters" else "", "x": x if x != "auto" else ""}
    chosen = int(batch) if batch.isdecimal() else None
    return parts.page(
        monitors,
        owner,
        "drift",
        parts.asked("drift", monitor=owner.name, range=range, sort=sort, x=x),
        parts.live("drift-head", _head(owner, view)),
        parts.notice(complaint, "warn") if complaint else None,
        html.Div(_controls(owner, query, key, sort, x), className="heading-tools"),
        html.Div(
            [
                parts.panel(
                    _figure_title(view),
                    _legend(drawn),
                    html.Div(
                        parts.chart(
                            "drift",
                            charts.drift_timeline(drawn, theme.palette(look().dark), look().narrow),
                            _label(drawn),
                        ),
                        className="chart-heat",
                        tabIndex="0",
                        role="group",
                        **{"aria-label": "Heatmap of drift. Arrow keys move over cells, Enter opens one."},
                    ),
                    html.Div(id="heat-says", className="visually-hidden", **{"aria-live": "polite"}),
                    sub="Colour is the drift score of a feature in a batch: blue below the alarm line of 1, orange to "
                    "vermilion above. Choose a cell, or use the arrow keys and Enter.",
                ),
                html.Aside(_side(owner, feature, chosen), id="drift-side", **{"aria-label": "Chosen cell"}),
            ],
            className="grid-side" if chosen else "grid-side alone",
            id="drift-grid",
        ),
        html.Div(
            [
                parts.panel(
                    "Episodes",
                    parts.live("drift-episodes", _episodes(owner, view)),
                    sub="Successive alarms of one trouble, told as one: where it began and where it was said.",
                    flush=True,
                ),
                parts.panel(
                    "Features in this range",
                    parts.live("drift-features", _features(owner, drawn)),
                    flush=True,
                ),
            ],
            className="grid-wide",
        ),
        brief.demo_note(owner),
    )


def _controls(owner: Monitor, query: dict[str, str], key: str, sort: str, x: str) -> list[Any]:
    path = f"{scope.base(owner)}/drift"
    return [
        parts.segments("Batches", path, query, "range", scope.RANGES, key),
        parts.segments("Order", path, query, "sort", SORTS, sort),
        parts.segments("Axis", path, query, "x", AXES, x),
    ]


def _head(owner: Monitor, view: scope.Window) -> Any:
    episodes = [item for item in history.episodes(service().db, owner.id, open_only=True) if item.kind == "drift"]
    report = history.report(service().db, int(view.batch[-1]))
    if episodes:
        newest = episodes[-1]
        at = view.position(newest.onset_batch)
        since = f" since {say.date(int(view.at[at]))}" if at is not None else ""
        verb = "drifts" if len(newest.features) == 1 else "drift"
        title = f"{say.listing(newest.features) or 'The data'} {verb}{since}"
    elif report.drift:
        title = f"{say.listing(report.drifted) or 'The newest batch'} drifted in the newest batch"
    else:
        drifted = sum(verdict == "drift" for verdict in view.verdict)
        title = "Nothing drifts now" + (f"; {drifted} of {len(view)} batches did" if drifted else "")
    return parts.heading(title, f"Newest batch: {report.explanation}", above=owner.name)


def _figure_title(view: scope.Window) -> str:
    shown = f"{say.date(int(view.at[0]))} to {say.date(int(view.at[-1]))}, {say.count(len(view), 'batch', 'batches')}"
    return shown + (f" (the newest of {view.total:,})" if view.total > len(view) else "")


def _label(drawn: charts.DriftView) -> str:
    drifted = sum(verdict == "drift" for verdict in drawn.verdict)
    worst = ""
    if drawn.heat.size and np.isfinite(drawn.heat).any():
        row, column = np.unravel_index(np.nanargmax(drawn.heat), drawn.heat.shape)
        worst = f"; worst {drawn.features[row]} at {say.score(drawn.heat[row, column])} times the alarm line"
    return f"{drifted} of {len(drawn.batch)} batches drift{worst}"


def _legend(drawn: charts.DriftView) -> html.Div:
    words = [
        ("scale", "score of a cell: 0, alarm at 1, 3 and more"),
        ("alarm", "alarm line"),
        ("band", "where healthy batches lie"),
        ("episode", "drift episode, line = onset"),
    ]
    if any(span.tone == "quarantine" for span in drawn.spans):
        words.append(("fault", "broken data"))
    if drawn.truths:
        words.append(("truth", "known truth of the demo"))
    return parts.legend(*words, ("none", "★ promoted   △ training   ▽ rejected   ⊠ quarantined   ◇ settings"))


def _episodes(owner: Monitor, view: scope.Window) -> Any:
    db = service().db
    found = list(reversed(history.episodes(db, owner.id)))[:25]
    truths = history.truths(db, owner.id)
    if not found:
        return parts.quiet("No episode yet: no batch has alarmed twice for one reason.")
    columns = [
        parts.Column("Kind"),
        parts.Column("What", wide=True),
        parts.Column("Began"),
        parts.Column("Said"),
        parts.Column("Ended"),
    ]
    if truths:
        columns.insert(4, parts.Column("Truth"))
    tones = {"drift": "bad", "performance": "warn", "fault": "aside"}
    words = {"drift": "Drift", "performance": "Loss", "fault": "Broken"}
    rows = []
    for item in found:
        row: list[Any] = [
            parts.badge(say.Word(words[item.kind], tones[item.kind])),
            item.summary,
            _batch_cell(owner, item.onset_batch),
            _batch_cell(owner, item.found_batch),
            "lasts" if item.end_batch is None else _batch_cell(owner, item.end_batch),
        ]
        if truths:
            row.insert(4, _truth_of(item, truths))
        rows.append(row)
    return parts.table(columns, rows, "Episodes")


def _batch_cell(owner: Monitor, batch_id: int) -> Any:
    found = history.batch(service().db, batch_id)
    if found.kind == "labels":  # they have no time of their own: told by the rows that came before them
        found = next(iter(history.batches(service().db, owner.id, last=1, before=batch_id)), found)
    return html.Div(
        [
            parts.link(say.date(found.ends_at or found.received_at), f"{scope.base(owner)}/batches/{batch_id}"),
            html.Div(f"#{batch_id}", className="muted small"),
        ],
        className="nowrap",
    )


def _truth_of(episode: Episode, truths: list[Any]) -> Any:
    """The known truth of the same sort that began nearest to an episode, not later than it was said."""
    said = history.batch(service().db, episode.found_batch)
    began = history.batch(service().db, episode.onset_batch)
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


def _features(owner: Monitor, drawn: charts.DriftView) -> Any:
    champion = history.version(service().db, owner.champion) if owner.champion else None
    importance = champion.importance if champion else {}
    total = sum(max(0.0, value) for value in importance.values())
    columns = [
        parts.Column("Feature", wide=True), parts.Column("Now", right=True), parts.Column("Worst", right=True),
        parts.Column("Alarmed in", right=True), parts.Column("Importance", right=True, hide=True),
    ]  # fmt: skip
    rows = []
    for at, name in enumerate(drawn.features):
        scores = drawn.heat[at]
        known = scores[np.isfinite(scores)]
        alarmed = int((known >= 1).sum())
        rows.append(
            [
                parts.link(parts.clip(name), scope.feature_path(owner, name)),
                say.score(scores[-1]),
                say.score(known.max()) if len(known) else "–",
                f"{alarmed} of {len(known)}" if alarmed else "–",
                say.percent(max(0.0, importance.get(name, 0)) / total, 0) if total else "–",
            ]
        )
    return parts.table(columns, rows, "Features and how often they alarmed")


def _side(owner: Monitor, feature: str, batch: int | None) -> Any:
    """The chosen cell beside the chart; nothing when none is chosen."""
    if batch is None:
        return None
    db = service().db
    try:
        found = history.batch(db, batch)
        if found.monitor_id != owner.id:
            raise Missing(f"Batch #{batch} is not one of {owner.name}.")
        report = history.report(db, batch)
    except Missing as error:
        return parts.panel("Not found", parts.quiet(str(error)))
    close = html.Button(
        "×", id="drift-close", className="bar-button", type="button", n_clicks=0, **{"aria-label": "Close"}
    )
    head = f"{say.batch_title(found)}, {say.batch_time(found)}"
    if not feature:
        return html.Div(_batch_side(owner, found.id, report, head, close), className="side")
    item = next((one for one in report.features if one.name == feature), None)
    if item is None:
        return html.Div(
            parts.panel("Not found", parts.quiet(f"Batch #{batch} has no score of “{feature[:80]}”."), tools=close),
            className="side",
        )
    shown = service().distribution(owner.name, feature, batch)
    figure = charts.distribution(shown, theme.palette(look().dark), narrow=True)
    word = say.VERDICTS[item.verdict] if not item.drift else say.VERDICTS["drift"]
    return html.Div(
        parts.panel(
            parts.clip(feature, 60),
            html.Div(
                [parts.badge(word), html.Span(f" score {say.score(item.score)}, alarm at 1", className="muted small")]
            ),
            html.P(item.explanation),
            parts.chart("cell", figure, f"{feature} in batch #{batch} against the reference", still=True),
            parts.facts(
                ("p-value", say.p_value(item.p_value)),
                ("Effect size", say.number(item.effect)),
                ("Missing", f"{say.percent(item.null_rate)} (reference {say.percent(item.reference_null_rate)})"),
            ),
            html.Div(
                [
                    parts.link("Open feature", scope.feature_path(owner, feature, batch), className="btn btn-main"),
                    parts.link("Open batch", f"{scope.base(owner)}/batches/{batch}", className="btn btn-quiet"),
                ],
                className="samples",
            ),
            sub=head,
            tools=close,
        ),
        className="side",
    )


def _batch_side(owner: Monitor, batch: int, report: DriftReport, head: str, close: Any) -> html.Section:
    worst = report.features[:6]
    lines = [
        parts.Bar(
            parts.link(parts.clip(item.name, 24), scope.feature_path(owner, item.name, batch)), item.score,
            say.score(item.score), "bad" if item.drift else "ok",
        )
        for item in worst
    ]  # fmt: skip
    return parts.panel(
        head,
        html.Div(
            [
                parts.badge(say.VERDICTS[report.verdict]),
                html.Span(f" score {say.score(report.score)}, alarm at 1", className="muted small"),
            ]
        ),
        html.P(report.explanation),
        parts.bars(lines, 1.0, "Worst features of the batch", top=3.0),
        parts.link("Open batch", f"{scope.base(owner)}/batches/{batch}", className="btn btn-main"),
        tools=close,
    )


clientside_callback(
    ClientsideFunction("drift", "click"),
    Output("cell", "data"),
    Input(parts.graph_id("drift"), "clickData"),
    prevent_initial_call=True,
)


@callback(
    Output("drift-side", "children"),
    Output("drift-grid", "className"),
    Output("url", "search"),
    Input("cell", "data"),
    State("drift-asked", "data"),
    prevent_initial_call=True,
)
def choose(cell: dict[str, Any] | None, asked: dict[str, str]) -> Any:
    """A cell was chosen: show it beside the chart and put it into the address."""
    if not cell:
        return no_update, no_update, no_update
    owner = history.monitor(service().db, asked["monitor"])
    kept = {
        key: value
        for key, value in asked.items()
        if value and key != "monitor" and (key, value) not in (("sort", "matters"), ("x", "auto"))
    }
    picked = {"feature": cell.get("feature") or "", "batch": str(cell["batch"])} if cell.get("batch") else {}
    search = urlencode({**kept, **{key: value for key, value in picked.items() if value}})
    side = _side(owner, cell.get("feature") or "", cell.get("batch"))
    return side, "grid-side" if picked else "grid-side alone", f"?{search}" if search else ""


@callback(Output("cell", "data", allow_duplicate=True), Input("drift-close", "n_clicks"), prevent_initial_call=True)
def close(clicks: int) -> Any:
    """Put the side panel away."""
    return {"feature": None, "batch": None} if clicks else no_update


@callback(
    Output(parts.graph_id("drift"), "figure"),
    Output("drift-head", "children"),
    Output("drift-episodes", "children"),
    Output("drift-features", "children"),
    Input("change", "data"),
    State("drift-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, asked: dict[str, str]) -> Any:
    """Newer data on the page as it stands; a zoom is kept."""
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    _, last, _ = scope.chosen_range(asked["range"], look().narrow)
    view = scope.window(serving.db, owner, last, asked["x"])
    drawn = scope.drift_view(serving, view, asked["sort"])
    figure = charts.drift_timeline(drawn, theme.palette(look().dark), look().narrow)
    return charts.refreshed(figure), _head(owner, view), _episodes(owner, view), _features(owner, drawn)
