"""The state machine: every verb moves exactly one row, or is refused."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec
from vi_portal.jobs.models import Refused, State, Worker
from vi_portal.jobs.sweep import requeue_lost, ring_again, sweep

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(valves: Dataset) -> ExportJob:
    return ExportJob.of(ExportSpec(), dataset=valves, user=None)


def start(job: ExportJob) -> ExportJob:
    return ExportJob.start(job.pk, worker="w1")


def fresh(job: ExportJob) -> ExportJob:
    return ExportJob.objects.get(pk=job.pk)


def lose_worker(job: ExportJob, *, attempts: int = 1) -> None:
    """The worker of `job` has been silent for longer than its lease."""
    past = timezone.now() - timedelta(seconds=1)
    assert ExportJob.objects.filter(pk=job.pk).update(lease_expires_at=past, attempts=attempts)


def test_a_job_runs_once_and_finishes(job: ExportJob) -> None:
    assert (job.state, job.status) == (State.QUEUED, "In Progress")
    held = start(job)
    assert (held.state, held.status, held.attempts, held.worker) == (State.RUNNING, "In Progress", 1, "w1")
    held.finish(size=5)
    done = fresh(job)
    assert (done.state, done.status, done.percent, done.size) == (State.FINISHED, "Finished", 100, 5)
    assert done.duration is not None


def test_a_held_job_is_not_started_again(job: ExportJob) -> None:
    start(job)
    with pytest.raises(Refused):
        start(job)


def test_a_job_whose_worker_is_silent_is_started_again_and_the_first_worker_is_locked_out(job: ExportJob) -> None:
    first = start(job)
    lose_worker(job)
    second = start(job)
    assert second.attempts == 2
    with pytest.raises(Refused):
        first.beat(phase="Writing", percent=50)
    with pytest.raises(Refused):
        first.finish()
    with pytest.raises(Refused):
        first.fail("late")
    with pytest.raises(Refused):
        first.release()
    second.finish()
    assert fresh(job).status == "Finished"


def test_a_bell_does_not_begin_more_attempts_than_there_are(job: ExportJob, settings: Any) -> None:
    start(job)
    lose_worker(job, attempts=settings.JOB_MAX_ATTEMPTS)
    with pytest.raises(Refused):
        start(job)
    requeue_lost(ExportJob)
    assert fresh(job).attempts == settings.JOB_MAX_ATTEMPTS
    assert fresh(job).state == State.FAILED


def test_progress_never_falls_and_reaches_100_only_when_finished(job: ExportJob) -> None:
    held = start(job)
    seen = []
    for percent in (10, 40, 30, 150, 99):
        held.beat(phase="Writing", percent=percent)
        seen.append(fresh(job).percent)
    assert seen == [10, 40, 40, 99, 99]
    lose_worker(job)
    start(job).beat(phase="Planning", percent=1)
    assert fresh(job).percent == 99


@pytest.mark.parametrize("running", [False, True])
def test_cancel(job: ExportJob, running: bool) -> None:
    held = start(job) if running else job
    job.cancel(by="Ana")
    assert (fresh(job).status, fresh(job).failure, fresh(job).cancelled) == ("Failed", "Cancelled by Ana.", True)
    with pytest.raises(Refused):
        held.finish()
    with pytest.raises(Refused):
        job.cancel(by="Ben")
    with pytest.raises(Refused):
        start(job)


def test_what_is_over_stays_over(job: ExportJob) -> None:
    held = start(job)
    held.fail("The disk is full.")
    with pytest.raises(Refused):
        held.finish()
    assert fresh(job).failure == "The disk is full."


def test_a_job_that_is_gone_is_refused(db: None) -> None:
    with pytest.raises(Refused):
        ExportJob.start(uuid.uuid4(), worker="w1")


# The sweep


def test_a_lost_job_is_queued_again_until_it_was_lost_too_often(job: ExportJob, settings: Any) -> None:
    start(job)
    requeue_lost(ExportJob)
    assert fresh(job).state == State.RUNNING
    lose_worker(job, attempts=settings.JOB_MAX_ATTEMPTS - 1)
    requeue_lost(ExportJob)
    assert fresh(job).state == State.QUEUED
    start(job)
    lose_worker(job, attempts=settings.JOB_MAX_ATTEMPTS)
    requeue_lost(ExportJob)
    assert fresh(job).status == "Failed"
    assert "stopped unexpectedly" in fresh(job).failure


def test_a_bell_that_comes_late_starts_no_attempt_too_many(job: ExportJob, settings: Any) -> None:
    start(job)
    lose_worker(job, attempts=settings.JOB_MAX_ATTEMPTS)
    with pytest.raises(Refused):
        start(job)
    requeue_lost(ExportJob)
    assert fresh(job).status == "Failed"


def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that went to the broker from here on."""
    from celery import current_app

    sent: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **options: sent.append(args[0]))
    return sent


def test_a_job_nobody_heard_of_is_rung_for_after_the_grace_time(
    job: ExportJob, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    sent = rings(monkeypatch)
    ring_again(ExportJob)
    assert sent == []
    ExportJob.objects.update(created_at=timezone.now() - timedelta(seconds=settings.JOB_GRACE_SECONDS + 1))
    ring_again(ExportJob)
    ring_again(ExportJob)
    assert sent == [str(job.pk)]
    ExportJob.objects.update(rung_at=timezone.now() - timedelta(seconds=settings.JOB_GRACE_SECONDS + 1))
    ring_again(ExportJob)
    assert sent == [str(job.pk)] * 2


def test_a_job_queued_again_is_rung_for_at_once(job: ExportJob, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = rings(monkeypatch)
    start(job)
    lose_worker(job)
    requeue_lost(ExportJob)
    ring_again(ExportJob)
    assert sent == [str(job.pk)]


def without_broker(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that the broker, which is away, was asked to take."""
    from celery import current_app

    asked: list[str] = []

    def down(name: str, args: list[str], **options: Any) -> None:
        asked.append(args[0])
        raise ConnectionError("no broker")

    monkeypatch.setattr(current_app, "send_task", down)
    return asked


def test_a_broker_that_is_down_does_not_break_the_click(job: ExportJob, monkeypatch: pytest.MonkeyPatch) -> None:
    without_broker(monkeypatch)
    job.ring()
    assert fresh(job).state == State.QUEUED
    assert fresh(job).rung_at is not None


def test_a_broker_that_is_down_is_waited_for_once_a_round(
    job: ExportJob, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    for _ in range(3):
        ExportJob.of(ExportSpec(), dataset=job.dataset, user=None)
    ExportJob.objects.update(created_at=timezone.now() - timedelta(seconds=settings.JOB_GRACE_SECONDS + 1))
    asked = without_broker(monkeypatch)
    sweep()
    assert len(asked) == 1
    sweep()
    assert len(asked) == 2  # the next in the line; each of them is rung for again after the grace time
    ExportJob.ring_for(list(ExportJob.objects.all()), bells=4)
    assert len(asked) == 3


def test_workers_are_alive_while_they_sign_in() -> None:
    Worker.sign_in("w1")
    Worker.sign_in("w1")
    Worker.sign_in("w2")
    assert set(Worker.alive().values_list("name", flat=True)) == {"w1", "w2"}
    Worker.sign_out("w2")
    Worker.objects.filter(name="w1").update(seen_at=timezone.now() - timedelta(minutes=2))
    assert not Worker.alive().exists()
    Worker.sign_in("w1")
    assert Worker.alive().exists()


# Files that nobody owns


def test_leftovers_go_and_archives_stay_until_they_expire(valves: Dataset, settings: Any) -> None:
    folder = settings.ARCHIVE_DIR
    folder.mkdir(parents=True)

    def make(state: str, suffix: str, **columns: Any) -> tuple[ExportJob, Any]:
        job = ExportJob.of(ExportSpec(), dataset=valves, user=None)
        file = folder / f"{job.pk}-{uuid.uuid4()}{suffix}"
        file.write_bytes(b"x")
        ExportJob.objects.filter(pk=job.pk).update(state=state, **columns)
        return job, file

    tomorrow, yesterday = timezone.now() + timedelta(days=1), timezone.now() - timedelta(days=1)
    whole, whole_file = make(State.FINISHED, ".zip", expires_at=tomorrow)
    old, old_file = make(State.FINISHED, ".zip", expires_at=yesterday)
    for job, file in ((whole, whole_file), (old, old_file)):
        ExportJob.objects.filter(pk=job.pk).update(archive=file.name)
    running, current = make(State.RUNNING, ".part")
    token = current.stem[-36:]
    ExportJob.objects.filter(pk=running.pk).update(lease_token=token)
    abandoned = folder / f"{running.pk}-{uuid.uuid4()}.part"
    abandoned.write_bytes(b"x")
    _, cancelled = make(State.FAILED, ".part")
    _, unpublished = make(State.QUEUED, ".zip")
    spool = settings.SPOOL_DIR / f"{running.pk}-{uuid.uuid4()}.spool"
    spool.mkdir(parents=True)
    (spool / "shard").write_bytes(b"x")
    current_spool = settings.SPOOL_DIR / f"{running.pk}-{token}.spool"
    current_spool.mkdir()
    foreign = folder / "notes.txt"
    foreign.write_bytes(b"x")

    ExportJob.discard_leftovers()

    assert {path.name for path in folder.iterdir()} == {whole_file.name, current.name, foreign.name}
    assert fresh(old).archive == ""
    assert fresh(old).has_expired
    assert fresh(whole).has_archive
    assert list(settings.SPOOL_DIR.iterdir()) == [current_spool]
    for gone in (old_file, abandoned, cancelled, unpublished, spool):
        assert not gone.exists()
