"""Files come in by the page: chosen or dropped, with a script or without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import cast
from tests.datasets.imports.importing import line
from tests.e2e.portal import Portal


@pytest.fixture
def empty(portal: Portal, request: pytest.FixtureRequest) -> str:
    """The path of a new dataset without assets."""
    name = f"New for {request.node.name}"
    made = (
        "from datasets.models import Dataset; from vi_portal.accounts.models import Membership; "
        "acme = Membership.objects.get(user__username='ana').organization; "
        f"print(Dataset.objects.create(organization=acme, type='phrase-grounding', name={name!r}).pk)"
    )
    return f"/datasets/{portal.manage('shell', '--verbosity', '0', '-c', made).strip()}"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two images, one file that is none, and annotations of the first."""
    first, second, neither, lines = (tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "lines.jsonl"))
    first.write_bytes(cast.jpeg())
    second.write_bytes(cast.jpeg(color="red"))
    neither.write_text("I am no image.")
    lines.write_text(json.dumps(line("a.jpg")) + "\n")
    return [first, second, neither, lines]


def test_chosen_files_are_sent_with_an_outcome_each(page: Page, empty: str, files: list[Path]) -> None:
    page.goto(f"{empty}/assets/")
    page.get_by_label("Images, and annotations").set_input_files(files)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("3 of 4 uploaded, 1 refused.")).to_be_visible()
    outcomes = page.locator("[data-upload-outcomes] li")
    expect(outcomes).to_have_count(4)
    expect(outcomes.first).to_contain_text("“c.jpg” is not an image that can be read.")
    expect(outcomes.get_by_role("link", name="a.jpg")).to_be_visible()
    page.goto(f"{empty}/annotations/")
    row = page.locator("#job-history-table tbody").first
    expect(row).to_contain_text("Import")
    expect(row).to_contain_text("Finished")
    expect(row).to_contain_text("1 annotation")


def test_dropped_files_are_sent_and_the_history_follows(page: Page, empty: str) -> None:
    page.goto(f"{empty}/annotations/")
    dropped = page.evaluate_handle(
        """text => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], "lines.jsonl"));
            return transfer;
        }""",
        json.dumps(line("a.jpg")) + "\n",
    )
    page.dispatch_event("form[data-upload]", "drop", {"dataTransfer": dropped})
    row = page.locator("#job-history-table tbody").first
    expect(row).to_contain_text("Import")
    expect(row).to_contain_text("Finished")
    expect(row).to_contain_text("1 annotation")
    expect(page.get_by_text("there is nothing to export")).to_have_count(0)
    row.get_by_role("link", name="Delete the import of").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No exports yet")).to_be_visible()


def test_the_form_works_without_a_script(plain_page: Page, empty: str, files: list[Path]) -> None:
    plain_page.goto(f"{empty}/assets/")
    plain_page.get_by_label("Images, and annotations").set_input_files(files)
    plain_page.get_by_role("button", name="Upload").click()
    outcomes = plain_page.locator("[data-upload-outcomes] li")
    expect(outcomes).to_have_count(4)
    expect(outcomes.first).to_contain_text("a.jpg Added.")
    plain_page.goto(f"{empty}/assets/")
    expect(plain_page.get_by_text("2 assets")).to_be_visible()


def test_a_dataset_is_deleted_after_a_question(page: Page, empty: str) -> None:
    page.goto(f"{empty}/")
    page.get_by_role("link", name="Delete this dataset").click()
    expect(page.get_by_text("It is empty: no assets, no annotations.")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("was deleted.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explorer")
    expect(page.locator(f'a[href="{empty}/"]')).to_have_count(0)
