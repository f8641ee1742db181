"""`manage.py import_dataset`, as a person at a shell sees it."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from datasets import images
from datasets.models import Dataset
from tests import cast
from tests.datasets.imports.importing import line, write_image, write_lines
from vi_portal.accounts.models import Organization


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, a good line, a bad one and a degenerate box."""
    for name, color in (("line_07.jpg", "red"), ("b.jpg", "blue")):
        write_image(tmp_path / "images" / name, color=color, width=1000, height=800)
    flat = line("b.jpg", id="2")
    flat["contents"]["groundedPhrases"][0]["bounds"] = [[5, 5, 5, 9]]
    write_lines(tmp_path / "annotations.jsonl", [line(), b"{nonsense", flat])
    return tmp_path


def run(*args: str | Path) -> str:
    out = io.StringIO()
    call_command("import_dataset", *map(str, args), stdout=out)
    return out.getvalue()


def refused(*args: str | Path) -> str:
    with pytest.raises(CommandError) as refusal:
        run(*args)
    return str(refusal.value)


def test_the_summary_and_every_bad_line_are_printed(acme: Organization, folder: Path) -> None:
    printed = run(
        "--name", "Valves", "--type", "phrase-grounding",
        "--images", folder / "images", "--annotations", folder / "annotations.jsonl",
    )  # fmt: skip
    bad, degenerate, *summary = printed.splitlines()
    assert bad.startswith("annotations.jsonl:2: The line is not valid JSON")
    assert degenerate.startswith("annotations.jsonl:3: The box [5, 5, 5, 9] of “red valve” is degenerate")
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.type, dataset.organization) == ("Valves", "phrase-grounding", acme)
    assert summary == [
        f"Valves (phrase grounding), {dataset.pk}",
        "images:      2 read, 2 written, 0 skipped",
        "assets:      2 read, 2 written, 0 skipped",
        "lines:       3 read, 1 refused",
        "annotations: 2 read, 2 written, 0 skipped",
        "boxes:       2 read, 1 degenerate box",
    ]


def test_again_says_what_was_there(acme: Organization, folder: Path) -> None:
    args = ("--name", "Valves", "--type", "phrase-grounding", "--images", folder / "images")
    run(*args)
    assert "images:      2 read, 0 written, 2 skipped (2 already there)" in run(*args)
    assert Dataset.objects.get().assets.count() == 2


def test_the_progress_bar_is_on_standard_error(
    acme: Organization, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run("--name", "Valves", "--type", "phrase-grounding", "--annotations", folder / "annotations.jsonl")
    assert "Reading annotations 100%" in capfd.readouterr().err


@pytest.mark.django_db
def test_the_first_organization_is_made_where_there_is_none(folder: Path) -> None:
    run("--name", "Valves", "--type", "vqa", "--images", folder / "images")
    assert Dataset.objects.get().organization == Organization.objects.get()


def test_an_organization_is_found_by_name_or_id(acme: Organization, folder: Path) -> None:
    other = cast.make_organization("Borealis")
    for number, key in enumerate(("Borealis", str(other.pk))):
        run("--name", f"V{number}", "--type", "vqa", "--images", folder / "images", "--organization", key)
    run("--name", "V3", "--type", "vqa", "--images", folder / "images")
    assert (other.datasets.count(), acme.datasets.count()) == (2, 1)
    message = refused("--name", "V4", "--type", "vqa", "--images", folder / "images", "--organization", "Acne")
    assert message == "There is no organization “Acne”. There are: “Acme”, “Borealis”."


def test_what_cannot_be_done_is_told_in_a_sentence(valves: Dataset, folder: Path) -> None:
    images = ("--images", folder / "images")
    assert "its type is phrase-grounding, not vqa" in refused("--name", "Valves", "--type", "vqa", *images)
    assert "give its --type" in refused("--name", "Pumps", *images)
    assert "There is nothing to import" in refused("--name", "Valves")
    assert "There is no folder" in refused("--name", "Valves", "--images", folder / "gone")
    assert "There is no file or folder" in refused("--name", "Valves", "--annotations", folder / "gone")
    assert "1 to 200 characters" in refused("--name", "x" * 201, "--type", "vqa", *images)
    assert "1 to 200 characters" in refused("--name", " ", "--type", "vqa", *images)


def test_a_dataset_that_stays_empty_is_not_made(acme: Organization, folder: Path) -> None:
    bad = write_lines(folder / "bad.jsonl", [b"{", b"["])
    assert "Nothing could be imported" in refused("--name", "New", "--type", "vqa", "--annotations", bad)
    assert "There is no folder" in refused("--name", "New", "--type", "vqa", "--images", folder / "gone")
    assert not Dataset.objects.exists()


def test_an_existing_dataset_needs_no_type(valves: Dataset, folder: Path) -> None:
    run("--name", "Valves", "--annotations", folder / "annotations.jsonl")
    assert valves.assets.count() == 2


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    valves: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "images" / "closed"
    closed.mkdir()
    real_scandir = os.scandir

    def scandir(path: str) -> Any:
        if Path(path) == closed:  # chmod would not stop root
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    said = refused("--name", "Valves", "--images", folder / "images")
    assert said == f"The folder {closed} cannot be read: Permission denied. Make it readable, or move it elsewhere."


def test_an_interruption_says_how_to_go_on(valves: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(error: BaseException) -> str:
        def stop(*args: object, **kwargs: object) -> None:
            raise error

        monkeypatch.setattr(images, "store_image", stop)
        return refused("--name", "Valves", "--images", folder / "images")

    go_on = "What was stored stays; run the command again to finish."
    assert stopping(KeyboardInterrupt()) == f"Interrupted. {go_on}"
    full = OSError(errno.ENOSPC, "No space left on device")
    assert stopping(full) == f"The import stopped: No space left on device. {go_on}"
    locked = OperationalError("database or disk is full")
    assert stopping(locked) == f"The import stopped, because the database failed: database or disk is full. {go_on}"
