"""What the feature page says and shows: the feature in a stretch of batches against the reference, over time, and its
links with others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from dash import html

from dashboard import charts, parts, say, scope, theme
from dashboard.panels.cell import SCORED, Chosen
from dashboard.window import Heat, Window
from storage import history
from storage.records import Distribution, FeatureDrift, Link, Monitor

if TYPE_CHECKING:
    from pipeline.service import Service

READ = 2000  # stored profiles that are read for the chart over time
LINKED = 120  # newest batches over which an association is drawn
FIGURES = (
    ("mean", "Mean"), ("sd", "Standard deviation"), ("min", "Smallest"), ("q05", "5 %"), ("q25", "25 %"),
    ("q50", "Median"), ("q75", "75 %"), ("q95", "95 %"), ("max", "Largest"),
)  # fmt: skip


def heading(owner: Monitor, item: FeatureDrift, judged: bool, where: Chosen, when: str, steps: Sequence[Any]) -> Any:
    """What the feature did in the stretch."""
    verb = "drifted" if item.drift else "has too few rows to say" if item.verdict == "too_few_rows" else ""
    verb = verb or ("looks like the reference" if judged else "against the reference")
    place = f"on {when}" if where.stretch.single and when else f"in {where.title[0].lower()}{where.title[1:]}"
    return parts.heading(
        f"{item.name} {verb} {place}",
        item.explanation,
        tools=html.Div(list(steps), className="pager"),
        above=f"{owner.name}, {item.kind} feature",
    )


def steps(owner: Monitor, name: str, where: Chosen, view: Window, names: Sequence[str]) -> list[Any]:
    """Links to the features and stretches beside this one (keys j, k, h, l)."""
    found, at = [], names.index(name)
    for text, step, other in (("‹ Feature", "previous-feature", at - 1), ("Feature ›", "next-feature", at + 1)):
        if 0 <= other < len(names):
            href = scope.feature_path(owner, names[other], where.key)
            link = parts.link(text, href, className="btn btn-quiet", title=names[other])
            found.append(html.Span(link, **{"data-step": step}))
    place = view.keys.index(where.key) if where.key in view.keys else None
    for text, step, move in (("‹ Batch", "previous-batch", -1), ("Batch ›", "next-batch", 1)):
        if place is not None and 0 <= place + move < len(view):
            key = view.keys[place + move]
            href = scope.feature_path(owner, name, key)
            found.append(html.Span(parts.link(text, href, className="btn btn-quiet", title=key), **{"data-step": step}))
    return found


def previous(db: Any, owner: Monitor, where: Chosen) -> tuple[int, ...]:
    """As many sound batches as the stretch has, just before it."""
    line = history.timeline(db, owner.id)
    sound = [b for b, state in zip(line.batch.tolist(), line.state, strict=True) if state != "quarantined"]
    return tuple([batch for batch in sound if batch < where.batches[0]][-len(where.batches) :])


def body(
    service: Service, owner: Monitor, item: FeatureDrift, judged: bool, where: Chosen, versus: str, look: Any
) -> tuple[Any, list[Any]]:
    """The distribution; and the distances and figures beside it."""
    before = previous(service.db, owner, where) if versus == "previous" else ()
    shown = service.distribution(owner.name, item.name, where.batches, before or "reference")
    against = "the reference"
    if before:
        against = f"batch #{before[0]}" if len(before) == 1 else f"the {len(before)} batches before"
    drawn = charts.distribution(shown, theme.palette(look.dark), look.narrow)
    name = where.title if where.title.startswith("Week") else where.title.replace("Batch", "batch")
    picture = parts.panel(
        f"{where.title} against {against}",
        parts.legend(
            ("reference", f"{against}, {say.count(shown.reference_rows, 'row')}"),
            ("batch" if shown.edges else "batch-fill", f"{name}, {say.count(shown.batch_rows, 'row')}"),
        ),
        parts.chart("distribution", drawn, f"{item.name}: distribution in {name} against {against}"),
        tails(shown),
    )
    moved = parts.panel(
        "How far it moved",
        distances(item, judged),
        sub="The score is the surprise of the largest check; 1 is the alarm line.",
    )
    return picture, [moved, parts.panel("The figures", figures(shown, against), flush=True)]


def tails(shown: Distribution) -> Any:
    """What is missing, new, or beyond the reference, in words."""
    words = []
    if shown.reference_null or shown.batch_null:
        words.append(
            f"Missing: {say.percent(shown.batch_null)} of the rows, "
            f"{say.percent(shown.reference_null)} of those it is compared with."
        )
    new = [label for label, is_new in zip(shown.labels, shown.new, strict=True) if is_new]
    if new:
        words.append(f"New levels: {say.listing(new, 5)}.")
    if shown.edges and shown.reference_stats and shown.batch_stats:
        write = say.date_of if shown.kind == "date" else say.number
        low, high = shown.reference_stats.get("min"), shown.reference_stats.get("max")
        if low is not None and shown.batch_stats.get("min", low) < low:
            words.append(f"Reaches below the reference's smallest value ({write(low)}).")
        if high is not None and shown.batch_stats.get("max", high) > high:
            words.append(f"Reaches above the reference's largest value ({write(high)}).")
    return html.P(" ".join(words), className="muted small") if words else None


def distances(item: FeatureDrift, judged: bool) -> Any:
    """The verdict and every distance people know."""
    word = say.VERDICTS["drift" if item.drift else item.verdict] if judged else say.Word("Not scored", "none")
    score = f"{say.score(item.score)} (alarm at 1)" if judged else "too long a stretch to merge all features"
    return parts.facts(
        ("Verdict", parts.badge(word)),
        ("Score", score),
        ("Carried by", item.eye or "–"),
        ("p-value", say.p_value(item.p_value)),
        ("Effect size", say.number(item.effect)),
        *((say.DISTANCES.get(key, key), say.number(value)) for key, value in item.distances.items()),
    )


def figures(shown: Distribution, against: str) -> Any:
    """Rows, moments, quantiles and missing values on both sides, or the levels that changed most."""
    dated = shown.kind == "date"

    def write(value: float | None) -> str:
        return "–" if value is None else say.date_of(value) if dated else say.number(value, 4)

    columns = [
        parts.Column(""), parts.Column("Compared with", right=True), parts.Column("Here", right=True),
        parts.Column("Change", right=True),
    ]  # fmt: skip
    rows: list[list[Any]] = [["Rows", f"{shown.reference_rows:,}", f"{shown.batch_rows:,}", ""]]
    for key, label in FIGURES:
        a, b = shown.reference_stats.get(key), shown.batch_stats.get(key)
        if (a is not None or b is not None) and not (dated and key == "sd"):
            change = "" if a is None or b is None or dated else say.signed(b - a)
            rows.append([label, write(a), write(b), change])
    lines = [("Missing", shown.reference_null, shown.batch_null)]
    if not shown.edges:
        both = zip(shown.labels, shown.reference, shown.batch, strict=True)
        lines += sorted(both, key=lambda line: -abs(line[2] - line[1]))[:8]
    for label, a, b in lines:
        change = f"{say.signed(100 * (b - a), 1)} points"
        rows.append([parts.clip(label, 30), say.percent(a), say.percent(b), change])
    return parts.table(columns, rows, f"Figures here and in {against}")


def scores(seen: Heat, view: Window, name: str, where: Chosen, look: Any) -> tuple[Any, str]:
    """The line of the feature's score over columns, and what it shows in words."""
    if name in seen.features:
        at = seen.features.index(name)
        score, few = seen.score[at].astype(float), seen.few[at]
    else:
        score, few = np.full(len(view), np.nan), np.zeros(len(view), bool)
    words = np.select([few, np.isnan(score), score >= 1], ["too_few_rows", "", "drift"], "stable").tolist()
    span = _chosen_span(view, where)
    drawn = charts.history(view.place, view.keys, score, words, theme.palette(look.dark), span, view.ask.steps)
    unit = "columns" if view.together > 1 else {"batch": "batches", "day": "days", "week": "weeks"}[view.ask.steps]
    return drawn, f"Alarmed in {sum(word == 'drift' for word in words)} of {len(view):,} {unit} in view"


def _chosen_span(view: Window, where: Chosen) -> charts.Span | None:
    inside = [view.position(batch) for batch in (where.batches[0], where.batches[-1]) if batch >= int(view.ids[0])]
    known = [one for one in inside if one is not None]
    return charts.Span(min(known), max(known), where.title) if known else None


def most_of(view: Window) -> int:
    """How many batches of a column are read for the chart over time."""
    return max(1, READ // max(1, len(view)))


def over_time(service: Service, owner: Monitor, view: Window, name: str, look: Any) -> tuple[Any, str] | None:
    """Quantiles or shares of levels over columns, with those of the newest reference dashed; None if unknown."""
    lines = service.quantiles(owner.name, name, view.members(most_of(view)))
    first = next((line for line in lines if line is not None), None)
    if first is None:
        return None
    newest = service.distribution(owner.name, name, int(view.ids[-1]))
    colours = theme.palette(look.dark)
    if "shares" in first:
        levels = dict.fromkeys(level for line in lines if line is not None for level in line["shares"])
        shares = {
            level: np.array([np.nan if line is None else line["shares"].get(level, 0.0) for line in lines])
            for level in levels
        }
        reference = dict(zip(newest.labels, newest.reference, strict=True))
        return charts.composition(view.place, shares, reference, colours), "levels"
    keys = ("q05", "q25", "q50", "q75", "q95")
    quantiles = {
        key: np.array([np.nan if line is None or line[key] is None else line[key] for line in lines], dtype=float)
        for key in keys
    }
    return charts.fan(view.place, quantiles, newest.reference_stats, name, colours, newest.kind == "date"), "numbers"


def fan_legend(kind: str) -> Any:
    """What the strokes of the chart over time mean."""
    if kind == "levels":
        return parts.legend(("dotted-grey", "share in the newest reference"))
    return parts.legend(
        ("batch", "median"), ("half", "25 to 75 %"), ("band", "5 to 95 %"),
        ("dotted-grey", "the same in the newest reference"),
    )  # fmt: skip


def links(service: Service, owner: Monitor, name: str, where: Chosen, view: Window, look: Any) -> Any:
    """How its dependence on other features changed: now, and over time for the link that changed most."""
    found = [link for link in _links_of(service, owner, where) if name in (link.a, link.b)]
    if not found:
        return None
    columns = [
        parts.Column("With"), parts.Column("Reference", right=True), parts.Column("Here", right=True),
        parts.Column("Score", right=True), parts.Column("Verdict"),
    ]  # fmt: skip
    rows = [
        [
            parts.link(parts.clip(_other(link, name)), scope.feature_path(owner, _other(link, name), where.key)),
            say.number(link.reference, 2), say.number(link.batch, 2), say.score(link.score),
            parts.badge(say.VERDICTS["drift" if link.drift else "stable"]),
        ]
        for link in found
    ]  # fmt: skip
    worst = max(found, key=lambda link: link.score)
    other = _other(worst, name)
    members = _newest(view.members())
    told = service.associations(owner.name, (name, other), members)
    drawn = charts.association(
        view.place.tail(len(members)), np.array(told), worst.reference, theme.palette(look.dark), view.ask.steps
    )
    verb = "broke" if worst.drift else "hardly changed"
    was, here = say.number(worst.reference, 2), say.number(worst.batch, 2)
    sentence = f"The link with {other} {verb}: {was} in the reference, {here} here"
    return parts.panel(
        sentence,
        html.Div(
            [
                parts.chart("links", drawn, f"Association of {name} with {other} over time", still=True),
                parts.table(columns, rows, f"Links of {name}"),
            ],
            className="grid-2 grid-even",
        ),
        sub="Association between two features, from −1 to 1; dashed: in the reference. A link may break while each "
        "feature alone stands still.",
    )


def _newest(members: list[list[int]]) -> list[list[int]]:
    """The newest columns that hold no more batches than are read for this."""
    counted = np.cumsum([len(one) for one in reversed(members)])
    return members[len(members) - max(1, int((counted <= LINKED).sum())) :]


def _links_of(service: Service, owner: Monitor, where: Chosen) -> tuple[Link, ...]:
    if len(where.batches) == 1:
        return history.report(service.db, where.batches[0]).links
    if len(where.batches) * len(owner.schema.watched) > SCORED:
        return ()
    return service.together(owner.name, where.batches).links


def _other(link: Link, name: str) -> str:
    return link.b if link.a == name else link.a
