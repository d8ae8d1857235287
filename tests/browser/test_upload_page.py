"""The upload: checked without a trace, ingested with every step, refused in words, never silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import history
from tests.browser.conftest import ROWS, table
from tests.browser.test_pages import SHOP, open_page

pytestmark = pytest.mark.browser


def send(page, folder: Path, name: str, data: bytes) -> None:
    """Choose a file, as a person does."""
    (folder / name).write_bytes(data)
    page.locator("#upload input[type=file]").set_input_files(folder / name)


def count(site) -> int:
    return len(history.batches(site.service.db, 1, ("rows", "labels")))


def test_only_checking_leaves_no_trace(site, visit, tmp_path):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/upload")
    before = count(site)
    send(page, tmp_path, "check.csv", table(90, ROWS, shift=2.0, labelled=False))
    page.get_by_text(f"check.csv: {ROWS} rows").wait_for()
    page.locator("#upload-only-check").click()
    page.locator("#upload-check").get_by_text("daily kcal").first.wait_for()
    assert "Drift" in page.locator("#upload-check h2").first.inner_text()
    with page.expect_download() as got:
        page.locator("#upload-predict").click()
    assert len(Path(got.value.path()).read_text().splitlines()) == ROWS + 1
    assert count(site) == before


def test_t09_a_batch_is_followed_to_its_end_and_a_reload_shows_the_same(site, visit, tmp_path):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/upload")
    before = count(site)
    data = table(91, ROWS)
    send(page, tmp_path, "good.csv", data)
    page.locator("#upload-ingest").click()
    page.get_by_text("good.csv: received").wait_for()
    page.reload()
    page.get_by_text("good.csv: received").wait_for()
    site.service.work("shop")
    page.get_by_text("good.csv: done").wait_for()
    assert count(site) == before + 1
    assert page.locator(".steps li.done").count() >= 5
    open_page(page, f"{site.url}{SHOP}/upload")
    for _ in range(2):  # the same file once more, and again: it is said each time
        send(page, tmp_path, "good.csv", data)
        page.get_by_text("The same bytes are here already").wait_for()
        page.locator("#upload-ingest").click()
        page.get_by_text("Duplicate: the same bytes").wait_for()
    assert count(site) == before + 1


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty.csv", b"", "is empty"),
        ("picture.png", b"\x89PNG", "not a kind of file"),
        ("huge.csv", b"x" * (51 * 1024 * 1024), "the browser takes 50 MB"),
        ("ragged.csv", b"id,when,daily kcal\n1,2026-02-01\n1,2,3,4,5\n", "line"),
        ("columns.csv", b"id,when\n1,2026-02-01\n", "column"),
    ],
)
def test_t09_what_cannot_be_taken_is_said_at_once(shared, visit, tmp_path, name, data, words):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/upload")
    before = count(shared)
    send(page, tmp_path, name, data)
    page.wait_for_function("text => document.getElementById('upload-says').innerText.includes(text)", arg=words)
    assert count(shared) == before


def test_t09_a_refused_file_can_be_kept_and_tried_again(site, visit, tmp_path):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/upload")
    send(page, tmp_path, "columns.csv", b"id,when\n7,2026-02-02\n")
    page.locator("#upload-ingest").click()
    page.get_by_text("columns.csv: received").wait_for()
    site.service.work("shop")
    page.get_by_text("columns.csv: quarantined").wait_for()
    page.locator("#upload-result").get_by_role("button", name="Try again").click()
    page.locator("#verb-confirm").click()
    page.locator(".toast-note", has_text="on its way again").wait_for()


def test_a_monitor_is_made_in_three_steps(site, visit, tmp_path):
    page = visit()
    open_page(page, f"{site.url}/new")
    (tmp_path / "people.csv").write_bytes(table(0, 300))
    page.locator("#new-upload input[type=file]").set_input_files(tmp_path / "people.csv")
    page.locator("#new-target").select_option("bought")
    page.locator("#new-id").select_option("id")
    page.locator("#new-estimator").fill("linear")
    page.get_by_text("Kinds of all columns").click()
    page.get_by_label("Kind of a/b").select_option("ignored")
    page.locator("#new-make").click()
    page.wait_for_url("**/m/people")
    page.get_by_text("Nothing to judge yet").wait_for()
    made = history.monitor(site.service.db, "people")
    assert "a/b" not in [feature.name for feature in made.schema.watched]


def test_all_that_is_wrong_is_said_by_column_and_line(shared, visit, tmp_path):
    page = visit()
    open_page(page, f"{shared.url}{SHOP}/upload")
    before = count(shared)
    lines = table(92, 40).decode().splitlines()
    cells = [line.split(",") for line in lines]
    head = [name.strip('"') for name in cells[0]]
    for row in range(1, 21):
        cells[row][head.index("daily kcal")] = "a lot"
        cells[row][head.index("größe")] = "tall"
    send(page, tmp_path, "words.csv", "\n".join(",".join(row) for row in cells).encode())
    page.get_by_text("words.csv cannot be taken as it is: 2 problems").wait_for()
    rows = page.locator("#upload-preview tbody tr").all_inner_texts()
    assert [("daily kcal" in rows[0], "größe" in rows[1]), ("2" in rows[0], "tall" in rows[1])] == [(True, True)] * 2
    assert count(shared) == before


def test_rows_are_pasted(site, visit):
    page = visit()
    open_page(page, f"{site.url}{SHOP}/upload")
    page.get_by_text("or paste rows").click()
    page.locator("#upload-paste").click()
    page.get_by_text("Paste a header and rows first").wait_for()
    page.locator("#upload-text").fill(table(93, 60).decode())
    page.locator("#upload-paste").click()
    page.get_by_text(": 60 rows").wait_for()
    page.locator("#upload-ingest").click()
    page.get_by_text("received").first.wait_for()
    assert history.batches(site.service.db, 1, last=1)[0].name.startswith("pasted-")


def test_what_was_said_then_stands_beside_what_is_said_now(shared, visit):
    page = visit()
    champion = history.monitor(shared.service.db, "shop").champion
    old = next(batch for batch in history.batches(shared.service.db, 1) if batch.version_id not in (None, champion))
    differ, lines = shared.service.beside(old.id)
    open_page(page, f"{shared.url}{SHOP}/batches/{old.id}")
    page.get_by_text(f"on {differ} row").wait_for()
    with page.expect_download() as got:
        page.get_by_role("link", name="Both, all rows").click()
    assert len(Path(got.value.path()).read_text().splitlines()) == len(lines) + 1 == old.rows + 1
    stored = {row["key"]: row["prediction"] for row in history.rows_of(shared.service.db, old.id)}
    assert {line["id"]: line["then"] for line in lines} == stored
