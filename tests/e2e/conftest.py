"""The browser of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, StorageState, ViewportSize, expect

from tests.e2e.portal import Portal, running_browser, sign_in

#: What htmx says when the page takes back a request for the next one. It has another word for one that failed.
TAKEN_BACK = ("htmx:afterRequest,", "htmx:sendAbort,")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with running_browser() as launched:
        yield launched


@pytest.fixture(scope="package")
def session(browser: Browser, portal: Portal) -> StorageState:
    """What the browser keeps of Ana's having signed in."""
    with _watched(browser.new_context(base_url=portal.url)) as page:
        sign_in(page)
        _at_the_explorer(page)
        return page.context.storage_state()


@pytest.fixture
def page(browser: Browser, portal: Portal, session: StorageState) -> Iterator[Page]:
    """A page signed in as Ana, at the Explorer. A script error or a refused resource fails the test."""
    window = ViewportSize(width=1280, height=900)
    with _watched(browser.new_context(base_url=portal.url, viewport=window, storage_state=session)) as page:
        page.goto("/")
        _at_the_explorer(page)
        yield page


@pytest.fixture
def plain_page(browser: Browser, portal: Portal) -> Iterator[Page]:
    """The same without JavaScript, even when signing in."""
    with _watched(browser.new_context(base_url=portal.url, java_script_enabled=False)) as page:
        sign_in(page)
        _at_the_explorer(page)
        yield page


@contextmanager
def _watched(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(TAKEN_BACK):
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def _at_the_explorer(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Explorer")
