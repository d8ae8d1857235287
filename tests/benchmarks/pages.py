"""Pages over a long history: ``make bench ARGS="pages --batches 10000 --features 200 --versions 50"``.

A store of that size is made through storage's door: real profiles and reports of a few dozen batches, filed again and
again. Each page is opened in Chromium until its charts stand, and filters and cells are pressed until they are drawn.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from pipeline import drift
from pipeline.profile import profile
from pipeline.service import Service
from storage import history
from storage.records import Batch, Decision, Event, Metric, Performance, Training
from storage.settings import Settings
from storage.store import Judged

HOUR = 3_600_000_000
START = 1_735_689_600_000_000  # 1 January 2025
KINDS = 24  # batches that are really counted and scored
ROWS = 500
CHARTS = (
    "() => document.querySelector('h1') && [...document.querySelectorAll('.chart')]"
    ".every(box => box.querySelector('.main-svg'))"
)
LIMITS = {"open": 1500.0, "press": 300.0}  # milliseconds, median


def table(features: int, rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    """Normal columns, a tenth of them moved by ``shift``, and a target that follows the first."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, features))
    values[:, : max(1, features // 10)] += shift
    columns = {f"feature {at:03d}": values[:, at].round(4) for at in range(features)}
    return pa.table({**columns, "answer": np.where(values[:, 0] + rng.normal(size=rows) > 0, "yes", "no")})


def build(folder: Path, batches: int, features: int, versions: int) -> None:
    """The store."""
    service = Service(folder)
    store = service.store
    sink = io.BytesIO()
    pc.write_csv(table(features, 2000, 0), sink)
    service.init("long", "reference.csv", sink.getvalue(), "answer", estimator="linear")
    monitor = service.the_monitor("long")
    grid, reference = service.desk.grid(monitor.grid), service.desk.reference(monitor.champion)
    kinds = []
    for seed in range(KINDS):
        rows = table(features, ROWS, seed + 1, shift=0.6 * (seed >= KINDS - 6)).drop_columns(["answer"])
        seen = profile(rows, grid)
        kinds.append((seen.parts(), drift.score(reference, seen, Settings())))
    settings = history.settings_row(service.db, monitor.id).id
    champion, number = monitor.champion, itertools.count(2)
    with store.hurried():
        for at in range(batches):
            champion = _file(store, service, monitor, champion, settings, at, kinds)
            if versions > 1 and at % max(1, batches // versions) == batches // versions - 1:
                champion = _promote(store, service, monitor, champion, next(number), at)
            if at % 500 == 499:
                print(f"{at + 1} batches stored", file=sys.stderr)
    began = time.perf_counter()
    while service.merge_periods():
        pass
    print(f"days and weeks merged in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    service.close()


def _file(store: Any, service: Service, monitor: Any, champion: int, settings: int, at: int, kinds: list) -> int:
    """One batch, from its arrival to its decision."""
    moment = START + at * HOUR
    trouble = at % 1000 >= 900
    parts, report = kinds[KINDS - 1 - at % 6 if trouble else at % (KINDS - 6)]
    batch = Batch(
        id=0, monitor_id=monitor.id, kind="rows", name=f"hour-{at}.csv", sha256=f"{at:064x}", size=1, source="bench",
        state="received", attempts=0, reason="", warnings=(), rows=ROWS, labelled=ROWS, starts_at=moment,
        ends_at=moment + HOUR - 1, version_id=champion, learnable=True, received_at=moment, done_at=None,
    )  # fmt: skip
    event = Event(0, monitor.id, None, "info", "received", f"{batch.name} arrived.", {}, "bench", moment)
    number, _ = store.receive(batch, event)
    batch = replace(batch, id=number, state="validated")
    right = 0.86 - 0.1 * trouble + 0.01 * np.sin(at / 50)
    metrics = {
        name: Metric(right - off, right - off - 0.03, right - off + 0.03, ROWS)
        for name, off in (("accuracy", 0.0), ("balanced_accuracy", 0.01), ("f1", 0.03), ("roc_auc", -0.05))
    }
    hits = int(ROWS * right / 2)
    miss = ROWS // 2 - hits
    details = {
        "confusion": [[hits, miss], [miss, hits]],
        "classes": ["no", "yes"],
        "calibration": [[share, share - 0.02, 50] for share in (0.55, 0.65, 0.75, 0.85, 0.95)],
    }
    measured = Performance(0, number, champion, "measured", metrics, "accuracy", ROWS, ROWS, details, moment)
    store.scored(batch, parts, report, [], champion, settings, moment)
    decision = Decision(
        0, monitor.id, number, "keep", "none", "Nothing to do.", {}, champion, None, settings, "bench", moment
    )
    store.decided(replace(batch, state="decided"), decision, [measured], [], ("healthy", "All is well."), [], None)
    store.finished(number, moment)
    return champion


def _promote(store: Any, service: Service, monitor: Any, champion: int, number: int, at: int) -> int:
    """A new version that wins."""
    moment = START + at * HOUR
    old = history.version(service.db, champion)
    new = replace(old, id=0, number=number, parent_id=champion, state="candidate", recipe="all history",
                  reason="Better on the newest rows.", created_at=moment)  # fmt: skip
    rows, parts = history.reference_parts(service.db, champion)
    training = Training(0, monitor.id, None, "queued", "drift", "bench", 0, {}, moment, None, None)
    decision = Decision(0, monitor.id, None, "promote", "drift", new.reason, {}, champion, None, old.settings_id,
                        "bench", moment)  # fmt: skip
    event = Event(0, monitor.id, None, "info", "promote", f"v{number} is the champion.", {}, "bench", moment)
    judged = Judged("promote", version=new, reference=(rows, parts))
    return store.judged(training, decision, ("healthy", "All is well."), [event], judged)


def measure(url: str, times: int, executable: str) -> list[tuple[str, str, float, int]]:
    """(what, kind, median milliseconds, largest payload in bytes) of every page and press."""
    from playwright.sync_api import sync_playwright

    base = "/m/long"
    pages = {
        "overview": "/", "summary": base, "drift": f"{base}/drift", "drift, all": f"{base}/drift?range=all",
        "drift, weeks": f"{base}/drift?range=all&steps=week", "drift, 200 rows": f"{base}/drift?range=all&rows=all",
        "feature": f"{base}/features/feature%20000", "feature, all": f"{base}/features/feature%20000?range=all",
        "performance": f"{base}/performance", "performance, all": f"{base}/performance?range=all",
        "models": f"{base}/models", "events": f"{base}/events", "settings": f"{base}/settings",
        "health": "/health",
    }  # fmt: skip
    found = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        for name, path in pages.items():
            took, sent = [], []
            for _ in range(times):
                answers: list[int] = []
                page.remove_listener("response", page.counted) if hasattr(page, "counted") else None
                page.counted = lambda answer, answers=answers: answers.append(_size(answer))
                page.on("response", page.counted)
                began = time.perf_counter()
                page.goto(url + path)
                page.wait_for_function(CHARTS)
                took.append(1000 * (time.perf_counter() - began))
                sent.append(sum(answers))
            found.append((name, "open", statistics.median(took), max(sent)))
        found += _presses(page, url + base, times)
        browser.close()
    return found


def _size(answer: Any) -> int:
    """What a page's own answers weigh (scripts are kept by the browser)."""
    return int(answer.headers.get("content-length", 0)) if "_dash-update-component" in answer.url else 0


def _presses(page: Any, base: str, times: int) -> list[tuple[str, str, float, int]]:
    """Filters and cells of the drift page, until the chart or the panel stands."""
    page.goto(f"{base}/drift?range=365")
    page.wait_for_function(CHARTS)
    drawn = "() => document.querySelector('.chart-heat .js-plotly-plot').drawn"
    page.evaluate("() => { const p = document.querySelector('.chart-heat .js-plotly-plot'); p.drawn = 0;"
                  " p.on('plotly_afterplot', () => { p.drawn += 1; }); }")  # fmt: skip
    found = []
    for key, values in (
        ("sort", ("worst", "name", "matters")),
        ("range", ("all", "120")),
        ("steps", ("week", "day", "batch")),
    ):
        took = []
        for value, _ in zip(itertools.cycle(values), range(times), strict=False):
            button = page.locator(f'#drift-controls button[id*=\'"value":"{value}"\'][id*=\'"key":"{key}"\']')
            if button.get_attribute("aria-pressed") == "true":
                continue
            before = page.evaluate(drawn)
            began = time.perf_counter()
            button.click()
            page.wait_for_function(f"before => ({drawn})() > before", arg=before)
            took.append(1000 * (time.perf_counter() - began))
        found.append((f"drift: {key}", "press", statistics.median(took), 0))
    page.goto(f"{base}/drift?range=120")  # a column a batch, whatever was pressed last
    page.wait_for_function(CHARTS)
    took = []
    for at in range(times):
        batch = history_ids(page)[-1 - at % 20]
        began = time.perf_counter()
        page.evaluate(
            "key => dash_clientside.set_props('cell', {data: {feature: 'feature 001', batch: key, at: Date.now()}})",
            batch,
        )
        page.wait_for_function(
            "key => new RegExp(`#${key}(?![0-9])`).test(document.querySelector('#drift-side').textContent)", arg=batch
        )
        took.append(1000 * (time.perf_counter() - began))
    return [*found, ("drift: a cell", "press", statistics.median(took), 0)]


def history_ids(page: Any) -> list[str]:
    """The columns of the heatmap."""
    trace = "document.querySelector('.chart-heat .js-plotly-plot')._fullData.find(t => t.type === 'heatmap')"
    return [key for key in page.evaluate(f"() => {trace}.meta.batches") if key]


def main(arguments: list[str]) -> int:
    """Build, measure, print; 1 when a median is over its limit."""
    parser = argparse.ArgumentParser(prog="pages", description=__doc__)
    parser.add_argument("--batches", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--versions", type=int, default=50)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="a folder to make the store in, or to find it in")
    options = parser.parse_args(arguments)
    executable = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), "")
    if not executable:
        print("pages: no Chromium, nothing measured", file=sys.stderr)
        return 0
    import waitress

    from dashboard.app import create_app

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "data"
        if not (folder / "drift.db").exists():
            build(folder, options.batches, options.features, options.versions)
        service = Service(folder)
        server = waitress.create_server(create_app(service).server, host="127.0.0.1", port=0, threads=8)
        threading.Thread(target=server.run, daemon=True).start()
        found = measure(f"http://127.0.0.1:{server.effective_port}", options.times, executable)
        server.close()
        service.close()
    late = False
    for name, kind, took, sent in found:
        over = took > LIMITS[kind] or sent > 1_000_000
        late |= over
        weight = f"  {sent / 1000:8,.0f} kB" if kind == "open" else ""
        print(f"{name:22} {kind:6} {took:7.0f} ms of {LIMITS[kind]:.0f}{weight}{'  OVER' if over else ''}")
    return int(late)
