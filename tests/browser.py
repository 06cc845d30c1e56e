"""A real browser for tests: Debian's Chromium, driven by Playwright; tests skip where it is not."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect  # waits for what it expects

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium() -> Iterator:
    """A running browser; the test is skipped, with the reason, where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """A page that notes what it asks the outside for, and what goes wrong in it.

    Everything that is not a file is refused; ``allowed`` names the one server that may answer.
    Attributes it does not have are the page's own.
    """

    def __init__(self, page, allowed: str = "file:"):
        self.page, self.outside, self.errors = page, [], []
        self.allowed = (allowed, "file:", "data:", "blob:", allowed.replace("http", "ws", 1))
        page.route("**/*", self._route)
        page.on("console", self._message)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _route(self, route) -> None:
        if route.request.url.startswith(self.allowed):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def _message(self, message) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, path: Path) -> None:
        """Open a file from disk."""
        self.page.goto(path.as_uri())

    def __getattr__(self, name: str):
        return getattr(self.page, name)
