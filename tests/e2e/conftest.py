"""The browser of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.portal import Portal, running_browser, sign_in


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with running_browser() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A page signed in as Ana, at the Explorer. A script error or a refused resource fails the test."""
    yield from _signed_in(browser.new_context(base_url=portal.url, viewport={"width": 1280, "height": 900}))


@pytest.fixture
def plain_page(browser: Browser, portal: Portal) -> Iterator[Page]:
    """The same without JavaScript."""
    yield from _signed_in(browser.new_context(base_url=portal.url, java_script_enabled=False))


def _signed_in(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Explorer")
    yield page
    context.close()
    assert complaints == []
