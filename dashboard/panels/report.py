"""A report of a monitor for a range: one HTML file that needs nothing else, to be sent, kept or printed.

Text comes from storage and is escaped; charts are the dashboard's own, with Plotly once inside the file.
"""

from __future__ import annotations

import itertools
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from dashboard import charts, say, scope, theme
from dashboard.panels.brief import TITLES
from dashboard.panels.known import known, metric_view, metrics, now
from dashboard.stretch import Ask, ask
from dashboard.window import Window, window
from storage import history
from storage.errors import Refused
from storage.records import Decision, Episode, Monitor

if TYPE_CHECKING:
    from pipeline.views import Views

MOST_LINES = 200  # of a table
_STYLE = """
:root { --ink: #1b2430; --muted: #5a6675; --edge: #d9dee5; }
* { box-sizing: border-box; } html { background: #f5f6f8; }
body { font: 14px/1.5 -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif; color: var(--ink);
  max-width: 1060px; margin: 0 auto; padding: 40px 36px 60px; background: #fff; overflow-wrap: break-word; }
h1 { font-size: 25px; line-height: 1.2; margin: 2px 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 16px; margin: 34px 0 4px; border-top: 1px solid var(--edge); padding-top: 18px; }
p { margin: 0 0 8px; max-width: 84ch; } .muted, figcaption, caption { color: var(--muted); font-size: 12.5px; }
.state { display: inline-block; border: 1.5px solid; border-radius: 5px; padding: 0 8px; font-weight: 650; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px 24px; margin: 18px 0 0; }
dt { font-size: 12px; color: var(--muted); } dd { margin: 0; font-size: 21px; font-weight: 650; line-height: 1.25; }
dd small { display: block; font-size: 12px; font-weight: 400; color: var(--muted); }
figure { margin: 10px 0 0; } caption { text-align: left; padding-bottom: 4px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin-top: 8px; }
th { text-align: left; font-weight: 500; color: var(--muted); font-size: 12px; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
td:first-child { min-width: 96px; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 620px) { body { padding: 22px 16px; } .scroll { overflow-x: auto; } }
@media print { html { background: #fff; } body { padding: 0; max-width: none; font-size: 11px; }
  h2 { break-after: avoid; } figure, tr { break-inside: avoid; } .modebar { display: none !important; } }
"""


def html(serving: Views, name: str, *, last: int | None = None, start: str = "", stop: str = "") -> str:
    """The report as one HTML document.

    Parameters
    ----------
    serving : Views
    name : str
        Of the monitor.
    last : int, optional
        Newest scored batches; default 120.
    start, stop : str, optional
        Days as 2026-11-25, both included; of the data's own time where batches have one.

    Raises
    ------
    Missing
        If there is no such monitor.
    Refused
        If a date is none, or no scored batch lies in the range.
    """
    db = serving.db
    owner = history.monitor(db, name)
    view = _window(db, owner, last, start, stop)
    span = f"{say.date(int(view.at[0]))} to {say.date(int(view.at[-1]))}"
    parts = [
        _head(owner, view, span),
        _figures(db, owner, view),
        _drift(serving, view),
        _performance(db, view),
        _versions(db, owner, view),
        _happenings(db, owner, view),
        _settings(db, owner),
    ]
    title = escape(f"{owner.name}, {span}: drift report")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>\n<body><main>{''.join(parts)}</main></body></html>"
    )


def _window(db: Any, owner: Monitor, last: int | None, start: str, stop: str) -> Window:
    """The batches of the range."""
    if last is not None and last < 1:
        raise Refused(f"A report is of one batch at least, not of {last}.")
    for text in (start, stop):
        if text and "-" not in text:
            raise Refused(f"{text[:40]!r} is no date.", remedy="Write it as 2026-11-25.")
    asked = ask(start=start, end=stop) if start or stop else Ask(str(last or 120))
    if asked.complaint:
        raise Refused(asked.complaint.partition(" Showing")[0], remedy="Write dates as 2026-11-25.")
    view = window(db, owner, asked)
    if not len(view):
        told = "in this range" if start or stop else "yet"
        raise Refused(f"No batch of {owner.name} was scored {told}, so there is nothing to report.")
    return view


def _head(owner: Monitor, view: Window, span: str) -> str:
    word = say.HEALTH[owner.health]
    colour = getattr(theme.LIGHT, {"ok": "stable", "bad": "drift", "warn": "warning"}.get(word.tone, "muted"))
    now = f"{word.text} since {say.clock(owner.health_since)}. {owner.health_reason}"
    demo = "<p class='muted'>A worked example: real people, simulated days.</p>" if owner.demo else ""
    return (
        f"<header><p class='muted'>{escape(owner.name)}: {escape(say.feature_scope(owner))}</p>"
        f"<h1>{escape(TITLES[owner.health])}</h1>"
        f"<p><span class='state' style='color:{colour}'>{escape(word.text)}</span> {escape(now)}</p>"
        f"<p class='muted'>This report covers {len(view.ids):,} scored batches, {escape(span)}. Times are UTC.</p>"
        f"{demo}</header>"
    )


def _figures(db: Any, owner: Monitor, view: Window) -> str:
    found = known(db, view)
    line = history.timeline(db, owner.id)
    inside = np.isin(line.batch, view.ids)
    states = [(line.verdict[at], line.state[at]) for at in np.flatnonzero(inside)]
    aside = sum(state == "quarantined" for _, state in states)
    alarms = sum(verdict == "drift" and state != "quarantined" for verdict, state in states)
    value, _ = now(found.measured, len(found.measured.batch))
    rows = value.rows if value else 0
    crowned = [item for item in _decided(db, owner, view) if item.action in ("promote", "rollback")]
    cells = (
        ("Rows", f"{int(line.rows[inside].sum()):,}", f"in {say.count(len(view.ids), 'batch', 'batches')}"),
        ("Batches that drift", f"{alarms:,}", say.percent(alarms / len(view.ids))),
        ("Quarantined", f"{aside:,}", "never learned from"),
        (say.metric_label(found.metric), say.metric_value(found.metric, value.value) if value else "–",
         f"measured on {say.count(rows, 'labelled row')}" if rows else "no labels yet"),
        ("Changes of champion", f"{len(crowned):,}", ""),
    )  # fmt: skip
    return "<dl>" + "".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}<small>{escape(c)}</small></dd></div>"
                            for a, b, c in cells) + "</dl>"  # fmt: skip


def _drift(serving: Views, view: Window) -> str:
    shown = scope.drift_view(serving, view, "worst")  # type: ignore[arg-type]
    alarmed = np.array([verdict == "drift" for verdict in view.verdict])
    drifted = [name for name, line in zip(shown.features, shown.heat, strict=True) if (line[alarmed] >= 1).any()]
    title = f"{say.listing([say.cut(name) for name in drifted], 4)} drifted" if drifted else "No feature drifted"
    lasting = [item for item in history.episodes(serving.db, view.monitor.id) if _touches(item, view)]
    rows = [
        (say.date(_time(view, item.onset_batch)), say.date(_time(view, item.end_batch)) if item.end_batch else "lasts",
         item.kind, item.summary)
        for item in lasting
    ]  # fmt: skip
    return (
        _section(
            title,
            f"Score of each batch against the alarm line at 1, and of each feature; worst first.{_joined(view)}",
        )
        + _figure(charts.drift_timeline(shown, theme.LIGHT), title)
        + _table("Episodes in this range", ("From", "Until", "Kind", "What is seen"), rows)
    )


def _joined(view: Window) -> str:
    """That several batches share a column, if they do."""
    return (
        f" Downsampled: a column is {view.together} batches, of which the worst is drawn." if view.together > 1 else ""
    )


def _touches(item: Episode, view: Window) -> bool:
    return view.span(item.onset_batch, item.end_batch) is not None


def _time(view: Window, batch: int) -> int:
    at = view.position(batch)
    return int(view.at[at if at is not None else 0])


def _performance(db: Any, view: Window) -> str:
    found = known(db, view)
    shown = metric_view(db, view, found)
    if not len(found.measured.batch) and not len(found.estimated.batch):
        return _section("No performance is known", "Labels have not come, and nothing could be estimated.")
    title = f"{shown.label} of the champion of the day"
    text = (
        "Solid: measured, with its 95 % interval. Dotted: estimated without labels. Beneath: share of rows with labels."
    )
    return _section(title, text) + _figure(charts.metric_line(shown, theme.LIGHT), title)


def _versions(db: Any, owner: Monitor, view: Window) -> str:
    versions = history.versions_in_short(db, owner.id)
    spans = scope.reign_spans(view, versions, owner.champion)
    lived = {span.text for span in spans}
    primary, _ = metrics(db, owner)
    rows = []
    for item in versions:
        if f"v{item.number}" in lived:
            metric = item.metrics.get(primary)
            value = say.metric_value(primary, metric.value) if metric else "–"
            rows.append((f"v{item.number}", say.VERSIONS[item.state].text, item.recipe, value, item.reason))
    title = f"{say.count(len(lived), 'version')} predicted these batches"
    head = ("Version", "State", "Trained on", f"{say.metric_label(primary)} when judged", "Why it came")
    strip = _figure(charts.reigns(spans, view.place, theme.LIGHT), title) if spans else ""
    return _section(title, "") + strip + _table("", head, rows)


def _decided(db: Any, owner: Monitor, view: Window) -> list[Decision]:
    """What was done about the model from the first batch of the range until the one after it came, oldest first."""
    after = [batch for batch in history.timeline(db, owner.id).batch if batch > view.batch[-1]]
    first, end = int(view.batch[0]), int(after[0]) if after else 1 << 62
    begin, until = int(view.received[0]), history.batch(db, end).received_at if after else 1 << 62
    return [
        item
        for item in reversed(history.decisions(db, owner.id))
        if item.action != "keep"
        and item.trigger != "init"
        and (first <= item.batch_id < end if item.batch_id else begin <= item.created_at < until)
    ]


def _happenings(db: Any, owner: Monitor, view: Window) -> str:
    found = _decided(db, owner, view)
    runs = [list(run) for _, run in itertools.groupby(found, key=lambda item: (item.action, item.trigger))]
    rows = []
    for run in runs[-MOST_LINES:]:
        first, last = _when(view, run[0]), _when(view, run[-1])
        times = f", {len(run)} times" if len(run) > 1 else ""
        word = f"{say.ACTIONS[run[-1].action].text}{times}"
        span = first if first == last else f"{first} to {last}"
        rows.append((span, word, say.TRIGGERS[run[-1].trigger], run[-1].reason, run[-1].author))
    more = f"The newest {MOST_LINES} of {len(runs):,}." if len(runs) > MOST_LINES else ""
    verb = "was" if len(found) == 1 else "were"
    title = f"{say.count(len(found), 'decision')} {verb} taken" if found else "Nothing had to be decided"
    said = "Of a run of one kind the last is told." if len(runs) < len(found) else ""
    return _section(title, f"{more} {said}".strip()) + _table(
        "", ("Batch of", "Decision", "Because of", "Reason", "By"), rows
    )


def _when(view: Window, item: Decision) -> str:
    return say.date(_time(view, item.batch_id)) if item.batch_id else say.clock(item.created_at)


def _settings(db: Any, owner: Monitor) -> str:
    row = history.settings_row(db, owner.id)
    rows = [
        (f"{section}.{key}", "none" if value is None else str(value))
        for section in ("drift", "faults", "retrain")
        for key, value in row.data[section].items()
    ]
    text = f"In force since {say.clock(row.created_at)}, set by {row.author}. {row.note}"
    return _section("Settings", text) + _table("", ("Setting", "Value"), rows)


def _section(title: str, text: str) -> str:
    return f"<h2>{escape(title)}</h2>" + (f"<p class='muted'>{escape(text)}</p>" if text else "")


def _figure(figure: go.Figure, label: str) -> str:
    body = to_html(figure, include_plotlyjs=False, full_html=False, config={**theme.STILL_CONFIG, "responsive": True})
    return f'<figure aria-label="{escape(label, quote=True)}">{body}</figure>'


def _table(caption: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<div class='scroll'><table>{told}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
