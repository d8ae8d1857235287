"""What every page must stand: the checks T1 to T18 that the design asks for, by name.

T1 to T4 go over all pages in ``test_pages``; T5 to T7 are about the heatmap and stand in ``test_drift_page``; T9 is the
whole of ``test_upload_page``. The others are here.
"""

from __future__ import annotations

import pytest

from storage import history
from tests.browser.axe import violations
from tests.browser.conftest import BATCHES, HOSTILE, NAMES, ROWS, table
from tests.browser.test_pages import SHOP, contrast, open_page, rows_behind
from tests.test_cli import run
from tests.test_server import get, serving

pytestmark = pytest.mark.browser


def test_t08_dark_reaches_everything_and_comes_before_the_first_frame(shared, visit):
    page = visit(dark=True)
    page.add_init_script(
        "new MutationObserver((_, all) => { if (document.body) { all.disconnect();"
        " window.firstTheme = document.documentElement.getAttribute('data-bs-theme'); } })"
        ".observe(document, {childList: true, subtree: true})"
    )
    open_page(page, f"{shared.url}{SHOP}/models")
    assert page.evaluate("window.firstTheme") == "dark"
    for selector in ("body", ".panel-sub", "#models-on", ".btn-quiet", ".muted", ".rail-item"):
        assert contrast(page, selector) >= 4.5, selector
    ink, ground = page.evaluate(
        "() => [document.querySelector('.js-plotly-plot')._fullLayout.font.color,"
        " getComputedStyle(document.querySelector('.panel')).backgroundColor]"
    )
    assert (ink, ground) == ("#E6EAF0", "rgb(27, 32, 39)")


def test_t10_drift_that_harms_is_answered_and_told_everywhere(site, visit):
    service = site.service
    days = range(6 + BATCHES, 6 + BATCHES + 5)
    trainings = len(history.trainings(service.db, 1))
    service.ingest("shop", "calm.csv", table(days[0], ROWS, shift=1.2, turned=True))
    calm = history.batches(service.db, 1, last=1)[0]
    assert [item.action for item in history.decisions(service.db, 1, batch_id=calm.id)] == ["keep"]
    assert len(history.trainings(service.db, 1)) == trainings
    champion = history.monitor(service.db, "shop").champion
    for day in days[1:]:
        service.ingest("shop", f"moved-{day}.csv", table(day, ROWS, shift=6.0, turned=False))
    assert len(history.trainings(service.db, 1)) > trainings
    now = history.monitor(service.db, "shop")
    assert now.champion != champion
    page = visit()
    promoted = history.reigns(service.db, 1)[-1]
    open_page(page, f"{site.url}{SHOP}/batches/{promoted.batch_id}")
    page.get_by_text(promoted.reason).first.wait_for()
    open_page(page, f"{site.url}{SHOP}/models")
    number = history.version(service.db, now.champion).number
    assert page.locator("h1").inner_text() == f"v{number} is the champion"
    assert promoted.reason in page.locator("main").inner_text()
    open_page(page, f"{site.url}{SHOP}/performance")
    drawn = page.evaluate(
        "() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => plot._fullData.map(one => one.name))"
    )
    assert "promoted" in drawn
    open_page(page, f"{site.url}{SHOP}/events?type=training")
    assert page.locator(".ledger li").count() > 0


def test_t11_another_champion_predicts_from_the_next_batch_on(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/models")
    before = history.monitor(site.service.db, "shop").champion
    crowned = len(history.reigns(site.service.db, 1))
    page.get_by_role("button", name="Promote").last.click()
    page.locator("#verb-confirm").click()
    page.locator(".toast-note", has_text="is the champion now").wait_for()
    after = history.monitor(site.service.db, "shop").champion
    receipt = site.service.ingest("shop", "then.csv", table(60, ROWS, labelled=False))
    assert history.batch(site.service.db, receipt.batch.id).version_id == after != before
    page.get_by_role("button", name="Roll back").click()
    page.locator("#verb-confirm").click()
    page.locator(".toast-note", has_text="Rolled back").wait_for()
    receipt = site.service.ingest("shop", "after.csv", table(61, ROWS, labelled=False))
    assert history.batch(site.service.db, receipt.batch.id).version_id == before
    assert len(history.reigns(site.service.db, 1)) == crowned + 2


def test_t12_a_file_whose_name_is_markup_is_text(site, visit):
    site.service.receive("shop", f"{HOSTILE}.csv", b"id,when\n1,2026-02-01\n")
    site.service.work("shop")
    page = visit()
    open_page(page, f"{site.url}{SHOP}/events?type=all")
    assert f"{HOSTILE}.csv" in page.locator("main").inner_text()
    open_page(page, f"{site.url}{SHOP}")
    assert page.locator("h1").count() == 1


def test_t13_a_feature_opens_by_a_click_whatever_its_name(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/drift")
    for name in (NAMES[1], NAMES[3], NAMES[4]):
        page.locator("#drift-features a", has_text=name).first.click()
        page.wait_for_url("**/features/**")
        page.wait_for_function("text => document.querySelector('h1').innerText.includes(text)", arg=name)
        page.go_back()
        page.locator("#drift-features a", has_text=name).first.wait_for()


def test_t15_silent_jobs_are_told(site, visit, monkeypatch):
    page = visit()
    open_page(page, f"{site.url}{SHOP}")
    page.locator("#freshness", has_text="Updated").wait_for()
    old = site.service.desk.now() - 120_000_000
    monkeypatch.setattr(site.service, "heartbeat", lambda: {"last_tick": old, "running": {}})
    page.locator("#freshness", has_text="Jobs are silent").wait_for()
    page.goto(f"{site.url}/health")
    page.get_by_text("The scheduled jobs are silent").wait_for()


def test_t16_what_is_shown_is_what_is_saved(shared, visit):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/models")
    figure = page.locator("figure", has=page.locator("[data-name=lineage]"))
    rows = rows_behind(figure).count()
    with page.expect_download() as got:
        figure.locator("[data-tool=csv]").click()
    assert len(got.value.path().read_text().splitlines()) == rows + 1
    with page.expect_download() as got:
        figure.locator("[data-tool=png]").click()
    assert got.value.path().read_bytes().startswith(b"\x89PNG")
    assert got.value.path().stat().st_size > 5_000
    open_page(page, f"{shared.url}{SHOP}/events?type=promote")
    with page.expect_download() as got:
        page.get_by_role("link", name="CSV").click()
    said = got.value.path().read_text(encoding="utf-8").splitlines()
    found = history.events(shared.service.db, 1, kinds=("promote",))
    assert len(said) == len(found) + 1
    assert all(event.message.split(",")[0] in "\n".join(said) for event in found)
    with page.expect_download() as got:
        page.get_by_role("link", name="Report").click()
    assert "<title>shop" in got.value.path().read_text(encoding="utf-8")


def test_t17_two_tabs_end_in_the_same_state(site, visit):
    first, second = visit(), visit(390, 844)
    receipt = site.service.receive("shop", "both.csv", table(70, ROWS))
    address = f"{site.url}{SHOP}/upload?batch={receipt.batch.id}"
    for tab in (first, second):
        open_page(tab, address)
        tab.get_by_text("both.csv: received").wait_for()
    site.service.work("shop")
    for tab in (first, second):
        tab.get_by_text("both.csv: done").wait_for()
    assert first.locator(".steps").inner_text() == second.locator(".steps").inner_text()


def test_t18_one_scheduler_a_folder(tmp_path):
    folder = tmp_path / "data"
    with serving(folder) as (url, server):
        assert get(f"{url}/healthz")["ok"]
        second = run("serve", "--port", "0", folder=folder)
        assert second.returncode == 1
        assert f"held by process {server.pid}" in second.stderr
        with_rows = history.connect(folder / "drift.db")
        assert [job.name for job in history.jobs(with_rows)].count("pulse") == 1
        with_rows.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_a_dialog_and_a_check_show_is_accessible_too(site, visit, tmp_path, dark):
    page = visit(dark=dark)
    open_page(page, f"{site.url}{SHOP}/models")
    page.get_by_role("button", name="Train now").click()
    page.locator("#verb-confirm").wait_for()
    assert violations(page) == []
    page.keyboard.press("Escape")
    open_page(page, f"{site.url}{SHOP}/upload")
    (tmp_path / "broken.csv").write_bytes(b"id,when,daily kcal\n1,2026-02-01,a lot\n")
    page.locator("#upload input[type=file]").set_input_files(tmp_path / "broken.csv")
    page.get_by_text("cannot be taken as it is").wait_for()
    assert violations(page) == []
    (tmp_path / "good.csv").write_bytes(table(90, ROWS))
    page.locator("#upload input[type=file]").set_input_files(tmp_path / "good.csv")
    page.locator("#upload-preview", has_text="good.csv").wait_for()
    page.locator("#upload-only-check").click()
    page.locator("#upload-check h2").first.wait_for()
    assert violations(page) == []
