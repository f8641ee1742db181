"""A worker that is rung does the job whose turn it is; no two workers do the same one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.jobs.asked import asked, asked_import, taken
from vi_portal.accounts.models import User
from vi_portal.jobs import doorbell
from vi_portal.jobs.models import Job, Worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("rung"),
]


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


def test_the_clock_of_a_worker_makes_no_job_overdue(
    valves: Dataset, ana: User, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Worker.sign_in("w1", slots=2)
    large, small = asked(valves, ana, ago=20, large=True), asked(valves, ben, ago=1)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + timedelta(hours=1))
    assert taken() == small
    assert taken() == large


def test_jobs_of_workers_that_are_gone_hold_no_slot(valves: Dataset, ana: User) -> None:
    Worker.sign_in("w1", slots=2)
    asked(valves, ana, ago=500, large=True)
    second = asked(valves, ana, ago=400, large=True)
    assert doorbell.take_turn("gone") is not None
    assert taken() == second
