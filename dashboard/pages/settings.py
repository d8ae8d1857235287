"""``/m/<monitor>/settings``: what may be chosen, what a change would have done, who changed what."""

from __future__ import annotations

import json
import types
import typing
from typing import Any
from urllib.parse import unquote

import dash
import dash_bootstrap_components as dbc
from dash import ALL, Input, Output, State, callback, ctx, dcc, html, no_update
from pydantic import BaseModel

from dashboard import actor, parts, say, service
from dashboard.actions import tell
from dashboard.guard import guarded
from storage import history, settings
from storage.errors import ProductError, Refused
from storage.records import Monitor

dash.register_page(
    __name__,
    path_template="/m/<monitor>/settings",
    title=lambda monitor="": f"Settings - {unquote(monitor)}",
    order=109,
)
SECTIONS = (
    ("drift", "When a batch drifts", settings.DriftSettings),
    ("faults", "When data count as broken", settings.FaultSettings),
    ("retrain", "When to train, and what a challenger must show", settings.RetrainSettings),
)
NONE = "-"  # of a choice: an empty value would show an empty box
RESCORED = ("drift.", "faults.", "features.")


@guarded("settings", "monitor")
def layout(monitor: str = "", **_: Any) -> html.Div:
    """The page."""
    owner = history.monitor(service().db, monitor)
    in_force = history.settings_in_force(service().db, owner.id)
    row = history.settings_row(service().db, owner.id)
    return parts.page(
        history.monitors(service().db),
        owner,
        "settings",
        parts.asked("settings", monitor=owner.name),
        dcc.Store(id="settings-in-force", data=row.id),
        parts.heading(
            "Settings",
            f"In force since {say.clock(row.created_at)}, set by {row.author}. A false-alarm budget of "
            f"{say.percent(in_force.drift.budget, 1)} lets about one healthy batch in "
            f"{round(1 / in_force.drift.budget):,} alarm, over all features together.",
            above=owner.name,
        ),
        *[parts.panel(title, _form(key, model, getattr(in_force, key))) for key, title, model in SECTIONS],
        parts.panel(
            "One feature apart",
            _feature_form(owner),
            _overrides(in_force),
            sub="What is left empty is inherited from the monitor.",
        ),
        html.Section(
            [
                html.Div(id="settings-effect", role="status"),
                html.Div(id="settings-error", className="field-error", role="alert"),
                html.Div(
                    [
                        html.Label("Note for the ledger", htmlFor="settings-note", className="visually-hidden"),
                        dbc.Input(
                            id="settings-note", maxLength=500, autoComplete="off", placeholder="Note for the ledger"
                        ),
                        html.Button(
                            "Show the effect",
                            id="settings-preview",
                            type="button",
                            className="btn btn-quiet",
                            n_clicks=0,
                        ),
                        parts.acting("Save", "settings-save", "btn btn-main"),
                    ],
                    className="save-row",
                ),
            ],
            className="panel save-bar",
            **{"aria-label": "Save"},
        ),
        parts.panel("Who changed what", html.Div(_history(owner), id="settings-history"), flush=True),
    )


def _form(section: str, model: type[BaseModel], values: BaseModel) -> html.Div:
    cells: list[Any] = []
    for name, field in model.model_fields.items():
        key = f"{section}.{name}"
        value = getattr(values, name)
        changed = value != field.get_default()
        cells += [
            html.Label(_label(name), htmlFor=_dom_id(key), className="field-label"),
            _control(key, field.annotation, value),
            html.Div(
                [
                    field.description,
                    html.Span(f" (usually {_write(field.get_default())})", className="muted") if changed else None,
                ],
                className="field-help",
            ),
        ]
    return html.Div(cells, className="form-grid")


def _dom_id(key: str) -> str:
    """The id of a control as it stands in the page, for its label."""
    return json.dumps({"key": key, "type": "setting"}, separators=(",", ":"), sort_keys=True)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _write(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _control(key: str, annotation: Any, value: Any) -> Any:
    """A native control for a field: a choice for words and switches, a text box for numbers."""
    ident = {"type": "setting", "key": key}
    kinds = (
        typing.get_args(annotation)
        if typing.get_origin(annotation) in (types.UnionType, typing.Union)
        else (annotation,)
    )
    for kind in kinds:
        if typing.get_origin(kind) is typing.Literal:
            options = [{"label": say.DISTANCES.get(word, word), "value": word} for word in typing.get_args(kind)]
            if type(None) in kinds:
                options.insert(0, {"label": "as the monitor", "value": NONE})
            return dbc.Select(id=ident, options=options, value=_write(value) or NONE, size="sm")
    if bool in kinds:
        return dbc.Select(
            id=ident,
            options=[{"label": "yes", "value": "true"}, {"label": "no", "value": "false"}],
            value=_write(value),
            size="sm",
        )
    empty = "none" if type(None) in kinds else ""
    return dbc.Input(
        id=ident,
        value=_write(value),
        placeholder=empty,
        size="sm",
        autoComplete="off",
        inputMode="decimal" if str not in kinds else "text",
    )


def _feature_form(owner: Monitor) -> html.Div:
    names = [
        {"label": "none", "value": NONE},
        *({"label": item.name, "value": item.name} for item in owner.schema.watched),
    ]
    cells: list[Any] = [
        html.Label("Feature", htmlFor="settings-feature", className="field-label"),
        dbc.Select(id="settings-feature", options=names, value=NONE, size="sm"),
        html.Div("the one to treat apart", className="field-help"),
    ]
    for name, field in settings.FeatureSettings.model_fields.items():
        cells += [
            html.Label(_label(name), className="field-label", htmlFor=_dom_id(f"feature:{name}")),
            _control(f"feature:{name}", field.annotation, field.get_default()),
            html.Div(field.description, className="field-help"),
        ]
    return html.Div(cells, className="form-grid")


def _overrides(in_force: settings.Settings) -> Any:
    if not in_force.features:
        return None
    columns = [parts.Column("Feature", wide=True), parts.Column("Set apart")]
    rows = [
        [
            name,
            ", ".join(f"{key} {_write(value)}" for key, value in item.model_dump(exclude_defaults=True).items())
            or "nothing",
        ]
        for name, item in in_force.features.items()
    ]
    return parts.table(columns, rows, "Features treated apart")


def _history(owner: Monitor) -> Any:
    rows = history.settings_history(service().db, owner.id)
    columns = [parts.Column("When"), parts.Column("By"), parts.Column("What", wide=True), parts.Column("Note")]
    lines = []
    for at, row in enumerate(rows[:40]):
        before = rows[at + 1].data if at + 1 < len(rows) else None
        lines.append(
            [
                say.clock(row.created_at),
                row.author,
                "first settings" if before is None else _changes(before, row.data),
                row.note,
            ]
        )
    return parts.table(columns, lines, "Changes of settings, newest first")


def _changes(before: dict[str, Any], after: dict[str, Any], head: str = "") -> str:
    out = []
    for key in sorted({*before, *after}):
        a, b = before.get(key), after.get(key)
        if isinstance(a, dict) or isinstance(b, dict):
            inner = _changes(a or {}, b or {}, f"{head}{key}.")
            out += [inner] if inner else []
        elif a != b:
            out.append(f"{head}{key}: {_write(a) or 'none'} → {_write(b) or 'none'}")
    return "; ".join(out)


def _assignments(owner: Monitor, ids: list[dict[str, str]], values: list[Any], feature: str) -> dict[str, Any]:
    """What differs from the settings in force, key to text."""
    data = history.settings_in_force(service().db, owner.id).model_dump(mode="json")
    out: dict[str, Any] = {}
    for ident, value in zip(ids, values, strict=True):
        key, text = ident["key"], "" if value in (None, NONE) else str(value).strip()
        if key.startswith("feature:"):
            name = key.partition(":")[2]
            default = settings.FeatureSettings.model_fields[name].get_default()
            held = (data["features"].get(feature) or {}).get(name, default)
            if feature and text != _write(held):
                out[f"features.{feature}.{name}"] = None if text == "" else text
            continue
        section, name = key.split(".", 1)
        if text != _write(data[section][name]):
            out[key] = None if text == "" else text
    return out


@callback(
    Output("settings-effect", "children"),
    Output("settings-error", "children"),
    Output("settings-history", "children"),
    Output("settings-note", "value"),
    Input("settings-preview", "n_clicks"),
    Input("settings-save", "n_clicks"),
    State({"type": "setting", "key": ALL}, "id"),
    State({"type": "setting", "key": ALL}, "value"),
    State("settings-feature", "value"),
    State("settings-note", "value"),
    State("settings-asked", "data"),
    prevent_initial_call=True,
)
def act(
    previewed: int,
    saved: int,
    ids: list[dict[str, str]],
    values: list[Any],
    feature: str,
    note: str,
    asked: dict[str, str],
) -> Any:
    """Show what the change would have done, or save it."""
    owner = history.monitor(service().db, asked["monitor"])
    try:
        chosen = _assignments(owner, ids, values, "" if feature in (None, NONE) else feature)
        if not chosen:
            raise Refused("Nothing differs from the settings in force.")
        if ctx.triggered_id == "settings-preview":
            return _effect(owner, chosen), "", no_update, no_update
        service().change_settings(owner.name, chosen, (note or "").strip(), actor().name)
    except ProductError as error:
        return no_update, str(error), no_update, no_update
    tell("Saved. The stored history was scored again." if any(key.startswith(RESCORED) for key in chosen) else "Saved.")
    return None, "", _history(owner), ""


def _effect(owner: Monitor, chosen: dict[str, Any]) -> Any:
    words = ", ".join(f"{key} = {_write(value) or 'none'}" for key, value in chosen.items())
    if not any(key.startswith(RESCORED) for key in chosen):
        service().settings_effect(owner.name, chosen)
        return parts.notice(f"{words}: takes effect from the next batch on; the drift scores of the history stay.")
    found = service().settings_effect(owner.name, chosen)
    before, after = found["alarms_before"], found["alarms_after"]
    return parts.notice(
        f"{words}: would have raised {say.count(after, 'alarm')} instead of {before:,} in the last "
        f"{say.count(found['batches'], 'batch', 'batches')}.",
        "warn" if after > before else "ok",
    )
