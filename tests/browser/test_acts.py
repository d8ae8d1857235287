"""What a person does on the pages: asked once, done, told, and written down."""

from __future__ import annotations

import pytest

from storage import history
from tests.browser.test_pages import SHOP, open_page

pytestmark = pytest.mark.browser


def test_t11_another_champion_and_back(site, visit):
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
    effect = site.service.settings_effect("shop", {"drift.min_effect": "5"}, last=90)
    assert effect["alarms_after"] < effect["alarms_before"]
    words = (
        f"{effect['alarms_after']} alarms instead of {effect['alarms_before']} in the last {effect['batches']} batches"
    )
    page.locator("#settings-effect").get_by_text(words).wait_for()
    assert page.locator("#settings-effect .strip-cell").count() == 2 * effect["batches"]
    assert history.settings_row(site.service.db, 1).id == before
    page.locator("#settings-note").fill("too nervous")
    page.locator("#settings-save").click()
    page.locator(".toast-note", has_text="Saved").wait_for()
    assert history.settings_in_force(site.service.db, 1).drift.min_effect == 5
    reports = history.reports(site.service.db, [batch.id for batch in history.batches(site.service.db, 1)])
    assert sum(report.drift for _, report in reports) == effect["alarms_after"]
    page.locator("#settings-history").get_by_text("drift.min_effect: 0.1 → 5").wait_for()
    page.locator("#settings-history").get_by_text("too nervous").wait_for()
    page.get_by_role("button", name="Go back to these").click()
    page.locator("#verb-confirm").click()
    page.locator("#settings-history").get_by_text("drift.min_effect: 5.0 → 0.1").wait_for()
    assert history.settings_in_force(site.service.db, 1).drift.min_effect == 0.1


def test_a_value_that_cannot_be_is_marked_at_its_field(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/settings")
    box = page.locator("input[id*='drift.budget']")
    box.fill("7")
    page.locator("[id*='setting-says'][id*='drift.budget']").get_by_text("less than 1").wait_for()
    assert "is-invalid" in box.get_attribute("class")
    page.locator("#settings-save").click()
    page.locator("#settings-error").get_by_text("drift.budget").wait_for()
    box.fill("0.01")
    page.wait_for_function("() => !document.querySelector('.is-invalid')")


def test_one_feature_is_treated_apart(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/settings")
    page.locator("#settings-feature").select_option("100%")
    page.locator("select[id*='feature:watch']").select_option("false")
    page.locator("#settings-effect").get_by_text("features.100%.watch = false").wait_for()
    page.locator("#settings-save").click()
    page.locator("#settings-overrides").get_by_text("watch false").wait_for()
    assert history.settings_in_force(site.service.db, 1).of("100%").watch is False
    open_page(page, f"{site.url}{SHOP}/settings?feature=100%25")
    assert page.locator("select[id*='feature:watch']").input_value() == "false"


def test_an_alert_is_tried_before_it_is_needed(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/settings")
    page.locator("#alert-channel").select_option("webhook")
    page.locator("input[id*='alert-option'][id*='url']").fill("http://127.0.0.1:9/hook")
    page.locator("#alert-test").click()
    page.locator("#alert-says").get_by_text("private address").wait_for()
    page.locator("#alert-channel").select_option("log")
    page.locator("#alert-test").click()
    page.locator(".toast-note", has_text="test was sent").wait_for()
    page.locator("#alert-add").click()
    page.locator("#settings-alerts").get_by_role("button", name="Remove").wait_for()
    assert [item.channel for item in history.settings_in_force(site.service.db, 1).alerts] == ["log"]
    assert history.events(site.service.db, 1, kinds=("alert_test",), last=1)
    page.locator("#settings-alerts").get_by_role("button", name="Remove").click()
    page.locator("#verb-confirm").click()
    page.get_by_text("Nobody is told yet").wait_for()


def test_t11_two_versions_are_compared_by_what_is_stored(shared, visit):
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
