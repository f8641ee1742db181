"""The job history refreshes itself under the user's hands, and takes nothing out of them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.e2e.portal import Portal


def shell(portal: Portal, *lines: str) -> str:
    """What the last line prints, run beside the portal."""
    imports = (
        "import hashlib; from datasets.models import Dataset; from exports.models import ExportJob; "
        "from tests.exports import jobs"
    )
    return portal.manage("shell", "--verbosity", "0", "-c", "\n".join((imports, *lines))).strip()


@pytest.fixture(scope="module")
def annotations_page(portal: Portal) -> str:
    """The path of the Annotations tab of a dataset with 364 annotated assets."""
    key = shell(portal, "print(Dataset.objects.get(name='BCCD').pk)")
    return f"/datasets/{key}/annotations/"


def test_a_refresh_keeps_the_focus_and_what_is_open(page: Page, portal: Portal, annotations_page: str) -> None:
    job = shell(portal, "print(jobs.make_running(Dataset.objects.get(name='BCCD')).pk)")
    running = f"ExportJob.objects.filter(pk='{job}')"
    page.goto(annotations_page)
    row = page.locator(f"#job-{job}")
    expect(row).to_contain_text("Writing annotations, 43%")
    row.locator("summary").click()
    row.get_by_role("button", name="Cancel").focus()

    shell(portal, f"{running}.update(percent=61)")
    expect(row).to_contain_text("61%")
    expect(row.get_by_role("progressbar")).to_have_js_property("value", 61)
    expect(row.get_by_role("button", name="Cancel")).to_be_focused()
    expect(row.get_by_text("Requested")).to_be_visible()
    expect(page.locator("#job-history-news")).not_to_contain_text("61")

    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    shell(portal, f"{running}.update(state='failed', failure='The disk is full.', finished_at='2026-01-01T00:00Z')")
    expect(row).to_contain_text("The disk is full.")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    expect(page.get_by_role("main").get_by_role("link", name="Export", exact=True)).to_be_focused()
    expect(page.locator("#job-history")).not_to_have_attribute("hx-trigger", re.compile("."))


def test_the_focus_is_not_lost_with_the_button_it_was_on(page: Page, portal: Portal, annotations_page: str) -> None:
    job = shell(portal, "print(jobs.make_running(Dataset.objects.get(name='BCCD')).pk)")
    page.goto(annotations_page)
    row = page.locator(f"#job-{job}")
    row.get_by_role("button", name="Cancel").press("Enter")
    expect(row).to_contain_text("Cancelled by Ana")
    expect(row.locator("summary")).to_be_focused()
    row.get_by_role("link", name="Delete the export of").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("link", name="Keep it")).to_be_focused()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    expect(page.get_by_role("heading", name="Annotation Job History")).to_be_focused()


def test_an_answer_from_before_a_click_changes_nothing_after_it(
    page: Page, portal: Portal, annotations_page: str
) -> None:
    job = shell(portal, "print(jobs.make_running(Dataset.objects.get(name='BCCD')).pk)")
    late: list[tuple[Route, APIResponse]] = []

    def hold_back(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    page.route("**/annotations/history/*", hold_back)
    with page.expect_request("**/annotations/history/*"):
        page.goto(annotations_page)
    row = page.locator(f"#job-{job}")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelled by Ana")
    page.evaluate(
        "() => { document.addEventListener('htmx:afterRequest', () => (window.told = true), { once: true }); }"
    )
    [(route, answer)] = late
    assert "43%" in answer.text()
    route.fulfill(response=answer)
    page.wait_for_function("window.told")
    assert "Cancelled by Ana" in row.inner_text()


def test_images_follow_the_format_until_somebody_decides(page: Page, annotations_page: str) -> None:
    page.goto(annotations_page)
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    images = dialog.get_by_role("checkbox", name=re.compile("Include images"))
    expect(images).to_be_checked()
    dialog.get_by_role("radio", name=re.compile("TFRecord")).check()
    expect(images).not_to_be_checked()
    images.check()
    dialog.get_by_role("radio", name=re.compile("Vi JSONL")).check()
    dialog.get_by_role("radio", name=re.compile("TFRecord")).check()
    expect(dialog).to_contain_text("image/encoded")
    expect(images).to_be_checked()


def test_a_format_that_always_has_images_leaves_no_choice_and_forgets_none(page: Page, annotations_page: str) -> None:
    page.goto(annotations_page)
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    images = dialog.get_by_role("checkbox", name=re.compile("Include images"))
    images.uncheck()
    dialog.get_by_role("radio", name=re.compile("ViFull")).check()
    expect(images).to_be_checked()
    expect(images).to_be_disabled()
    expect(dialog).to_contain_text("Always, in this format.")
    expect(dialog).to_contain_text("Without an image")
    dialog.get_by_role("radio", name=re.compile("Vi JSONL")).check()
    expect(images).to_be_enabled()
    expect(images).not_to_be_checked()
    expect(dialog).not_to_contain_text("Always, in this format.")
    expect(images).not_to_be_checked()
    expect(images).to_be_enabled()


def test_typing_is_not_disturbed_by_the_preview(page: Page, annotations_page: str) -> None:
    page.goto(annotations_page)
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name=re.compile("Test split ratio")).check()
    ratio = dialog.get_by_role("textbox", name=re.compile("Share for validation"))
    ratio.press("Control+A")
    ratio.press_sequentially("0.25x", delay=300)
    expect(dialog).to_contain_text("“0.25x” is not a ratio")
    expect(ratio).to_be_focused()
    expect(ratio).to_have_attribute("aria-invalid", "true")
    ratio.press("Backspace")
    expect(dialog).to_contain_text("273 train, 91 validation")
    expect(ratio).to_have_value("0.25")
    expect(ratio).to_be_focused()


def test_a_refused_export_brings_the_focus_to_what_is_wrong(page: Page, annotations_page: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(annotations_page)
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name=re.compile("Test split ratio")).check()
    ratio = dialog.get_by_role("textbox", name=re.compile("Share for validation"))
    ratio.fill("a" * 60)
    expect(dialog.get_by_role("alert")).to_contain_text("is not a ratio")
    dialog.get_by_role("button", name="Export", exact=True).press("Enter")
    expect(ratio).to_be_focused()
    body = dialog.locator(".dialog-body")
    assert body.evaluate("(element) => element.scrollWidth - element.clientWidth") == 0


def test_the_checksum_is_copied_beside_the_download(page: Page, portal: Portal, annotations_page: str) -> None:
    finished = "job = jobs.make_finished(Dataset.objects.get(name='BCCD'))"
    job, sha256 = shell(portal, finished, "print(job.pk, hashlib.sha256(jobs.ARCHIVE).hexdigest())").split()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(annotations_page)
    page.locator(f"#job-{job}").get_by_role("button", name="Copy the SHA-256").click()
    expect(page.locator("#announcement")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == sha256


#: Resolves when the history would have asked for itself again.
DUE = """() => new Promise((due) => document.addEventListener("htmx:beforeRequest", function heard({ target }) {
    if (target.id !== "job-history") return;
    document.removeEventListener("htmx:beforeRequest", heard);
    setTimeout(due);
}))"""


def test_a_page_in_the_background_does_not_ask(page: Page, portal: Portal, annotations_page: str) -> None:
    job = shell(portal, "print(jobs.make_running(Dataset.objects.get(name='BCCD')).pk)")
    page.goto(annotations_page)
    row = page.locator(f"#job-{job}")
    expect(row).to_contain_text("43%")
    asked: list[str] = []
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate(DUE)  # what was under way when it went there is over by the next time
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(DUE)
    assert asked == []
    page.evaluate("delete document.hidden")
    shell(portal, f"ExportJob.objects.filter(pk='{job}').update(percent=61)")
    expect(row).to_contain_text("61%")
    shell(portal, f"ExportJob.objects.filter(pk='{job}').delete()")
