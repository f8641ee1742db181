"""Holders of a shared export that die or wake up late: their shards are nobody else's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now

from datasets.models import Dataset
from exports import runner
from exports.dispatch import request_export
from exports.formats import vi_jsonl
from exports.models import ExportJob, ExportShard
from exports.records import Record
from exports.shards import holder
from exports.spec import ExportSpec
from tests.exports.reading import export, leftovers
from tests.exports.sharing import ids_of, once_dealt, sign_in, write_elsewhere
from vi_portal.jobs import lease
from vi_portal.jobs.models import State
from vi_portal.jobs.sweep import requeue_lost

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("small_shards"),
]


def test_what_a_dead_holder_left_is_swept_up(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test", "other")

    class Killed(BaseException):
        pass

    def die(job: ExportJob) -> None:
        write_elsewhere(*ids_of(job)[:2])
        raise Killed

    once_dealt(monkeypatch, die)
    monkeypatch.setattr(holder._Held, "dismiss", lambda held: None)
    job = request_export(ExportSpec(), dataset=pumps, user=None, ring=False)
    with pytest.raises(Killed):
        runner.run(job.pk, worker="test")
    ExportJob.objects.filter(pk=job.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    ExportJob.discard_leftovers()
    assert len(leftovers()) == 2  # still wanted, as far as anybody knows
    requeue_lost(ExportJob)
    ExportShard.discard_leftovers()
    ExportJob.discard_leftovers()
    assert leftovers() == []
    monkeypatch.undo()
    runner.run(job.pk, worker="test")
    job.refresh_from_db()
    assert (job.state, job.attempts) == (State.FINISHED, 2)


def test_a_shard_of_an_earlier_attempt_is_not_written(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test", "other")

    def stale(job: ExportJob) -> None:
        job.shards.update(export_token=uuid.uuid4())
        write_elsewhere(*ids_of(job))
        assert not job.shards.exclude(attempts=0).exists()
        job.shards.update(export_token=job.lease_token)

    once_dealt(monkeypatch, stale)
    assert export(pumps).state == State.FINISHED


def taken_over(job: ExportJob) -> ExportJob:
    """The export as its next holder has it: the lease of the one before ran out."""
    with transaction.atomic():  # or the holder, which is awake in truth, might renew it in between
        ExportJob.objects.filter(pk=job.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
        requeue_lost(ExportJob)
        return ExportJob.start(job.pk, worker="next")


def test_a_holder_that_wakes_up_late_leaves_the_shards_of_the_next_alone(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("test", "next")

    def overtake(job: ExportJob) -> None:
        job.shards.update(export_token=taken_over(job).lease_token)

    once_dealt(monkeypatch, overtake)
    job = export(pumps)
    assert (job.state, job.worker, job.attempts) == (State.RUNNING, "next", 2)
    assert list(job.shards.values_list("state", "attempts").distinct()) == [(State.QUEUED, 0)]
    assert job.shards.count() == 4


def test_a_holder_that_wakes_up_late_deals_no_shards(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test", "next")
    ask = holder._Held.ask

    def late(held: holder._Held, groups: Any) -> Iterator[uuid.UUID]:
        token = taken_over(held._job).lease_token
        assert token is not None
        made = {"runs": [], "ids": b"", "revision": 0, "dataset": pumps}
        ExportShard.objects.create(export=held._job, export_token=token, number=0, **made)
        return ask(held, groups)

    monkeypatch.setattr(holder._Held, "ask", late)
    job = export(pumps)
    assert (job.state, job.worker) == (State.RUNNING, "next")
    assert [shard.export_token for shard in job.shards.all()] == [job.lease_token]


def test_a_shard_that_takes_long_is_no_standstill(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test", "other")
    monkeypatch.setattr(lease, "STALL_SECONDS", 0.25)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    head = vi_jsonl.head

    def slowly(record: Record) -> bytes:
        time.sleep(0.08)  # longer than the limit for all of a shard, well below it for each of its records
        return head(record)

    monkeypatch.setattr(vi_jsonl, "head", slowly)
    attempts: set[int] = set()
    finish = ExportShard.finish

    def finished(shard: ExportShard, **results: Any) -> None:
        attempts.add(shard.attempts)
        finish(shard, **results)

    monkeypatch.setattr(ExportShard, "finish", finished)
    assert export(pumps).state == State.FINISHED
    assert attempts == {1}
