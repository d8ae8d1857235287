"""Hostile texts as names of everything: shown as they are on every page, in hovers, tables and menus; nothing runs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest

from pipeline.service import Service
from storage.errors import Refused
from tests.browser.conftest import Site, serve
from tests.browser.test_pages import open_page
from tests.hostile import HOSTILE

pytestmark = pytest.mark.browser
ROWS = 120
LOOK = """() => ({
    title: document.title, ran: window.pwned,
    inside: [...document.querySelectorAll('img, iframe, object, embed, main script, #toasts script')].map(e => e.outerHTML),
    links: [...document.querySelectorAll('[href], [src], [action]')].map(e => e.getAttribute('href') || e.getAttribute('src') || '')
        .concat([...document.querySelectorAll('svg a')].map(e => e.getAttribute('xlink:href') || ''))
        .filter(to => /^\\s*(javascript|data:text|vbscript)/i.test(to)),
    handlers: [...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name) && /pwned|alert/.test(a.value))).length,
})"""  # noqa: E501
OPEN_ALL = """() => {
    document.querySelectorAll('details').forEach(one => { one.open = true; });
}"""


def delivery(seed: int, shift: float, labelled: bool) -> bytes:
    """Rows whose columns and levels are hostile; the shift moves every number."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(10 + shift, 2, ROWS).round(2) for name in HOSTILE}
    columns["level"] = rng.choice(HOSTILE, ROWS)
    columns["id"] = [f"{HOSTILE[at % len(HOSTILE)]}{seed}-{at}" for at in range(ROWS)]
    if labelled:
        columns["bought"] = rng.choice([HOSTILE[0], HOSTILE[1]], ROWS)
    sink = io.BytesIO()
    pc.write_csv(pa.table(columns), sink)
    return sink.getvalue()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Iterator[Site]:
    service = Service(tmp_path_factory.mktemp("hostile") / "data")
    with service.store.hurried():
        service.init("shop", HOSTILE[0], delivery(0, 0, True), "bought", id_column="id", estimator="linear")
        for number, shift in enumerate((0, 0, 3), 1):
            service.ingest("shop", HOSTILE[number], delivery(number, shift, True))
        for number, name in enumerate(HOSTILE):
            service.ingest("shop", f"{name}.csv", f'"{name.replace(chr(34), chr(34) * 2)}",x\n{number},1\n'.encode())
        for text in HOSTILE:
            service.pin("shop", 1, True)
            service.store.add_event(service.desk.event(None, "test", text, author=text[:60], level="error"))
        service.change_settings("shop", {f"features.{HOSTILE[0]}.min_effect": 0.2}, HOSTILE[1])
        service.retrain("shop", HOSTILE[3])
        service.work("shop")
    site, server = serve(service)
    yield site
    server.close()
    service.close()


FEATURE = f"/m/shop/features/{quote(HOSTILE[1], safe='')}"
PAGES = (
    "/", "/m/shop", "/m/shop/drift", FEATURE, "/m/shop/features/level", "/m/shop/performance", "/m/shop/models",
    "/m/shop/models/compare", "/m/shop/upload", "/m/shop/batches/2", "/m/shop/batches/4", "/m/shop/batches/6",
    "/m/shop/events", "/m/shop/settings", "/m/shop/backtest", "/health", "/new",
)  # fmt: skip


def test_nothing_runs_on_any_page(hostile, visit):
    page = visit()
    for path in PAGES:
        open_page(page, hostile.url + path)
        page.evaluate(OPEN_ALL)
        for plot in page.locator(".js-plotly-plot").all()[:4]:
            box = plot.bounding_box()
            for part in (0.3, 0.5, 0.7) if box else ():
                page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] * part)
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen = page.evaluate(LOOK)
        assert seen["title"] != "pwned", path
        assert seen["ran"] is None, path
        assert (seen["inside"], seen["links"], seen["handlers"]) == ([], [], 0), path


def test_they_are_shown_as_they_are(hostile, visit):
    page = visit()
    open_page(page, f"{hostile.url}/m/shop/features/level")
    assert page.get_by_text(HOSTILE[1]).count() + page.locator(f"text={HOSTILE[8]}").count() > 0
    open_page(page, f"{hostile.url}{FEATURE}")
    assert HOSTILE[1] in page.locator("h1").inner_text()


def test_what_a_query_says_is_a_text(hostile, visit):
    page = visit()
    for text in (HOSTILE[0], HOSTILE[5]):
        open_page(page, f"{hostile.url}/m/shop/drift?range={quote(text)}&feature={quote(text)}&batch={quote(text)}")
        seen = page.evaluate(LOOK)
        assert (seen["ran"], seen["inside"], seen["links"]) == (None, [], [])


def test_a_monitor_is_not_named_so(hostile):
    """What a monitor is called stands in paths of the inbox, so only plain names are taken."""
    plain = 0
    for name in HOSTILE:
        try:
            hostile.service.init(name, "r.csv", delivery(0, 0, True), "bought", id_column="id", estimator="nothing")
        except Refused as error:
            plain += "estimator" in str(error)
    assert plain == 0
    assert hostile.service.monitor_names() == ["shop"]
