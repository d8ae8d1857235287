"""The heatmap: cells are the stored scores, a cell is an address, a zoom outlives a refresh."""

from __future__ import annotations

import numpy as np
import pytest

from storage import history
from tests.browser.conftest import BATCHES, ROWS, table
from tests.browser.test_pages import SHOP, drag, open_page

pytestmark = pytest.mark.browser
HEAT = "document.querySelector('.chart-heat .js-plotly-plot')"
TRACE = f"{HEAT}._fullData.find(trace => trace.type === 'heatmap')"


def cells(page) -> tuple[list[str], list[str], np.ndarray]:
    found = page.evaluate(
        f"(() => {{ const t = {TRACE}; return [t.meta.features, t.meta.batches, t.z.map(row => Array.from(row))]; }})()"
    )
    return found[0], found[1], np.array(found[2], dtype=float)


def click_cell(page, feature: str, batch: str) -> None:
    """Press the middle of a cell, once the chart has taken the width it is given."""
    page.wait_for_load_state("networkidle")
    page.locator(".chart-heat").evaluate("box => box.scrollIntoView({block: 'end', behavior: 'instant'})")
    page.wait_for_function(f"() => Math.abs({HEAT}._fullLayout.width - {HEAT}.clientWidth) < 2")
    x, y = page.evaluate(
        f"""([feature, batch]) => {{
            const plot = {HEAT}, trace = {TRACE};
            const xaxis = plot._fullLayout[trace.xaxis.replace('x', 'xaxis')];
            const yaxis = plot._fullLayout[trace.yaxis.replace('y', 'yaxis')];
            const box = plot.getBoundingClientRect();
            return [box.left + xaxis._offset + xaxis.d2p(trace.x[trace.meta.batches.indexOf(batch)]),
                    box.top + yaxis._offset + yaxis.d2p(trace.meta.features.indexOf(feature))];
        }}""",
        [feature, batch],
    )
    page.mouse.move(x, y)
    page.mouse.click(x, y)


def test_t06_the_cells_are_the_stored_scores(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    features, batches, drawn = cells(page)
    stored = history.heatmap(shared.service.db, [int(batch) for batch in batches])
    expected = np.array([stored.score[stored.features.index(name)] for name in features])
    np.testing.assert_allclose(drawn, expected, atol=1e-5, rtol=1e-6)
    drifted = np.array([stored.drift[stored.features.index(name)] for name in features])
    assert drifted.any()
    assert (drawn[drifted] >= 1).all()


def test_t05_a_cell_opens_beside_the_chart_and_is_an_address(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    _, batches, _ = cells(page)
    click_cell(page, "daily kcal", batches[-1])
    side = page.locator("#drift-side")
    side.get_by_text("daily kcal").first.wait_for()
    page.wait_for_url(f"**batch={batches[-1]}")
    assert f"#{batches[-1]}" in side.inner_text()
    page.wait_for_function("document.querySelector('#drift-grid').className === 'grid-side'")
    click_cell(page, "city", batches[2])
    page.wait_for_url(f"**batch={batches[2]}")
    page.reload()
    page.locator("#drift-side").get_by_text("city").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.go_back()
    page.locator("#drift-side").get_by_text("daily kcal").first.wait_for()
    assert f"batch={batches[-1]}" in page.url


def test_t05_a_cell_opens_without_a_mouse(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    features, batches, _ = cells(page)
    page.locator(".chart-heat").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert features[1] in page.locator("#heat-says").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**batch={batches[-2]}")
    page.locator("#drift-side h2").wait_for()


def test_t07_a_zoom_outlives_newer_batches(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/drift")
    before = len(cells(page)[1])
    box = page.evaluate(
        f"""(() => {{
            const box = {HEAT}.getBoundingClientRect(), axis = {HEAT}._fullLayout.xaxis;
            return [box.left + axis._offset, axis._length, box.top + 80];
        }})()"""
    )
    page.mouse.move(box[0] + 0.3 * box[1], box[2])
    page.mouse.down()
    page.mouse.move(box[0] + 0.7 * box[1], box[2], steps=8)
    page.mouse.up()
    ranges = f"JSON.stringify({HEAT}._fullLayout.xaxis.range)"
    page.wait_for_function(f"{HEAT}._fullLayout.xaxis.autorange === false")
    zoomed = page.evaluate(ranges)
    site.service.ingest("shop", "newer.csv", table(6 + BATCHES, ROWS))
    page.wait_for_function(f"count => {TRACE}.meta.batches.length === count", arg=before + 1)
    assert page.evaluate(ranges) == zoomed
    page.locator("#theme-switch").click()
    page.wait_for_function(f"{HEAT}._fullLayout.font.color === '#E6EAF0'")
    assert page.evaluate(ranges) == zoomed


def test_a_paused_page_stays_as_it_is(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/drift")
    page.locator("#pause").click()
    page.get_by_text("Paused").wait_for()
    before = cells(page)[1]
    site.service.ingest("shop", "unseen.csv", table(6 + BATCHES, ROWS))
    page.locator("#pause").click()
    page.wait_for_function(f"count => {TRACE}.meta.batches.length === count", arg=len(before) + 1)


STRIP = "document.querySelector('[id*=drift-strip] .js-plotly-plot')"


def framed(page) -> list[str]:
    """The batches inside the frame on the strip, on which nothing is selected any more."""
    assert page.evaluate(f"({STRIP}._fullLayout.selections || []).length") == 0
    return page.evaluate(
        f"""(() => {{
            const plot = {STRIP}, trace = plot._fullData[0], axis = plot._fullLayout.xaxis;
            const [low, high] = plot._fullLayout.shapes.filter(one => one.type === 'rect')
                .flatMap(one => [axis.d2c(one.x0), axis.d2c(one.x1)]);
            return trace.meta.batches.filter((_, at) => low <= axis.d2c(trace.x[at]) && axis.d2c(trace.x[at]) <= high);
        }})()"""
    )


def test_a_stretch_is_dragged_out_of_the_whole_history(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    everything = cells(page)[1]
    keys, _, _ = drag(page, STRIP, 4, 8)
    page.wait_for_function(f"() => {TRACE}.meta.batches.length === 5")
    assert cells(page)[1] == keys[4:9]
    assert framed(page) == keys[4:9]
    page.reload()
    open_page(page, page.url)
    assert cells(page)[1] == keys[4:9]
    page.locator("#drift-controls button", has_text="All").click()
    page.wait_for_function(f"count => {TRACE}.meta.batches.length === count", arg=len(everything))
    assert framed(page) == everything
    page.wait_for_function("() => !location.search.includes('start=')")


@pytest.mark.parametrize(("steps", "word"), [("day", "Day"), ("week", "Week")])
def test_days_and_weeks_are_merged_batches_with_scores_of_their_own(shared, visit, steps, word):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    page.get_by_role("button", name=word, exact=True).click()
    page.wait_for_url(f"**steps={steps}*")
    page.wait_for_function(f"() => {TRACE}.meta.batches.every(key => key.includes('-'))")
    features, keys, drawn = cells(page)
    kept = history.periods(shared.service.db, 1, steps)
    stored = history.heatmap_of_periods(shared.service.db, list(kept.values()))
    expected = np.array([stored.score[stored.features.index(name)] for name in features])
    np.testing.assert_allclose(drawn, expected, atol=1e-5, rtol=1e-6)
    assert f"each {steps} (UTC) are merged" in page.locator("#drift-how").inner_text()
    click_cell(page, "daily kcal", keys[-1])
    page.wait_for_url(f"**batch={keys[-1]}*")
    page.locator("#drift-side", has_text="Week of" if steps == "week" else "Jan 2026").wait_for()
    page.get_by_role("button", name="Batch", exact=True).click()
    page.wait_for_function(f"() => {TRACE}.meta.batches.every(key => !key.includes('-'))")
