import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.stage import Stage, opened

PATIENCE = 10_000
NOON = 1_795_435_200  # 2026-11-23, in Unix seconds
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; CI demands it (`.ci/chromium`), a machine without it skips."""
    path = shutil.which("chromium")
    if path is None:
        assert not os.environ.get("CI"), "CI must have chromium"
        pytest.skip("no chromium here: pages are tried in a real browser (.ci/chromium brings it)")
    with sync_playwright() as playwright:
        # Only root runs without the sandbox: in a container, against pages of our own.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Serve the page, with a health that the test makes."""
    with opened() as one:
        yield one


@pytest.fixture
def open_page(chromium: Browser, stage: Stage) -> Iterator[Open]:
    """Open the page at noon, where time stands until the test moves it; no complaint is allowed."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_it(path: str = "/status", **options: Any) -> Page:
        context = chromium.new_context(**{"timezone_id": "UTC", "locale": "en-GB", **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.clock.install(time=NOON - 1)
        page.clock.pause_at(NOON)
        page.goto(stage.url + path)
        if options.get("java_script_enabled", True):
            page.locator("#version:not(:empty)").wait_for()
        return page

    yield open_it
    for context in contexts:
        context.close()
    # Chromium notes every answer that is no 200 itself; all else is a complaint of the page's.
    assert [text for text in complaints if "Failed to load resource" not in text] == []
