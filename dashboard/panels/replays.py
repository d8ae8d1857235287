"""A backtest as a person reads it: what was asked, how far it has come, what each policy would have brought."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import html

from dashboard import charts, look, parts, say, scope, theme
from storage.records import Backtest, Monitor

RIVAL_SETTINGS: dict[str, dict[str, Any]] = {"never": {"retrain.auto": False}}  # a fixed rule that settings can say


def assignments(found: Backtest, number: int) -> dict[str, Any]:
    """The settings that would make the monitor do what a run did; empty if there are none to change."""
    runs = found.result.get("runs", [])
    if not 0 <= number < len(runs):
        return {}
    run = runs[number]
    return dict(run["settings"] or {}) if run["policy"] == "auto" else dict(RIVAL_SETTINGS.get(run["policy"], {}))


def words(chosen: dict[str, Any]) -> str:
    """``retrain.budget = 12 and retrain.on_drift = false``."""
    return say.listing([f"{key} = {_plain(value)}" for key, value in chosen.items()], 12)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)


def state(found: Backtest) -> list[Any]:
    """How far a backtest has come, while it has no result."""
    if found.state == "failed":
        return [
            parts.panel(
                "This backtest failed",
                html.P(found.error),
                sub=f"Asked for by {found.author}, {say.clock(found.created_at)}.",
            )
        ]
    done, of = found.progress.get("done", 0), found.progress.get("of", 0)
    share = done / of if of else 0.0
    title = "Waiting for its turn" if found.state == "queued" else f"Replaying {found.name}: {say.percent(share, 0)}"
    bar = html.Div(
        html.Div(className="progress-done", style={"width": f"{100 * share:.1f}%"}),
        className="progress-track",
        role="progressbar",
        **{"aria-valuenow": str(round(100 * share)), "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": title},
    )
    return [
        parts.panel(
            title,
            bar,
            html.P(found.progress.get("what", "The stored rows are being read."), className="muted small"),
            sub="It runs on the server and is kept there: leave this page and come back whenever you like.",
            tools=parts.action("Stop it", "remove_backtest", found.name, found.id),
        )
    ]


def result(owner: Monitor, found: Backtest) -> list[Any]:
    """The frontier, the table, a timeline a policy, and what each of them did."""
    metric = found.result["metric"]
    runs = [_run(item) for item in found.result["runs"]]
    best = found.result["frontier"]
    colours = theme.palette(look().dark)
    label = say.metric_label(metric)
    figure = charts.frontier(runs, best, label, say.is_percent(metric), colours)
    at = np.array([item["at"] or 0 for item in found.result["batches"]], dtype=np.int64)
    place = charts.axis(at, mode="auto" if at.all() else "count")
    lines = charts.replays(runs, place, label, say.is_percent(metric), colours, look().narrow)
    told = _frontier_words(runs, best, metric)
    over = say.count(len(found.result["batches"]), "batch", "batches")
    first = say.count(found.result["rows"], "row")
    trained = sum(run.trainings for run in runs)
    return [
        html.Div(
            [
                parts.panel(
                    "What each would have brought", _table(owner, found, runs), flush=True,
                    sub="Every batch is predicted before anything is learned from it.",
                ),
                parts.panel(
                    told,
                    parts.chart("frontier", figure, told),
                    sub=f"{label} over {over} after a first training on {first}. Filled: no other reaches as much with "
                    "as few trainings. Round: the program's own decisions; square: fixed rules.",
                ),
            ],
            className="grid-wide",
        ),
        parts.panel(
            f"{say.count(trained, 'training')} in {say.count(len(runs), 'replay')}",
            parts.chart("replays", lines, f"{label} batch by batch under each policy"),
            sub=f"{label} of each{_smoothing(len(at))}; in grey that of the first for comparison. "
            "Ticks: trainings, stars: another model took over.",
        ),
        parts.panel("What they did", html.Div([_told(found, run, item) for run, item in _pairs(runs, found)],
                    className="stack-small")),
    ]  # fmt: skip


def _smoothing(batches: int) -> str:
    return f", as a running mean over {max(3, batches // 20)} batches" if batches >= charts.SMOOTH else ""


def _pairs(runs: list[charts.Run], found: Backtest) -> list[tuple[charts.Run, dict[str, Any]]]:
    return list(zip(runs, found.result["runs"], strict=True))


def _run(item: dict[str, Any]) -> charts.Run:
    values = np.array([np.nan if value is None else value for value in item["values"]], dtype=float)
    mean = item["summary"]["mean"]
    return charts.Run(
        name=item["label"],
        trainings=int(item["summary"]["retrains"]),
        mean=np.nan if mean is None else float(mean),
        own=item["policy"] == "auto",
        values=values,
        trained=tuple(line["batch"] - 1 for line in item["told"] if line.get("trained")),
        promoted=tuple(line["batch"] - 1 for line in item["told"] if line["decision"] == "promote"),
    )


def _frontier_words(runs: list[charts.Run], best: list[int], metric: str) -> str:
    """What the frontier says: how much the most accurate bought over the one with the fewest trainings."""
    if not best:
        return "Nothing could be measured"
    fewest, most = runs[best[0]], runs[best[-1]]
    if fewest is most:
        return f"No policy beats “{say.cut(most.name, 60)}”"
    gain = say.metric_change(metric, most.mean - fewest.mean)
    return f"{say.count(most.trainings - fewest.trainings, 'training')} more buy {gain}"


def headline(found: Backtest) -> tuple[str, str]:
    """The finding as a title and a sentence."""
    runs, metric = [_run(item) for item in found.result["runs"]], found.result["metric"]
    top, own = _first(found, runs), _first(found, runs, own=True)
    if top is None:
        return "Nothing could be measured", "No batch of this history has labels."
    title = f"Best of {len(runs)}: “{say.cut(runs[top].name, 50)}” reaches {_reached(runs[top], metric)}"
    current = next((k for k, item in enumerate(found.result["runs"]) if _as_it_is(item)), None)
    if current is None:
        best = f"The best settings are “{runs[own].name}”: {_reached(runs[own], metric)}." if own is not None else ""
        return title, f"The settings in force were not among them. {best}".strip()
    now = f"The settings in force reach {_reached(runs[current], metric)}"
    if own in (None, current):
        return title, f"{now}; of the settings tried none is better."
    return title, f"{now}. The best settings are “{runs[own].name}”: {_reached(runs[own], metric)}."


def _reached(run: charts.Run, metric: str) -> str:
    return f"{say.metric_value(metric, run.mean)} with {say.count(run.trainings, 'training')}"


def _first(found: Backtest, runs: list[charts.Run], own: bool = False) -> int | None:
    """The run with the best metric; of those that reach the same, the one with the fewest trainings."""
    sign = 1 if found.result["higher"] else -1
    known = [at for at, run in enumerate(runs) if np.isfinite(run.mean) and (run.own or not own)]
    return max(known, key=lambda at: (round(sign * runs[at].mean, 4), -runs[at].trainings, -at), default=None)


def _as_it_is(item: dict[str, Any]) -> bool:
    return item["policy"] == "auto" and not item["settings"]


def _table(owner: Monitor, found: Backtest, runs: list[charts.Run]) -> Any:
    metric = found.result["metric"]
    columns = [
        parts.Column("Policy", wide=True), parts.Column(say.metric_label(metric), right=True),
        parts.Column("Last quarter", right=True, hide=True), parts.Column("Trainings", right=True),
        parts.Column("Promoted", right=True, hide=True), parts.Column(""),
    ]  # fmt: skip
    sign = 1 if found.result["higher"] else -1
    best = _first(found, runs, own=True)
    order = sorted(
        range(len(runs)),
        key=lambda k: (-round(sign * runs[k].mean, 4) if np.isfinite(runs[k].mean) else np.inf, runs[k].trainings),
    )
    rows, lines = [], []
    for at in order:
        item, chosen = found.result["runs"][at], assignments(found, at)
        summary = item["summary"]
        rows.append(
            [
                [html.Span(str(at + 1), className="run-number"), " ", item["label"],
                 html.Div(words(chosen), className="muted small") if chosen else None],
                _value(metric, summary["mean"]), _value(metric, summary["last_quarter"]),
                [f"{summary['retrains']:,}", html.Div(say.seconds(summary["train_seconds"]), className="muted small")],
                f"{summary['promotions']:,}",
                parts.action("Use", "use_settings", owner.name, f"{found.id}:{at}") if chosen else None,
            ]
        )  # fmt: skip
        lines.append("strong" if at == best else "")
    return parts.table(columns, rows, "Policies, best first", lines)


def _value(metric: str, value: float | None) -> str:
    return "–" if value is None else say.metric_value(metric, value)


def _told(found: Backtest, run: charts.Run, item: dict[str, Any]) -> html.Details:
    """Every training of one run with its reason."""
    names = {one["batch"]: one for one in found.result["batches"]}
    columns = [
        parts.Column("Batch"), parts.Column("Decision"), parts.Column("Why", wide=True),
        parts.Column("Predicts next", hide=True),
    ]  # fmt: skip
    rows = [
        [
            _batch(found, names[line["batch"]]),
            parts.badge(say.ACTIONS.get(line["decision"], say.ACTIONS["train"])),
            line["reason"] or say.TRIGGERS.get(line["trigger"], line["trigger"]),
            f"v{line['version']}, {line['trained_on']['window']}",
        ]
        for line in item["told"][:200]
    ]
    more = f", the first 200 of {len(item['told']):,}" if len(item["told"]) > 200 else ""
    body = (
        parts.table(columns, rows, f"What “{run.name}” did")
        if rows
        else parts.quiet("It never did anything but predict.")
    )
    return html.Details([html.Summary(f"{run.name}: {say.count(run.trainings, 'training')}{more}"), body])


def _batch(found: Backtest, one: dict[str, Any]) -> Any:
    text = say.cut(one["name"], 30)
    if one["id"] is None or found.monitor_id is None:
        return text
    return parts.link(text, f"{scope.base(found.name)}/batches/{one['id']}") if not found.options.get("file") else text


def earlier(owner: Monitor, known: list[Backtest], shown: int | None) -> Any:
    """The backtests that are kept, newest first."""
    columns = [
        parts.Column("Backtest"), parts.Column("State"), parts.Column("Found", wide=True),
        parts.Column("Asked for", hide=True), parts.Column(""),
    ]  # fmt: skip
    tone = {"queued": "few", "running": "busy", "done": "ok", "failed": "bad"}
    rows = []
    for item in known[:20]:
        about = headline(item)[0] if item.state == "done" else item.error or item.progress.get("what", "")
        link = parts.link(f"#{item.id}", f"{scope.base(owner)}/backtest?run={item.id}")
        over = item.name if item.options.get("file") else _over(item)
        rows.append(
            [
                [link, html.Div(say.cut(over, 40), className="muted small")],
                parts.badge(say.Word(item.state.capitalize(), tone[item.state])),
                about,
                [say.clock(item.created_at), html.Div(item.author, className="muted small")],
                html.Div(parts.action("Remove", "remove_backtest", owner.name, item.id), className="cell-actions"),
            ]
        )
    lines = ["chosen" if item.id == shown else "" for item in known[:20]]
    return parts.panel(
        say.count(len(known), "backtest"), parts.table(columns, rows, "Backtests, newest first", lines, cards=True),
        flush=True,
    )  # fmt: skip


def _over(item: Backtest) -> str:
    last = item.options.get("last")
    return f"the newest {last:,} batches" if last else "the whole history"
