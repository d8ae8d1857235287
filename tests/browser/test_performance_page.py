"""Performance over time: a stretch is dragged out of the whole history, another metric is drawn in place."""

from __future__ import annotations

import pytest

from tests.browser.test_pages import SHOP, drag, open_page

pytestmark = pytest.mark.browser
MAIN = """document.querySelector('[id*=\\'"index":"performance","\\'] .js-plotly-plot')"""
STRIP = "document.querySelector('[id*=performance-strip] .js-plotly-plot')"
DRAWN = f"{MAIN}._fullData.find(one => one.name === 'measured').customdata.map(String)"


def test_a_stretch_and_a_metric_are_chosen(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/performance")
    everything = page.evaluate(DRAWN)
    keys, left, right = drag(page, STRIP, 3, 6)
    page.wait_for_function(f"() => {DRAWN}.length === 4")
    assert page.evaluate(DRAWN) == keys[3:7]
    ends = page.evaluate(
        f"""(() => {{
            const plot = {STRIP}, axis = plot._fullLayout.xaxis, frame = plot._fullLayout.shapes[0];
            return [frame.x0, frame.x1].map(end => plot.getBoundingClientRect().left + axis._offset + axis.d2p(end));
        }})()"""
    )
    assert ends[0] < left + 2 < right - 2 < ends[1]
    page.get_by_role("button", name="F1", exact=True).click()
    page.wait_for_function(f"() => {MAIN}._fullLayout.yaxis.title.text === 'F1'")
    assert page.evaluate(DRAWN) == keys[3:7]
    assert page.evaluate(f"{STRIP}._fullData[0].meta.column") == "F1"
    page.locator("#performance-controls button", has_text="All").click()
    page.wait_for_function(f"count => {DRAWN}.length === count", arg=len(everything))
    assert "metric=f1" in page.url
