"""The summary of one monitor: can it be trusted today, why, what was done. Shown at its own path, and at ``/`` when it
is the only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from dashboard import charts, look, parts, say, scope, service, theme
from dashboard.panels import inbox, ledger
from dashboard.panels.known import Known, known, metric_view, now
from dashboard.window import Window, window
from storage import history
from storage.records import Monitor

if TYPE_CHECKING:
    from pipeline.service import Service

STRIP = 60
TITLES = {
    "healthy": "The model can be trusted",
    "drifting": "The data drift; the model still holds",
    "unreliable": "Do not rely on the model now",
    "learning": "Learning: do not rely on the model yet",
    "needs_you": "A person has to decide",
    "no_data": "Nothing to judge yet",
}
DEMO = (
    "Worked example: real people, simulated days. The rows are real adults (NHANES 2017–2018) drawn anew for each "
    "simulated day; the real year is compressed, and labels arrive 7 days late. What the simulator did is shown as "
    "known truth beside what was found."
)
PERFORMANCE_LEGEND = parts.legend(
    ("solid", "measured"),
    ("interval", "95 % interval"),
    ("dotted", "estimated without labels"),
    ("dashed", "champion's level when chosen"),
    ("perf", "loss of performance"),
)
REGIONS = ("verdict", "inbox", "tiles", "strip", "features", "events")


def layout(monitor: Monitor) -> html.Div:
    """The whole page."""
    serving = service()
    monitors = history.monitors(serving.db)
    regions = read(serving, monitor)
    if regions is None:
        return parts.page(monitors, monitor, "summary", *_nothing(serving, monitor))
    figure, label = performance_chart(serving, monitor)
    return parts.page(
        monitors,
        monitor,
        "summary",
        parts.asked("summary", monitor=monitor.name),
        parts.live("summary-verdict", regions["verdict"]),
        demo_note(monitor),
        parts.live("summary-inbox", regions["inbox"]),
        html.Section(parts.live("summary-tiles", regions["tiles"]), className="panel", **{"aria-label": "Key figures"}),
        html.Div([_left(monitor, regions, figure, label), _right(monitor, regions)], className="grid-2"),
    )


def _left(monitor: Monitor, regions: dict[str, Any], figure: Any, label: str) -> html.Div:
    strip = parts.panel(
        f"Last {STRIP} batches",
        parts.live("summary-strip", regions["strip"], "stack-small"),
        sub="One cell a batch, oldest first. Choose one to see what moved.",
    )
    performance = parts.panel(
        label,
        PERFORMANCE_LEGEND,
        parts.chart("summary-performance", figure, label, still=True),
        tools=parts.link("All of performance", f"{scope.base(monitor)}/performance"),
    )
    return html.Div([strip, performance], className="stack")


def _right(monitor: Monitor, regions: dict[str, Any]) -> html.Div:
    features = parts.panel(
        "What carries the drift",
        parts.live("summary-features", regions["features"]),
        sub="Drift score of the newest batch; the tick is the alarm line at 1. "
        "Ordered by score times importance for the champion.",
    )
    events = parts.panel(
        "What happened last",
        parts.live("summary-events", regions["events"]),
        tools=parts.link("All events", f"{scope.base(monitor)}/events"),
        flush=True,
    )
    return html.Div([features, events], className="stack")


def _nothing(serving: Service, monitor: Monitor) -> list[Any]:
    """Before the first batch: what the monitor watches and how to feed it."""
    base = scope.base(monitor)
    folder = serving.inbox / monitor.name
    return [
        parts.heading(TITLES["no_data"], say.feature_scope(monitor), above=monitor.name),
        demo_note(monitor),
        inbox.waiting(serving, monitor.name),
        html.Div(
            parts.empty(
                f"No batch has been scored yet. Upload one, put files into {folder}, or run: "
                f"run.py ingest FILE --monitor {monitor.name}",
                parts.link("Upload a batch", f"{base}/upload", className="btn btn-main"),
                parts.link("See the first version", f"{base}/models", className="btn btn-quiet"),
            ),
            className="panel",
        ),
    ]


def read(serving: Service, monitor: Monitor) -> dict[str, Any] | None:
    """The regions that change, by name; None when no batch was scored yet."""
    db = serving.db
    view = window(db, monitor, STRIP)
    if not len(view):
        return None
    found = known(db, view)
    return {
        "verdict": _verdict(serving, monitor),
        "inbox": inbox.waiting(serving, monitor.name),
        "tiles": _tiles(serving, monitor, view, found),
        "strip": _strip(db, view),
        "features": _features(serving, monitor, view),
        "events": ledger.lines(_newest_events(db, monitor), monitor, compact=True),
    }


def _newest_events(db: Any, monitor: Monitor, most: int = 6) -> list[Any]:
    """The last runs of events but for arrivals, which say nothing new here."""
    found = [event for event in history.events(db, monitor.id, last=40 * most) if event.kind != "received"]
    kinds = 0
    for at, event in enumerate(found):
        kinds += at == 0 or event.kind != found[at - 1].kind
        if kinds > most:
            return found[:at]
    return found


def _verdict(serving: Service, monitor: Monitor) -> html.Section:
    word = say.HEALTH[monitor.health]
    decision = scope.last_decision(serving.db, monitor)
    base = scope.base(monitor)
    buttons = {
        "unreliable": parts.link("See why", f"{base}/{_where(serving, monitor)}", className="btn btn-main"),
        "drifting": parts.link("See what moved", f"{base}/drift", className="btn btn-main"),
        "needs_you": _asked(serving, monitor),
        "learning": parts.link("Watch the training", f"{base}/models", className="btn btn-main"),
    }
    did = f"Last decision: {decision.reason}" if decision and decision.action != "keep" else ""
    return html.Section(
        [
            parts.icon(word.tone),
            html.Div(
                [
                    html.P(f"{word.text} since {say.clock(monitor.health_since)}", className="above"),
                    html.H1(TITLES[monitor.health]),
                    html.P(monitor.health_reason),
                    html.P(did, className="small") if did and did != monitor.health_reason else None,
                ]
            ),
            html.Div(buttons.get(monitor.health), className="verdict-buttons"),
        ],
        className=f"panel verdict tone-{word.tone}",
    )


def _asked(serving: Service, monitor: Monitor) -> Any:
    """To the newest thing that waits for a person."""
    needs = [need for need in serving.needs_person() if need["monitor"] == monitor.name]
    if not needs:
        return None
    what, path = inbox.where(needs[0])
    thing = {"held": "the versions", "doubtful": "at the labels"}.get(needs[0]["kind"], "at the batch")
    return parts.link(f"{what} {thing}", path, className="btn btn-main")


def _where(serving: Service, monitor: Monitor) -> str:
    """The page that shows why a model is unreliable: performance where it was lost, else drift."""
    lasting = history.episodes(serving.db, monitor.id, open_only=True)
    return "performance" if any(episode.kind == "performance" for episode in lasting) else "drift"


def _tiles(serving: Service, monitor: Monitor, view: Window, found: Known) -> html.Div:
    db = serving.db
    base = scope.base(monitor)
    champion = history.version(db, monitor.champion) if monitor.champion else None
    reign = history.batches_judged_by(db, monitor.champion) if monitor.champion else 0
    report = history.report(db, int(view.batch[-1]))
    batch = history.batch(db, int(view.batch[-1]))
    drifted = report.drifted
    return html.Div(
        [
            parts.tile(
                "Champion",
                f"v{champion.number}" if champion else "none",
                f"{say.count(reign, 'batch', 'batches')} so far; trained on {champion.recipe}" if champion else "",
                f"{base}/models",
            ),
            _now_tile(found, champion, base),
            parts.tile(
                "Features that drift",
                f"{len(drifted)} of {len(report.features)}",
                say.listing(drifted) if drifted else "in the newest batch",
                f"{base}/drift",
            ),
            parts.tile(
                "Newest batch",
                f"#{batch.id}",
                f"{say.batch_time(batch)}; {say.count(batch.rows, 'row')}, score {say.score(report.score)}",
                f"{base}/batches/{batch.id}",
            ),
        ],
        className="tiles",
    )


def _now_tile(found: Known, champion: Any, base: str) -> html.Div:
    name, where = found.metric, f"{base}/performance"
    for told, word in ((found.measured, "measured"), (found.estimated, "estimated")):
        mean, batches = now(told, 10)
        if mean is None:
            continue
        level = champion.metrics[name].value if champion and name in champion.metrics else None
        change = f"; {say.metric_change(name, mean.value - level)} to when chosen" if level is not None else ""
        sub = f"{word} on the last {say.count(batches, 'labelled batch', 'labelled batches')}{change}"
        if word == "estimated":
            sub = f"estimated, no labels yet{change}"
        return parts.tile(f"{say.metric_label(name)} now", say.metric_value(name, mean.value), sub, where)
    return parts.tile(f"{say.metric_label(name)} now", "–", "no labels yet", where)


def cells(view: Window, promoted: set[int]) -> list[parts.Cell]:
    """One cell a batch for the strip."""
    base = scope.base(view.monitor)
    out = []
    for at in range(len(view)):
        word = say.STATES["quarantined"] if view.state[at] == "quarantined" else say.VERDICTS[view.verdict[at]]
        when, score = say.date(int(view.at[at])), say.score(view.score[at])
        text = f"Batch #{view.batch[at]}, {when}: {word.text.lower()}, score {score}"
        mark = "promote" if at in promoted else ""
        out.append(
            parts.Cell(
                word.tone, text + (", new champion" if mark else ""), f"{base}/drift?batch={view.batch[at]}", mark
            )
        )
    return out


def _strip(db: Any, view: Window) -> list[Any]:
    promoted = {mark.position for mark in scope.marks(db, view) if mark.kind == "promote"}
    aside = sum(state == "quarantined" for state in view.state)
    drifted = sum(v == "drift" and s != "quarantined" for v, s in zip(view.verdict, view.state, strict=True))
    legend = [
        html.Span([html.Span(className=f"strip-cell tone-{tone}"), word])
        for tone, word in (("ok", "stable"), ("bad", "drift"), ("few", "too few rows"), ("aside", "quarantined"))
    ]
    span = f"{say.date(int(view.at[0]))} to {say.date(int(view.at[-1]))}"
    return [
        parts.strip(cells(view, promoted), _share(drifted, aside, len(view))),
        html.Div([*legend, html.Span("◆ new champion")], className="strip-legend"),
        html.P(f"{_share(drifted, aside, len(view))}; {span}.", className="muted small"),
    ]


def _share(drifted: int, aside: int, batches: int) -> str:
    return f"{drifted} of {say.count(batches, 'batch', 'batches')} drift" + (
        f", {aside} are quarantined" if aside else ""
    )


def _features(serving: Service, monitor: Monitor, view: Window) -> html.Ul:
    report = history.report(serving.db, int(view.batch[-1]))
    share = scope.importance(serving.db, monitor)
    worst = sorted(report.features, key=lambda item: -item.score * (share.get(item.name, 0.0) + 0.02))[:6]
    return parts.bars(
        [
            parts.Bar(
                parts.link(parts.clip(item.name, 28), scope.feature_path(monitor, item.name, int(view.batch[-1]))),
                item.score,
                say.score(item.score),
                "bad" if item.drift else "ok",
                f"importance {say.percent(share.get(item.name, 0.0), 0)}" if share else "",
            )
            for item in worst
        ],
        1.0,
        "Drift score of the newest batch by feature",
        top=3.0,
    )


def performance_chart(serving: Service, monitor: Monitor) -> tuple[Any, str]:
    """The small line of performance and the sentence it shows."""
    look_now = look()
    view = window(serving.db, monitor, 60 if look_now.narrow else 180)
    shown = metric_view(serving.db, view, known(serving.db, view))
    label = f"{shown.label} over the last {say.count(len(view), 'batch', 'batches')}"
    figure = charts.metric_line(shown, theme.palette(look_now.dark), compact=True)
    return figure, label


def demo_note(monitor: Monitor) -> Any:
    """What is real and what is simulated in the worked example, and the hints of the first look at it."""
    return html.Div([parts.tour(), parts.notice(DEMO)]) if monitor.demo else None
