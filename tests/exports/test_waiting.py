"""Many jobs: where each is in the queue, what it waits for and for how long, a page at a time."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasets.models import Dataset
from exports.history import history
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.exports.jobs import make_failed, make_job, make_running
from tests.exports.watching import row_of, shown
from vi_portal.accounts.models import Membership, Organization, User
from vi_portal.jobs.models import Worker


def test_positions_are_those_of_the_queue(valves: Dataset, ana: User, acme: Organization) -> None:
    other = cast.make_dataset(acme, name="Other")
    now = timezone.now()
    for minutes in range(6):
        make_job(other if minutes % 2 else valves, created_at=now - timedelta(minutes=minutes % 3))
    make_running(valves)
    membership = Membership.objects.get(user=ana)
    rows = [row for row in history(valves, membership, page=None).rows if row.job.state == "queued"]
    line = list(ExportJob.objects.filter(state="queued").order_by("created_at", "pk").values_list("pk", flat=True))
    assert [row.detail.split(".")[0] for row in rows] == [f"Position {line.index(row.job.pk) + 1}" for row in rows]
    assert len(rows) == 3


def waits(dataset: Dataset, viewer: User, user: User | None = None, **columns: Any) -> str:
    """What the row of a new waiting export of `user` tells `viewer`, on one slot that is taken or free."""
    make_job(dataset, user, **columns)
    return row_of(dataset, viewer).detail


def test_who_waits_for_a_job_of_their_own_is_told(valves: Dataset, ana: User, ben: User) -> None:
    Worker.sign_in("w1")
    make_running(valves, ana, worker="w1", percent=2)
    assert waits(valves, ana, ana) == "Position 1. Waiting: your other export runs first"
    assert waits(valves, ana, ana) == "Position 2. Waiting: your other jobs (2 exports) run first"
    assert row_of(valves, ben).detail == "Position 2. Waiting: Ana’s other jobs (2 exports) run first"
    assert waits(valves, ben, ben) == "Position 1. Waiting for a worker: 1 export is ahead"


def test_a_large_job_is_told_why_a_free_slot_is_not_for_it(valves: Dataset, ana: User, ben: User) -> None:
    Worker.sign_in("w1", slots=2)
    make_running(valves, ana, worker="w1", percent=2, large=True)
    told = "Position 1. Waiting: one large job runs at a time, so that small ones need not wait long"
    assert waits(valves, ben, ben, large=True) == told


def test_what_is_still_to_come_is_told_where_there_is_a_basis(valves: Dataset, ana: User, ben: User) -> None:
    Worker.sign_in("w1")
    now = timezone.now()
    make_running(valves, ana, worker="w1", percent=50, started_at=now - timedelta(minutes=3), workload=60_000)
    assert row_of(valves, ana).detail == "Writing annotations, 50%, about 3 min left"
    assert waits(valves, ben, ben) == "Position 1. Waiting for a worker: 1 export is ahead, about 3 min"


def test_nothing_is_told_without_a_basis(valves: Dataset, ana: User, ben: User) -> None:
    Worker.sign_in("w1")
    make_running(valves, ana, worker="w1", percent=2, workload=60_000)
    assert row_of(valves, ana).detail == "Writing annotations, 2%"
    assert waits(valves, ben, ben) == "Position 1. Waiting for a worker: 1 export is ahead"


def test_without_a_worker_the_page_says_so_while_jobs_wait(as_ana: Client, valves: Dataset) -> None:
    notice = "No worker is running"
    assert notice not in shown(as_ana, valves)
    make_job(valves)
    assert notice in shown(as_ana, valves)
    Worker.sign_in("worker-1")
    assert notice not in shown(as_ana, valves)


def test_25_rows_a_page_and_links_to_the_others(as_ana: Client, valves: Dataset) -> None:
    for _ in range(30):
        make_failed(valves)
    assert shown(as_ana, valves).count("<tbody") == 25
    assert shown(as_ana, valves, page=2).count("<tbody") == 5
    assert shown(as_ana, valves, page="last").count("<tbody") == 25
    assert 'href="?search=line&amp;page=2#job-history-heading"' in shown(as_ana, valves, "annotations", search="line")


def make_many(dataset: Dataset, user: User, count: int) -> None:
    """`count` jobs, of every kind in turn."""
    spec = ExportSpec().as_dict()
    kinds: list[dict[str, Any]] = [
        {"state": "queued"},
        {"state": "running", "lease_token": uuid.uuid4(), "percent": 4},
        {"state": "failed", "failure": "The disk is full."},
        {"state": "finished", "percent": 100, "size": 10, "expires_at": timezone.now() + timedelta(days=1)},
    ]
    ExportJob.objects.bulk_create(
        ExportJob(
            dataset=dataset,
            user=user,
            format="ViJsonl",
            options=spec,
            created_at=timezone.now() - timedelta(seconds=number),
            archive=f"{dataset.pk}-{number}.zip" if number % 4 == 3 else "",
            **kinds[number % 4],
        )
        for number in range(count)
    )


@pytest.mark.parametrize("name", ["annotations", "job-history"])
def test_queries_do_not_grow_with_the_jobs(as_ana: Client, ana: User, acme: Organization, name: str) -> None:
    taken = []
    for count in (5, 200):
        dataset = cast.make_dataset(acme, name=f"With {count}")
        make_many(dataset, ana, count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            shown(as_ana, dataset, name)
        taken.append(len(queries))
    assert taken[0] == taken[1]
    assert taken[0] <= 14
    assert taken[0] <= 12 or name == "annotations"
