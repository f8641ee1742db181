"""What the sweep takes for left over, where a file and an upload bear the same name."""

from __future__ import annotations

import uuid

import pytest

from exports import storage
from exports.job_files import JobFile
from exports.models import ExportJob
from tests import cast
from tests.exports.jobs import make_finished


def test_an_upload_that_was_begun_twice_is_given_up_and_the_archive_stays(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store began one whose answer was lost; the one that was asked for then became the archive."""
    job = make_finished(cast.make_dataset(cast.make_organization()))
    key = f"{job.pk}-{uuid.uuid4()}.zip"
    ExportJob.objects.filter(pk=job.pk).update(archive=key)
    removed: list[str] = []
    archive = JobFile.named(key, remove=lambda: removed.append("archive"))
    upload = JobFile.named(key, remove=lambda: removed.append("upload"), unfinished=True)
    monkeypatch.setattr(storage, "files", lambda: iter([archive, upload]))

    ExportJob.discard_leftovers()

    assert removed == ["upload"]
