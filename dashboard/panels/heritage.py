"""Where versions come from and where they went: the lineage, who was live on a date and why, the last contests."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dash import html

from dashboard import charts, parts, say, scope, service
from dashboard.window import Window
from storage import history
from storage.history import VersionInShort
from storage.records import Decision, Metric, Monitor

DAY = 86_400_000_000  # microseconds


def nodes(owner: Monitor, most: int = charts.MOST_VERSIONS) -> tuple[list[charts.Node], list[charts.Return]]:
    """The newest ``most`` of the lineage, oldest first, and the times an earlier champion came back."""
    db = service().db
    crowned = history.reigns(db, owner.id)
    left = {before.challenger_id: after.reason for before, after in itertools.pairwise(crowned)}
    kept_out = history.rejections(db, owner.id)
    found: list[charts.Node] = []
    place: dict[int, int] = {}
    for item in history.versions_in_short(db, owner.id):
        place[item.id] = len(found)
        trunk = any(item.id == decision.challenger_id for decision in crowned)
        gone = f" It went: {left[item.id]}" if item.id in left and item.id != owner.champion else ""
        found.append(
            charts.Node(
                f"v{item.number}",
                item.state,
                f"{item.reason}{gone}",
                place.get(item.parent_id or 0),
                trunk or not found,
            )
        )
        if item.id in kept_out:
            times, reason = kept_out[item.id]
            text = f"{say.count(times, 'contest')} won by v{item.number}. The last: {reason}"
            found.append(charts.Node(f"{times} rejected", "contest", text, place[item.id], False))
    return _newest(found, _returns(crowned, place), most)


def _returns(crowned: list[Decision], place: dict[int, int]) -> list[charts.Return]:
    """Where the champion that followed is older than the one it followed."""
    back = []
    for before, after in itertools.pairwise(crowned):
        leaving, home = place.get(before.challenger_id or 0), place.get(after.challenger_id or 0)
        if leaving is not None and home is not None and home < leaving:
            back.append(charts.Return(leaving, home, after.reason))
    return back


def _newest(
    found: list[charts.Node], back: list[charts.Return], most: int
) -> tuple[list[charts.Node], list[charts.Return]]:
    cut = max(0, len(found) - most)
    kept = [
        replace(node, parent=None if node.parent is None or node.parent < cut else node.parent - cut)
        for node in found[cut:]
    ]
    return kept, [
        charts.Return(one.leaving - cut, one.back - cut, one.text) for one in back if min(one.leaving, one.back) >= cut
    ]


def day_of(text: str) -> int | None:
    """The first microsecond of a date written as 2026-11-25; None if it is none."""
    try:
        return round(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC).timestamp() * 1e6)
    except ValueError:
        return None


def live_on(owner: Monitor, view: Window, start: int) -> tuple[int | None, Any]:
    """What was live on a day of the data, and why: where the strip is marked, and the answer in words."""
    db = service().db
    if not len(view) or start + DAY <= view.at[0]:
        first = f" The first batch in view is of {say.date(int(view.at[0]))}." if len(view) else ""
        return None, parts.notice(f"On {say.date(start)} nothing had been predicted yet.{first}")
    at = max(int((view.at < start + DAY).sum()) - 1, 0)
    batch = history.batch(db, int(view.batch[at]))
    known = {item.id: item for item in history.versions_in_short(db, owner.id)}
    version = known.get(batch.version_id or 0)
    if version is None:
        return at, parts.notice(f"Batch #{batch.id}, the newest by {say.date(start)}, was not predicted.")
    came, went = _around(history.reigns(db, owner.id), version.id, batch.done_at or batch.received_at)
    link = parts.link(f"batch #{batch.id}", f"{scope.base(owner)}/batches/{batch.id}")
    same = view.at[at] >= start
    words = [
        html.Strong(f"On {say.date(start)} v{version.number} was live. "),
        "It predicted "
        if same
        else f"No batch is of that day; the one before it, of {say.date(int(view.at[at]))}, is ",
        link,
        f" ({say.count(batch.rows, 'row')})." if same else ".",
        html.Div(f"It came: {came.reason if came else version.reason}", className="small"),
        html.Div(f"It went: {went.reason}", className="small") if went else html.Div("It is live.", className="small"),
    ]
    return at, parts.notice(words, "ok" if version.id == owner.champion else "none")


def _around(crowned: list[Decision], version: int, moment: int) -> tuple[Decision | None, Decision | None]:
    """The decision that brought a version before a moment, and the one that ended its reign."""
    came = [at for at, item in enumerate(crowned) if item.challenger_id == version and item.created_at <= moment]
    if not came:
        return None, None
    after = crowned[came[-1] + 1 : came[-1] + 2]
    return crowned[came[-1]], after[0] if after else None


def contests(owner: Monitor, primary: str) -> Any:
    """The last trainings and what their candidates reached."""
    found = [
        item
        for item in history.decisions(service().db, owner.id, last=400)
        if item.action in ("promote", "reject", "hold", "fail") and item.details.get("candidates")
    ][:6]
    if not found:
        return parts.panel(
            "No contest yet",
            parts.quiet("When a training runs, its candidates and what they reached on the same rows are listed here."),
        )
    columns = [
        parts.Column("Candidate", wide=True),
        parts.Column("Rows", right=True, hide=True),
        parts.Column(say.metric_label(primary), right=True),
        parts.Column("Gain", right=True),
        parts.Column("Fit", right=True, hide=True),
        parts.Column("", hide=True),
    ]
    blocks = []
    for decision in found:
        rows = [_candidate(item, primary) for item in decision.details["candidates"] if isinstance(item, dict)]
        said = f" {say.clock(decision.created_at)}: {decision.reason}"
        blocks.append(
            html.Details(
                [
                    html.Summary([parts.badge(say.ACTIONS[decision.action]), html.Span(said)]),
                    parts.table(columns, rows, f"Candidates of the contest of {say.clock(decision.created_at)}"),
                ],
                open=decision is found[0],
            )
        )
    return parts.panel(
        "The last contests",
        html.Div(blocks, className="stack-small"),
        sub="Candidates learn different rows, are judged on the same newest labelled ones, and gain over the champion.",
    )


def _candidate(item: dict[str, Any], metric: str) -> list[Any]:
    """One line of a contest: what it learned, what it reached on the same rows, its gain over the champion."""
    value, low, high, gain, seconds = (item.get(key) for key in ("value", "low", "high", "gain", "seconds"))
    reached: Any = "–"
    if isinstance(value, (int, float)):
        figure = Metric(value, *(float("nan") if one is None else float(one) for one in (low, high)), 0)
        reached = [
            say.metric_value(metric, value),
            html.Div(say.metric_interval(metric, figure), className="muted small"),
        ]
    return [
        str(item.get("recipe", "–")),
        f"{item['rows']:,}" if isinstance(item.get("rows"), int) else "–",
        reached,
        say.metric_change(metric, gain) if isinstance(gain, (int, float)) else "–",
        say.seconds(seconds) if isinstance(seconds, (int, float)) else "–",
        str(item.get("note") or ""),
    ]


def lived(item: VersionInShort, crowned: list[Decision]) -> str:
    """From when to when a version was champion, by this program's clock."""
    spans = []
    for at, decision in enumerate(crowned):
        if decision.challenger_id == item.id:
            end = crowned[at + 1].created_at if at + 1 < len(crowned) else None
            spans.append(f"{say.clock(decision.created_at)} {'until ' + say.clock(end) if end else 'until now'}")
    return "; ".join(spans) or "never"
