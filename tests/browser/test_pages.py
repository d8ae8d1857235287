"""Every page, wide and narrow, light and dark: it opens, names itself, fits, and asks nobody outside."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from storage import history
from tests.browser.axe import violations
from tests.browser.conftest import HOSTILE, NAMES

pytestmark = pytest.mark.browser

SHOP = "/m/shop"
PAGES = {
    "overview": "/",
    "summary": SHOP,
    "drift": f"{SHOP}/drift",
    "feature": f"{SHOP}/features/{quote('daily kcal')}",
    "levels": f"{SHOP}/features/city",
    "performance": f"{SHOP}/performance",
    "models": f"{SHOP}/models",
    "compare": f"{SHOP}/models/compare",
    "upload": f"{SHOP}/upload",
    "batch": f"{SHOP}/batches/10",
    "events": f"{SHOP}/events",
    "settings": f"{SHOP}/settings",
    "backtest": f"{SHOP}/backtest",
    "regression": "/m/prices",
    "regression performance": "/m/prices/performance",
    "health": "/health",
    "new": "/new",
}


# For each chart with data behind it: points of its longest trace (or cells of a side, for a matrix), rows of its table.
BEHIND = """() => [...document.querySelectorAll('figure details.data-behind')].map(details => {
    details.open = true;
    details.dispatchEvent(new Event('toggle'));
    const plot = details.closest('figure').querySelector('.js-plotly-plot');
    const traces = plot._fullData.filter(one => !(one.meta && one.meta.scenery) && one.visible !== false);
    const heat = traces.find(one => one.type === 'heatmap');
    const size = one => Math.max((one.x || []).length, (one.y || []).length);
    const points = !heat ? Math.max(...traces.map(size)) : heat.meta.matrix ? heat.meta.matrix.length
        : heat.meta.batches.filter(one => one).length;
    const rows = details.querySelectorAll('.data-table tbody tr').length;
    details.open = false;
    return [points, rows];
})"""


def open_page(page, url: str) -> None:
    """Go there and wait until its charts are drawn."""
    page.goto(url)
    page.wait_for_selector("h1")
    page.wait_for_function(
        "() => !document.querySelector('.skeleton')"
        " && [...document.querySelectorAll('.chart')].every(box => box.querySelector('.main-svg'))"
    )


def rows_behind(figure):
    """Open the table behind a chart; its rows, once they are there: it is drawn after the click has been answered."""
    figure.locator("summary").click()
    rows = figure.locator(".data-table tbody tr")
    rows.first.wait_for()
    return rows


def drag(page, strip: str, first: int, last: int) -> tuple[list[str], float, float]:
    """Choose a stretch on a strip of the whole history; its batches, and where the mouse was pressed and let go."""
    keys, left, right, middle = page.evaluate(
        f"""([first, last]) => {{
            const plot = {strip}, trace = plot._fullData[0], axis = plot._fullLayout.xaxis;
            const box = plot.getBoundingClientRect(), at = place => box.left + axis._offset + axis.d2p(trace.x[place]);
            return [trace.meta.batches, at(first) - 2, at(last) + 2, box.top + box.height / 2];
        }}""",
        [first, last],
    )
    page.mouse.move(left, middle)
    page.mouse.down()
    page.mouse.move(right, middle, steps=6)
    page.mouse.up()
    page.wait_for_url(f"**start={keys[first]}&end={keys[last]}*")
    return keys, left, right


@pytest.mark.parametrize("name", PAGES)
def test_t01_t02_t04_it_opens_offline_and_for_everybody(shared, visit, name):
    page = visit()
    asked = []
    page.on("request", lambda one: asked.append(one) if "_dash-update-component" in one.url else None)
    open_page(page, shared.url + PAGES[name])
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"
    if PAGES[name].startswith(SHOP):
        page.wait_for_function("document.title.includes('shop')")
    for words in page.locator("figure").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))"):
        assert words
    figures = page.locator(".js-plotly-plot")
    assert figures.evaluate_all("all => all.every(one => one._context.showSendToCloud === false)")
    assert page.locator("[data-title*='Share']").count() == 0
    assert figures.count() == page.locator("figure .js-plotly-plot").count()
    for points, rows in page.evaluate(BEHIND):
        assert rows >= points > 0
    assert violations(page) == []
    once = 2 if name == "compare" else 1  # a page is drawn once, and what is compared comes after it
    assert len(asked) == once


@pytest.mark.parametrize("name", PAGES)
def test_t03_t04_it_fits_a_phone_and_is_legible_in_the_dark(shared, visit, name):
    page = visit(390, 844, dark=True)
    open_page(page, shared.url + PAGES[name])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.getAttribute('data-bs-theme')") == "dark"
    assert violations(page, "color-contrast", "label", "button-name", "link-name") == []


@pytest.mark.parametrize("feature", NAMES)
def test_t13_any_name_of_a_feature_is_an_address(shared, visit, feature):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/features/{quote(feature, safe='')}")
    assert feature in page.locator("h1").inner_text()


def test_t12_a_name_that_is_markup_is_shown_as_it_is(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    link = page.locator("#drift-features a", has_text=HOSTILE)
    link.click()
    page.wait_for_url("**/features/**")
    page.wait_for_function("text => document.querySelector('h1').innerText.includes(text)", arg=HOSTILE)
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/m/nobody", "no monitor named"),
        (f"{SHOP}/features/nothing", "no feature"),
        (f"{SHOP}/batches/99999", "no batch"),
        (f"{SHOP}/batches/ten", "A batch has a number"),
        ("/nowhere/at/all", "no page at this address"),
        (f"/m/{quote('<b>x</b>', safe='')}", "<b>x</b>"),
    ],
)
def test_t12_what_is_not_there_is_said_so(shared, visit, path, words):
    page = visit()
    page.goto(shared.url + path)
    page.wait_for_selector("h1")
    assert words in page.locator("main").inner_text()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"{SHOP}/drift?range=banana", "no range"),
        (f"{SHOP}/models/compare?a=v99", "no version"),
        (f"{SHOP}/performance?metric=luck&range=<x>", "no range"),
    ],
)
def test_a_query_that_is_not_understood_is_named_and_the_page_goes_on(shared, visit, path, words):
    page = visit()
    open_page(page, shared.url + path)
    assert words in page.locator(".notice").first.inner_text()
    assert page.locator(".js-plotly-plot").count() > 0


@pytest.mark.parametrize(
    "section",
    ["", "/drift", "/performance", "/models", "/models/compare", "/upload", "/backtest", "/events", "/settings"],
)
def test_t14_a_monitor_without_a_batch_says_what_to_do(bare, visit, section):
    page = visit()
    open_page(page, f"{bare.url}/m/fresh{section}")
    assert page.locator("h1").count() == 1
    assert page.locator("main a, main button").count() > 0
    assert page.locator(".failed").count() == 0


@pytest.mark.parametrize("path", ["/", "/new", "/health", "/m/x/drift"])
def test_t14_an_empty_folder_leaves_no_page_blank(nothing, visit, path):
    page = visit()
    page.goto(nothing.url + path)
    page.wait_for_selector("h1")
    assert page.locator("h1").inner_text()


def test_one_monitor_opens_directly(bare, visit):
    page = visit()
    page.goto(bare.url)
    page.wait_for_selector("h1")
    assert page.locator("h1").inner_text() == "Nothing to judge yet"


def test_an_empty_page_fills_when_the_first_monitor_comes(nothing, visit):
    page = visit()
    page.goto(nothing.url)
    page.get_by_text("No model is watched yet").wait_for()
    from tests.browser.conftest import table

    nothing.service.init("first", "reference.csv", table(0, 300), "bought", id_column="id", estimator="linear")
    page.get_by_text("Nothing to judge yet").wait_for()


def test_t08_colours_switch_at_once_and_are_remembered(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    before = page.evaluate("document.querySelector('.js-plotly-plot')._fullLayout.font.color")
    page.locator("#theme-switch").click()
    page.wait_for_function(
        "old => document.querySelector('.js-plotly-plot')._fullLayout.font.color !== old", arg=before
    )
    assert contrast(page, "body") >= 4.5
    assert contrast(page, ".panel-sub") >= 4.5
    page.reload()
    open_page(page, page.url)
    assert page.evaluate("document.documentElement.getAttribute('data-bs-theme')") == "dark"
    assert page.evaluate("document.querySelector('.js-plotly-plot')._fullLayout.font.color") == "#E6EAF0"


def contrast(page, selector: str) -> float:
    """Contrast of an element's text with the first opaque ground beneath it."""
    return page.locator(selector).first.evaluate(
        """element => {
            const parts = text => text.match(/[\\d.]+/g).map(Number);
            const under = node => parts(getComputedStyle(node).backgroundColor);
            let ground = element;
            while (ground && (under(ground)[3] ?? 1) === 0) ground = ground.parentElement;
            const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
            const weights = [0.2126, 0.7152, 0.0722];
            const light = rgb => weights.reduce((sum, weight, at) => sum + weight * linear(rgb[at] / 255), 0);
            const pair = [light(parts(getComputedStyle(element).color)), light(under(ground))];
            return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        }"""
    )


def test_t16_the_table_behind_a_chart_has_its_numbers(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    rows = rows_behind(page.locator("figure", has=page.locator("summary")).first)
    assert rows.count() == len(history.timeline(shared.service.db, 1).batch)
    with page.expect_download() as got:
        page.locator("[data-tool=csv]").first.click()
    text = got.value.path().read_text()
    assert len(text.splitlines()) == rows.count() + 1
    assert "daily kcal" in text.splitlines()[0]


def test_t12_a_failure_is_told_and_the_page_stays(site, visit, monkeypatch):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/drift")

    def fail(*_, **__):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(site.service, "band", fail)
    site.service.store.add_event(site.service.desk.event(None, "test", "something moved"))
    page.locator(".toast-note").wait_for()
    said = page.locator(".toast-note").inner_text()
    assert "Logged as" in said
    assert "RuntimeError" not in page.content()
    assert page.locator(".js-plotly-plot .main-svg").count() > 0
    page.goto(f"{site.url}{SHOP}/drift")
    page.get_by_text("This page could not be drawn").wait_for()
    assert "the disk is gone" not in page.content()
