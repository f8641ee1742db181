"""The shards of a large export in the line: who does them, between which other jobs."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportJob, ExportShard
from tests.jobs.asked import asked, taken
from vi_portal.accounts.models import User
from vi_portal.jobs import doorbell
from vi_portal.jobs.models import Job, Worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("rung"),
]


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
