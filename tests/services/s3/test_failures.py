"""A store that fails: what is told, and that nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datasets.models import Dataset
from exports.models import ExportJob
from tests import cast
from tests.exports.reading import export
from tests.services.s3.kit import export_to_the_end, fails, with_images
from tests.services.store import Asked, Bucket, Fault, Way
from tests.services.swift import KEY, SECRET
from vi_portal.jobs.models import State
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
    cast.make_annotated(valves, 30)
    way.fault = fault
    job = export_to_the_end(valves, seed=7)
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
