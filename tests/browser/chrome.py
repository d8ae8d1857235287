"""The Chromium that pages are opened in: which one, and how it is started."""

from __future__ import annotations

import shutil

# The shell without a window of its own draws a page in three quarters of the time.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_ONLY_HERE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", f"--host-resolver-rules={_ONLY_HERE}",
)  # fmt: skip


def path() -> str:
    """The first Chromium of the system; empty if there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), "")


def launch(driver):
    """A browser that finds no host but this one, from Playwright's ``driver``."""
    return driver.chromium.launch(executable_path=path(), args=list(_ARGUMENTS))
