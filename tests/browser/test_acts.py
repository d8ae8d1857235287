"""What a person does on the pages: asked once, done, told, and written down."""

from __future__ import annotations

import pytest

from storage import history
from tests.browser.test_pages import SHOP, open_page

pytestmark = pytest.mark.browser


def test_another_champion_and_back(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/models")
    champion = history.monitor(site.service.db, "shop").champion
    page.get_by_role("button", name="Promote").last.click()
    assert "predicts in place of" in page.locator("#verb-text").inner_text()
    page.locator("#verb-note").fill("trying it")
    page.locator("#verb-confirm").click()
    page.locator(".toast-note", has_text="is the champion now").wait_for()
    assert history.monitor(site.service.db, "shop").champion != champion
    page.get_by_text("v1 is the champion", exact=True).wait_for()
    page.get_by_role("button", name="Roll back").click()
    page.locator("#verb-confirm").click()
    page.locator(".toast-note", has_text="Rolled back").wait_for()
    assert history.monitor(site.service.db, "shop").champion == champion
    kinds = [event.kind for event in history.events(site.service.db, 1, last=2)]
    assert kinds == ["rollback", "promote"]
    assert "trying it" in history.events(site.service.db, 1, kinds=("promote",), last=1)[0].message


def test_a_no_is_a_no(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/models")
    before = history.change_number(site.service.db)
    page.get_by_role("button", name="Train now").click()
    page.locator("#verb-cancel").click()
    page.locator("#verb-dialog").wait_for(state="hidden")
    assert history.change_number(site.service.db) == before


def test_a_setting_shows_its_effect_before_it_is_saved(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/settings")
    before = history.settings_row(site.service.db, 1).id
    box = page.locator("input[id*='drift.min_effect']")
    box.fill("5")
    page.locator("#settings-preview").click()
    page.locator("#settings-effect").get_by_text("alarms instead of").wait_for()
    assert history.settings_row(site.service.db, 1).id == before
    page.locator("#settings-save").click()
    page.locator(".toast-note", has_text="Saved").wait_for()
    assert history.settings_in_force(site.service.db, 1).drift.min_effect == 5
    page.locator("#settings-history").get_by_text("drift.min_effect").wait_for()
    box.fill("many")
    page.locator("#settings-save").click()
    page.locator("#settings-error").get_by_text("min_effect").wait_for()


def test_two_versions_are_compared_by_what_is_stored(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/models/compare?a=v1&b=v2")
    (found,) = shared.service.compare("shop", 1, 2)
    page.locator("h1", has_text=found.verdict).wait_for()
    said = page.locator("main").inner_text()
    assert f"{found.flips:,} answer" in said
    shown = page.locator("table", has_text="seed").count()
    page.get_by_role("link", name="All", exact=True).click()
    page.wait_for_url("**diff=0")
    page.get_by_text("Estimator", exact=True).wait_for()
    assert shown == 0
    page.locator("#compare-b").select_option("v1")
    page.locator(".toast-note", has_text="different versions").wait_for()


def test_events_are_filtered_by_their_address(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/events?type=promote")
    assert {text.strip() for text in page.locator(".ledger .kind").all_inner_texts()} == {"promote"}
    page.locator("#events-text").fill("no such words")
    page.keyboard.press("Enter")
    page.wait_for_url("**text=no+such+words")
    page.get_by_text("No event matches").wait_for()
