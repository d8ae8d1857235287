"""Settings as a form: a native control a field, what a person changed, and what is wrong with it, field by field."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import html
from pydantic import BaseModel

from dashboard import say
from storage import settings
from storage.errors import Refused

NONE = "-"  # of a choice: an empty value would show an empty box
LABELS = {
    "drift.rule": "Alarm rule",
    "drift.threshold": "Threshold of the rule",
    "drift.budget": "False-alarm budget",
    "drift.min_effect": "Smallest effect",
    "drift.min_rows": "Fewest rows",
    "faults.watch": "Look for broken data",
    "faults.null_rise": "Rise of missing values",
    "faults.outside": "Share outside the range",
    "retrain.auto": "Train without a person",
    "retrain.auto_promote": "Promote without a person",
    "retrain.on_drift": "When data drift",
    "retrain.on_performance": "When a loss is measured",
    "retrain.on_estimate": "When a loss is estimated",
    "retrain.on_growth": "When new rows pay",
    "retrain.every_batches": "Every so many batches",
    "retrain.every_rows": "Every so many labelled rows",
    "retrain.alpha": "Error level of the loss trigger",
    "retrain.worth": "Smallest loss that counts",
    "retrain.margin": "Margin of a challenger",
    "retrain.min_labelled": "Labelled rows to judge",
    "retrain.tenure": "Tenure of a new champion",
    "retrain.watch": "Closer watch",
    "retrain.budget": "Budget of trainings",
    "retrain.breaker": "Failures until a person is asked",
    "retrain.seconds": "Time limit",
}


def grid(section: str, model: type[BaseModel], values: BaseModel, names: Sequence[str]) -> html.Div:
    """Some fields of a section: name, control, what it means."""
    cells: list[Any] = []
    for name in names:
        field = model.model_fields[name]
        key, value, usual = f"{section}.{name}", getattr(values, name), field.get_default()
        cells += _line(key, LABELS.get(key, _label(name)), field.annotation, value, field.description, usual)
    return html.Div(cells, className="form-grid")


def of_feature(values: settings.FeatureSettings) -> list[Any]:
    """The overrides of one feature; what is left empty is inherited from the monitor."""
    cells: list[Any] = []
    for name, field in settings.FeatureSettings.model_fields.items():
        key, usual = f"feature:{name}", field.get_default()
        cells += _line(key, _label(name), field.annotation, getattr(values, name), field.description, usual)
    return cells


def _line(key: str, label: str, annotation: Any, value: Any, about: str | None, usual: Any) -> list[Any]:
    changed = value != usual
    hint = html.Span(f" (usually {write(usual) or 'none'})", className="muted") if changed else None
    return [
        html.Label(label, htmlFor=_dom_id("setting", key), className="field-label"),
        html.Div(
            [
                _control(key, annotation, value),
                html.Div(id={"type": "setting-says", "key": key}, className="field-error", role="alert"),
            ]
        ),
        html.Div([_told(about), hint], className="field-help"),
    ]


def _told(about: str | None) -> str:
    """What a field is, as a page says it; the manual writes the same for those who type."""
    text = (about or "").replace("None: ", "empty: ").replace("None ", "empty ").replace("False ", "no: ")
    return text[:1].upper() + text[1:]


def _dom_id(kind: str, key: str) -> str:
    """The id of a control as it stands in the page, for its label."""
    return json.dumps({"key": key, "type": kind}, separators=(",", ":"), sort_keys=True)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def write(value: Any) -> str:
    """A value as it stands in a box."""
    if isinstance(value, (list, tuple)):
        return json.dumps(list(value), ensure_ascii=False)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _control(key: str, annotation: Any, value: Any) -> Any:
    """A native control for a field: a choice for words and switches, a text box for numbers."""
    ident = {"type": "setting", "key": key}
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = typing.get_args(annotation) if union else (annotation,)
    for kind in kinds:
        if typing.get_origin(kind) is typing.Literal:
            options = [
                {"label": say.DISTANCES.get(word, word) or "as found", "value": word or NONE}
                for word in typing.get_args(kind)
            ]
            if type(None) in kinds:
                options.insert(0, {"label": "as the monitor", "value": NONE})
            return dbc.Select(id=ident, options=options, value=write(value) or NONE, size="sm")
    if bool in kinds:
        options = [{"label": "yes", "value": "true"}, {"label": "no", "value": "false"}]
        return dbc.Select(id=ident, options=options, value=write(value), size="sm")
    return dbc.Input(
        id=ident,
        value=write(value),
        placeholder="none" if type(None) in kinds else "",
        size="sm",
        autoComplete="off",
        debounce=500,
        inputMode="decimal" if {int, float} & set(kinds) else "text",
    )


def assignments(
    in_force: settings.Settings, ids: Sequence[dict[str, str]], values: Sequence[Any], feature: str
) -> dict[str, Any]:
    """What differs from the settings in force: dotted key to text, None for an emptied box."""
    data = in_force.model_dump(mode="json")
    out: dict[str, Any] = {}
    for ident, value in zip(ids, values, strict=True):
        key, text = ident["key"], "" if value in (None, NONE) else str(value).strip()
        held, dotted = _held(data, key, feature)
        if dotted and text != write(held):
            out[dotted] = None if text == "" and not isinstance(held, str) else text
    return out


def _held(data: dict[str, Any], key: str, feature: str) -> tuple[Any, str]:
    """The value in force behind a control, and its dotted key; no key if it is of no feature."""
    if not key.startswith("feature:"):
        section, name = key.split(".", 1)
        return data[section][name], key
    name = key.partition(":")[2]
    default = settings.FeatureSettings.model_fields[name].get_default()
    held = (data["features"].get(feature) or {}).get(name, default)
    return held, f"features.{feature}.{name}" if feature else ""


def complaints(in_force: settings.Settings, chosen: dict[str, Any]) -> dict[str, str]:
    """What is wrong with each changed value by itself: dotted key to a sentence."""
    out = {}
    for key, value in chosen.items():
        try:
            settings.changed(in_force, {key: value})
        except Refused as error:
            out[key] = str(error).partition(": ")[2] or str(error)
    return out


def key_of(dotted: str, feature: str) -> str:
    """The control's key behind a dotted key."""
    head = f"features.{feature}."
    return f"feature:{dotted.removeprefix(head)}" if feature and dotted.startswith(head) else dotted


def changes(before: dict[str, Any], after: dict[str, Any], head: str = "") -> list[str]:
    """``drift.budget: 0.01 → 0.02`` for every key in which two stored settings differ."""
    out: list[str] = []
    for key in sorted({*before, *after}):
        a, b = before.get(key), after.get(key)
        if isinstance(a, dict) or isinstance(b, dict):
            out += changes(a or {}, b or {}, f"{head}{key}.")
        elif a != b:
            out.append(f"{head}{key}: {write(a) or 'none'} → {write(b) or 'none'}")
    return out


def back_to(data: dict[str, Any]) -> dict[str, Any]:
    """Assignments that bring back stored settings: key by key, features and alerts whole."""
    out: dict[str, Any] = {}
    for section, value in data.items():
        if section in ("features", "alerts") or not isinstance(value, dict):
            out[section] = value
        else:
            out |= {f"{section}.{name}": item for name, item in value.items()}
    return out
