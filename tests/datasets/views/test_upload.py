"""Uploading and deleting from the pages, without a script: what is said, what is done, and who may."""

from __future__ import annotations

import json
from itertools import count

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from datasets.imports import annotation_import, runner
from datasets.models import Dataset, ImportJob, ImportSession
from tests import cast
from tests.datasets.imports.importing import line
from vi_portal.jobs.models import State

# A job's lease is kept over a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def file(name: str, content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def records(*lines: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def test_files_sent_by_the_form_are_told_one_by_one(as_ana: Client, valves: Dataset) -> None:
    here = reverse("upload", args=[valves.pk])
    assert 'enctype="multipart/form-data"' in as_ana.get(here).content.decode()
    sent = [
        file("a.jpg", cast.jpeg()),
        file("text.jpg", b"no image"),
        file("cut.jpg", cast.jpeg(640, 480)[:-200]),
        file("lines.jsonl", records(line("a.jpg"))),
        file("../lines.jsonl", records(line("a.jpg"))),
    ]
    page = as_ana.post(here, {"files": sent}).content.decode()
    assert "Added." in page
    assert escape("“text.jpg” is not an image") in page
    assert "“cut.jpg” is damaged" in page
    assert "Another file of this name" in page
    assert [asset.filename for asset in valves.assets.all()] == ["a.jpg"]
    [job] = ImportJob.objects.all()
    runner.run(job.pk, worker="test")
    assert valves.assets.get().annotations.count() == 1


def test_the_script_gets_the_outcomes_as_json(as_ana: Client, valves: Dataset) -> None:
    here = reverse("upload", args=[valves.pk])
    for sentence in ("Added.", "Already there."):
        told = as_ana.post(here, {"files": [file("a.jpg", cast.jpeg())]}, headers={"Accept": "application/json"})
        [outcome] = told.json()["outcomes"]
        assert (outcome["name"], outcome["tone"], outcome["sentence"]) == ("a.jpg", "good", sentence)
        assert as_ana.get(outcome["address"]).context["asset"].filename == "a.jpg"
        assert as_ana.get(outcome["picture"]).status_code == 200
    replaced = as_ana.post(here, {"files": [file("a.jpg", cast.jpeg(color="red"))]})
    assert "Its image was replaced; the annotations stay." in replaced.content.decode()
    assert valves.assets.count() == 1


def test_an_upload_of_nothing_says_so(as_ana: Client, valves: Dataset) -> None:
    assert "No file was chosen" in as_ana.post(reverse("upload", args=[valves.pk])).content.decode()


def test_more_files_than_a_form_takes_are_refused_in_plain_words(as_ana: Client, valves: Dataset) -> None:
    here = reverse("upload", args=[valves.pk])
    assert "at most 100 files" in as_ana.get(here).content.decode()
    answer = as_ana.post(here, {"files": [file(f"{n}.jpg", b"") for n in range(101)]})
    assert answer.status_code == 400
    assert "at most 100 files at once, and none of these was taken" in answer.content.decode()


def test_imports_are_in_the_history_with_their_problems(as_ana: Client, valves: Dataset) -> None:
    cast.make_asset(valves, "line_07.jpg")
    content = records(line("line_07.jpg")) + b"{broken\n"
    as_ana.post(reverse("upload", args=[valves.pk]), {"files": [file("lines.jsonl", content)]})
    history = reverse("job-history", args=[valves.pk])
    before = as_ana.get(history).content.decode()
    assert "Import</td>" in before
    assert "In Progress" in before
    assert "1 import in progress." in before
    assert 'hx-trigger="every 300ms"' in before
    runner.run(ImportJob.objects.get().pk, worker="test")
    after = as_ana.get(history).content.decode()
    assert "Finished" in after
    assert "1 annotation<" in after
    assert "lines.jsonl:2" in after
    assert 'hx-trigger="every ' not in after


def test_an_import_is_cancelled_by_who_may_edit(
    as_ana: Client, as_ben: Client, as_chloe: Client, valves: Dataset
) -> None:
    as_ana.post(reverse("upload", args=[valves.pk]), {"files": [file("lines.jsonl", records(line()))]})
    job = ImportJob.objects.get()
    address = reverse("cancel-import", args=[job.pk])
    assert as_ben.post(address).status_code == 403
    assert as_chloe.post(address).status_code == 404
    assert "Cancel" not in as_ben.get(reverse("job-history", args=[valves.pk])).content.decode()
    question = as_ana.get(address).content.decode()
    assert "It has not begun, so nothing is written." in question
    assert "lines.jsonl" in question
    answer = as_ana.post(address, follow=True).content.decode()
    assert "Cancelled by Ana. Nothing was written." in answer
    job.refresh_from_db()
    assert (job.state, job.failure) == (State.FAILED, "Cancelled by Ana.")


def test_a_cancelled_import_says_how_much_of_it_stays(
    as_ana: Client, valves: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line("a.jpg") | {"id": f"annotation {n}"} for n in range(6)]
    as_ana.post(reverse("upload", args=[valves.pk]), {"files": [file("lines.jsonl", records(*lines))]})
    address = reverse("cancel-import", args=[ImportJob.objects.get().pk])
    batches = count(1)
    asked: list[str] = []

    class CancelledAfterTwo:
        def between(self) -> None:
            if next(batches) == 2:
                asked.append(as_ana.get(address).content.decode())
                as_ana.post(address)

    monkeypatch.setattr(annotation_import, "_BATCH_ANNOTATIONS", 2)
    monkeypatch.setattr(annotation_import, "GivingWay", CancelledAfterTwo)
    runner.run(ImportJob.objects.get().pk, worker="test")
    assert "<strong>4 annotations</strong>, and a few more until it stops" in asked[0]
    assert valves.assets.get().annotations.count() == 4
    page = as_ana.get(reverse("job-history", args=[valves.pk])).content.decode()
    assert "Cancelled by Ana. 4 annotations were written by then and stay." in page


def test_the_row_of_an_import_is_deleted_and_its_annotations_stay(
    as_ana: Client, as_ben: Client, as_chloe: Client, valves: Dataset
) -> None:
    as_ana.post(reverse("upload", args=[valves.pk]), {"files": [file("lines.jsonl", records(line("a.jpg")))]})
    job = ImportJob.objects.get()
    address, history = reverse("delete-import", args=[job.pk]), reverse("job-history", args=[valves.pk])
    assert address not in as_ana.get(history).content.decode()
    assert "still in progress" in as_ana.post(address, follow=True).content.decode()
    runner.run(job.pk, worker="test")
    assert address in as_ana.get(history).content.decode()
    assert address not in as_ben.get(history).content.decode()
    assert as_ben.post(address).status_code == 403
    assert as_chloe.post(address).status_code == 404
    assert "The annotations it wrote stay" in as_ana.get(address).content.decode()
    assert "No exports yet" in as_ana.post(address, follow=True).content.decode()
    assert not ImportSession.objects.exists()
    assert valves.assets.get().annotations.count() == 1


def test_deleting_a_dataset_says_what_goes_and_asks(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    address = reverse("delete-dataset", args=[valves.pk])
    assert address in as_ana.get(f"/datasets/{valves.pk}/").content.decode()
    question = as_ana.get(address).content.decode()
    assert "<strong>2 assets</strong> with their images, <strong>2 annotations</strong>" in question
    assert "Archives that were exported before stay until they expire" in question
    assert Dataset.objects.exists()
    answer = as_ana.post(address, follow=True).content.decode()
    assert escape("“Valves” was deleted.") in answer
    assert not Dataset.objects.exists()


def test_deleting_an_asset_says_what_goes_and_asks(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, image=cast.jpeg())
    cast.make_annotation(asset)
    address = reverse("delete-asset", args=[valves.pk, asset.uid])
    assert address in as_ana.get(asset.get_absolute_url()).content.decode()
    assert "its image and 1 annotation." in as_ana.get(address).content.decode()
    assert as_ana.post(address).status_code == 302
    assert not valves.assets.exists()
    assert not default_storage.exists(asset.file)


def test_a_viewer_sees_none_of_it_and_may_none_of_it(as_ben: Client, as_chloe: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    for name, arguments in (("upload", []), ("delete-dataset", []), ("delete-asset", [asset.uid])):
        address = reverse(name, args=[valves.pk, *arguments])
        assert as_ben.get(address).status_code == 403
        assert as_ben.post(address, {"files": [file("a.jpg", cast.jpeg())]}).status_code == 403
        assert as_chloe.post(address).status_code == 404
        for page in (f"/datasets/{valves.pk}/", asset.get_absolute_url(), reverse("assets", args=[valves.pk])):
            assert address not in as_ben.get(page).content.decode()
    assert list(valves.assets.all()) == [asset]
