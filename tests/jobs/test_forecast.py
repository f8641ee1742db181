"""What is told of the time to come is what jobs like these took here, or nothing."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportJob
from tests.exports.jobs import make_finished, make_job
from tests.jobs.entries import ANA, BEN, CHLOE, at, entry
from vi_portal.jobs.forecast import Lookout, Speeds, about, foretold, speeds
from vi_portal.jobs.line import Entry, Line

EXPORT = ("exports.exportjob", "")
#: A thousand annotations take ten seconds here.
SPEEDS = Speeds({EXPORT: [(1000, 10.0), (2000, 20.0), (1500, 15.0)]})


def running(seconds: float, *, percent: int = 0, attempts: int = 1, workload: int = 1000) -> Entry:
    """A job that started so many seconds before `at(60)`."""
    return replace(entry(), started_at=at(60 - seconds), percent=percent, attempts=attempts, workload=workload)


def seconds(*waiting: Entry, slots: int = 1, busy: list[Entry] | None = None) -> list[float | None]:
    """In how many seconds each starts, in the order of their turns."""
    told = foretold(Line(slots, waiting, busy or [], now=at(60)), SPEEDS).waiting
    return [outlook.starts_in.total_seconds() if outlook.starts_in is not None else None for outlook in told]


def test_a_job_takes_what_jobs_like_it_took() -> None:
    assert SPEEDS.lasting(replace(entry(), workload=3000)) == 30


@pytest.mark.parametrize("workload", [0, 100, 100_000])
def test_nothing_is_said_of_a_job_unlike_all_others(workload: int) -> None:
    assert SPEEDS.lasting(replace(entry(), workload=workload)) is None
    assert Speeds({}).lasting(replace(entry(), workload=1000)) is None


def test_what_is_left_comes_from_the_jobs_own_progress_as_soon_as_that_tells() -> None:
    assert SPEEDS.left(running(20, percent=25), now=at(60)) == 60
    assert SPEEDS.left(running(4, percent=2), now=at(60)) == 6
    assert SPEEDS.left(running(4, percent=90, attempts=2), now=at(60)) == 6
    assert SPEEDS.left(running(30, percent=2), now=at(60)) is None


def test_the_line_is_played_through() -> None:
    jobs = [replace(entry(person), workload=1000) for person in (ANA, BEN, CHLOE)]
    assert seconds(*jobs, busy=[running(4)]) == [6, 16, 26]
    assert seconds(*jobs, slots=2, busy=[running(4)]) == [0, 6, 10]


def test_what_comes_after_a_job_nobody_knows_is_unknown() -> None:
    known, unknown = replace(entry(after=1), workload=1000), replace(entry(after=2), workload=1)
    assert seconds(known, unknown, replace(entry(after=3), workload=1000)) == [0, 10, None]
    assert seconds(known, busy=[running(30, percent=2)]) == [None]


def test_without_a_worker_there_is_an_order_and_no_time() -> None:
    told = foretold(Line(0, [entry(after=1), entry(after=2)], now=at(60)), SPEEDS)
    assert [(outlook.position, outlook.starts_in) for outlook in told.waiting] == [(1, None), (2, None)]


@pytest.mark.django_db
def test_the_basis_is_what_finished_lately(valves: Dataset) -> None:
    now = timezone.now()
    make_finished(valves, workload=500, started_at=now - timedelta(seconds=8), finished_at=now)
    make_finished(valves, workload=500, attempts=2)
    make_finished(valves)
    assert speeds({"exports.exportjob"}).taken == {}
    make_finished(valves, workload=500, attempts=1, started_at=now - timedelta(seconds=8), finished_at=now)
    assert speeds({"exports.exportjob"}).taken == {("exports.exportjob", "ViJsonl"): [(500, 8.0)]}
    assert speeds({"datasets.importjob"}).taken == {}


@pytest.mark.django_db
def test_a_forecast_serves_many_until_the_line_moves_on(valves: Dataset, django_assert_num_queries: Any) -> None:
    lookout = Lookout(seconds=60)
    first, second = make_job(valves), make_job(valves)
    waiting = {first.pk, second.pk}
    assert len(lookout.forecast(running=set(), waiting=waiting).waiting) == 2
    with django_assert_num_queries(0):
        lookout.forecast(running=set(), waiting={second.pk})
    third = make_job(valves)
    known = lookout.forecast(running=set(), waiting=waiting | {third.pk}).outlook(third.pk)
    assert known
    assert known.position == 3
    ExportJob.start(first.pk, worker="w1")
    known = lookout.forecast(running={first.pk}, waiting={second.pk, third.pk}).outlook(third.pk)
    assert known
    assert known.position == 2


@pytest.mark.django_db
def test_a_job_that_no_forecast_knows_is_looked_for_once(valves: Dataset, django_assert_num_queries: Any) -> None:
    lookout, unknown = Lookout(seconds=60), {uuid.uuid4()}
    lookout.forecast(running=set(), waiting=unknown)
    with django_assert_num_queries(0):
        assert lookout.forecast(running=set(), waiting=unknown).outlook(*unknown) is None


@pytest.mark.parametrize(
    ("span", "told"), [(4, ""), (14, "about 10 s"), (70, "about 1 min"), (1000, "about 17 min"), (9000, "about 2 h")]
)
def test_times_are_told_roughly(span: int, told: str) -> None:
    assert about(timedelta(seconds=span)) == told
