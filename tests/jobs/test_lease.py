"""Holding a job: the row follows the work, and work stops soon after the row was taken away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.waiting import wait_until
from vi_portal.jobs import lease as lease_module
from vi_portal.jobs.lease import Lease, LeaseLost
from vi_portal.jobs.progress import Progress
from vi_portal.jobs.sweep import requeue_lost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(settings: Any) -> ExportJob:
    settings.JOB_LEASE_SECONDS = 1.0
    dataset = cast.make_dataset(cast.make_organization())
    queued = ExportJob.of(ExportSpec(), dataset=dataset, user=None)
    return ExportJob.start(queued.pk, worker="w1")


def row(job: ExportJob) -> ExportJob:
    return ExportJob.objects.get(pk=job.pk)


def lost(lease: Lease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return True
    return False


def test_the_lease_is_renewed_and_progress_is_shown(job: ExportJob) -> None:
    progress = Progress()
    first_end = job.lease_expires_at
    assert first_end is not None
    with Lease(job, progress) as lease:
        progress.enter("Writing", until=80, total=10)
        progress.advance(5)
        wait_until(lambda: (row(job).phase, row(job).percent) == ("Writing", 40))
        wait_until(lambda: (row(job).lease_expires_at or first_end) > first_end + timedelta(seconds=1))
        lease.check()


def test_a_cancelled_job_is_noticed(job: ExportJob) -> None:
    with Lease(job, Progress()) as lease:
        row(job).cancel(by="Ana")
        wait_until(lambda: lost(lease))


def test_a_worker_that_slept_past_its_lease_notices(job: ExportJob) -> None:
    with Lease(job, Progress()) as lease:
        ExportJob.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        ExportJob.start(job.pk, worker="w2")
        wait_until(lambda: lost(lease))
    assert row(job).worker == "w2"


def test_an_error_of_work_that_was_taken_away_tells_only_that(job: ExportJob) -> None:
    lease = Lease(job, Progress())
    lease.__enter__()
    ExportJob.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    requeue_lost(ExportJob)
    with pytest.raises(LeaseLost):
        lease.__exit__(FileNotFoundError, FileNotFoundError("swept up"), None)


def test_an_error_of_work_that_is_held_is_told(job: ExportJob) -> None:
    with pytest.raises(FileNotFoundError), Lease(job, Progress()):
        raise FileNotFoundError("never there")


def test_work_that_stands_still_loses_its_lease(job: ExportJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "STALL_SECONDS", 0.2)
    with Lease(job, Progress()) as lease:
        wait_until(lambda: lost(lease))


def test_progress_through_phases_only_grows() -> None:
    heard: list[float] = []
    progress = Progress(lambda now: heard.append(now.percent))
    progress.enter("Planning", until=2, total=1)
    progress.enter("Writing", until=80, total=4)
    for _ in range(6):
        progress.advance()
    progress.enter("Checking", until=99, total=0)
    progress.advance(3)
    assert heard == sorted(heard)
    assert heard[-1] == 99
    assert progress.phase == "Checking"
