"""Rows on which two versions say different things, and where they cluster."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboard import parts, say
from storage.records import Comparison, Version


def flips(found: Comparison, left: Version, right: Version) -> Any:
    """The rows whose answer changes, and the segments where most do."""
    if not found.flips:
        return parts.panel("No answer changes", parts.quiet("Both versions say the same on every row."))
    keys = (
        [key for key in found.flip_rows[0] if key not in ("features", "key", "a", "b", "label")]
        if found.flip_rows
        else []
    )
    columns = [
        parts.Column("Row"),
        parts.Column(f"v{left.number}"),
        parts.Column(f"v{right.number}"),
        parts.Column("Truth"),
        parts.Column("Right"),
        *(parts.Column(key, hide=True) for key in keys[:4]),
        parts.Column("Features", wide=True, hide=True),
    ]
    rows = [
        [
            str(row.get("key") or "–"), _cell(row.get("a")), _cell(row.get("b")), _cell(row.get("label")),
            _right(row, left, right),
            *(_cell(row.get(key)) for key in keys[:4]), _features(row.get("features")),
        ]
        for row in found.flip_rows[:20]
    ]  # fmt: skip
    share = found.flips / max(1, found.rows)
    verb = "changes" if found.flips == 1 else "change"
    return html.Div(
        [
            parts.panel(
                f"{say.count(found.flips, 'answer')} {verb} from v{left.number} to v{right.number} "
                f"({say.percent(share)} of the rows)",
                html.P(_winners(found, left, right)),
                html.Details(
                    [
                        html.Summary(f"The newest {len(rows)} of them, row by row"),
                        parts.table(columns, rows, f"Rows whose answer changes from v{left.number} to v{right.number}"),
                    ]
                ),
            ),
            _clusters(found, share),
        ],
        className="grid-2",
    )


def _winners(found: Comparison, left: Version, right: Version) -> str:
    """Which version was right on the rows where they disagree."""
    a, b = found.flips_right
    neither = found.flips - a - b
    rest = f", neither on {neither:,}" if neither > 0 else ""
    return f"Of these rows v{right.number} is right on {b:,} and v{left.number} on {a:,}{rest}."


def _clusters(found: Comparison, share: float) -> Any:
    """The segments in which most answers change, against the share over all rows."""
    if not found.flip_segments:
        return parts.panel("Answers change alike everywhere", parts.quiet("No segment stands out."))
    name, _, most = found.flip_segments[0]
    bars = [
        parts.Bar(parts.clip(segment, 40), part, say.percent(part), "busy", say.count(rows, "row"))
        for segment, rows, part in found.flip_segments[:8]
    ]
    return parts.panel(
        f"Most answers change where {say.cut(name, 50)}: {say.percent(most, 0)} of them",
        parts.bars(bars, share, "Segments by share of changed answers", top=max(0.05, most)),
        sub=f"Share of the rows of a segment whose answer changes; the tick is the share over all rows, "
        f"{say.percent(share)}.",
    )


def _cell(value: Any) -> str:
    return "–" if value is None else say.number(value) if isinstance(value, float) else str(value)


def _right(row: dict[str, Any], left: Version, right: Version) -> str:
    label = row.get("label")
    if label is None:
        return "–"
    if isinstance(label, float):
        a, b = row.get("a"), row.get("b")
        return (
            f"v{(left if abs(a - label) < abs(b - label) else right).number} closer"
            if a is not None and b is not None
            else "–"
        )
    winners = [f"v{item.number}" for item, key in ((left, "a"), (right, "b")) if str(row.get(key)) == str(label)]
    return say.listing(winners) or "neither"


def _features(features: Any) -> str:
    if not isinstance(features, dict):
        return ""
    return ", ".join(f"{key} {_cell(value)}" for key, value in list(features.items())[:5])
