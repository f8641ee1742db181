"""The job history: each state in words, and all there is to know about a job."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.history import history
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.conftest import signed_in
from tests.exports.jobs import make_failed, make_finished, make_job, make_running
from tests.exports.watching import row_of, shown
from vi_portal.accounts.models import Membership, Organization, Role, User
from vi_portal.jobs.models import Worker


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


def test_progress_is_an_element_and_text(as_ana: Client, valves: Dataset) -> None:
    make_running(valves)
    page = shown(as_ana, valves)
    assert 'max="100" value="43"' in page
    assert "Writing annotations, 43%" in page


def test_what_is_read_out_changes_with_the_status_alone(valves: Dataset, ana: User) -> None:
    membership = Membership.objects.get(user=ana)
    job = make_running(valves)
    told = history(valves, membership, page=None).news
    assert told == "1 export in progress."
    job.beat(phase="Checking the archive", percent=90)
    assert history(valves, membership, page=None).news == told
    job.finish(archive="", size=1)
    assert history(valves, membership, page=None).news == "Last export Finished."
