"""Versions: their lineage, who was live when, and two or more of them side by side."""

from __future__ import annotations

import numpy as np
import pytest

from storage import history
from tests.browser.test_pages import SHOP, open_page, rows_behind

pytestmark = pytest.mark.browser


def matrix(page, name: str) -> np.ndarray:
    """The counts that a drawn confusion matrix carries."""
    chart = f"""[...document.querySelectorAll("details.data-behind")].find(one => one.dataset.name === '{name}')"""
    return np.array(
        page.evaluate(
            f"""() => {{
                const plot = {chart}.closest('figure').querySelector('.js-plotly-plot');
                const heat = plot._fullData.find(trace => trace.type === 'heatmap');
                return heat.meta.matrix.map((_, row) => Array.from(heat.customdata[row]));
            }}"""
        )
    )


def test_the_lineage_has_every_version_and_leads_to_the_comparison(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/models")
    versions = history.versions(shared.service.db, 1)
    drawn = page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => plot._fullData)"
        ".filter(trace => trace.meta && trace.meta.value === 0).flatMap(trace => trace.customdata.map(cell => cell[1]))"
    )
    assert {f"v{item.number}" for item in versions} == {label for label in drawn if label.startswith("v")}
    told = rows_behind(page.locator("figure", has=page.locator("[data-name=lineage]"))).all_inner_texts()
    assert any(versions[0].reason in line for line in told)


def test_what_was_live_on_a_date_is_asked_by_address_and_by_hand(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/models?on=2026-01-08")
    day = [batch for batch in history.batches(shared.service.db, 1) if batch.name == "day-7.csv"]
    version = history.version(shared.service.db, day[0].version_id)
    said = page.locator("#models-answer").inner_text()
    assert f"On 8 Jan 2026 v{version.number} was live" in said
    assert f"batch #{day[0].id}" in said
    assert version.reason in said
    page.locator("#models-on").fill("2025-06-01")
    page.wait_for_url("**on=2025-06-01")
    page.get_by_text("nothing had been predicted yet").wait_for()
    open_page(page, f"{shared.url}{SHOP}/models?on=banana")
    assert "is no date" in page.locator("#models-answer").inner_text()


def test_t11_ticked_versions_are_compared_and_the_matrices_add_up(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/models")
    page.get_by_text("Tick two or more").wait_for()
    for number in (1, 2):
        page.get_by_label(f"v{number}", exact=True).check()
    page.get_by_role("link", name="Compare v1 and v2").click()
    page.wait_for_url("**a=v1&b=v2")
    (found,) = shared.service.compare("shop", 1, 2)
    page.locator("h1", has_text=found.verdict).wait_for()
    page.locator("[data-name=confusion-change-2]").wait_for()
    a, b, change = (matrix(page, name) for name in ("confusion-1", "confusion-2", "confusion-change-2"))
    assert (b - a == change).all()
    assert a.sum() == b.sum() == found.rows
    assert (a == np.array(found.confusion_a)).all()
    shown = page.locator("table", has_text="Accuracy").first.inner_text()
    assert f"{100 * found.metrics_b['accuracy'].value:.1f} %" in shown
    right = found.flips_right
    assert sum(right) == found.flips
    page.get_by_text(f"v2 is right on {right[1]:,} and v1 on {right[0]:,}").wait_for()


def test_three_versions_at_once(site, visit):
    service = site.service
    service.retrain("shop", "a third")
    service.work("shop")
    if len(history.versions(service.db, 1)) < 3:
        service.change_settings("shop", {"retrain.auto_promote": "false", "retrain.margin": "0"})
        pytest.skip("the contest brought no third version")
    page = visit()
    open_page(page, f"{site.url}{SHOP}/models/compare?a=v1&b=v2&c=v3")
    page.get_by_text("v3 − v1").wait_for()
    assert page.locator("[data-name^=confusion-change]").count() == 2


def test_a_pin_takes_a_note(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/models")
    page.get_by_role("button", name="Pin").first.click()
    page.locator("#verb-note").fill("for the audit")
    page.locator("#verb-confirm").click()
    page.locator(".toast-note", has_text="kept for good").wait_for()
    page.get_by_role("button", name="Unpin").wait_for()
    assert "for the audit" in history.events(site.service.db, 1, kinds=("pin",), last=1)[0].message
    with page.expect_download() as got:
        page.get_by_role("link", name="File").first.click()
    version = history.versions(site.service.db, 1)[-1]
    assert got.value.path().stat().st_size == version.size
