"""``/health``: whether the program itself is well."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from platform import python_version
from typing import Any

import dash
from dash import Input, Output, callback, html

from dashboard import parts, say, service
from dashboard.guard import guarded
from dashboard.panels import ledger, promises
from dashboard.web.api import silent
from storage import history
from storage.records import Job

dash.register_page(__name__, path="/health", title="Health - Drift Detector", order=111)
LIBRARIES = ("dash", "plotly", "scikit-learn", "pandas", "numpy", "pyarrow", "sqlite-utils", "APScheduler", "skops")


@guarded("health")
def layout(**_: Any) -> html.Div:
    """The page."""
    return parts.page(
        history.monitors(service().db), None, "health", html.Div(_body(), id="health-body", className="stack")
    )


def _body() -> list[Any]:
    serving = service()
    jobs = history.jobs(serving.db)
    failing = [job for job in jobs if job.failures]
    quiet = silent()
    if quiet:
        word, title = say.Word("Silent", "bad"), "The scheduled jobs are silent"
    elif failing:
        word, title = (
            say.Word("Failing", "warn"),
            f"{say.listing([job.name for job in failing])} {'fails' if len(failing) == 1 else 'fail'}",
        )
    else:
        word, title = say.Word("Well", "ok"), "The program is well"
    return [
        parts.heading(title, parts.badge(word)),
        html.Div(
            [
                parts.panel("Now", _now()),
                parts.panel(
                    "Versions",
                    parts.facts(("Python", python_version()), *((name, version(name)) for name in LIBRARIES)),
                ),
            ],
            className="grid-2",
        ),
        parts.panel("Jobs", _jobs(jobs), flush=True),
        *promises.panels(),
        parts.panel(
            "The last errors", ledger.lines(history.events(serving.db, level="error", last=15), None), flush=True
        ),
    ]


def _now() -> Any:
    serving = service()
    now = serving.desk.now()
    beat = serving.heartbeat()
    waiting = history.unfinished(serving.db)
    trainings = [
        item
        for monitor in history.monitors(serving.db)
        for item in history.trainings(serving.db, monitor.id, open_only=True)
    ]
    folder = serving.desk.folder
    disk = shutil.disk_usage(folder)
    database = sum(path.stat().st_size for path in folder.glob("drift.db*"))
    return parts.facts(
        ("Last heartbeat", say.ago(beat["last_tick"], now) if beat["last_tick"] else "no job has run in this process"),
        ("Running now", promises.running(list(beat["running"]), serving.stuck())),
        ("Batches on their way", f"{len(waiting):,}"),
        ("Trainings open", f"{len(trainings):,}"),
        ("Backtests open", f"{len(history.backtests(serving.db, open_only=True)):,}"),
        ("Quarantined", f"{len(history.quarantined(serving.db)):,}"),
        ("Database", say.size(database)),
        ("Free on the disk", f"{say.size(disk.free)} of {say.size(disk.total)}"),
        ("Data folder", str(folder)),
        ("Changes written", f"{history.change_number(serving.db):,}"),
    )


def _state(job: Job) -> say.Word:
    return say.Word(f"Failed {say.count(job.failures, 'time')}", "bad") if job.failures else say.Word("Well", "ok")


def _jobs(jobs: list[Any]) -> Any:
    if not jobs:
        return parts.quiet("No job has run yet.")
    now = service().desk.now()
    columns = [
        parts.Column("Job"),
        parts.Column("State"),
        parts.Column("Last run"),
        parts.Column("Last success"),
        parts.Column("Next"),
        parts.Column("Error", wide=True),
    ]
    rows = [
        [
            job.name,
            parts.badge(_state(job)),
            html.Span(say.ago(job.last_run, now), className="nowrap"),
            html.Span(say.ago(job.last_ok, now), className="nowrap"),
            html.Span(say.clock(job.next_run) if job.next_run else "–", className="nowrap"), job.error or "–",
        ]
        for job in jobs
    ]  # fmt: skip
    return parts.table(columns, rows, "Scheduled jobs")


@callback(Output("health-body", "children"), Input("pulse", "n_intervals"), prevent_initial_call=True)
def refresh(_: int) -> Any:
    """Heartbeats are not changes of the history, so this page asks at every pulse."""
    return _body()
