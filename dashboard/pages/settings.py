"""``/m/<monitor>/settings``: what may be chosen, what a change would have done, who changed what."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dash
import dash_bootstrap_components as dbc
from dash import ALL, Input, Output, State, callback, ctx, dcc, html, no_update

from dashboard import actor, forms, parts, say, scope, service
from dashboard.actions import tell
from dashboard.guard import guarded, known_code
from dashboard.panels import alerting
from pipeline.alerts import masked_settings
from storage import history, settings
from storage.errors import ProductError, Refused
from storage.records import Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/settings",
    title=lambda monitor="": f"Settings - {unquote(monitor)}",
    order=109,
)
RETRAIN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("When a contest begins", ("auto", "on_drift", "on_performance", "on_estimate", "on_growth", "alpha", "worth")),
    ("Schedule", ("every_batches", "every_rows", "cooldown", "budget")),
    (
        "What a challenger must show",
        ("metric", "auto_promote", "margin", "confidence", "min_labelled", "tenure", "watch"),
    ),
)
RESCORED = ("drift.", "faults.", "features.")
EFFECT = 90  # newest batches that a change is tried on
SETTING, SAYS = {"type": "setting", "key": ALL}, {"type": "setting-says", "key": ALL}


@guarded("settings", "monitor")
def layout(monitor: str = "", feature: str = "", **_: Any) -> html.Div:
    """The page; ``?feature=bmi`` opens the overrides of one feature."""
    owner = history.monitor(service().db, monitor)
    in_force = history.settings_in_force(service().db, owner.id)
    row = history.settings_row(service().db, owner.id)
    about = (
        f"In force since {say.clock(row.created_at)}, set by {row.author}. A false-alarm budget of "
        f"{say.percent(in_force.drift.budget, 1)} lets about one healthy batch in "
        f"{round(1 / in_force.drift.budget):,} alarm, over all features together."
    )
    return parts.page(
        history.monitors(service().db),
        owner,
        "settings",
        parts.asked("settings", monitor=owner.name),
        dcc.Store(id="settings-in-force", data=row.id),
        parts.heading("Settings", about, above=owner.name),
        _panel("When a batch drifts", "drift", settings.DriftSettings, in_force.drift),
        parts.panel(
            "One feature apart",
            _features(owner, in_force, feature),
            html.Div(_overrides(in_force), id="settings-overrides"),
            sub="Where a feature is treated otherwise than the monitor. What is left empty is inherited.",
        ),
        _panel("When data count as broken", "faults", settings.FaultSettings, in_force.faults),
        *_retrain(in_force.retrain),
        html.Div(alerting.panel(owner, in_force), id="settings-alerts"),
        _folded("How files are read", "read", settings.ReadSettings, in_force.read),
        _save_bar(),
        parts.panel("Who changed what", html.Div(_history(owner), id="settings-history"), flush=True),
    )


def _panel(title: str, section: str, model: Any, values: Any, names: tuple[str, ...] | None = None) -> Any:
    return parts.panel(title, forms.grid(section, model, values, names or tuple(model.model_fields)))


def _folded(title: str, section: str, model: Any, values: Any, names: tuple[str, ...] | None = None) -> html.Details:
    body = html.Div(forms.grid(section, model, values, names or tuple(model.model_fields)), className="panel-body")
    return html.Details([html.Summary(html.H2(title, className="panel-title")), body], className="panel fold")


def _retrain(values: settings.RetrainSettings) -> list[Any]:
    """The settings of training, by what they are about; what is in none of the groups comes last."""
    model = settings.RetrainSettings
    known = {name for _, names in RETRAIN for name in names}
    rest = tuple(name for name in model.model_fields if name not in known)
    groups = [_panel(title, "retrain", model, values, names) for title, names in RETRAIN]
    return [*groups, _folded("Training, further", "retrain", model, values, rest)]


def _features(owner: Monitor, in_force: settings.Settings, feature: str) -> html.Div:
    names = [item.name for item in owner.schema.watched]
    shown = feature if feature in names else ""
    options = [{"label": "choose a feature", "value": forms.NONE}, *({"label": n, "value": n} for n in names)]
    return html.Div(
        [
            html.Div(
                [
                    html.Label("Feature", htmlFor="settings-feature", className="field-label"),
                    dbc.Select(id="settings-feature", options=options, value=shown or forms.NONE, size="sm"),
                    html.Div("the one to treat apart", className="field-help"),
                ],
                className="form-grid",
            ),
            html.Div(forms.of_feature(in_force.of(shown)) if shown else [], id="settings-of", className="form-grid"),
        ],
        className="stack-small",
    )


def _overrides(in_force: settings.Settings) -> Any:
    apart = {name: item.model_dump(exclude_defaults=True) for name, item in in_force.features.items()}
    apart = {name: item for name, item in apart.items() if item}
    if not apart:
        return None
    columns = [parts.Column("Feature"), parts.Column("Set apart", wide=True)]
    rows = [
        [parts.clip(name), ", ".join(f"{key} {forms.write(value)}" for key, value in item.items())]
        for name, item in apart.items()
    ]
    return parts.table(columns, rows, "Features treated apart")


def _save_bar() -> html.Section:
    return html.Section(
        [
            html.Div(id="settings-effect", role="status"),
            html.Div(id="settings-error", className="field-error", role="alert"),
            html.Div(
                [
                    html.Label("Note for the ledger", htmlFor="settings-note", className="visually-hidden"),
                    dbc.Input(id="settings-note", maxLength=500, autoComplete="off", placeholder="Note for the ledger"),
                    parts.acting("Replay with these", "settings-replay"),
                    parts.acting("Save", "settings-save", "btn btn-main"),
                ],
                className="save-row",
            ),
        ],
        className="panel save-bar",
        **{"aria-label": "Save"},
    )


def _history(owner: Monitor) -> Any:
    rows = history.settings_history(service().db, owner.id)
    columns = [
        parts.Column("When"), parts.Column("By"), parts.Column("What", wide=True), parts.Column("Note"),
        parts.Column(""),
    ]  # fmt: skip
    lines = []
    for at, row in enumerate(rows[:40]):
        before = masked_settings(rows[at + 1].data) if at + 1 < len(rows) else None
        shown = masked_settings(row.data)
        lines.append(
            [
                say.clock(row.created_at),
                row.author,
                "first settings" if before is None else "; ".join(forms.changes(before, shown)) or "nothing",
                row.note,
                parts.action("Go back to these", "restore_settings", owner.name, row.id) if at else "in force",
            ]
        )
    return parts.table(columns, lines, "Changes of settings, newest first", cards=True)


def _feature(value: str | None) -> str:
    return "" if value in (None, forms.NONE) else str(value)


@callback(
    Output("settings-of", "children"),
    Input("settings-feature", "value"),
    State("settings-asked", "data"),
    prevent_initial_call=True,
)
def of_feature(feature: str, asked: dict[str, str]) -> Any:
    """The overrides of the feature that was chosen."""
    owner = history.monitor(service().db, asked["monitor"])
    name = _feature(feature)
    return forms.of_feature(history.settings_in_force(service().db, owner.id).of(name)) if name else []


@callback(
    Output("settings-effect", "children"),
    Output("settings-error", "children"),
    Output(SETTING, "invalid"),
    Output(SAYS, "children"),
    Input(SETTING, "value"),
    State(SETTING, "id"),
    State("settings-feature", "value"),
    State("settings-asked", "data"),
    prevent_initial_call=True,
)
def consider(values: list[Any], ids: list[dict[str, str]], feature: str, asked: dict[str, str]) -> Any:
    """What the change would have done on the stored history, before it is saved; what is wrong, at its field."""
    owner = history.monitor(service().db, asked["monitor"])
    in_force = history.settings_in_force(service().db, owner.id)
    chosen = forms.assignments(in_force, ids, values, _feature(feature))
    wrong = {forms.key_of(key, _feature(feature)): text for key, text in forms.complaints(in_force, chosen).items()}
    marks = [ident["key"] in wrong for ident in ids]
    says = [wrong.get(ident["key"], "") for ident in ids]
    if not chosen:
        return None, "", marks, says
    if wrong:
        return None, f"{say.count(len(wrong), 'value')} cannot be used; see above.", marks, says
    try:
        return _effect(owner, chosen), "", marks, says
    except ProductError as error:
        return None, str(error), marks, says


def _effect(owner: Monitor, chosen: dict[str, Any]) -> Any:
    words = ", ".join(f"{key} = {forms.write(value) or 'none'}" for key, value in chosen.items())
    if not any(key.startswith(RESCORED) for key in chosen):
        service().settings_effect(owner.name, chosen, last=1)  # refuses what does not fit together
        return parts.notice(
            f"{words}: from the next batch on; the drift scores of the history stay. Replay the stored history with "
            "these settings to see the trainings they would have brought."
        )
    found = service().settings_effect(owner.name, chosen, last=EFFECT)
    before, after = found["alarms_before"], found["alarms_after"]
    said = (
        f"{words}: would have raised {say.count(after, 'alarm')} instead of {before:,} in the last "
        f"{say.count(found['batches'], 'batch', 'batches')}."
    )
    return [parts.notice(said, "warn" if after > before else "ok"), _strips(owner, found["line"])]


def _strips(owner: Monitor, line: list[tuple[int, bool, bool]]) -> html.Div:
    """The batches as they were judged, and as they would have been."""
    rows = []
    for at, word in ((1, "now"), (2, "then")):
        cells = [
            parts.Cell(
                "bad" if item[at] else "ok",
                f"Batch #{item[0]}: {'alarm' if item[at] else 'no alarm'}{', changed' if item[1] != item[2] else ''}",
                f"{scope.base(owner)}/batches/{item[0]}",
                "promote" if at == 2 and item[1] != item[2] else "",
            )
            for item in line
        ]
        alarms = sum(item[at] for item in line)
        rows += [
            html.Span(word, className="muted small"),
            parts.strip(cells, f"Alarms {word}: {alarms} of {len(line)} batches"),
        ]
    return html.Div(rows, className="strips")


@callback(
    Output("settings-effect", "children", allow_duplicate=True),
    Output("settings-error", "children", allow_duplicate=True),
    Output("settings-history", "children"),
    Output("settings-overrides", "children"),
    Output("settings-note", "value"),
    Output(parts.address("settings"), "data"),
    Input("settings-save", "n_clicks"),
    Input("settings-replay", "n_clicks"),
    State(SETTING, "id"),
    State(SETTING, "value"),
    State("settings-feature", "value"),
    State("settings-note", "value"),
    State("settings-asked", "data"),
    prevent_initial_call=True,
)
def act(
    saved: int,
    replayed: int,
    ids: list[dict[str, str]],
    values: list[Any],
    feature: str,
    note: str,
    asked: dict[str, str],
) -> Any:
    """Save the change, or replay the stored history with it."""
    if not (saved or replayed):
        return (no_update,) * 6
    owner = history.monitor(service().db, asked["monitor"])
    in_force = history.settings_in_force(service().db, owner.id)
    try:
        chosen = forms.assignments(in_force, ids, values, _feature(feature))
        if not chosen:
            raise Refused("Nothing differs from the settings in force.")
        known_code(str(chosen.get("retrain.metric") or ""))
        if ctx.triggered_id == "settings-replay":
            runs = [{"policy": "auto", "label": "Settings in force"}, {"policy": "auto", "settings": chosen}]
            run = service().backtest(owner.name, runs, last=60, author=actor().name)
            return *(no_update,) * 5, f"{scope.base(owner)}/backtest?run={run}"
        service().change_settings(owner.name, chosen, (note or "").strip(), actor().name)
    except ProductError as error:
        return no_update, str(error), *(no_update,) * 4
    tell("Saved. The stored history was scored again." if any(key.startswith(RESCORED) for key in chosen) else "Saved.")
    after = history.settings_in_force(service().db, owner.id)
    return None, "", _history(owner), _overrides(after), "", no_update


@callback(
    Output("alert-options", "children"),
    Input("alert-channel", "value"),
    prevent_initial_call=True,
)
def channel(name: str) -> Any:
    """The options of the channel that was chosen."""
    return alerting.options(name)


@callback(
    Output("alert-says", "children"),
    Output("settings-alerts", "children"),
    Output("settings-in-force", "data", allow_duplicate=True),
    Input("alert-test", "n_clicks"),
    Input("alert-add", "n_clicks"),
    State("alert-channel", "value"),
    State({"type": "alert-option", "name": ALL}, "id"),
    State({"type": "alert-option", "name": ALL}, "value"),
    State("alert-on", "value"),
    State("settings-asked", "data"),
    prevent_initial_call=True,
)
def alert(
    tested: int,
    added: int,
    channel: str,
    ids: list[dict[str, str]],
    values: list[str | None],
    on: list[str],
    asked: dict[str, str],
) -> Any:
    """Send a test by the channel in the form, or add it."""
    if not (tested or added):
        return (no_update,) * 3
    owner = history.monitor(service().db, asked["monitor"])
    options = alerting.given(ids, values)
    try:
        if ctx.triggered_id == "alert-test":
            service().test_alert(owner.name, channel, options, actor().name)
            tell("The test was sent.")
            return "", no_update, no_update
        held = history.settings_in_force(service().db, owner.id)
        every = [
            *(item.model_dump(mode="json") for item in held.alerts),
            {"channel": channel, "on": on, "options": options},
        ]
        service().change_settings(owner.name, {"alerts": every}, f"Alerts by {channel} added.", actor().name)
    except ProductError as error:
        return str(error), no_update, no_update
    tell(f"Alerts go out by {channel} from now on.")
    row = history.settings_row(service().db, owner.id)
    return "", alerting.panel(owner, settings.parse(row.data)), row.id


@callback(
    Output("settings-alerts", "children", allow_duplicate=True),
    Output("settings-history", "children", allow_duplicate=True),
    Output("settings-in-force", "data"),
    Input("change", "data"),
    State("settings-in-force", "data"),
    State("settings-asked", "data"),
    prevent_initial_call=True,
)
def refresh(_: int, shown: int, asked: dict[str, str]) -> Any:
    """What others, or the buttons of this page, have changed; what stands in the form stays."""
    owner = history.monitor(service().db, asked["monitor"])
    row = history.settings_row(service().db, owner.id)
    if row.id == shown:
        return (no_update,) * 3
    return alerting.panel(owner, settings.parse(row.data)), _history(owner), row.id
