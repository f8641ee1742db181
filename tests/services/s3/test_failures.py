"""A store that fails: what is told, and that nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from datasets.models import Dataset
from exports import runner
from exports.models import ExportJob
from tests import cast
from tests.conftest import signed_in
from tests.exports.reading import export
from tests.services.s3.kit import export_to_the_end, with_images
from tests.services.store import Asked, Bucket, Fault, Way, fails
from tests.services.swift import KEY, SECRET
from vi_portal.accounts.models import User
from vi_portal.jobs import doorbell
from vi_portal.jobs.models import State, Worker
from vi_portal.s3 import uploading

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def test_a_store_that_fails_now_and_then_is_asked_again(valves: Dataset, way: Way) -> None:
    with_images(valves)
    failed = set[str]()

    def every_first_time(asked: Asked) -> Fault | None:
        what = f"{asked.method} {asked.path}"
        if what in failed:
            return None
        failed.add(what)
        return Fault(503)

    way.fault = every_first_time
    job = export_to_the_end(valves, include_images=True)
    assert (job.state, job.warnings) == (State.FINISHED, {}), job.failure
    assert len(failed) == 5, "three images, the archive, and whether it is there"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fails("PUT"), id="small"),
        pytest.param(fails("PUT", having="partNumber=2"), id="a part"),
        pytest.param(fails("POST", having="uploadId"), id="at the end"),
        pytest.param(fails("PUT", status=403), id="refused"),
    ],
)
def test_an_archive_the_store_does_not_take_fails_the_job_and_leaves_nothing(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch, fault: Any, request: Any
) -> None:
    if "small" not in request.node.name:
        monkeypatch.setattr(uploading, "PART_SIZE", 2_000)
    settings.JOB_MAX_ATTEMPTS = 1
    cast.make_annotated(valves, 30)
    way.fault = fault
    job = export(valves, seed=7)
    assert job.state == State.FAILED
    told = "refuses the portal" if "refused" in request.node.name else "The file store fails"
    assert told in job.failure
    assert (bucket.keys(), bucket.unfinished()) == ([], [])
    assert not [path for folder in (settings.ARCHIVE_DIR, settings.SPOOL_DIR) for path in Path(folder).rglob("*")]
    way.fault = lambda asked: None
    assert export(valves, seed=7).state == State.FINISHED


@pytest.mark.parametrize("part_size", [2_000, 8 * 2**20])
def test_an_archive_that_is_another_on_the_store_is_not_published(
    valves: Dataset, bucket: Bucket, way: Way, monkeypatch: pytest.MonkeyPatch, part_size: int
) -> None:
    monkeypatch.setattr(uploading, "PART_SIZE", part_size)
    cast.make_annotated(valves, 30)

    def lose_a_byte(asked: Asked) -> None:
        if asked.method == "HEAD":
            [key] = bucket.keys()
            bucket.put(key, bucket.read(key)[:-1])

    way.fault = lose_a_byte
    job = export_to_the_end(valves)
    assert (job.state, "does not hold what it was sent" in job.failure) == (State.FAILED, True)
    assert bucket.keys() == []


def test_a_store_that_cannot_be_reached_is_told_without_its_credentials(
    valves: Dataset, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cast.make_annotated(valves, 1)
    for options in settings.STORAGES.values():
        if "OPTIONS" in options:
            options["OPTIONS"]["endpoint_url"] = "http://127.0.0.1:9"
    settings.STORAGES = dict(settings.STORAGES)
    job = export_to_the_end(valves)
    assert (job.state, "The file store does not answer" in job.failure) == (State.FAILED, True)
    assert SECRET not in caplog.text + job.failure
    assert KEY not in caplog.text + job.failure


def test_images_that_cannot_be_had_for_the_store_s_sake_fail_the_export(valves: Dataset, way: Way) -> None:
    with_images(valves)
    way.fault = fails("GET")
    job = export_to_the_end(valves, include_images=True)
    assert job.state == State.FAILED, "it would else have finished without its images"
    assert "The file store fails" in job.failure


def test_a_job_cancelled_while_its_archive_is_sent_leaves_nothing(
    valves: Dataset, bucket: Bucket, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PART_SIZE", 2_000)
    cast.make_annotated(valves, 30)

    def cancelled_meanwhile(asked: Asked) -> None:
        if "uploadId" in asked.path and asked.method == "POST":
            ExportJob.objects.get().cancel(by="Ana")

    way.fault = cancelled_meanwhile
    job = export_to_the_end(valves)
    assert job.failure == "Cancelled by Ana."
    assert (bucket.keys(), bucket.unfinished()) == ([], [])


def test_an_archive_that_the_store_completed_without_telling_so_is_removed(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "PART_SIZE", 2_000)
    settings.JOB_MAX_ATTEMPTS = 1
    cast.make_annotated(valves, 30)
    lost = list[str]()

    def answer_lost(asked: Asked) -> Fault | None:
        if asked.method != "POST" or "uploadId" not in asked.path:
            return None
        lost.append(asked.path)
        return Fault(500, done=len(lost) == 1)

    way.fault = answer_lost
    job = export(valves)
    assert (job.state, len(lost) > 1) == (State.FAILED, True)
    assert (bucket.keys(), bucket.unfinished()) == ([], [])


# Attempts


def test_a_store_that_fails_for_a_while_delays_an_export_and_the_row_says_so(
    valves: Dataset, ana: User, way: Way
) -> None:
    cast.make_annotated(valves, 3)
    way.answer_500("PUT")
    job = export(valves)
    assert (job.state, job.attempts) == (State.QUEUED, 1)
    page = signed_in(ana).get(reverse("annotations", args=[valves.pk])).content.decode()
    assert "The file store fails (InternalError). It starts again." in page
    way.answer_well()
    runner.run(job.pk, worker="another")
    job.refresh_from_db()
    assert (job.state, job.attempts, job.failure) == (State.FINISHED, 2, "")


def test_a_job_the_store_failed_pauses_before_its_next_attempt(valves: Dataset, way: Way, settings: Any) -> None:
    settings.JOB_PAUSE_SECONDS = 3600
    cast.make_annotated(valves, 1)
    way.answer_500("PUT")
    job = export(valves)
    way.answer_well()
    assert doorbell.take_turn("another") is None
    runner.run(job.pk, worker="another")
    job.refresh_from_db()
    assert (job.state, job.attempts) == (State.QUEUED, 1)


def test_after_the_last_attempt_the_reason_is_plain(valves: Dataset, way: Way, settings: Any, caplog: Any) -> None:
    cast.make_annotated(valves, 1)
    way.answer_500("PUT")
    job = export_to_the_end(valves)
    assert (job.state, job.attempts) == (State.FAILED, settings.JOB_MAX_ATTEMPTS)
    assert job.failure == "The file store fails (InternalError). Retry, or tell your administrator."
    assert "Traceback" not in caplog.text


def test_a_store_that_refuses_the_portal_is_not_asked_again(valves: Dataset, way: Way) -> None:
    cast.make_annotated(valves, 1)
    way.answer_500("PUT", status=403)
    job = export(valves)
    assert (job.state, job.attempts) == (State.FAILED, 1)


def test_a_slow_store_is_waited_for(valves: Dataset, way: Way) -> None:
    with_images(valves, 2)
    way.answer_slowly(0.3)
    job = export(valves, include_images=True)
    assert (job.state, job.attempts) == (State.FINISHED, 1), job.failure


def test_a_shard_the_store_failed_is_written_again_and_the_export_goes_on(
    valves: Dataset, way: Way, settings: Any
) -> None:
    settings.EXPORT_SHARD_RECORDS = 2
    with_images(valves, 5)
    Worker.sign_in("one")
    failed = list[str]()

    def one_fragment_fails(asked: Asked) -> Fault | None:
        if asked.method == "PUT" and ".fragment" in asked.path and asked.path in (failed or [asked.path]):
            failed.append(asked.path)
            return Fault(500)
        return None

    way.fault = one_fragment_fails
    job = export_to_the_end(valves, include_images=True)
    assert failed
    assert (job.state, job.warnings) == (State.FINISHED, {}), job.failure
