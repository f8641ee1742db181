"""A worker that is rung does the job whose turn it is; no two workers do the same one."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import InterfaceError, connections
from django.utils import timezone

import datasets.tasks  # noqa: F401 - tells the doorbell who does what
import exports.tasks  # noqa: F401
from datasets.models import Dataset, ImportJob, ImportSession
from exports.models import ExportJob, ExportShard
from exports.spec import ExportSpec
from tests import cast
from tests.exports.jobs import make_job
from vi_portal.accounts.models import User
from vi_portal.jobs import doorbell
from vi_portal.jobs.models import Job, State, Worker

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that were rung for; nobody hears it."""
    sent: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **more: sent.append(args[0]))
    return sent


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were done, in order, whatever they are."""
    jobs: list[Job] = []

    def do(job: Job) -> None:
        jobs.append(job)
        job.finish()

    for kind in (ExportJob, ImportJob, ExportShard):
        monkeypatch.setitem(doorbell._doers, kind, do)
    return jobs


def asked(dataset: Dataset, user: User | None = None, *, ago: float = 0, **columns: Any) -> ExportJob:
    """An export that was requested so many seconds ago, and rung for."""
    now = timezone.now()
    return make_job(dataset, user, created_at=now - timedelta(seconds=ago), rung_at=now, **columns)


def asked_import(dataset: Dataset, user: User | None = None, *, ago: float = 0) -> ImportJob:
    now = timezone.now()
    session = ImportSession.objects.create(dataset=dataset, user=user, upload_before=now)
    created = now - timedelta(seconds=ago)
    return ImportJob.objects.create(dataset=dataset, user=user, session=session, created_at=created, rung_at=now)


def taken() -> Job | None:
    return doorbell.take_turn("w1")


def test_exports_and_imports_stand_in_one_line(valves: Dataset, ana: User, done: list[Job]) -> None:
    jobs = [asked(valves, ana, ago=3), asked_import(valves, ana, ago=2), asked(valves, ana, ago=1)]
    for _ in range(4):
        doorbell.answer("w1")
    assert done == jobs


def test_everybody_has_a_turn(valves: Dataset, ana: User, ben: User, chloe: User, done: list[Job]) -> None:
    pumps = cast.make_dataset(chloe.memberships.get().organization, name="Pumps")
    mine = [asked(valves, ana, ago=60 - number) for number in range(3)]
    his, hers = asked(valves, ben, ago=2), asked(pumps, chloe, ago=1)
    for _ in range(5):
        doorbell.answer("w1")
    assert done == [mine[0], hers, his, mine[1], mine[2]]


def test_a_bell_does_for_any_job_and_the_next_is_rung_for(
    valves: Dataset, ana: User, done: list[Job], rung: list[str]
) -> None:
    first, second = asked(valves, ana, ago=2), asked(valves, ana, ago=1)
    doorbell.answer("w1")
    assert done == [first]
    assert rung == [str(second.pk)]
    doorbell.answer("w1")
    assert rung == [str(second.pk)]


def test_nothing_happens_when_nobody_waits(done: list[Job], rung: list[str]) -> None:
    doorbell.answer("w1")
    assert (done, rung) == ([], [])


def test_a_fresh_job_nobody_rang_for_is_its_makers_to_start(valves: Dataset, settings: Any) -> None:
    job = ExportJob.of(ExportSpec(), dataset=valves, user=None)
    assert taken() is None
    ExportJob.objects.update(created_at=timezone.now() - timedelta(seconds=settings.JOB_GRACE_SECONDS + 1))
    assert taken() == job


def test_one_slot_is_kept_from_large_jobs(valves: Dataset, ana: User, ben: User) -> None:
    Worker.sign_in("w1", slots=2)
    first, second = (asked(valves, ana, ago=ago, large=True) for ago in (500, 400))
    assert taken() == first
    assert taken() is None
    small = asked(valves, ben)
    assert taken() == small
    first.refresh_from_db()
    first.finish()
    assert taken() == second


def test_jobs_of_workers_that_are_gone_hold_no_slot(valves: Dataset, ana: User) -> None:
    Worker.sign_in("w1", slots=2)
    asked(valves, ana, ago=500, large=True)
    second = asked(valves, ana, ago=400, large=True)
    assert doorbell.take_turn("gone") is not None
    assert taken() == second


@pytest.fixture
def held(valves: Dataset, ana: User) -> ExportJob:
    """A large export that deals its work out."""
    asked(valves, ana, ago=600, large=True)
    job = doorbell.take_turn("holder")
    assert isinstance(job, ExportJob)
    return job


def make_shard(job: ExportJob, number: int = 0, **columns: Any) -> ExportShard:
    assert job.lease_token is not None
    return ExportShard.objects.create(
        **{
            "export": job,
            "dataset": job.dataset,
            "export_token": job.lease_token,
            "number": number,
            "runs": [],
            "ids": b"",
            "revision": 0,
            "rung_at": timezone.now(),
            "created_at": timezone.now() + timedelta(milliseconds=number),  # the database tells two apart
            **columns,
        }
    )


def test_small_jobs_come_before_the_shards_of_a_running_export(held: ExportJob, valves: Dataset, ben: User) -> None:
    shards = [make_shard(held, number) for number in range(2)]
    small = asked(valves, ben)
    assert taken() == small
    assert taken() == shards[0]


def test_shards_take_the_slot_that_is_kept_from_large_jobs(held: ExportJob, valves: Dataset, ben: User) -> None:
    Worker.sign_in("holder", slots=2)
    shard = make_shard(held)
    asked(valves, ben, ago=500, large=True)
    assert doorbell.take_turn("holder") == shard


def test_one_bell_does_for_all_the_shards_of_an_export(held: ExportJob, done: list[Job], rung: list[str]) -> None:
    shards = [make_shard(held, number) for number in range(3)]
    doorbell.answer("w1")
    assert done == shards
    assert rung == []


def test_between_shards_whoever_came_meanwhile_has_a_turn(
    held: ExportJob, valves: Dataset, ben: User, done: list[Job], rung: list[str]
) -> None:
    shards = [make_shard(held, number) for number in range(2)]
    came: list[ExportJob] = []

    def do(shard: Job) -> None:
        came.append(asked(valves, ben))
        shard.finish()

    doorbell.done_by(ExportShard, do)  # `done` puts back what was there
    doorbell.answer("w1")
    assert done == came
    assert rung == [str(shards[1].pk)]


def test_shards_wait_for_a_bell_from_time_to_time(
    held: ExportJob, done: list[Job], rung: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is told to stop answers none."""
    shards = [make_shard(held, number) for number in range(3)]
    monkeypatch.setattr(doorbell, "_SECONDS_A_BELL", -1)
    doorbell.answer("w1")
    assert done == shards[:1]
    assert rung == [str(shards[1].pk)]


def test_a_worker_that_is_told_to_stop_ends_with_the_shard_it_is_at(
    held: ExportJob, valves: Dataset, ben: User, done: list[Job], rung: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever waits is for another worker: an export might last longer than the one that stops is waited for."""
    monkeypatch.setattr(doorbell, "_stopping", bytearray(1))
    shards = [make_shard(held, number) for number in range(2)]

    def do(shard: Job) -> None:
        asked(valves, ben)
        doorbell.take_no_more()
        done.append(shard)
        shard.finish()

    doorbell.done_by(ExportShard, do)  # `done` puts back what was there
    doorbell.answer("w1")
    assert done == shards[:1]
    assert rung == [str(ExportJob.objects.get(user=ben).pk)]


def test_a_worker_whose_database_fails_between_shards_waits_for_a_bell(
    held: ExportJob, done: list[Job], rung: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = [make_shard(held, number) for number in range(2)]
    take_turn, turns = doorbell.take_turn, iter(range(9))

    def failing(worker: str) -> Job | None:
        if next(turns) == 1:
            raise InterfaceError("the connection is closed")
        return take_turn(worker)

    monkeypatch.setattr(doorbell, "take_turn", failing)
    doorbell.answer("w1")
    assert done == shards[:1]
    doorbell.answer("w1")
    assert done == shards


def test_shards_of_however_many_keep_nobody_out_of_sight(held: ExportJob, valves: Dataset, ben: User) -> None:
    Worker.sign_in("holder", slots=2)
    columns: dict[str, Any] = {
        "export": held,
        "dataset": valves,
        "export_token": held.lease_token,
        "runs": [],
        "ids": b"",
    }
    many = [ExportShard(number=number, revision=0, rung_at=timezone.now(), **columns) for number in range(1_001)]
    ExportShard.objects.bulk_create(many)
    small = asked(valves, ben)
    asked(valves, ben, ago=-1, large=True)
    assert taken() == small
    turn = taken()
    assert isinstance(turn, ExportShard)  # for the one large job that may run does


def test_a_bell_is_rung_for_each_slot_and_not_for_each_shard(held: ExportJob, rung: list[str]) -> None:
    shards = [make_shard(held, number, rung_at=None) for number in range(3)]
    ExportShard.ring_for(shards, bells=2)
    assert rung == [str(shard.pk) for shard in shards[:2]]
    assert not ExportShard.objects.filter(rung_at=None).exists()


@pytest.mark.parametrize("columns", [{"holder_only": True}, {"export_token": uuid.uuid4()}])
def test_shards_that_are_the_holders_or_nobodys_are_not_taken(held: ExportJob, columns: dict[str, Any]) -> None:
    make_shard(held, **columns)
    assert taken() is None


# Several workers at once


def at_once(threads: int, act: Callable[[int], object]) -> None:
    """Do `act` in so many threads at once, each with connections of its own."""
    ready = threading.Barrier(threads)
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            ready.wait(timeout=10)
            act(number)
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    started = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert failures == []


def test_workers_that_choose_at_once_never_take_the_same_job(valves: Dataset, ana: User, ben: User) -> None:
    jobs = {asked(valves, user, ago=ago).pk for ago in range(8) for user in (ana, ben)}
    mine: list[uuid.UUID] = []

    def take_all(number: int) -> None:
        while (job := doorbell.take_turn(f"w{number}")) is not None:
            mine.append(job.pk)

    at_once(5, take_all)
    assert len(mine) == len(jobs)
    assert set(mine) == jobs
    assert set(ExportJob.objects.values_list("attempts", "state")) == {(1, State.RUNNING)}


def test_workers_that_choose_at_once_keep_a_slot_from_large_jobs(valves: Dataset, ana: User, ben: User) -> None:
    for number in range(4):
        Worker.sign_in(f"w{number}")
    for user in (ana, ben):
        for _ in range(3):
            asked(valves, user, ago=100, large=True)
    at_once(4, lambda number: doorbell.take_turn(f"w{number}"))
    assert ExportJob.objects.filter(state=State.RUNNING).count() == 3
