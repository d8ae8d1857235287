"""Backtests: asked for on the page, followed in the database by every tab, and their settings taken over."""

from __future__ import annotations

import pytest

from storage import history
from tests.browser.conftest import table
from tests.browser.test_pages import SHOP, open_page

pytestmark = pytest.mark.browser


def test_policies_are_replayed_and_the_settings_of_one_are_used(site, visit):
    page, other = visit(), visit(390, 844)
    open_page(page, f"{site.url}{SHOP}/backtest")
    page.get_by_label("All history, every K-th batch").uncheck()
    page.get_by_label("Settings worth trying").uncheck()
    page.locator("#backtest-last").select_option("60")
    page.locator("#backtest-start").click()
    page.wait_for_url("**run=1")
    page.get_by_text("Waiting for its turn").wait_for()
    open_page(other, f"{site.url}{SHOP}/backtest")  # a second tab sees it too
    other.get_by_text("Waiting for its turn").wait_for()
    site.service.work_backtests()
    done = history.backtest(site.service.db, 1)
    assert (done.state, done.error) == ("done", "")
    for tab in (page, other):
        tab.locator("#backtest-result .js-plotly-plot .main-svg").first.wait_for()
    page.reload()
    page.locator("#backtest-result .js-plotly-plot .main-svg").first.wait_for()
    said = page.locator("main").inner_text()
    for run in done.result["runs"]:
        assert run["label"] in said
        assert f"{100 * run['summary']['mean']:.1f} %" in said
    never = next(at for at, run in enumerate(done.result["runs"]) if run["policy"] == "never")
    assert done.result["runs"][never]["summary"]["retrains"] == 0
    page.get_by_role("button", name="Use", exact=True).click()
    assert "retrain.auto = false" in page.locator("#verb-text").inner_text()
    page.locator("#verb-confirm").click()
    page.locator(".toast-note", has_text="Saved").wait_for()
    assert history.settings_in_force(site.service.db, 1).retrain.auto is False
    page.get_by_role("button", name="Remove").click()
    page.locator("#verb-confirm").click()
    page.locator("#backtest-result").get_by_text("was removed").wait_for()
    assert history.backtests(site.service.db) == []


def test_a_file_is_replayed(site, visit, tmp_path):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/backtest")
    page.get_by_label("A file with labels").check()
    (tmp_path / "old.csv").write_bytes(table(50, 600))
    page.locator("#backtest-upload input[type=file]").set_input_files(tmp_path / "old.csv")
    page.locator("#backtest-target").wait_for()
    assert page.locator("#backtest-target").input_value() == "bought"
    for label in ("Settings in force", "Settings worth trying", "All history, every K-th batch"):
        page.get_by_label(label).uncheck()
    page.locator("#backtest-start").click()
    page.wait_for_url("**run=1")
    site.service.work_backtests()
    page.locator("#backtest-result .js-plotly-plot .main-svg").first.wait_for()
    assert history.backtest(site.service.db, 1).name == "old.csv"


def test_what_cannot_be_asked_is_said_at_once(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/backtest?run=77")
    assert "no backtest #77" in page.locator(".notice").first.inner_text()
    page.locator("#backtest-every").fill("now and then")
    page.locator("#backtest-start").click()
    page.locator("#backtest-says").get_by_text("whole number of batches").wait_for()
    assert history.backtests(shared.service.db) == []
