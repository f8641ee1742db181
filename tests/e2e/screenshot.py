"""Take the README's picture: `make screenshot`.

A portal of its own with the demo in it; the exports in the history were made through the dialog, but for one that
is shown in the middle of its work.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.portal import Portal, running_browser, running_portal, sign_in

DATASET = "Workshop scenes"
SHOW_RUNNING = f"""
from datasets.models import Dataset
from tests.exports import jobs
from vi_portal.accounts.models import User
jobs.make_running(Dataset.objects.get(name={DATASET!r}), user=User.objects.get(username="ana"))
"""


def take(target: Path) -> None:
    """Write the picture to `target`, a PNG."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_portal(Path(folder)) as portal,
        running_browser() as browser,
    ):
        context = browser.new_context(base_url=portal.url, viewport={"width": 1440, "height": 980})
        page = context.new_page()
        sign_in(page)
        page.get_by_role("main").get_by_role("link").filter(has=page.get_by_text(DATASET, exact=True)).click()
        page.get_by_role("navigation", name="Dataset").get_by_role("link", name="Annotations").click()
        _fill_history(page, portal)
        target.parent.mkdir(parents=True, exist_ok=True)
        page.mouse.move(0, 0)
        page.screenshot(path=target, animations="disabled")


def _fill_history(page: Page, portal: Portal) -> None:
    for form, ratio in (("TFRecord", ""), ("Vi JSONL", "0.2")):
        page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("radio", name=re.compile(form)).check()
        if ratio:
            dialog.get_by_role("checkbox", name=re.compile("Normalized")).check()
            dialog.get_by_role("checkbox", name=re.compile("Test split ratio")).check()
            dialog.get_by_role("textbox", name=re.compile("validation")).fill(ratio)
        dialog.get_by_role("button", name="Export", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(page.locator("tbody.job").first).to_contain_text("Finished", timeout=60_000)
    portal.manage("shell", "--verbosity", "0", "-c", SHOW_RUNNING)
    page.reload()
    expect(page.locator("tbody.job").first).to_contain_text("In Progress")


if __name__ == "__main__":
    take(Path(sys.argv[1]))
