"""Workers that choose at the same moment: no two of them take the same job."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest
from django.db import connections

from datasets.models import Dataset
from exports.models import ExportJob
from tests.jobs.asked import asked
from vi_portal.accounts.models import User
from vi_portal.jobs import doorbell
from vi_portal.jobs.models import State, Worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("rung"),
]


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
