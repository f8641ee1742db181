"""An export by many workers is the one a single worker makes, whatever becomes of the others."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import LazySettings, settings
from django.db import connections
from django.db.models.functions import Now

from datasets.models import Annotation, Dataset
from exports import fragments, runner, runs, shards, sources
from exports.dispatch import request_export
from exports.models import ExportJob, ExportShard
from exports.planning import Plan
from exports.records import Options
from exports.registry import FORMATS
from exports.spec import ExportSpec
from tests import cast
from tests.exports.reading import export, leftovers, lines, members, receipt
from vi_portal.jobs.models import State, Worker
from vi_portal.s3.failures import StoreFailed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture(autouse=True)
def small_runs(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
    """Runs of two records, shards of four, each piece checked by who wrote it, and two workers that could take them."""
    for key, entry in FORMATS.items():
        monkeypatch.setitem(FORMATS, key, replace(entry, records_a_run=2))
    settings.EXPORT_SHARD_RECORDS = 4
    monkeypatch.setattr(shards, "_SHARDS_LEFT", 1)
    monkeypatch.setattr(fragments, "_LARGE", 1)


@pytest.fixture
def pumps(valves: Dataset) -> Dataset:
    """Fifteen assets with images: one without annotations, one with a box to repair, one whose image is lost."""
    for number in range(15):
        asset = cast.make_asset(valves, f"line_{number:02}.jpg", width=640 + number, image=cast.jpeg(width=64 + number))
        if number == 4:
            continue
        cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 30 + number, 40)))
        if number == 9:
            cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 5_000, 40)))
    return valves


def sign_in(*names: str) -> None:
    for name in names:
        Worker.sign_in(name)


@contextmanager
def another_worker(name: str = "other") -> Iterator[None]:
    """Somebody who writes every shard there is, in a thread with connections of its own."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.01):
                for pk in ExportShard.objects.filter(ExportShard.waiting()).values_list("pk", flat=True):
                    shards.run(pk, worker=name)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write_elsewhere(*ids: uuid.UUID, worker: str = "other") -> None:
    """The shards `ids`, written by somebody who sees the database with eyes of its own."""

    def work() -> None:
        try:
            for pk in ids:
                shards.run(pk, worker=worker)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def ids_of(job: ExportJob) -> list[uuid.UUID]:
    return list(job.shards.order_by("number").values_list("pk", flat=True))


def told(job: ExportJob) -> dict[str, Any]:
    """The receipt without what is of this very export."""
    return {key: value for key, value in receipt(job).items() if key not in {"export", "snapshot_at"}}


def assert_equal(job: ExportJob, alone: ExportJob) -> None:
    ours, theirs = members(job), members(alone)
    assert list(ours) == list(theirs)
    differing = [name for name in ours if name != "export.json" and ours[name] != theirs[name]]
    assert differing == []
    assert told(job) == told(alone)
    assert (job.assets_written, job.warnings) == (alone.assets_written, alone.warnings)
    assert leftovers() == []
    assert not ExportShard.objects.exists()


def test_the_last_shards_are_the_smallest(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EXPORT_SHARD_RECORDS = 20
    monkeypatch.setattr(shards, "_SHARDS_LEFT", 4)
    planned = runs.even(0, 102, records_a_run=2)
    dealt = shards.deal(Plan(102, [], planned, 0, Options(False, False, ())))
    assert [run for group in dealt for run in group] == planned
    sizes = [sum(map(len, group)) for group in dealt]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (20, 2)


@pytest.mark.parametrize("asked", [{}, {"include_images": True}], ids=str)
def test_an_export_of_no_more_than_a_shard_is_written_by_one(
    pumps: Dataset, asked: dict[str, Any], settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORT_SHARD_RECORDS = 15
    monkeypatch.setattr(shards, "_SHARDS_LEFT", 4)
    sign_in("test", "other")
    monkeypatch.setattr(shards, "written_with_others", None)
    assert export(pumps, **asked).state == State.FINISHED


@pytest.mark.parametrize(("alive", "bells"), [(["test"], 0), (["test", "other"], 1), (["other"], 1), ([], 0)], ids=str)
def test_a_bell_is_rung_for_each_slot_but_the_holders_own(
    pumps: Dataset, alive: list[str], bells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line holds an export without being a worker."""
    rung: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **more: rung.append(name))
    sign_in(*alive)
    assert export(pumps).state == State.FINISHED
    assert rung == [ExportShard.task_name] * bells


ASKED: list[dict[str, Any]] = [
    {"ratio": "0.3", "seed": 7, "include_images": True},
    {"normalized": True},
    {"format": "ViTfrecord", "ratio": "0.3", "seed": 7},
    {"format": "ViTfrecord", "include_images": True},
    {"format": "ViFull", "ratio": "0.3", "seed": 7},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_shards_give_the_archive_of_a_single_worker(
    pumps: Dataset, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = export(pumps, **asked)
    sign_in("test", "other")
    writers: set[str] = set()
    assemble = fragments.assemble

    def noted(*arguments: Any) -> None:
        writers.update(ExportShard.objects.exclude(worker="").values_list("worker", flat=True))
        assemble(*arguments)

    monkeypatch.setattr(fragments, "assemble", noted)
    with another_worker():
        job = export(pumps, **asked)
    assert_equal(job, alone)
    assert writers <= {"test", "other"}
    assert writers


def test_the_holder_needs_nobody(pumps: Dataset) -> None:
    alone = export(pumps, ratio="0.3", seed=7)
    sign_in("test", "one that never comes")
    assert_equal(export(pumps, ratio="0.3", seed=7), alone)


def test_others_can_write_all_of_it(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    monkeypatch.setattr(shards._Held, "_write_one", lambda held: False)
    with another_worker():
        assert_equal(export(pumps), alone)


def test_a_single_worker_makes_no_shards(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test")
    monkeypatch.setattr(shards, "written_with_others", None)
    assert export(pumps).state == State.FINISHED


def once_dealt(monkeypatch: pytest.MonkeyPatch, act: Callable[[ExportJob], None]) -> None:
    """`act` on the export as soon as its shards are there."""
    ask = shards._Held.ask

    def asked(held: shards._Held, groups: Any) -> Iterator[uuid.UUID]:
        dealt = ask(held, groups)
        act(held._job)
        return dealt

    monkeypatch.setattr(shards._Held, "ask", asked)


def test_who_sees_another_dataset_leaves_the_shards_to_the_holder(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    if connections["default"].vendor == "postgresql":
        monkeypatch.setattr(sources.View, "exported", staticmethod(lambda: ""))

    def edit(job: ExportJob) -> None:
        asset = pumps.assets.get(filename="line_14.jpg")
        pumps.rewrite_annotation(asset.annotations.get(), cast.grounding("Another", "Another", (0, 0, 9, 9)))
        write_elsewhere(*ids_of(job))
        assert job.shards.filter(state=State.QUEUED, holder_only=True).count() == job.shards.count()

    once_dealt(monkeypatch, edit)
    job = export(pumps)
    assert_equal(job, alone)
    assert "Another" not in str(lines(job))


def test_the_database_lets_others_see_what_the_holder_sees(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    if connections["default"].vendor != "postgresql":
        pytest.skip("Only PostgreSQL shares what a transaction sees.")
    alone = export(pumps)
    sign_in("test", "other")

    def edit(job: ExportJob) -> None:
        asset = pumps.assets.get(filename="line_14.jpg")
        pumps.rewrite_annotation(asset.annotations.get(), cast.grounding("Another", "Another", (0, 0, 9, 9)))
        with another_worker():
            while job.shards.exclude(state=State.FINISHED).exists():
                threading.Event().wait(0.01)

    once_dealt(monkeypatch, edit)
    assert_equal(export(pumps), alone)


def test_a_lost_shard_alone_is_done_again(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    attempts: list[int] = []

    def lose(job: ExportJob) -> None:
        first, *others = ids_of(job)
        write_elsewhere(*others)
        ExportShard.start(first, worker="killed")
        ExportShard.objects.filter(pk=first).update(lease_expires_at=Now() - timedelta(seconds=1))
        ExportShard.requeue_lost()

    def finished(held: shards._Held) -> None:
        attempts.extend(held._job.shards.order_by("number").values_list("attempts", flat=True))
        dismiss(held)

    dismiss = shards._Held.dismiss
    once_dealt(monkeypatch, lose)
    monkeypatch.setattr(shards._Held, "dismiss", finished)
    assert_equal(export(pumps), alone)
    assert attempts == [2, 1, 1, 1]


def test_a_shard_that_was_taken_from_the_holder_and_swept_up_is_done_again(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker stood still for longer than the lease of the shard; that of the export was renewed in time."""
    alone = export(pumps, format="ViTfrecord")
    sign_in("test", "other")
    write, taken = shards._write_fragment, list[uuid.UUID]()

    def swept(shard: ExportShard, *arguments: Any) -> None:
        if not taken:
            taken.append(shard.pk)
            ExportShard.objects.filter(pk=shard.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
            ExportShard.requeue_lost()
            raise FileNotFoundError("The spool is gone.")
        write(shard, *arguments)

    monkeypatch.setattr(shards, "_write_fragment", swept)
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


@pytest.mark.parametrize("lasting", [True, False])
def test_a_worker_that_the_store_refuses_does_not_fail_the_exports_of_others(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch, settings: LazySettings, lasting: bool
) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    settings.JOB_MAX_ATTEMPTS, settings.JOB_PAUSE_SECONDS = 2, 0
    write = shards._write_fragment

    def refused(shard: ExportShard, *arguments: Any) -> None:
        if shard.worker == "other":
            raise StoreFailed("The file store refuses the portal.", lasting=lasting)
        write(shard, *arguments)

    def try_elsewhere(job: ExportJob) -> None:
        for _ in range(2):
            write_elsewhere(*ids_of(job))
        assert job.shards.filter(state=State.QUEUED, holder_only=True).count() == job.shards.count()

    monkeypatch.setattr(shards, "_write_fragment", refused)
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
    monkeypatch.setattr(shards._Held, "_write_one", lambda held: False)
    job = export(pumps)
    assert (job.state, job.failure) == (State.FAILED, "Cancelled by Ana.")
    assert leftovers() == []
    assert not ExportShard.objects.exists()


def test_what_a_dead_holder_left_is_swept_up(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test", "other")

    class Killed(BaseException):
        pass

    def die(job: ExportJob) -> None:
        write_elsewhere(*ids_of(job)[:2])
        raise Killed

    once_dealt(monkeypatch, die)
    monkeypatch.setattr(shards._Held, "dismiss", lambda held: None)
    job = request_export(ExportSpec(), dataset=pumps, user=None, ring=False)
    with pytest.raises(Killed):
        runner.run(job.pk, worker="test")
    ExportJob.objects.filter(pk=job.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    ExportJob.discard_leftovers()
    assert len(leftovers()) == 2  # still wanted, as far as anybody knows
    ExportJob.requeue_lost()
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
    ExportJob.objects.filter(pk=job.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    ExportJob.requeue_lost()
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
    ask = shards._Held.ask

    def late(held: shards._Held, groups: Any) -> Iterator[uuid.UUID]:
        token = taken_over(held._job).lease_token
        assert token is not None
        made = {"runs": [], "ids": b"", "revision": 0, "dataset": pumps}
        ExportShard.objects.create(export=held._job, export_token=token, number=0, **made)
        return ask(held, groups)

    monkeypatch.setattr(shards._Held, "ask", late)
    job = export(pumps)
    assert (job.state, job.worker) == (State.RUNNING, "next")
    assert [shard.export_token for shard in job.shards.all()] == [job.lease_token]


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
