"""The job history: each state in words, and the polling that ends by itself."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.export_rows import ExportRow
from exports.history import history
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.conftest import signed_in
from tests.exports.jobs import make_failed, make_finished, make_job, make_running
from vi_portal.accounts.models import Membership, Organization, Role, User
from vi_portal.jobs.models import Worker


def row_of(dataset: Dataset, user: User) -> ExportRow:
    """The newest row, as `user` sees it."""
    membership = Membership.objects.get(user=user, organization=dataset.organization)
    row = history(dataset, membership, page=None).rows[0]
    assert isinstance(row, ExportRow)
    return row


def shown(client: Client, dataset: Dataset, name: str = "job-history", **query: Any) -> str:
    response = client.get(reverse(name, args=[dataset.pk]), query)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


# Status and its second line


def test_a_queued_job_tells_its_position(valves: Dataset, ana: User) -> None:
    make_job(valves)
    make_job(valves)
    row = row_of(valves, ana)
    assert (row.job.status, row.detail) == ("In Progress", "Position 2. No worker is running")
    Worker.sign_in("w1")
    assert row_of(valves, ana).detail == "Position 2. Waiting for a worker: 1 export is ahead"


def test_a_job_queued_again_says_why(valves: Dataset, ana: User) -> None:
    make_job(valves, attempts=1, percent=40)
    Worker.sign_in("w1")
    assert row_of(valves, ana).detail == "Its worker was lost. It starts again. Position 1. Waiting for a worker"


def test_a_job_that_the_store_failed_says_so_while_it_waits_for_its_next_attempt(valves: Dataset, ana: User) -> None:
    job = make_job(valves)
    ExportJob.start(job.pk, worker="w1").put_back("The file store fails (SlowDown).")
    Worker.sign_in("w1")
    told = row_of(valves, ana).detail
    assert told == "The file store fails (SlowDown). It starts again. Position 1. Waiting for a worker"


def test_a_running_job_tells_phase_and_percent(valves: Dataset, ana: User) -> None:
    make_running(valves)
    row = row_of(valves, ana)
    assert (row.job.status, row.detail) == ("In Progress", "Writing annotations, 43%")
    assert row.duration.endswith("s so far")


def test_a_finished_job_needs_no_second_line(valves: Dataset, ana: User) -> None:
    make_finished(valves, warnings={"skipped": {"no annotations": 12}})
    row = row_of(valves, ana)
    assert (row.job.status, row.detail, row.unannotated) == ("Finished", "", 12)


def test_warnings_are_counted_in_words(valves: Dataset, ana: User) -> None:
    make_finished(
        valves,
        warnings={
            "skipped": {"no annotations": 12, "unreadable record": 3},
            "boxes": {"clamped": 1, "degenerate": 2},
            "images": {"missing": 1, "oriented": 1400},
            "annotations": {"skipped": 2},
            "sounds": {"loud": 2},
            "examples": ["a.jpg: the box of “<b>” has no area"],
        },
    )
    row = row_of(valves, ana)
    assert row.detail == "Finished with warnings: 3 skipped (unreadable record), 2 annotations skipped, and 4 more"
    assert row.warnings == [
        "3 skipped (unreadable record)",
        "2 annotations skipped",
        "1 box cut to its image",
        "2 boxes without area left out",
        "1 image missing",
        "1,400 images with an EXIF orientation, not applied",
    ]


def test_examples_of_warnings_can_be_unfolded(as_ana: Client, valves: Dataset) -> None:
    make_finished(valves, warnings={"boxes": {"degenerate": 1}, "examples": ["a.jpg: the box of “<b>” has no area"]})
    page = shown(as_ana, valves)
    assert "<li>a.jpg: the box of “&lt;b&gt;” has no area</li>" in page


def test_a_failure_is_told_in_its_own_sentence(valves: Dataset, ana: User) -> None:
    make_failed(valves, failure="The disk is full. Free some space, then retry.")
    row = row_of(valves, ana)
    assert (row.job.status, row.detail) == ("Failed", "The disk is full. Free some space, then retry.")


def test_a_cancelled_job_names_who_cancelled_it(valves: Dataset, ana: User) -> None:
    make_job(valves).cancel(by="Ana")
    row = row_of(valves, ana)
    assert (row.job.status, row.detail, row.tone) == ("Failed", "Cancelled by Ana.", "cancelled")


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (timedelta(milliseconds=300), "under 1 s"),
        (timedelta(seconds=42), "42 s"),
        (timedelta(minutes=3, seconds=12), "3 min 12 s"),
        (timedelta(hours=26, minutes=5), "26 h 5 min"),
    ],
)
def test_durations(valves: Dataset, ana: User, span: timedelta, told: str) -> None:
    start = timezone.now() - timedelta(days=2)
    make_finished(valves, started_at=start, finished_at=start + span)
    assert row_of(valves, ana).duration == told


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=7), "in 7 days"),
        (timedelta(days=1, hours=2), "in 1 day"),
        (timedelta(hours=5), "in 5 hours"),
        (timedelta(minutes=1, seconds=20), "in 1 minute"),
        (timedelta(seconds=20), "in under a minute"),
    ],
)
def test_expiry(valves: Dataset, ana: User, left: timedelta, told: str) -> None:
    make_finished(valves, expires_at=timezone.now() + left + timedelta(seconds=1))
    assert row_of(valves, ana).expires == told


def test_a_row_shows_all_there_is_to_know(as_ana: Client, valves: Dataset, ana: User) -> None:
    spec = ExportSpec(validation_ratio=Decimal("0.2"), seed=7, normalized=True)
    job = make_finished(
        valves,
        ana,
        spec=spec,
        assets_written=1364,
        annotations_written=4886,
        train_count=1091,
        validation_count=273,
        warnings={"skipped": {"no annotations": 12}},
    )
    page = shown(as_ana, valves)
    for words in (
        "Ana",
        "Finished",
        "Vi JSONL, annotations only, normalized boxes, 0.2 to validation (seed 7)",
        "1,364 assets",
        "1,091 train, 273 validation",
        "4,886 annotations",
        "12 without annotations",
        f'<time datetime="{job.started_at.isoformat()[:16]}' if job.started_at else "",
        job.sha256,
        "in 7 days",
    ):
        assert words in page


def test_an_export_from_the_shell_has_no_user(as_ana: Client, valves: Dataset) -> None:
    make_finished(valves)
    assert "The command line" in shown(as_ana, valves)


def test_hostile_names_are_shown_as_text(acme: Organization, valves: Dataset) -> None:
    mallory = cast.make_user("mallory", first_name="<script>alert(1)</script>")
    Membership.objects.create(organization=acme, user=mallory, role=Role.OWNER)
    make_failed(valves, mallory, failure="“<img src=x>” is missing.", spec=ExportSpec(filter=AssetFilter(label="<b>")))
    page = shown(signed_in(mallory), valves)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "“&lt;img src=x&gt;” is missing." in page


# Polling


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


def test_each_member_has_a_link_of_their_own(as_ana: Client, as_ben: Client, ben: User, valves: Dataset) -> None:
    make_finished(valves)
    link = re.compile(r'href="(/exports/[^"]+/download/[^"]+)"')
    [of_ana] = link.findall(shown(as_ana, valves))
    assert link.findall(shown(as_ben, valves)) == []
    Membership.objects.filter(user=ben).update(viewer_may_export=True)
    [of_ben] = link.findall(shown(as_ben, valves))
    assert (as_ana.get(of_ana).status_code, as_ben.get(of_ben).status_code) == (200, 200)
    assert of_ana != of_ben
    assert as_ben.get(of_ana).status_code == 403


def test_asking_again_keeps_the_page_and_the_filter(as_ana: Client, valves: Dataset) -> None:
    make_running(valves)
    for _ in range(25):
        make_failed(valves)
    url = reverse("job-history", args=[valves.pk])
    assert POLL not in shown(as_ana, valves)  # the active job is not on the first page
    assert f'hx-get="{url}?search=a%26b&amp;page=2&amp;pace=others"' in shown(as_ana, valves, page=2, search="a&b")


def test_25_rows_a_page_and_links_to_the_others(as_ana: Client, valves: Dataset) -> None:
    for _ in range(30):
        make_failed(valves)
    assert shown(as_ana, valves).count("<tbody") == 25
    assert shown(as_ana, valves, page=2).count("<tbody") == 5
    assert shown(as_ana, valves, page="last").count("<tbody") == 25
    assert 'href="?search=line&amp;page=2"' in shown(as_ana, valves, "annotations", search="line")


def test_what_is_read_out_changes_with_the_status_alone(valves: Dataset, ana: User) -> None:
    membership = Membership.objects.get(user=ana)
    job = make_running(valves)
    told = history(valves, membership, page=None).news
    assert told == "1 export in progress."
    job.beat(phase="Checking the archive", percent=90)
    assert history(valves, membership, page=None).news == told
    job.finish(archive="", size=1)
    assert history(valves, membership, page=None).news == "Last export Finished."


def test_progress_is_an_element_and_text(as_ana: Client, valves: Dataset) -> None:
    make_running(valves)
    page = shown(as_ana, valves)
    assert 'max="100" value="43"' in page
    assert "Writing annotations, 43%" in page


def test_without_a_worker_the_page_says_so_while_jobs_wait(as_ana: Client, valves: Dataset) -> None:
    notice = "No worker is running"
    assert notice not in shown(as_ana, valves)
    make_job(valves)
    assert notice in shown(as_ana, valves)
    Worker.sign_in("worker-1")
    assert notice not in shown(as_ana, valves)


# Many jobs


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


# What may be done


def actions(client: Client, dataset: Dataset) -> set[str]:
    """The actions the history offers, by the ids of their elements."""
    return set(re.findall(r'id="(download|repeat|cancel|delete)-', shown(client, dataset)))


def test_the_owner_of_the_organization_may_do_everything(as_ana: Client, ana: User, valves: Dataset) -> None:
    make_finished(valves)
    assert actions(as_ana, valves) == {"download", "delete"}
    make_failed(valves)
    assert actions(as_ana, valves) == {"download", "delete", "repeat"}
    make_running(valves)
    assert actions(as_ana, valves) == {"download", "delete", "repeat", "cancel"}


def test_an_expired_export_stays_and_offers_to_be_rebuilt(as_ana: Client, valves: Dataset) -> None:
    make_finished(valves, archive=None)
    page = shown(as_ana, valves)
    assert "Expired" in page
    assert "Rebuild" in page
    assert actions(as_ana, valves) == {"repeat", "delete"}


def test_a_viewer_looks_and_does_nothing(as_ben: Client, valves: Dataset) -> None:
    make_finished(valves)
    make_failed(valves)
    make_running(valves)
    assert actions(as_ben, valves) == set()
    assert shown(as_ben, valves).count("<tbody") == 3


def test_a_viewer_who_may_export_alters_only_his_own(as_ben: Client, ben: User, ana: User, valves: Dataset) -> None:
    Membership.objects.filter(user=ben).update(viewer_may_export=True)
    make_finished(valves, ana)
    make_failed(valves, ana)
    make_running(valves, ana)
    assert actions(as_ben, valves) == {"download", "repeat"}
    make_running(valves, ben)
    make_finished(valves, ben)
    assert actions(as_ben, valves) == {"download", "repeat", "cancel", "delete"}
