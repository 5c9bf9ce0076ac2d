"""A real browser for the tests of the page: the system's Chromium, driven by Playwright, and a server beside it."""

import contextlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((path for name in ("chromium", "google-chrome", "chrome") if (path := shutil.which(name))), None)

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)

MILLISECONDS = 60_000.0
"""Within which what a test waits for must come: far longer than it takes, for machines that are busy."""

PICTURES = os.environ.get("HDC_PICTURES", "")
"""A folder that screenshots are written to; empty for none."""

WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""


def skip_without_browser() -> None:
    """Skip the tests of a module where there is no browser, saying what is missing."""
    pytest.importorskip("fastapi", reason="needs the extra serve")
    pytest.importorskip("uvicorn", reason="needs the extra serve")
    pytest.importorskip("playwright", reason="needs Playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium in the path", allow_module_level=True)


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port; its address."""
    import uvicorn

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        until = time.monotonic() + MILLISECONDS / 1000
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        assert server.started, "the server did not start"
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(MILLISECONDS / 1000)


@contextlib.contextmanager
def browsing() -> Iterator[Any]:
    """Run a browser with an empty profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), timeout=MILLISECONDS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def tab(browser: Any, address: str, width: int = 1280, height: int = 860, **options: Any) -> "Iterator[Tab]":
    """Open a tab with storage of its own; at its end nothing may have gone wrong in it.

    Options are those of Playwright's ``new_context``, such as ``color_scheme="dark"``.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(MILLISECONDS)
    try:
        opened = Tab(context.new_page(), address)
        yield opened
        opened.check()
    finally:
        context.close()


class Tab:
    """A page of the browser, and what went on in it.

    Attributes
    ----------
    page : playwright.sync_api.Page
    address : str
        Of the server.
    complaints : list of str
        Errors and warnings of the browser's log, and errors of scripts.
    fetched : list of str
        Addresses that were asked for.
    expected : set of str
        Parts of complaints that a test provokes.
    """

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.fetched: list[str] = []
        self.expected: set[str] = set()
        page.add_init_script(WATCH)
        page.on("console", self._logged)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.fetched.append(request.url))

    def _logged(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def open(self, route: str = "") -> None:
        """Load the page at a route, such as ``#/patients/search``."""
        self.page.goto("about:blank")
        self.page.goto(self.address + route)

    def route(self) -> str:
        """Return the part of the address behind ``#``."""
        return str(self.page.evaluate("decodeURIComponent(location.hash)"))

    def focus(self) -> str:
        """Return the name of what has the focus."""
        return str(
            self.page.evaluate("(() => { const e = document.activeElement; return e.ariaLabel ?? e.textContent })()")
        )

    def picture(self, name: str) -> None:
        """Write a screenshot, if a folder is named for them."""
        if PICTURES:
            self.page.screenshot(path=Path(PICTURES, f"explorer_{name}.png"))

    def check(self) -> None:
        """Fail if a script failed, the policy was violated, or something was fetched from elsewhere."""
        unexpected = [text for text in self.complaints if not any(part in text for part in self.expected)]
        assert unexpected == []
        assert self.page.evaluate("window.violations") == []
        own = (self.address, "data:", "blob:", "about:")
        assert [url for url in self.fetched if not url.startswith(own)] == []
