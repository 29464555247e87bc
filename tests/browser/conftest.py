from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.find_browser import find_browser
from tests.browser.launch import FLAGS
from tests.browser.site import ExampleSite
from tests.browser.steps import WAIT_MS, OpenWindow

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            # The first one may have to install a browser.
            item.add_marker(pytest.mark.timeout(900))
            break


@pytest.fixture(scope="session")
def chromium() -> str:
    return find_browser()


# Not of the whole session: while Playwright's synchronous API is up, its thread has a running
# event loop, and asynchronous tests could not start one.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleSite]:
    """A running example site that the tests of this folder share; each takes rooms of its own."""
    # Without the autoreloader: whoever edits the package meanwhile shall not cut the connections.
    site = ExampleSite(tmp_path_factory.mktemp("site"), "--noreload").start()
    yield site
    site.stop()
    expect_clean(site)


def expect_clean(site: ExampleSite) -> None:
    """The server's log, from start to Ctrl-C, holds no exception and no warning of Python's."""
    output = site.output()
    assert "Traceback" not in output, output
    assert "Warning: " not in output, output


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[ExampleSite]:
    """The example site as the demo command alone serves it, for a test that stops and starts it."""
    site = ExampleSite(tmp_path).start()
    yield site
    site.stop()
    expect_clean(site)


@pytest.fixture
def open_window(browser: Browser) -> Iterator[OpenWindow]:
    """Open windows that share nothing; at the end no page may have reported an error.

    ``quiet=False`` lets a window report errors, for tests that take its server away.
    """
    contexts = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    def open_window(url: str, *, quiet: bool = True, **options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        if quiet:
            page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert errors == []
