"""A history that asks again by itself while a job is active, and shows nothing older than was seen."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportJob
from tests.exports.jobs import make_failed, make_job, make_running
from tests.exports.watching import shown
from vi_portal.accounts.models import User

POLL = 'hx-trigger="every'


def test_the_history_asks_again_only_while_a_job_is_active(as_ana: Client, valves: Dataset) -> None:
    assert POLL not in shown(as_ana, valves)
    job = make_running(valves)
    assert POLL in shown(as_ana, valves)
    assert POLL in shown(as_ana, valves, "annotations")
    job.finish(archive="", size=1)
    make_failed(valves)
    assert POLL not in shown(as_ana, valves)
    assert POLL not in shown(as_ana, valves, "annotations")


def pace(client: Client, dataset: Dataset) -> tuple[str, str]:
    """How long the page waits before it asks again, and what it says about that when it does."""
    found = re.search(r'pace=(\w+)" hx-trigger="every (\w+)"', shown(client, dataset))
    assert found
    return found[2], found[1]


def test_who_has_just_asked_for_a_job_sees_soonest_what_becomes_of_it(
    as_ana: Client, as_ben: Client, valves: Dataset, ana: User
) -> None:
    make_running(valves)
    assert pace(as_ana, valves) == ("2000ms", "others")
    job = make_job(valves, ana)
    assert pace(as_ana, valves) == ("300ms", "soon")
    assert pace(as_ben, valves) == ("2000ms", "others")
    ExportJob.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(seconds=10))
    assert pace(as_ana, valves) == ("1000ms", "own")


def test_what_did_not_change_is_not_sent_again(as_ana: Client, valves: Dataset) -> None:
    url = reverse("job-history", args=[valves.pk])
    job = make_running(valves, started_at=timezone.now() + timedelta(hours=1))  # its duration stays "under 1 s"
    first = as_ana.get(url)
    again = as_ana.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "no-cache" in first.headers["Cache-Control"]  # a browser always asks whether it did
    job.beat(phase="Checking the archive", percent=90)
    changed = as_ana.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert "Checking the archive, 90%" in changed.content.decode()


def test_many_who_look_ask_the_database_once(
    as_ana: Client, as_ben: Client, valves: Dataset, django_assert_max_num_queries: Any
) -> None:
    make_running(valves)
    shown(as_ana, valves, pace="others")
    with django_assert_max_num_queries(4):  # who it is, and what they may see
        assert "Writing annotations, 43%" in shown(as_ben, valves, pace="others")


def test_who_opens_the_page_sees_what_there_is_now(as_ana: Client, as_ben: Client, valves: Dataset) -> None:
    shown(as_ben, valves, pace="others")
    make_running(valves)
    assert "In Progress" in shown(as_ana, valves, "annotations")
    assert "In Progress" in shown(as_ana, valves)


def test_who_changed_a_job_is_shown_nothing_older_by_the_next_poll(
    as_ana: Client, as_ben: Client, valves: Dataset, ana: User
) -> None:
    job = make_running(valves, ana)
    assert "Writing annotations, 43%" in shown(as_ben, valves, pace="others")
    answer = as_ana.post(reverse("cancel-export", args=[job.pk]), headers=on_the_page(valves))
    assert "Cancelled by Ana." in answer.content.decode()
    assert "Cancelled by Ana." in shown(as_ana, valves, pace="own")
    as_ana.post(reverse("delete-export", args=[job.pk]), headers=on_the_page(valves))
    assert str(job.pk) not in shown(as_ana, valves, pace="own")


def on_the_page(dataset: Dataset) -> dict[str, str]:
    """What htmx says when somebody clicks on the dataset's page of jobs."""
    return {"HX-Request": "true", "HX-Current-URL": reverse("annotations", args=[dataset.pk])}


def test_a_page_that_fetched_the_history_is_shown_nothing_older_by_the_next_poll(
    as_ana: Client, as_ben: Client, valves: Dataset, ana: User
) -> None:
    shown(as_ben, valves, pace="others")
    make_running(valves, ana)
    assert "In Progress" in shown(as_ana, valves)
    assert "In Progress" in shown(as_ana, valves, pace="own")


def test_asking_again_keeps_the_page_and_the_filter(as_ana: Client, valves: Dataset) -> None:
    make_running(valves)
    for _ in range(25):
        make_failed(valves)
    url = reverse("job-history", args=[valves.pk])
    assert POLL not in shown(as_ana, valves)  # the active job is not on the first page
    assert f'hx-get="{url}?search=a%26b&amp;page=2&amp;pace=others"' in shown(as_ana, valves, page=2, search="a&b")
