"""Moments in the browser's own zone, and pages on paper."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from storage import history
from tests.browser.conftest import BATCHES, ROWS, table
from tests.browser.test_pages import SHOP, open_page

pytestmark = pytest.mark.browser
MOMENT = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4}, \d{2}:\d{2} UTC(?![+−])")
SHOWN = "() => [...document.querySelectorAll('.js-plotly-plot')].filter(plot => plot.checkVisibility())"
WIDTHS = f"{SHOWN}.map(plot => plot._fullLayout.width)"
INKS = f"{SHOWN}.map(plot => plot._fullLayout.font.color)"


def written(moment: int, zone: str) -> str:
    """A moment as a page of that zone writes it."""
    when = datetime.fromtimestamp(moment / 1e6, ZoneInfo(zone))
    minutes = int(when.utcoffset().total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{when.day} {when:%b %Y, %H:%M} UTC{'−' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Auckland", "America/St_Johns"])
def test_moments_are_told_in_the_zone_of_the_browser(shared, visit, zone):
    page = visit(zone=zone)
    open_page(page, f"{shared.url}{SHOP}")
    owner = history.monitor(shared.service.db, "shop")
    said = page.locator("body").inner_text()
    assert f"since {written(owner.health_since, zone)}" in said
    assert f"Times in {zone}" in said
    assert not MOMENT.search(said)
    open_page(page, f"{shared.url}{SHOP}/events")
    newest = next(one for one in history.events(shared.service.db, owner.id) if one.kind != "received")
    local = datetime.fromtimestamp(newest.created_at / 1e6, ZoneInfo(zone))
    line = page.locator(f"#event-{newest.id}")
    assert line.locator("time").first.inner_text() == f"{local:%H:%M:%S}"
    assert line.get_attribute("data-day") == f"{local.day} {local:%b %Y}"
    assert not MOMENT.search(page.locator("body").inner_text())


def test_a_narrow_page_names_the_zone_with_every_moment(shared, visit):
    page = visit(width=390, zone="Asia/Tokyo")
    open_page(page, f"{shared.url}{SHOP}")
    owner = history.monitor(shared.service.db, "shop")
    assert f"since {written(owner.health_since, 'Asia/Tokyo')}" in page.locator(".verdict").inner_text()


def test_what_comes_later_is_told_in_that_zone_too(site, visit):
    page = visit(zone="Asia/Tokyo")
    open_page(page, f"{site.url}{SHOP}/events?type=all")
    receipt = site.service.ingest("shop", "later.csv", table(6 + BATCHES, ROWS))
    event = history.events(site.service.db, 1, batch_id=receipt.batch.id)[0]
    page.locator(f"#event-{event.id}").wait_for()
    local = datetime.fromtimestamp(event.created_at / 1e6, ZoneInfo("Asia/Tokyo"))
    assert page.locator(f"#event-{event.id} time").first.inner_text() == f"{local:%H:%M:%S}"


def test_in_utc_moments_name_it(shared, visit):
    page = visit(zone="UTC")
    open_page(page, f"{shared.url}{SHOP}")
    assert MOMENT.search(page.locator(".verdict").inner_text())
    assert "Times in UTC" in page.locator("header").inner_text()


@pytest.mark.parametrize("path", ["", "/drift", "/performance", "/models"])
def test_a_page_prints_light_whole_and_without_controls(shared, visit, path):
    page = visit(dark=True)
    open_page(page, f"{shared.url}{SHOP}{path}")
    before = page.evaluate(WIDTHS)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 between its margins
    page.wait_for_function(f"() => ({WIDTHS})().every(width => width === 660)")
    assert set(page.evaluate(INKS)) == {"#1B2430"}
    assert page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor") == "rgb(255, 255, 255)"
    shown = "all => all.filter(one => one.checkVisibility()).length"
    assert page.locator(".rail, .bar, .btn, button, input").evaluate_all(shown) == 0
    right = "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
    assert page.locator("main .js-plotly-plot:visible, main table").evaluate_all(right) <= 703
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(media="screen")
    page.wait_for_function(f"before => JSON.stringify(({WIDTHS})()) === JSON.stringify(before)", arg=before)
    assert set(page.evaluate(INKS)) == {"#E6EAF0"}
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_page_without_charts_prints_light_too(shared, visit):
    page = visit(dark=True)
    open_page(page, f"{shared.url}{SHOP}/events")
    page.emulate_media(media="print")
    page.wait_for_function("() => document.documentElement.getAttribute('data-bs-theme') === 'light'")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 36, 48)"
    page.emulate_media(media="screen")
    page.wait_for_function("() => document.documentElement.getAttribute('data-bs-theme') === 'dark'")
