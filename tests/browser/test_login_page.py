"""Signing in and out as a person does, light and dark, and what a viewer sees."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import accounts
from pipeline.service import Service
from tests.browser.conftest import Site, serve
from tests.browser.test_pages import contrast

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def closed(seed: Path, tmp_path_factory) -> Iterator[Site]:
    """An application with an operator and a viewer."""
    folder = tmp_path_factory.mktemp("closed") / "data"
    shutil.copytree(seed, folder)
    service = Service(folder)
    for name, role in (("ann", "operator"), ("vic", "viewer")):
        accounts.add_user(service.desk, name, role, accounts.hashed(PASSWORD), "command")
    site, server = serve(service)
    yield site
    server.close()
    service.close()


@pytest.fixture
def person(chromium) -> Iterator:
    """A browser of one's own (answers of 401 are what is looked at here)."""
    opened = []

    def new(dark: bool = False, width: int = 1280):
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(15_000)
        opened.append(context)
        return context.new_page()

    yield new
    for context in opened:
        context.close()


def sign_in(page, site: Site, name: str, path: str = "/m/shop/models", password: str = PASSWORD) -> None:
    page.goto(site.url + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 390)])
def test_the_form_fits_and_can_be_read(closed, person, dark, width):
    page = person(dark, width)
    assert page.goto(f"{closed.url}/m/shop").status == 401
    assert page.locator("h1").inner_text() == "Sign in"
    assert page.locator("html").get_attribute("data-bs-theme") == ("dark" if dark else "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("h1", "label", ".sign-in button"):
        assert contrast(page, selector) >= 4.5
    assert page.evaluate("document.activeElement.name") == "name"


def test_signing_in_leads_where_one_wanted_to_go_and_out_again(closed, person):
    page = person()
    sign_in(page, closed, "ann", password="not this one")
    page.get_by_role("alert").get_by_text("do not belong together").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/m/shop/models")
    page.locator("button", has_text="Train now").first.wait_for()
    assert page.locator("button", has_text="Train now").first.is_enabled()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Password").wait_for()
    assert page.goto(f"{closed.url}/m/shop/models").status == 401


def test_a_viewer_sees_all_and_presses_nothing(closed, person):
    page = person()
    sign_in(page, closed, "vic")
    button = page.locator("button", has_text="Train now").first
    button.wait_for()
    assert button.is_disabled()
    assert "role is viewer" in button.get_attribute("title")
    page.goto(f"{closed.url}/m/shop/settings")
    save = page.locator("#settings-save")
    save.wait_for()
    assert save.is_disabled()


def test_a_page_whose_session_ends_asks_to_sign_in(closed, person):
    page = person()
    accounts.add_user(closed.service.desk, "tom", "viewer", accounts.hashed(PASSWORD), "command")
    sign_in(page, closed, "tom")
    page.locator("h1").wait_for()
    accounts.remove(closed.service.desk, "users", "tom", "command")
    page.get_by_label("Password").wait_for()
