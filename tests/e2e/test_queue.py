"""The Queue page refreshes itself in its place, at the pace that fits what goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.portal import Portal

MAKE_RUNNING = """
from datasets.models import Dataset
from tests.exports import jobs
print(jobs.make_running(Dataset.objects.get(name="BCCD"), requested_by="Queue test").pk)
"""
#: Who sees the page runs the portal.
STAFF = "from vi_portal.accounts.models import User; User.objects.filter(username='ana').update(is_staff={})"


def shell(portal: Portal, text: str) -> str:
    return portal.manage("shell", "--verbosity", "0", "-c", text).strip()


@pytest.fixture
def running(portal: Portal) -> Iterator[str]:
    """The id of a running export; Ana runs the portal meanwhile."""
    shell(portal, STAFF.format(True))
    job = shell(portal, MAKE_RUNNING)
    yield job
    shell(portal, f"from exports.models import ExportJob; ExportJob.objects.filter(pk='{job}').delete()")
    shell(portal, STAFF.format(False))


def poll(page: Page, seconds: int) -> None:
    """Let `seconds` pass for the page, in which it must ask for what changed, once."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response("**/queue/") as waiting:
        page.clock.run_for(seconds * 1000)
    assert waiting.value.ok
    assert len(asked) == 1


def test_the_queue_is_brought_up_to_date_in_its_place(page: Page, portal: Portal, running: str) -> None:
    page.clock.install(time=0)
    page.clock.pause_at(1000)
    page.goto("/queue/")
    row = page.get_by_role("row").filter(has_text="Queue test")
    expect(row).to_contain_text("43%")
    change = f"from exports.models import ExportJob; ExportJob.objects.filter(pk='{running}').update"
    for percent in (61, 75):
        shell(portal, f"{change}(percent={percent})")
        poll(page, 2)
        expect(row).to_contain_text(f"{percent}%")
        page.clock.run_for(100)  # what htmx does after a swap, it does by timers
        expect(page.locator("#queue")).to_have_count(1)
        expect(page.get_by_role("heading", name="Waiting")).to_have_count(1)

    shell(portal, f"{change}(state='failed', failure='The disk is full.', finished_at='2026-01-01T00:00Z')")
    poll(page, 2)
    expect(row).to_have_count(0)
    page.clock.run_for(100)
    poll(page, 10)
    expect(page.locator("#queue")).to_have_attribute("hx-trigger", "every 10s")
