"""The hints of the first look at the worked example: four, by keyboard too, put away for good."""

from __future__ import annotations

import pytest

from pipeline.service import Service
from tests.browser.conftest import serve, table
from tests.browser.test_pages import open_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A monitor that says it is the worked example."""
    service = Service(tmp_path_factory.mktemp("example"))
    service.init("example", "reference.csv", table(0, 300), "bought", id_column="id", estimator="linear", demo=True)
    service.ingest("example", "one.csv", table(1, 100))
    site, server = serve(service)
    yield site
    server.close()
    service.close()


def test_four_hints_lead_round_and_end_for_good(example, visit):
    page = visit()
    open_page(page, example.url)
    hints = page.locator("#tour li")
    assert hints.count() == 4
    seen = []
    for number in range(1, 5):
        page.locator("#tour-at", has_text=f"{number} of 4").wait_for()
        seen += [hint.inner_text() for hint in hints.all() if hint.is_visible()]
        assert page.locator(".tour-target").count() == 1
        page.locator("#tour [data-tour=next]").focus()
        page.keyboard.press("Enter")
    assert len(set(seen)) == 4
    page.locator("#tour").wait_for(state="hidden")
    page.reload()
    page.wait_for_selector("h1")
    page.locator("#summary-strip .strip-cell").first.wait_for()
    assert not page.locator("#tour").is_visible()


def test_escape_puts_the_hints_away(example, visit):
    page = visit(390, 844)
    open_page(page, example.url)
    page.locator("#tour").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Escape")
    page.locator("#tour").wait_for(state="hidden")
