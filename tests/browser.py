"""A headless browser without network for tests that look at pages; they skip where there is none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Root has no sandbox to give; the pages are our own and reach no network.
ARGUMENTS = ["--host-resolver-rules=MAP * ~NOTFOUND", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
PATIENCE = 120_000  # milliseconds
WIDTHS = {"phone": 390, "desk": 1280}


@contextmanager
def browser() -> Iterator[Browser]:
    """The machine's own Chromium."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"needs a browser, one of {', '.join(NAMES)}, on the path")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield chromium
        finally:
            chromium.close()


def opened(chromium: Browser, path: Path, width: int = WIDTHS["desk"], scheme: str = "light") -> Page:
    """The page in a file, loaded to the end, in a window of that width."""
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(path.as_uri(), wait_until="load")
    return page


def broken_images(page: Page) -> list[str]:
    """The first letters of the address of each image that did not load."""
    return page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src.slice(0, 80))")


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


class Watched(NamedTuple):
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
        # One that was passed by too fast would wait to be seen, and its decoding with it.
        self.tab.evaluate("[...document.images].forEach(i => i.loading = 'eager')")
        self.tab.evaluate("Promise.all([...document.images].filter(i => i.src).map(i => i.decode().catch(() => null)))")


@contextmanager
def watched(path: Path, width: int) -> Iterator[Watched]:
    """The page in a window of this width in pixels, listened to from the start."""
    with browser() as chromium:
        tab = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme="light", reduced_motion="reduce")
        tab.set_default_timeout(PATIENCE)
        found = Watched(tab, [], [])
        tab.on(
            "console", lambda said: found.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        tab.on("pageerror", lambda error: found.complaints.append(str(error)))
        tab.on("request", lambda asked: found.requests.append(asked.url))
        tab.goto(path.as_uri())
        found.requests[:] = [url for url in found.requests if url != path.as_uri() and not url.startswith("data:")]
        yield found
