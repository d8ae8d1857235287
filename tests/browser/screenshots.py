"""Pictures of every page, wide and narrow, light and dark: ``make screenshots ARGS="--url http://localhost:8050"``.

Without an address the worked example is made anew in a temporary folder, which takes some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.browser import chrome

MONITOR = "/m/obesity-risk"
PAGES = {
    "summary": MONITOR,
    "drift": f"{MONITOR}/drift?range=365",
    "feature": f"{MONITOR}/features/kcal",
    "performance": f"{MONITOR}/performance?range=365",
    "models": f"{MONITOR}/models",
    "compare": f"{MONITOR}/models/compare",
    "batch": f"{MONITOR}/batches/516",
    "upload": f"{MONITOR}/upload?batch=516",
    "backtest": f"{MONITOR}/backtest",
    "events": f"{MONITOR}/events",
    "settings": f"{MONITOR}/settings",
    "new": "/new",
    "health": "/health",
    "not-found": "/nowhere",
}
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running dashboard with the worked example")
    parser.add_argument("--out", type=Path, default=Path("build/screenshots"), help="folder for the pictures")
    parser.add_argument("--pages", default=",".join(PAGES), help="names with commas between them")
    options = parser.parse_args()
    if not chrome.path():
        print("No Chromium: install it (sudo apt-get install chromium).", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext(options.url) if options.url else _demo() as url:
        _take(url, options.out, options.pages.split(","))
    return 0


def _take(url: str, out: Path, pages: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = chrome.launch(driver)
        for size, (width, height) in SIZES.items():
            for mode in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=mode)
                context.add_cookies([{"name": "tour", "value": "done", "url": url}])  # no hints over the pages
                page = context.new_page()
                for name in pages:
                    page.goto(url + PAGES[name])
                    page.wait_for_selector("h1")
                    page.wait_for_function(
                        "() => !document.querySelector('.skeleton')"
                        " && [...document.querySelectorAll('.chart')].every(box => box.querySelector('.main-svg'))",
                        timeout=60_000,
                    )
                    page.screenshot(path=out / f"{name}-{size}-{mode}.png", full_page=True)
                    print(f"{out / name}-{size}-{mode}.png", file=sys.stderr)
                context.close()
        browser.close()


@contextlib.contextmanager
def _demo() -> Iterator[str]:
    """The worked example on an address of its own."""
    import waitress

    from dashboard.app import create_app
    from pipeline.service import Service
    from seed_data import demo

    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "data")
        demo.build(service, progress=lambda days: print(f"{days} days more", file=sys.stderr))
        runs = [{"policy": policy} for policy in ("auto", "never", "every:10", "usual")]
        service.backtest(demo.NAME, runs, last=60)
        service.work_backtests()
        server = waitress.create_server(create_app(service).server, host="127.0.0.1", port=0)
        threading.Thread(target=server.run, daemon=True).start()
        yield f"http://127.0.0.1:{server.effective_port}"
        server.close()
        service.close()


if __name__ == "__main__":
    sys.exit(main())
