"""A headless Chromium for tests of the board: Debian's, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

REQUIRED_VARIABLE = "DROPREEL_BROWSER_TESTS"
"""Set to `required`, the tests fail where there is no Chromium; else they are skipped."""
HOW_TO_GET = (
    "no Chromium is installed here, so the board was not tested in a browser. On Debian: apt-get install chromium"
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--force-prefers-reduced-motion",  # an animation would take a processor
]


def chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield a browser. Skips the test, or fails it where browser tests are required, if there is none."""
    path = chromium()
    if path is None:
        if os.environ.get(REQUIRED_VARIABLE) == "required":
            pytest.fail(HOW_TO_GET)
        pytest.skip(HOW_TO_GET)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def contrast_schemes() -> tuple[dict[str, Any], ...]:
    """Return the settings of a context for light and dark."""
    return {"color_scheme": "light"}, {"color_scheme": "dark"}
