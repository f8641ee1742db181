"""A job is done once; cancelled, without room or broken, it leaves a reason and no file."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from datasets.models import Dataset
from exports import runner, storage
from exports.dispatch import request_export
from exports.formats import vi_jsonl
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.exports.reading import archive_path, export, leftovers, receipt
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State
from vi_portal.jobs.progress import Progress

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def test_a_job_is_done_once(valves: Dataset) -> None:
    cast.make_annotated(valves, 3)
    job = export(valves)
    before = archive_path(job).stat().st_mtime_ns
    for _ in range(3):
        runner.run(job.pk, worker="late messenger")
    job.refresh_from_db()
    assert (job.attempts, archive_path(job).stat().st_mtime_ns) == (1, before)


def test_cancelled_while_written_leaves_no_file(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 3)
    job = request_export(ExportSpec(), dataset=valves, user=None, ring=False)
    real_publish = storage.publish

    def cancelled_at_the_last_moment(part: Path, *, sent: Callable[[int], None]) -> str:
        ExportJob.objects.get(pk=job.pk).cancel(by="Ana")
        return real_publish(part, sent=sent)

    monkeypatch.setattr(storage, "publish", cancelled_at_the_last_moment)
    runner.run(job.pk, worker="test")
    job.refresh_from_db()
    assert (job.state, job.failure, job.archive) == (State.FAILED, "Cancelled by Ana.", "")
    assert list(Path(settings.ARCHIVE_DIR).iterdir()) == []


def test_a_full_disk_is_said_so(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 3)
    real_open = Path.open

    def open_full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        # /dev/full is a disk with no room: every write to it fails as on a full one.
        target = Path("/dev/full") if self.suffix == ".part" and "w" in mode else self
        return real_open(target, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_full)
    job = export(valves)
    assert job.state == State.FAILED
    assert "The disk is full" in job.failure


def test_the_files_are_gone_when_the_row_is_told_for_it_needs_the_room_on_a_full_disk(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.make_annotated(valves, 3)
    there: list[list[str]] = []
    real_fail = ExportJob.fail

    def fail(job: ExportJob, reason: str, **more: Any) -> None:
        there.append(leftovers())
        real_fail(job, reason, **more)

    def full(record: Any) -> str:
        there.append(leftovers())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ExportJob, "fail", fail)
    monkeypatch.setattr(vi_jsonl, "head", full)
    export(valves)
    while_writing, when_told = there
    assert (bool(while_writing), when_told) == (True, [])


def test_no_room_for_a_folder_is_a_full_disk_too(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 1)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "spool_path", full)
    assert "The disk is full" in export(valves).failure


def test_an_unexpected_error_is_logged_once_and_told_without_its_trace(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cast.make_annotated(valves, 3)

    def broken(record: Any) -> str:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(vi_jsonl, "head", broken)
    job = export(valves)
    assert job.state == State.FAILED
    assert "secret detail" not in job.failure
    assert sum("secret detail" in str(record.exc_info) for record in caplog.records) == 1
    assert not leftovers()


def test_who_asked_may_be_deleted_meanwhile(valves: Dataset) -> None:
    cast.make_annotated(valves, 1)
    asker = cast.make_member(valves.organization, "dora")
    job = request_export(ExportSpec(), dataset=valves, user=asker, ring=False)

    def delete(progress: Progress) -> None:
        if progress.phase == "Writing annotations":
            User.objects.all().delete()

    runner.run(job.pk, worker="here", progress=Progress(delete))
    job.refresh_from_db()
    assert (job.state, job.user, job.failure) == (State.FINISHED, None, "")
    assert receipt(job)["requested_by"] == "Dora"


@pytest.mark.parametrize("days", [-30, 30])
def test_a_worker_with_a_wrong_clock_keeps_archives_for_as_long_as_promised(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    cast.make_annotated(valves, 2)
    right = timezone.now
    with monkeypatch.context() as there:
        there.setattr(timezone, "now", lambda: right() + timedelta(days=days))
        job = export(valves)
        ExportJob.discard_leftovers()

    ExportJob.discard_leftovers()

    job.refresh_from_db()
    assert archive_path(job).is_file()
    assert job.expires_at is not None
    assert abs(job.expires_at - right() - timedelta(days=settings.EXPORT_RETENTION_DAYS)) < timedelta(minutes=5)
