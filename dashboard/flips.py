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
    segments = [[segment, f"{rows_:,}", say.percent(share)] for segment, rows_, share in found.flip_segments[:8]]
    where = (
        parts.panel(
            "Where answers change most",
            parts.table(
                [
                    parts.Column("Segment", wide=True),
                    parts.Column("Rows", right=True),
                    parts.Column("Change", right=True),
                ],
                segments,
                "Segments by share of changed answers",
            ),
            flush=True,
        )
        if segments
        else None
    )
    share = found.flips / max(1, found.rows)
    verb = "changes" if found.flips == 1 else "change"
    return html.Div(
        [
            parts.panel(
                f"{say.count(found.flips, 'answer')} {verb} ({say.percent(share)} of the rows)",
                parts.table(columns, rows, "Rows whose answer changes"),
                sub=f"The first {min(20, len(found.flip_rows))}.",
                flush=True,
            ),
            where,
        ],
        className="stack",
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
