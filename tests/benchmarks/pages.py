"""Pages over a long history: ``make bench ARGS="pages --batches 10000 --features 200 --versions 50"``.

A store of that size is made through storage's door in some three minutes, and kept in the temporary folder (1.4 GB) for
the next run. Its profiles and reports are real, but of a few dozen generated batches that are filed again and again;
days and weeks are merged from all of them; only the newest batches have rows, and every version has the first one's
model. Each page is opened in Chromium, with scripts in its cache, until its charts stand and nothing is asked of the
server any more; filters, cells and signs are pressed until what they change is drawn.
"""

from __future__ import annotations

import argparse
import io
import itertools
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from pipeline import drift, models, retrain
from pipeline.performance import segments
from pipeline.profile import profile
from pipeline.service import Service
from storage import history
from storage.records import Batch, Decision, Event, Metric, Performance, Training
from storage.settings import Settings
from storage.store import Judged
from storage.tables import to_texts
from tests.browser import chrome

HOUR = 3_600_000_000
START = 1_735_689_600_000_000  # 1 January 2025
KINDS = 24  # batches that are really counted and scored
ROWS = 500
WHOLE = 20  # newest batches that have rows, so that versions can be compared on them
COUNT = """(() => {
    window.asking = 0;
    const ask = window.fetch;
    window.fetch = (...all) => {
        const counts = String(all[0].url || all[0]).includes('_dash-');
        window.asking += counts;
        return ask(...all).finally(() => { window.asking -= counts; });
    };
})()"""  # what was asked of the server and not answered yet
READY = (
    "() => document.querySelector('h1') && !document.querySelector('.skeleton') && window.asking === 0"
    " && [...document.querySelectorAll('.chart')].every(box => box.querySelector('.main-svg'))"
)
WATCH = """id => {
    const plot = document.getElementById(id).querySelector('.js-plotly-plot');
    plot.old = true;
    window.drawn = false;
    plot.once('plotly_afterplot', () => { window.drawn = true; });
}"""
DRAWN = """id => {
    const plot = (document.getElementById(id) || document.body).querySelector('.js-plotly-plot');
    return window.drawn || (plot && !plot.old && plot.querySelector('.main-svg'));
}"""  # anew in its place, or a new one
LIMITS = {"open": 1500.0, "press": 300.0}  # milliseconds, median
PAYLOAD = 1_000_000  # bytes of a page's own answers


def table(features: int, rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    """Normal columns, a tenth of them moved by ``shift``, and a target that follows the first."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, features))
    values[:, : max(1, features // 10)] += shift
    columns = {f"feature {at:03d}": values[:, at].round(4) for at in range(features)}
    return pa.table({**columns, "answer": np.where(values[:, 0] + rng.normal(size=rows) > 0, "yes", "no")})


@dataclass(frozen=True)
class Kind:
    """A batch that is filed again and again."""

    rows: pa.Table  # with the target
    parts: dict[str, bytes]
    report: Any
    said: models.Predictions


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
        rows = table(features, ROWS, seed + 1, shift=0.6 * (seed >= KINDS - 6))
        plain = rows.drop_columns(["answer"])
        seen = profile(plain, grid)
        said = models.predict(service.desk.model(champion := monitor.champion), plain)
        kinds.append(Kind(rows, seen.parts(), drift.score(reference, seen, Settings()), said))
    settings = history.settings_row(service.db, monitor.id).id
    champion, number = monitor.champion, itertools.count(2)
    with store.hurried():
        for at in range(batches):
            champion = _file(store, monitor, champion, settings, at, kinds, whole=at >= batches - WHOLE)
            if versions > 1 and at % max(1, batches // versions) == batches // versions - 1:
                champion = _promote(store, service, monitor, champion, next(number), at)
            if at % 500 == 499:
                print(f"{at + 1} batches stored", file=sys.stderr)
    began = time.perf_counter()
    while service.merge_periods():
        pass
    print(f"days and weeks merged in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    service.close()


def _file(store: Any, monitor: Any, champion: int, settings: int, at: int, kinds: list[Kind], whole: bool) -> int:
    """One batch, from its arrival to its decision."""
    moment = START + at * HOUR
    trouble = at % 1000 >= 900
    kind = kinds[KINDS - 1 - at % 6 if trouble else at % (KINDS - 6)]
    batch = Batch(
        id=0, monitor_id=monitor.id, kind="rows", name=f"hour-{at}.csv", sha256=f"{at:064x}", size=1, source="bench",
        state="received", attempts=0, reason="", warnings=(), rows=ROWS, labelled=ROWS, starts_at=moment,
        ends_at=moment + HOUR - 1, version_id=champion, learnable=True, received_at=moment, done_at=None,
    )  # fmt: skip
    event = Event(0, monitor.id, None, "info", "received", f"{batch.name} arrived.", {}, "bench", moment)
    number, _ = store.receive(batch, event)
    batch = replace(batch, id=number, state="validated")
    predictions: Any = ()
    if whole:
        labels = kind.rows.column("answer").to_pylist()
        texts = to_texts(kind.rows.drop_columns(["answer"]))
        keys = (f"{at}-{row}" for row in range(ROWS))
        rows = zip(keys, texts, labels, strict=True)
        store.validated(batch, ({"key": key, "data": text, "label": label} for key, text, label in rows))
        predictions = [(value, None) for value in kind.said.values.tolist()]
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
    lost = 1 - right
    few = {"words": [f"part {part}" for part in range(5)], "sums": [[100.0, 100 * lost, 100 * lost]] * 5}
    names = kind.rows.column_names[: min(segments.MOST_FEATURES, kind.rows.num_columns - 1)]
    of = dict.fromkeys(names, few)
    parts = {"metric": "accuracy", "all": [ROWS, ROWS * lost, ROWS * lost], "of": of}
    measured = Performance(0, number, champion, "measured", metrics, "accuracy", ROWS, ROWS, details, moment)
    store.scored(batch, kind.parts, kind.report, predictions, champion, settings, moment)
    decision = Decision(
        0, monitor.id, number, "keep", "none", "Nothing to do.", {}, champion, None, settings, "bench", moment
    )
    health = ("healthy", "All is well.")
    store.decided(replace(batch, state="decided"), decision, [measured], [], health, [], None, {number: parts})
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


BASE = "/m/long"
PAGES = {
    "overview": "/", "summary": BASE, "drift": f"{BASE}/drift", "drift, all": f"{BASE}/drift?range=all",
    "drift, weeks": f"{BASE}/drift?range=all&steps=week", "drift, every feature": f"{BASE}/drift?range=all&rows=all",
    "feature": f"{BASE}/features/feature%20000", "feature, all": f"{BASE}/features/feature%20000?range=all",
    "performance": f"{BASE}/performance", "performance, all": f"{BASE}/performance?range=all",
    "models": f"{BASE}/models", "compare": f"{BASE}/models/compare?a=v1&b=v2", "batch": f"{BASE}/batches/{{newest}}",
    "upload": f"{BASE}/upload", "backtest": f"{BASE}/backtest", "events": f"{BASE}/events",
    "settings": f"{BASE}/settings", "health": "/health", "new": "/new",
}  # fmt: skip
PRESSES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (  # page, chart that is drawn, key, values
    ("drift?range=365", "drift", "sort", ("worst", "name", "matters")),
    ("drift?range=365", "drift", "range", ("all", "120")),
    ("drift?range=365", "drift", "steps", ("week", "day", "batch")),
    ("performance", "performance", "range", ("all", "120")),
    ("performance", "performance", "metric", ("f1", "roc_auc", "accuracy")),
    ("features/feature%20000", "history", "range", ("all", "120")),
    ("features/feature%20000", "distribution", "vs", ("previous", "reference")),
)


@dataclass(frozen=True)
class Found:
    """A figure: the median of some milliseconds, and the largest payload in bytes."""

    name: str
    kind: str
    took: float
    sent: int


def measure(url: str, times: int, newest: int, only: str) -> list[Found]:
    """Every page and press whose name holds a pattern."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = chrome.launch(driver)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        page.add_init_script(COUNT)
        answers: list[int] = []
        page.on("response", lambda answer: answers.append(_size(answer)))
        found = [
            _open(page, name, url + path.format(newest=newest), times, answers)
            for name, path in PAGES.items()
            if re.search(only, name)
        ]
        for path, chart, key, values in PRESSES:
            name = f"{path.split('/')[0].split('?')[0].removesuffix('s')}: {key}"
            if re.search(only, name):
                found.append(_press(page, name, f"{url}{BASE}/{path}", chart, key, values, times))
        if re.search(only, "drift: a cell"):
            found.append(_cells(page, f"{url}{BASE}/drift", times))
        browser.close()
    return found


def _open(page: Any, name: str, url: str, times: int, answers: list[int]) -> Found:
    """A page, from the address to its charts."""
    took, sent = [], []
    for at in range(times + 1):
        answers.clear()
        began = time.perf_counter()
        page.goto(url)
        page.wait_for_function(READY)
        if at:  # the first fills the browser's cache
            took.append(1000 * (time.perf_counter() - began))
            sent.append(sum(answers))
    return Found(name, "open", statistics.median(took), max(sent))


def _size(answer: Any) -> int:
    """What a page's own answers weigh (scripts are kept by the browser)."""
    return int(answer.headers.get("content-length", 0)) if "_dash-update-component" in answer.url else 0


def _press(page: Any, name: str, url: str, chart: str, key: str, values: tuple[str, ...], times: int) -> Found:
    """A filter, from the click until the chart is drawn anew."""
    page.goto(url)
    page.wait_for_function(READY)
    graph = f'{{"index":"{chart}","type":"graph"}}'
    took = []
    for value, _ in zip(itertools.cycle(values), range(times), strict=False):
        button = page.locator(f'button[id*=\'"value":"{value}"\'][id*=\'"key":"{key}"\']')
        if button.get_attribute("aria-pressed") == "true":
            continue
        page.evaluate(WATCH, graph)
        began = time.perf_counter()
        button.click()
        page.wait_for_function(DRAWN, arg=graph)
        page.wait_for_function("() => window.asking === 0")
        took.append(1000 * (time.perf_counter() - began))
        page.wait_for_function(READY)
    return Found(name, "press", statistics.median(took), 0)


def _cells(page: Any, url: str, times: int) -> Found:
    """A cell of the heatmap, until it is told beside it."""
    page.goto(url)
    page.wait_for_function(READY)
    trace = "document.querySelector('.chart-heat .js-plotly-plot')._fullData.find(t => t.type === 'heatmap')"
    batches = [key for key in page.evaluate(f"() => {trace}.meta.batches") if key]
    took = []
    for at in range(times):
        batch = batches[-1 - at % 20]
        began = time.perf_counter()
        page.evaluate(
            "key => dash_clientside.set_props('cell', {data: {feature: 'feature 001', batch: key, at: Date.now()}})",
            batch,
        )
        page.wait_for_function(
            "key => new RegExp(`#${key}(?![0-9])`).test(document.querySelector('#drift-side').textContent)"
            " && document.querySelector('#drift-side .main-svg')",
            arg=batch,
        )
        took.append(1000 * (time.perf_counter() - began))
    return Found("drift: a cell", "press", statistics.median(took), 0)


def main(arguments: list[str]) -> int:
    """Build, measure, print; 1 when a median is over its limit."""
    parser = argparse.ArgumentParser(prog="pages", description=__doc__)
    parser.add_argument("--batches", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--versions", type=int, default=50)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="a folder to make the store in, or to find it in")
    parser.add_argument("--only", default="", help="a regular expression: pages and presses whose name it finds")
    options = parser.parse_args(arguments)
    if not chrome.path():
        print("pages: no Chromium, nothing measured", file=sys.stderr)
        return 0
    import waitress

    from dashboard.app import create_app
    from dashboard.server import warm

    size = f"{options.batches}-{options.features}-{options.versions}"
    folder = options.keep or Path(tempfile.gettempdir()) / f"drift-pages-{size}"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        build(folder, options.batches, options.features, options.versions)
        (folder / "made").touch()
    service = Service(folder)
    retrain.prepare()  # as the program does when it starts
    newest = history.batches(service.db, service.the_monitor("long").id, last=1)[0].id
    app = create_app(service)
    warm(app)
    server = waitress.create_server(app.server, host="127.0.0.1", port=0, threads=8)
    threading.Thread(target=server.run, daemon=True).start()
    url = f"http://127.0.0.1:{server.effective_port}"
    found = measure(url, options.times, newest, options.only)
    server.close()
    service.close()
    late = False
    for one in found:
        over = one.took > LIMITS[one.kind] or one.sent > PAYLOAD
        late |= over
        weight = f"  {one.sent / 1000:8,.0f} kB" if one.kind == "open" else ""
        print(
            f"{one.name:22} {one.kind:6} {one.took:7.0f} ms of {LIMITS[one.kind]:.0f}{weight}{'  OVER' if over else ''}"
        )
    return int(late)
