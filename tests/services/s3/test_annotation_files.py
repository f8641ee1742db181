"""Annotation files on their way to the worker, by the store."""

from __future__ import annotations

import shutil
import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from django.urls import reverse

from datasets import leftovers
from datasets.imports import runner as import_runner
from datasets.imports import sessions
from datasets.models import Annotation, Dataset, ImportJob
from tests import cast
from tests.conftest import signed_in
from tests.services.store import Bucket, Way, fails
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def test_annotation_files_reach_the_worker_by_the_store(
    valves: Dataset, ana: User, bucket: Bucket, settings: Any, tmp_path: Path
) -> None:
    image = {"type": "Image", "filename": cast.make_asset(valves).filename, "width": 1000, "height": 800}
    contents = {"type": "PhraseGrounding", "caption": "A valve", "groundedPhrases": []}
    file = SimpleUploadedFile("sent.jsonl", cast.as_json({"id": "a1", "asset": image, "contents": contents}))
    signed_in(ana).post(reverse("upload", args=[valves.pk]), {"files": [file]})
    job = ImportJob.objects.get()
    assert len(bucket.keys("team/uploads/")) == 1
    settings.UPLOAD_DIR = tmp_path / "another machine"
    import_runner.run(job.pk, worker="test")
    job.refresh_from_db()
    assert (job.state, Annotation.objects.count()) == (State.FINISHED, 1), job.failure or job.problems
    assert bucket.keys("team/uploads/") == []


def test_annotation_files_nobody_reads_go_from_the_store(valves: Dataset, ana: User, bucket: Bucket) -> None:
    session = sessions.open_session(valves, user=ana, policies=sessions.Policies())
    sessions.add_file(session, "a.jsonl", BytesIO(b"{}"))
    bucket.put(f"team/uploads/{uuid.uuid4()}/1", b"of no session")
    leftovers.discard()
    [kept] = bucket.keys("team/uploads/")
    assert str(session.pk) in kept
    sessions.give_up(session, reason="CancelledByUser")
    leftovers.discard()
    assert bucket.keys("team/uploads/") == []


def test_annotation_files_that_cannot_be_stored_are_told_of(valves: Dataset, ana: User, way: Way) -> None:
    way.fault = fails("PUT")
    sent = {"files": [SimpleUploadedFile("sent.jsonl", b"{}")]}
    answer = signed_in(ana).post(reverse("upload", args=[valves.pk]), sent)
    assert "It could not be stored" in answer.content.decode()
    assert not ImportJob.objects.exists()


def test_a_file_on_its_way_to_the_store_has_no_name_that_a_killed_web_process_would_leave(
    valves: Dataset, ana: User, bucket: Bucket, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.open_session(valves, user=ana, policies=sessions.Policies())
    content, seen = b"{}" * 200_000, []

    class Body(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.append(files_in(settings.UPLOAD_DIR))
            return super().read(size)

    [slot] = sessions.announce(session, [sessions.Announced("a.jsonl", len(content))])
    request = RequestFactory().put("/", content, content_type="application/octet-stream")
    monkeypatch.setattr(request, "_stream", Body(content))
    sessions.receive(slot, request)
    sessions.add_file(session, "b.jsonl", Body(content))

    assert len(seen) > 3
    assert not any(seen)
    sizes = [len(bucket.read(key)) for key in bucket.keys("team/uploads/")]
    assert sizes == [len(content)] * 2


def test_a_file_on_its_way_to_the_worker_is_where_the_sweep_finds_it(
    valves: Dataset, ana: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.open_session(valves, user=ana, policies=sessions.Policies())
    sessions.add_file(session, "a.jsonl", BytesIO(b"{}"))
    sessions.start(session)
    seen: list[Path] = []
    copy = shutil.copyfileobj

    def copied(source: Any, target: Any, length: int) -> None:
        seen.extend(files_in(settings.UPLOAD_DIR))
        copy(source, target, length)

    monkeypatch.setattr(shutil, "copyfileobj", copied)
    sessions.files_of(session)
    assert [file.is_relative_to(session.folder) for file in seen] == [True]
    ImportJob.objects.get().cancel(by="Ana")
    leftovers.discard()
    assert files_in(settings.UPLOAD_DIR) == []


def files_in(folder: Path | str) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]
