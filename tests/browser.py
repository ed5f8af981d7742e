"""Pages opened in Chromium without a window, and what it complains of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect, sync_playwright

PATIENCE = 120_000  # milliseconds


class Opened(NamedTuple):
    """A page in a tab, with the warnings and errors of its console, and what it asked for besides itself."""

    tab: Page
    complaints: list[str]
    requests: list[str]

    def scroll_through(self) -> None:
        """Pass the whole page by, so that all of it is drawn, and wait until it is."""
        height = self.tab.evaluate("document.documentElement.scrollHeight")
        for top in range(0, height, 600):
            self.tab.evaluate(f"scrollTo(0, {top})")
            self.tab.wait_for_timeout(20)
        # The page forbids the evaluation of texts, by which Playwright waits for a function.
        expect(self.tab.locator(".plot:not([data-drawn])")).to_have_count(0, timeout=PATIENCE)
        self.tab.evaluate("Promise.all([...document.images].filter(i => i.src).map(i => i.decode().catch(() => null)))")


@contextmanager
def opened(path: Path, width: int) -> Iterator[Opened]:
    """The page in a browser of this width in pixels; the test is skipped where there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the path (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium runs without its sandbox only.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="light", reduced_motion="reduce")
        tab.set_default_timeout(PATIENCE)
        found = Opened(tab, [], [])
        tab.on(
            "console", lambda said: found.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        tab.on("pageerror", lambda error: found.complaints.append(str(error)))
        tab.on("request", lambda asked: found.requests.append(asked.url))
        tab.goto(path.as_uri())
        found.requests[:] = [url for url in found.requests if url != path.as_uri() and not url.startswith("data:")]
        try:
            yield found
        finally:
            browser.close()
