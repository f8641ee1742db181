"""Annotation files on their way to the worker, by the store."""

from __future__ import annotations

import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
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
