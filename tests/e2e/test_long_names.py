"""Names of any length stay inside their page: nothing is pushed beyond the edge of the window or of its table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.portal import Portal

NAME = "Hochdruckventilinspektionsprotokoll" * 5
PREPARE = f"""
from datasets.models import Dataset
from tests.exports import jobs
from vi_portal.accounts.models import Organization, User
User.objects.filter(username="ana").update(is_staff=True)
dataset = Dataset.objects.create(organization=Organization.objects.get(), name="{NAME}", type="phrase-grounding")
jobs.make_failed(dataset, requested_by="{NAME}", failure="“{NAME}” is damaged.")
print(dataset.pk)
"""
CLEAR = f"""
from datasets.models import Dataset
from vi_portal.accounts.models import User
User.objects.filter(username="ana").update(is_staff=False)
Dataset.objects.filter(name="{NAME}").delete()
"""


@pytest.fixture(scope="module")
def dataset(portal: Portal) -> Iterator[str]:
    """The path of a dataset of that name, without annotations, whose export failed; Ana runs the portal meanwhile."""
    yield f"/datasets/{shell(portal, PREPARE)}/"
    shell(portal, CLEAR)


def shell(portal: Portal, text: str) -> str:
    return portal.manage("shell", "--verbosity", "0", "-c", text).strip()


@dataclass(frozen=True)
class Overflow:
    """By how many px a page is wider than its window, and the widest table than its place."""

    page: int
    tables: int


def overflow(page: Page) -> Overflow:
    wider = "(element) => element.scrollWidth - element.clientWidth"
    return Overflow(
        page.evaluate(f"({wider})(document.scrollingElement)"),
        page.evaluate(f"Math.max(0, ...[...document.querySelectorAll('.table-wrap')].map({wider}))"),
    )


@pytest.mark.parametrize("width", [360, 1440])
def test_long_names_stay_on_the_page(page: Page, dataset: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for path, shown in (
        (f"{dataset}annotations/", "has no annotations yet"),
        ("/queue/", f"“{NAME}” is damaged."),
    ):
        page.goto(path)
        expect(page.get_by_role("main")).to_contain_text(shown)
        assert overflow(page) == Overflow(page=0, tables=0), path


def test_a_long_search_without_a_match_stays_on_the_page(page: Page, portal: Portal) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("main").get_by_role("link").filter(has=page.get_by_text("BCCD", exact=True)).click()
    page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Assets").click()
    page.get_by_role("searchbox").fill(NAME)
    expect(page.get_by_role("heading", name="No asset passes the filter")).to_be_visible()
    assert overflow(page) == Overflow(page=0, tables=0)
