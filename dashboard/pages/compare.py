"""``/m/<monitor>/models/compare?a=v1&b=v2``: two to four versions on the same rows, and all in which they differ."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlencode

import dash
import dash_bootstrap_components as dbc
from dash import Input, Output, State, callback, html, no_update

from dashboard import parts, say, scope, service
from dashboard.guard import guarded
from dashboard.panels import contrast
from storage import history
from storage.errors import ProductError, Refused
from storage.history import VersionInShort
from storage.records import Monitor, Version

dash.register_page(
    __name__,
    path_template="/m/<monitor>/models/compare",
    title=lambda monitor="": f"Compare versions - {unquote(monitor)}",
    order=103,
)
KEYS = ("a", "b", "c", "d")
NONE = "-"


@guarded("models", "monitor")
def layout(
    monitor: str = "", a: str = "", b: str = "", c: str = "", d: str = "", diff: str = "1", **_: Any
) -> html.Div:
    """The page, wholly from its path and query; what has to be predicted anew follows as soon as it is there."""
    serving = service()
    owner = history.monitor(serving.db, monitor)
    monitors = history.monitors(serving.db)
    versions = history.versions_in_short(serving.db, owner.id)
    if len(versions) < 2:
        return parts.page(monitors, owner, "models", *_nothing(owner))
    found, complaint = _chosen(owner, versions, (a, b, c, d))
    chosen = [history.version(serving.db, item.id) for item in found]
    query = {key: f"v{item.number}" for key, item in zip(KEYS, chosen, strict=False)}
    only = diff != "0"
    return parts.page(
        monitors,
        owner,
        "models",
        parts.asked("compare", monitor=owner.name, diff=diff, **query),
        html.Div(parts.heading("Comparing ...", "Every version predicts the same labelled rows."), id="compare-head"),
        parts.notice(complaint, "warn") if complaint else None,
        _choosers(versions, chosen),
        html.Div(_waiting(), id="compare-rows", className="stack"),
        html.Div(
            [contrast.importance(chosen), contrast.origins(owner, chosen, only, contrast.toggle(owner, query, only))],
            className="grid-2 grid-even",
        ),
        *(contrast.learned(owner, chosen[0], other) for other in chosen[1:]),
    )


def _nothing(owner: Monitor) -> list[Any]:
    return [
        parts.heading("Nothing to compare yet", above=owner.name),
        html.Div(
            parts.empty(
                "There is one version. Retraining runs when data drift, when performance is lost, or when you ask.",
                parts.action("Train now", "retrain", owner.name, primary=True),
                parts.link("Back to the models", f"{scope.base(owner)}/models", className="btn btn-quiet"),
            ),
            className="panel",
        ),
    ]


def _waiting() -> html.Div:
    """Boxes of about the size of what will stand there."""
    return html.Div(
        [html.Div(className="skeleton tall"), html.Div(className="skeleton tall")],
        className="grid-2",
        role="status",
        **{"aria-label": "The versions predict the newest labelled rows"},
    )


def _chosen(owner: Monitor, versions: list[VersionInShort], asked: tuple[str, ...]) -> tuple[list[VersionInShort], str]:
    """The versions asked for, base first; by default the champion and the newest other, the older one first."""
    numbers = {f"v{item.number}": item for item in versions}
    unknown = [text for text in asked if text and text not in numbers]
    complaint = f"There is no version “{unknown[0][:20]}” here; showing others." if unknown else ""
    champion = next((item for item in versions if item.id == owner.champion), versions[0])
    others = [item for item in versions if item.id != champion.id]
    found = [numbers[text] for text in dict.fromkeys(asked) if text in numbers]
    if not found:
        return sorted((champion, others[-1]), key=lambda item: item.number), complaint
    if len(found) == 1:
        parent = next((item for item in others if item.id == champion.parent_id), others[-1])
        found.insert(
            0 if not asked[0] or asked[0] in unknown else 1, parent if found[0].id == champion.id else champion
        )
    return found, complaint


def _choosers(versions: list[VersionInShort], chosen: list[Version]) -> html.Div:
    options = [
        {
            "label": f"v{item.number}, {say.VERSIONS[item.state].text.lower()}: {item.recipe}"[:80],
            "value": f"v{item.number}",
        }
        for item in reversed(versions)
    ]
    cells: list[Any] = []
    for at, key in enumerate(KEYS[: max(2, min(4, len(versions)))]):
        value = f"v{chosen[at].number}" if at < len(chosen) else NONE
        none = [] if at < 2 else [{"label": "no further version", "value": NONE}]
        cells.append(
            html.Div(
                [
                    html.Label("Base" if at == 0 else f"Version {key}", htmlFor=f"compare-{key}", className="above"),
                    dbc.Select(id=f"compare-{key}", options=[*none, *options], value=value, size="sm"),
                ]
            )
        )
    return html.Div(cells, className="choosers")


@callback(
    Output("compare-head", "children"),
    Output("compare-rows", "children"),
    Input("compare-asked", "data"),
)
def predict(asked: dict[str, str]) -> Any:
    """Let every version predict the same rows. The page stands before this is done."""
    serving = service()
    owner = history.monitor(serving.db, asked["monitor"])
    numbers = [int(asked[key][1:]) for key in KEYS if key in asked]
    chosen = [history.version_numbered(serving.db, owner.id, number) for number in numbers]
    names = " against ".join(f"v{number}" for number in numbers)
    above = f"{owner.name}, {names}"
    try:
        found = serving.compare(owner.name, *numbers)
    except ProductError as error:
        return parts.heading(names, above=owner.name), parts.panel("No rows to compare on", parts.quiet(str(error)))
    buttons = [
        parts.action(f"Promote v{item.number}", "promote", owner.name, item.number, primary=item.state == "held")
        for item in chosen
        if item.id != owner.champion
    ]
    rows = say.count(found[0].rows, "labelled row")
    batches = say.count(len(found[0].batches), "batch", "batches")
    young = found[0].batches[0] > max(batch for item in chosen for batch in item.trained_on)
    since = ", which came after all of them had learned" if young else ""
    sub: list[Any] = [f"All predict the same {rows} of {batches}{since}."]
    sub += [html.Div(one.verdict) for one in found[1:]]
    return parts.heading(found[0].verdict, sub, tools=buttons, above=above), contrast.on_rows(found, chosen)


@callback(
    Output(parts.address("compare"), "data"),
    *[Input(f"compare-{key}", "value") for key in KEYS[:2]],
    *[Input(f"compare-{key}", "value", allow_optional=True) for key in KEYS[2:]],
    State("compare-asked", "data"),
    prevent_initial_call=True,
)
def choose(a: str, b: str, c: str | None, d: str | None, asked: dict[str, str]) -> Any:
    """Other versions: their own address, so that it can be shared and gone back from."""
    wanted = [value for value in (a, b, c, d) if value and value != NONE]
    if len(wanted) < 2 or wanted == [asked[key] for key in KEYS if key in asked]:
        return no_update
    if len(set(wanted)) < len(wanted):
        raise Refused("Choose different versions.")
    query = {**dict(zip(KEYS, wanted, strict=False)), **({"diff": "0"} if asked["diff"] == "0" else {})}
    return f"{scope.base(asked['monitor'])}/models/compare?{urlencode(query)}"
