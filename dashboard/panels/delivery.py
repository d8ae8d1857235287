"""One delivery as a person follows it: its steps, its verdict, what was decided and why. Read from storage."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard import parts, say, scope, service
from storage import history
from storage.records import Batch, Decision, DriftReport, Monitor, Performance

ORDER = ("received", "validated", "scored", "decided", "training", "judged", "done")


def steps(owner: Monitor, found: Batch) -> html.Ol:
    """The list of steps, filled as far as the batch has come; a reload or another tab shows the same."""
    db = service().db
    report = next((item for _, item in history.reports(db, [found.id])), None)
    decisions = list(reversed(history.decisions(db, owner.id, batch_id=found.id)))
    stands = ORDER.index(found.state) if found.state in ORDER else None
    broken = found.state == "quarantined"
    labels = found.kind == "labels"
    lines = [_step("Kept", "done", f"{say.size(found.size)}, {say.clock(found.received_at)}")]
    checked = (stands is not None and stands >= 1) or (broken and found.rows > 0)
    note = f"{say.count(found.rows, 'label' if labels else 'row')} read" if checked else found.reason if broken else ""
    lines.append(_step("File read and checked", "done" if checked else "bad" if broken else "now", note))
    if broken and not checked:
        return html.Ol(lines, className="steps")
    if labels:
        done = stands is not None and stands >= 2
        lines.append(
            _step(
                "Labels given to their rows", "done" if done else "now", f"{found.labelled:,} matched" if done else ""
            )
        )
    else:
        state = "done" if report else "now"
        note = f"{say.VERDICTS[report.verdict].text}, score {say.score(report.score)} (alarm at 1)" if report else ""
        lines.append(_step("Compared with the reference and predicted", state, note))
    first = decisions[0] if decisions else None
    waiting = "now" if stands == 2 else "wait"
    state = "bad" if broken else "done" if first else waiting
    lines.append(_step("Decided", state, first.reason if first else ""))
    lines += _training_steps(owner, found, decisions, stands)
    if not broken:
        lines.append(
            _step(
                "Done", "done" if found.state == "done" else "wait", say.clock(found.done_at) if found.done_at else ""
            )
        )
    return html.Ol(lines, className="steps")


def _training_steps(owner: Monitor, found: Batch, decisions: list[Decision], stands: int | None) -> list[Any]:
    if not any(item.action == "train" for item in decisions):
        return []
    ending = next((item for item in decisions if item.action in ("promote", "reject", "hold", "fail")), None)
    running = [item for item in history.trainings(service().db, owner.id, open_only=True) if item.batch_id == found.id]
    note = ""
    if running and running[0].progress:
        said = running[0].progress
        count = f" ({said['done']} of {said['of']})" if "done" in said and "of" in said else ""
        note = f"{str(said.get('stage', '')).capitalize()} {said.get('candidate', '')}{count}".strip()
    trained = ending is not None or (stands is not None and stands >= 5)
    lines = [_step("Challengers trained", "done" if trained else "now", note)]
    bad = ending is not None and ending.action == "fail"
    lines.append(_step("Judged", "bad" if bad else "done" if ending else "wait", ending.reason if ending else ""))
    return lines


def _step(name: str, state: str, note: str = "") -> html.Li:
    """One line; ``state`` is done, now, wait or bad."""
    sign = {"done": "ok", "now": "busy", "wait": "few", "bad": "bad"}[state]
    spoken = {"done": "done", "now": "under way", "wait": "to come", "bad": "stopped"}[state]
    return html.Li(
        [
            parts.icon(sign),
            html.Div(
                [
                    name,
                    html.Span(f" ({spoken})", className="visually-hidden"),
                    html.Span(note, className="step-note") if note else None,
                ]
            ),
        ],
        className=state,
    )


def findings(owner: Monitor, found: Batch) -> list[Any]:
    """What the program says of a scored batch: features, faults, performance, the decision with its grounds."""
    db = service().db
    report = next((item for _, item in history.reports(db, [found.id])), None)
    if report is None:
        return []
    blocks: list[Any] = [verdict_table(owner, report, found.id)]
    side = [decision_panel(item) for item in history.decisions(db, owner.id, batch_id=found.id)]
    known = history.performance_of(db, found.id)
    if known:
        side.append(_performance(known))
    blocks.append(html.Div(side, className="grid-2"))
    if report.links:
        blocks.append(_links(owner, report, found.id))
    return blocks


def then_and_now(owner: Monitor, found: Batch) -> Any:
    """The predictions of the version that came since, beside those the batch was given. Nothing if none has come."""
    if found.version_id in (None, owner.champion) or owner.champion is None or found.state == "quarantined":
        return None
    before, after = (history.version(service().db, item).number for item in (found.version_id or 0, owner.champion))
    differ, lines = service().beside(found.id, most=12)
    columns = [
        parts.Column("Row"), parts.Column(f"v{before} said"), parts.Column(f"v{after} says"), parts.Column("Truth"),
        *(parts.Column(name, right=True, hide=True) for name in (lines[0] if lines else {}) if name.startswith("p_")),
    ]  # fmt: skip
    rows = [[parts.clip(_plain(value), 40) for value in line.values()] for line in lines]
    share = differ / max(1, found.rows)
    return parts.panel(
        f"v{after} says otherwise than v{before} on {say.count(differ, 'row')} ({say.percent(share)})",
        parts.table(columns, rows, "Predictions then and now"),
        sub=f"v{before} predicted the batch when it came; v{after} is the champion now. Rows that differ come first.",
        tools=parts.download(
            "Both, all rows", f"/api{scope.base(owner)}/batches/{found.id}/predictions.csv?beside=champion"
        ),
        flush=True,
    )


def _plain(value: Any) -> str:
    return "–" if value is None else say.number(value) if isinstance(value, float) else str(value)


def verdict_table(owner: Monitor, report: DriftReport, batch: int | None) -> Any:
    """Every feature with its score against the alarm line; the worst first."""
    columns = [
        parts.Column("Feature"), parts.Column("Verdict"), parts.Column("Score", right=True, named=True),
        parts.Column("Effect", right=True, hide=True), parts.Column("p-value", right=True, hide=True),
        parts.Column("Missing", right=True, hide=True), parts.Column("What is seen", wide=True),
    ]  # fmt: skip
    shown = report.features[:40]
    rows = [
        [
            _name(owner, item.name, batch),
            parts.badge(say.VERDICTS["drift" if item.drift else item.verdict]),
            say.score(item.score), say.number(item.effect, 2), say.p_value(item.p_value), say.percent(item.null_rate),
            item.explanation,
        ]
        for item in shown
    ]  # fmt: skip
    word = say.VERDICTS[report.verdict].text
    title = (
        f"{word}: {say.count(len(report.drifted), 'feature')} of {len(report.features)} moved"
        if report.drifted
        else word
    )
    faults = [parts.notice([html.Strong(f"{fault.feature}: "), fault.explanation], "aside") for fault in report.faults]
    return parts.panel(
        title,
        html.Div(faults, className="stack-small", style={"padding": "0 18px 8px"}) if faults else None,
        parts.table(columns, rows, "Features of the batch, worst first", cards=True),
        sub=report.explanation
        + (f" Showing the worst 40 of {len(report.features)}." if len(report.features) > 40 else ""),
        flush=True,
    )


def _name(owner: Monitor, feature: str, batch: int | None) -> Any:
    """A feature's name, leading to its page where the batch is stored."""
    text = parts.clip(feature, 40)
    return parts.link(text, scope.feature_path(owner, feature, batch)) if batch else text


def decision_panel(decision: Decision) -> Any:
    """What was decided, and the figures it rests on."""
    simple = [
        (key.replace("_", " "), value)
        for key, value in decision.details.items()
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
    ]
    return parts.panel(
        ["Decision: ", say.ACTIONS[decision.action].text.lower()],
        html.P(decision.reason),
        parts.facts(
            ("Trigger", say.TRIGGERS[decision.trigger]),
            *((key, say.number(value) if isinstance(value, float) else str(value)) for key, value in simple[:10]),
            ("By", f"{decision.author}, {say.clock(decision.created_at)}"),
        ),
    )


def _performance(known: list[Performance]) -> Any:
    columns = [
        parts.Column("Known"),
        parts.Column("Basis"),
        parts.Column("Metric"),
        parts.Column("Value", right=True),
        parts.Column("Labels", right=True),
    ]
    rows = []
    for item in known[-8:]:
        metric = item.metrics.get(item.primary)
        if metric:
            value = [
                say.metric_value(item.primary, metric.value),
                html.Div(say.metric_interval(item.primary, metric), className="muted small"),
            ]
            rows.append(
                [
                    html.Span(say.clock(item.created_at), className="nowrap"),
                    item.basis,
                    say.metric_label(item.primary),
                    value,
                    f"{item.labelled:,} of {item.rows:,}",
                ]
            )
    return parts.panel(
        "How well it was predicted",
        parts.table(columns, rows, "Performance on this batch, as it became known"),
        sub="Later lines revise earlier ones; all are kept.",
        flush=True,
    )


def _links(owner: Monitor, report: DriftReport, batch: int) -> Any:
    columns = [
        parts.Column("Features", wide=True),
        parts.Column("Reference", right=True),
        parts.Column("Batch", right=True),
        parts.Column("Score", right=True),
        parts.Column("Verdict"),
    ]
    rows = [
        [
            f"{link.a} and {link.b}",
            say.number(link.reference, 2),
            say.number(link.batch, 2),
            say.score(link.score),
            parts.badge(say.VERDICTS["drift" if link.drift else "stable"]),
        ]
        for link in report.links[:12]
    ]
    broken = sum(link.drift for link in report.links)
    title = f"{say.count(broken, 'link')} between features broke" if broken else "Links between features hold"
    return parts.panel(
        title,
        parts.table(columns, rows, "Links between features"),
        sub="Association from −1 to 1, in the reference and in this batch.",
        flush=True,
    )
