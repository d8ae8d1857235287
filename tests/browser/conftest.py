"""The pages in a real browser, over a real service: a classification monitor with drift, names that try to break out,
a refused file and two versions; a regression monitor; a folder with a monitor that has no batch; an empty folder.

No job runs in the background: a test moves the work on itself, so nothing waits for a clock.
"""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest
import waitress

from pipeline.service import Service
from tests.browser import chrome

HOSTILE = "<script>alert(1)</script>"
NAMES = ("daily kcal", "a/b", "größe", "100%", "⚡ volt", HOSTILE, "$x$")
BATCHES, ROWS = 14, 150
FIRST_DRIFTED = 8
ROLES = {"id_column": "id", "time_column": "when"}
START = np.datetime64("2026-01-01")


def table(day: int, rows: int, *, shift: float = 0.0, turned: bool = False, labelled: bool = True) -> bytes:
    """One day of measurements as CSV; ``shift`` moves the kcal, ``turned`` makes the target follow another feature."""
    rng = np.random.default_rng(day + 1)
    kcal = rng.normal(2000 + 500 * shift, 500, rows)
    others = {name: rng.normal(10, 2, rows).round(3) for name in NAMES[1:]}
    city = rng.choice(["Bergen", "Oslo", "Tromsø"], rows)
    drive = others["a/b" if turned else "größe"] - 10
    answer = np.where(drive + rng.normal(0, 1.6, rows) > 0, "yes", "no")
    columns = {
        "id": [f"{day}-{at}" for at in range(rows)],
        "when": [str(START + day)] * rows,
        "daily kcal": kcal.round(1),
    }
    columns |= others | {"city": city}
    if labelled:
        columns["bought"] = answer
    return csv(columns)


def together(days: range) -> bytes:
    """Several days under one header."""
    first, *rest = [table(day, ROWS) for day in days]
    return first + b"".join(data.partition(b"\n")[2] for data in rest)


def prices(day: int, rows: int) -> bytes:
    """A table for regression."""
    rng = np.random.default_rng(1000 + day)
    area = rng.uniform(20, 200, rows)
    return csv(
        {
            "area": area.round(1),
            "floor": rng.integers(0, 9, rows),
            "price": (3 * area + rng.normal(0, 20, rows)).round(1),
        }
    )


def csv(columns: dict) -> bytes:
    """Columns as a CSV file."""
    sink = io.BytesIO()
    pc.write_csv(pa.table(columns), sink)
    return sink.getvalue()


@dataclass
class Site:
    """An application on an address."""

    url: str
    service: Service


@dataclass
class Seen:
    """What a page did that it should not."""

    errors: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


def serve(service: Service) -> tuple[Site, waitress.server.BaseWSGIServer]:
    from dashboard.app import create_app

    server = waitress.create_server(create_app(service).server, host="127.0.0.1", port=0, threads=6)
    threading.Thread(target=server.run, daemon=True).start()
    return Site(f"http://127.0.0.1:{server.effective_port}", service), server


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the two monitors and their history."""
    folder = tmp_path_factory.mktemp("seed") / "data"
    service = Service(folder)
    with service.store.hurried():
        quick = {"retrain.min_labelled": 100, "retrain.cooldown": 0, "retrain.tenure": 0}
        service.init("shop", "reference.csv", together(range(6)), "bought", estimator="linear", settings=quick, **ROLES)
        for day in range(6, 6 + BATCHES):
            drifted = day - 6 >= FIRST_DRIFTED
            service.ingest("shop", f"day-{day}.csv", table(day, ROWS, shift=1.2 * drifted, turned=drifted))
        service.ingest("shop", "broken.csv", b"id,when\n1,2026-02-01\n")
        service.init("prices", "prices.csv", prices(0, 400), "price", estimator="linear")
        for day in range(1, 4):
            service.ingest("prices", f"prices-{day}.csv", prices(day, 120))
    service.close()
    return folder


@pytest.fixture
def site(seed: Path, tmp_path: Path) -> Iterator[Site]:
    """An application of its own for a test that changes something."""
    yield from _site(seed, tmp_path)


@pytest.fixture(scope="session")
def shared(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One application for all tests that only look."""
    yield from _site(seed, tmp_path_factory.mktemp("shared"))


def _site(seed: Path, folder: Path) -> Iterator[Site]:
    shutil.copytree(seed, folder / "data")
    service = Service(folder / "data")
    site, server = serve(service)
    yield site
    server.close()
    service.close()


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An application whose only monitor has no batch yet."""
    service = Service(tmp_path_factory.mktemp("bare"))
    service.init(
        "fresh", "reference.csv", table(0, 300), "bought", id_column="id", time_column="when", estimator="linear"
    )
    site, server = serve(service)
    yield site
    server.close()
    service.close()


@pytest.fixture(scope="session")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An application without a monitor."""
    service = Service(tmp_path_factory.mktemp("nothing"))
    site, server = serve(service)
    yield site
    server.close()
    service.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """The system's Chromium, driven by Playwright."""
    if not chrome.path():
        pytest.skip("no Chromium: install it (sudo apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = chrome.launch(driver)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, request: pytest.FixtureRequest) -> Iterator:
    """``visit(width=1440, dark=False)`` gives a page; at the end of the test it must have done nothing wrong."""
    opened = []

    def new(width: int = 1440, height: int = 900, dark: bool = False, zone: str = "UTC"):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", timezone_id=zone
        )
        context.set_default_timeout(15_000)
        seen = Seen()
        page = context.new_page()
        page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("request", lambda request: _only_local(request.url, seen))
        page.on("requestfailed", lambda failed: _failed(failed, seen))
        page.on(
            "response",
            lambda answer: seen.failed.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
        )
        opened.append((context, seen))
        return page

    yield new
    for context, _ in opened:
        context.close()
    for _, seen in opened:
        assert seen.errors == []
        assert seen.failed == []
        assert seen.outside == []


def _only_local(url: str, seen: Seen) -> None:
    if not url.startswith(("http://127.0.0.1", "data:", "blob:")):
        seen.outside.append(url)


def _failed(request, seen: Seen) -> None:
    if request.failure != "net::ERR_ABORTED":  # the page went on before the answer came
        seen.failed.append(f"{request.failure} {request.url}")
