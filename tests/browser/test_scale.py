"""Pages of ten thousand batches and of one, of one feature and of 300, of 200 levels and of the longest names."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest

from pipeline.service import Service
from storage import history
from tests.benchmarks.pages import build
from tests.browser.conftest import Site, csv, serve
from tests.browser.test_drift_page import TRACE, cells, click_cell
from tests.browser.test_pages import open_page

pytestmark = pytest.mark.browser
LONGEST = "n" * 200


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Ten thousand batches of two features."""
    folder = tmp_path_factory.mktemp("long") / "data"
    build(folder, batches=10_000, features=2, versions=3)
    yield from _served(Service(folder))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """``wide`` has 300 features and one batch, ``levels`` has one feature of 200 levels."""
    service = Service(tmp_path_factory.mktemp("odd") / "data")
    with service.store.hurried():
        service.init("wide", "reference.csv", wide(0, 150), "answer", estimator="linear")
        service.ingest("wide", "first.csv", wide(1, 60))
        service.init("levels", "levels.csv", levels(0, 1000), "answer", estimator="linear")
        service.ingest("levels", "more.csv", levels(1, 400))
    yield from _served(service)


def wide(seed: int, rows: int) -> bytes:
    """299 features, and one with a name of 200 signs."""
    rng = np.random.default_rng(seed)
    names = [*(f"feature {at:03d}" for at in range(299)), LONGEST]
    return csv({name: rng.normal(size=rows).round(3) for name in names} | {"answer": rng.choice(["no", "yes"], rows)})


def levels(seed: int, rows: int) -> bytes:
    """One feature of 200 levels."""
    rng = np.random.default_rng(seed)
    return csv(
        {"city": rng.choice([f"city {at:03d}" for at in range(200)], rows), "answer": rng.choice(["a", "b"], rows)}
    )


def _served(service: Service) -> Iterator[Site]:
    site, server = serve(service)
    yield site
    server.close()
    service.close()


@pytest.mark.parametrize(
    "path",
    ["/drift?range=all", "/drift?range=all&steps=day", "/features/feature%20000?range=all", "/performance?range=all"],
)
def test_ten_thousand_batches_are_downsampled_and_say_so(long, visit, path):
    page = visit()
    sent = []
    page.on("response", lambda answer: sent.append(answer) if "_dash-update-component" in answer.url else None)
    open_page(page, f"{long.url}/m/long{path}")
    said = page.locator("main").inner_text()
    assert "Downsampled" in said
    assert "10,000 batches" in said
    points = page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => plot._fullData"
        ".filter(one => !(one.meta && one.meta.scenery)).map(one => (one.x || []).length))"
    )
    assert 100 < max(points) <= 400
    assert sum(len(answer.body()) for answer in sent) < 1_000_000


def test_a_long_history_opens_on_every_page(long, visit):
    page = visit(390, 844)
    for path in ("", "/models", "/events", "/models/compare", "/settings"):
        open_page(page, f"{long.url}/m/long{path}")
        assert page.locator(".failed").count() == 0, path
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_a_column_of_many_batches_opens_the_worst_of_them(long, visit):
    page = visit()
    open_page(page, f"{long.url}/m/long/drift?range=all")
    features, batches, drawn = cells(page)
    column = len(batches) // 2
    first, last = (int(end) for end in batches[column].split("-"))
    stored = history.heatmap(long.service.db, range(first, last + 1))
    score = stored.score[stored.features.index(features[0])]
    assert drawn[0, column] == pytest.approx(np.nanmax(score), abs=1e-5)
    click_cell(page, features[0], batches[column])
    page.wait_for_url("**batch=*")
    assert f"batch={first + int(np.nanargmax(score))}" in page.url
    page.locator("#drift-side h2").wait_for()


@pytest.mark.parametrize("monitor", ["wide", "levels"])
def test_one_batch_fills_every_page(odd, visit, monitor):
    page = visit(390, 844)
    newest = history.batches(odd.service.db, history.monitor(odd.service.db, monitor).id, last=1)[0].id
    for path in ("", "/drift", "/performance", "/models", "/events", "/settings", "/upload", f"/batches/{newest}"):
        open_page(page, f"{odd.url}/m/{monitor}{path}")
        assert page.locator("h1").inner_text(), path
        assert page.locator(".failed").count() == 0, path
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_three_hundred_features_are_shown_in_part_found_and_shown_in_whole(odd, visit):
    page = visit()
    open_page(page, f"{odd.url}/m/wide/drift")
    assert len(cells(page)[0]) == 40
    page.get_by_text("40 of 300 features are drawn").wait_for()
    rows = f"count => {TRACE}.meta.features.length === count"
    page.locator("#drift-find").fill("feature 29")
    page.locator("#drift-find").press("Enter")
    page.wait_for_function(rows, arg=9)
    page.locator("#drift-find").fill("")
    page.locator("#drift-find").press("Enter")
    page.get_by_role("button", name="All (300)").click()
    page.wait_for_function(rows, arg=300)
    ticks = page.evaluate("document.querySelector('.chart-heat .js-plotly-plot')._fullLayout.yaxis3.ticktext")
    assert max(len(tick) for tick in ticks) <= 24


def test_a_name_of_two_hundred_signs_is_whole_in_the_heading(odd, visit):
    page = visit(390, 844)
    open_page(page, f"{odd.url}/m/wide/features/{quote(LONGEST)}")
    assert LONGEST in page.locator("h1").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_hundred_levels_are_drawn_as_the_largest_and_the_rest(odd, visit):
    page = visit()
    open_page(page, f"{odd.url}/m/levels/features/city")
    plot = page.locator("[id*='distribution'] .js-plotly-plot")
    names = plot.evaluate("plot => plot._fullLayout.yaxis.ticktext || plot._fullData[0].y")
    assert 10 < len(names) < 60
    assert "other" in "".join(names)
    assert plot.evaluate("plot => plot.getBoundingClientRect().height") < 2200
