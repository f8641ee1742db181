"""What is told of the time to come is what jobs like these took here, or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from datasets.models import Dataset
from tests.exports.jobs import make_finished
from tests.jobs.test_line import ANA, BEN, CHLOE, at, entry
from vi_portal.jobs.forecast import Speeds, about, foretold, speeds
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


@pytest.mark.parametrize(
    ("span", "told"), [(4, ""), (14, "about 10 s"), (70, "about 1 min"), (1000, "about 17 min"), (9000, "about 2 h")]
)
def test_times_are_told_roughly(span: int, told: str) -> None:
    assert about(timedelta(seconds=span)) == told
