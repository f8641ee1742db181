"""Shards that are lost, refused, damaged, cancelled or written twice, and what becomes of their export."""

from __future__ import annotations

import errno
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.db.models.functions import Now

from datasets.models import Annotation, Dataset
from exports.models import ExportJob, ExportShard
from exports.shards import holder, writer
from tests.exports.reading import export, leftovers
from tests.exports.sharing import assert_equal, ids_of, once_dealt, sign_in, write_elsewhere
from vi_portal.jobs.models import State
from vi_portal.jobs.sweep import requeue_lost
from vi_portal.s3.failures import StoreFailed

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("small_shards"),
]


@pytest.mark.parametrize("swept", [True, False], ids=["swept by another", "nobody else sweeps"])
def test_a_lost_shard_alone_is_done_again(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch, settings: LazySettings, swept: bool
) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    settings.JOB_SWEEP_SECONDS = 0.05
    attempts: list[int] = []

    def lose(job: ExportJob) -> None:
        first, *others = ids_of(job)
        write_elsewhere(*others)
        ExportShard.start(first, worker="killed")
        ExportShard.objects.filter(pk=first).update(lease_expires_at=Now() - timedelta(seconds=1))
        if swept:
            requeue_lost(ExportShard)

    def finished(held: holder._Held) -> None:
        attempts.extend(held._job.shards.order_by("number").values_list("attempts", flat=True))
        dismiss(held)

    dismiss = holder._Held.dismiss
    once_dealt(monkeypatch, lose)
    monkeypatch.setattr(holder._Held, "dismiss", finished)
    assert_equal(export(pumps), alone)
    assert attempts == [2, 1, 1, 1]


def test_a_shard_that_was_taken_from_the_holder_and_swept_up_is_done_again(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker stood still for longer than the lease of the shard; that of the export was renewed in time."""
    alone = export(pumps, format="ViTfrecord")
    sign_in("test", "other")
    write, taken = writer.write_fragment, list[uuid.UUID]()

    def swept(shard: ExportShard, *arguments: Any) -> None:
        if not taken:
            taken.append(shard.pk)
            ExportShard.objects.filter(pk=shard.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
            requeue_lost(ExportShard)
            raise FileNotFoundError("The spool is gone.")
        write(shard, *arguments)

    monkeypatch.setattr(writer, "write_fragment", swept)
    assert_equal(export(pumps, format="ViTfrecord"), alone)
    assert taken


def test_a_shard_that_cannot_be_written_fails_the_export_with_its_reason(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in("test", "other")

    def fail(job: ExportJob) -> None:
        shard = ExportShard.start(job.shards.get(number=2).pk, worker="other")
        shard.fail("The disk is full, so the archive could not be written.")

    once_dealt(monkeypatch, fail)
    job = export(pumps)
    assert (job.state, job.failure) == (State.FAILED, "The disk is full, so the archive could not be written.")
    assert leftovers() == []
    assert not ExportShard.objects.exists()


@pytest.mark.parametrize(
    "error",
    [
        StoreFailed("The file store refuses the portal.", lasting=True),
        StoreFailed("The file store does not answer.", lasting=False),
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError("spool"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_worker_that_can_write_nothing_does_not_fail_the_exports_of_others(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch, settings: LazySettings, error: Exception
) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    settings.JOB_MAX_ATTEMPTS, settings.JOB_PAUSE_SECONDS = 2, 0
    write = writer.write_fragment

    def refused(shard: ExportShard, *arguments: Any) -> None:
        if shard.worker == "other":
            raise error
        write(shard, *arguments)

    def try_elsewhere(job: ExportJob) -> None:
        for _ in range(2):
            write_elsewhere(*ids_of(job))
        assert job.shards.filter(state=State.QUEUED, holder_only=True).count() == job.shards.count()

    monkeypatch.setattr(writer, "write_fragment", refused)
    once_dealt(monkeypatch, try_elsewhere)
    assert_equal(export(pumps), alone)


def test_a_fragment_that_was_damaged_on_its_way_is_found(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test", "other")

    def damage(job: ExportJob) -> None:
        write_elsewhere(*ids_of(job))
        path = Path(settings.ARCHIVE_DIR, job.shards.get(number=1).fragment)
        content = bytearray(path.read_bytes())
        content[40] ^= 0x10
        path.write_bytes(content)

    once_dealt(monkeypatch, damage)
    job = export(pumps)
    assert job.state == State.FAILED
    assert job.failure.startswith("The archive did not read back as it was written")
    assert leftovers() == []


def test_a_cancelled_export_takes_its_shards_along(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test", "other")

    def cancel(job: ExportJob) -> None:
        write_elsewhere(*ids_of(job)[:2])
        job.cancel(by="Ana")

    once_dealt(monkeypatch, cancel)
    monkeypatch.setattr(holder._Held, "_write_one", lambda held: False)
    job = export(pumps)
    assert (job.state, job.failure) == (State.FAILED, "Cancelled by Ana.")
    assert leftovers() == []
    assert not ExportShard.objects.exists()


def test_annotations_are_not_written_twice_by_two_who_think_they_hold_the_shard(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = export(pumps)
    sign_in("test", "other")

    def double(job: ExportJob) -> None:
        write_elsewhere(*ids_of(job))
        write_elsewhere(*ids_of(job), worker="another")

    once_dealt(monkeypatch, double)
    job = export(pumps)
    assert_equal(job, alone)
    assert Annotation.objects.filter(asset__dataset=pumps).count() == job.annotations_written
