"""What waits for a person: held versions, quarantined batches, failed jobs, each with its buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from dashboard import parts, say, scope

if TYPE_CHECKING:
    from pipeline.service import Service


def waiting(serving: Service, only: str | None = None) -> Any:
    """What waits for a person, each with its buttons; nothing when nothing waits."""
    needs = [need for need in serving.needs_person() if only is None or need["monitor"] in (only, None)]
    if not needs:
        return None
    lines = [_need(need) for need in needs]
    title = "One thing needs a person" if len(needs) == 1 else f"{len(needs)} things need a person"
    first = html.Ul(lines[:3], className="inbox")
    rest = None
    if len(lines) > 3:
        rest = html.Details(
            [html.Summary(f"{len(lines) - 3} more"), html.Ul(lines[3:60], className="inbox")], className="inbox-more"
        )
    return parts.panel(title, first, rest, tools=_all_at_once(needs), flush=True)


def _all_at_once(needs: list[dict[str, Any]]) -> Any:
    """One answer for many quarantined batches of one monitor."""
    by_monitor: dict[str, list[str]] = {}
    for need in needs:
        if need["kind"] == "quarantined":
            by_monitor.setdefault(need["monitor"], []).append(str(need["batch_id"]))
    many = [(monitor, batches) for monitor, batches in by_monitor.items() if len(batches) > 1]
    return [
        parts.action(f"Leave all {len(batches)} quarantined", "discard", monitor, ",".join(batches))
        for monitor, batches in many[:1]
    ]


def _need(need: dict[str, Any]) -> html.Li:
    return html.Li(
        [html.Div(_need_text(need), className="inbox-text"), html.Div(_need_buttons(need), className="cell-actions")]
    )


def _need_text(need: dict[str, Any]) -> list[Any]:
    words = {
        "held": ("warn", f"v{need['version_number']} waits for your word"),
        "quarantined": ("aside", f"{need.get('batch_name') or 'A batch'} is quarantined"),
        "doubtful": ("warn", f"The labels of {need.get('batch_name') or 'a batch'} are doubted"),
        "failed_job": ("bad", "A job fails"),
    }
    tone, title = words[need["kind"]]
    where = f"{need['monitor']}: " if need["monitor"] else ""
    return [
        html.Div(parts.badge(say.Word(f"{where}{title}", tone))),
        html.Div(
            [
                need["text"],
                html.Span(f" {say.clock(need['since'])}", className="muted small") if need["since"] else None,
            ],
            className="small",
        ),
    ]


def where(need: dict[str, Any]) -> tuple[str, str]:
    """The page on which it can be judged: what one does there, and its path."""
    if need["kind"] == "held":
        return "Compare", f"{scope.base(need['monitor'])}/models/compare?b=v{need['version_number']}"
    if need["kind"] == "failed_job":
        return "Look", "/health"
    return "Look", f"{scope.base(need['monitor'])}/batches/{need['batch_id']}"


def _need_buttons(need: dict[str, Any]) -> list[Any]:
    monitor = need["monitor"]
    look = parts.link(*where(need), className="btn btn-quiet")
    if need["kind"] == "held":
        number = need["version_number"]
        return [
            look,
            parts.action("Promote", "promote", monitor, number, primary=True),
            parts.action("Refuse", "refuse", monitor, number),
        ]
    if need["kind"] == "quarantined":
        batch = need["batch_id"]
        return [
            look,
            parts.action("Try again", "retry", monitor, batch),
            parts.action("Accept", "accept", monitor, batch) if need["acceptable"] else None,
            parts.action("Leave it", "discard", monitor, batch),
        ]
    if need["kind"] == "doubtful":
        batch = need["batch_id"]
        return [
            look,
            parts.action("They are right", "accept", monitor, batch),
            parts.action("Leave them aside", "discard", monitor, batch),
        ]
    return [look]
