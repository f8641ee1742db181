"""Large exports that the store fails, or somebody stops: nothing of them is left, and none is lost that is whole."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import OperationalError

from datasets.models import Dataset
from exports.models import ExportJob
from tests.exports.jobs import make_running
from tests.exports.reading import export, leftovers
from tests.services.s3.joined import content, members
from tests.services.s3.kit import with_images
from tests.services.store import Asked, Bucket, Fault, Way, fails
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("small"),
]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fails("PUT", having=".fragment"), id="a fragment"),
        pytest.param(fails("PUT", having="partNumber=2"), id="a part"),
        pytest.param(fails("POST", having="uploads"), id="at the start"),
        pytest.param(fails("POST", having="uploadId"), id="at the end"),
        pytest.param(fails("GET", having=".zip"), id="while it is read back"),
    ],
)
def test_what_the_store_does_not_do_fails_the_job_and_leaves_nothing(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, fault: Any
) -> None:
    settings.JOB_MAX_ATTEMPTS = 1
    with_images(valves, 13)
    way.fault = fault
    job = export(valves, include_images=True, seed=7)
    assert (job.state, "The file store fails" in job.failure) == (State.FAILED, True)
    assert (bucket.keys("team/exports/"), bucket.unfinished(), leftovers()) == ([], [], [])
    way.fault = lambda asked: None
    assert export(valves, include_images=True, seed=7).state == State.FINISHED


def test_an_archive_that_does_not_read_back_is_not_published(valves: Dataset, bucket: Bucket, way: Way) -> None:
    with_images(valves, 13)

    def spoil(asked: Asked) -> None:
        if asked.method == "HEAD" and asked.path.endswith(".zip"):
            [key] = [key for key in bucket.keys("team/exports/") if key.endswith(".zip")]
            archive = bytearray(bucket.read(key))
            archive[len(archive) // 2] ^= 1
            bucket.put(key, bytes(archive))
            way.fault = lambda asked: None

    way.fault = spoil
    job = export(valves, include_images=True)
    assert (job.state, "did not read back as it was written" in job.failure) == (State.FAILED, True)
    assert (bucket.keys("team/exports/"), bucket.unfinished()) == ([], [])


def test_a_job_cancelled_while_it_is_put_together_leaves_nothing(valves: Dataset, bucket: Bucket, way: Way) -> None:
    with_images(valves, 13)

    def cancelled_meanwhile(asked: Asked) -> None:
        if "uploadId" in asked.path and asked.method == "POST":
            ExportJob.objects.get().cancel(by="Ana")

    way.fault = cancelled_meanwhile
    job = export(valves, include_images=True)
    assert job.failure == "Cancelled by Ana."
    assert (bucket.keys("team/exports/"), bucket.unfinished(), leftovers()) == ([], [], [])


def test_an_answer_that_was_lost_at_the_end_is_no_failure(valves: Dataset, bucket: Bucket, way: Way) -> None:
    with_images(valves, 13)
    lost = list[str]()

    def answer_lost(asked: Asked) -> Fault | None:
        if asked.method == "POST" and "uploadId" in asked.path and not lost:
            lost.append(asked.path)
            return Fault(cut_after=0)
        return None

    way.fault = answer_lost
    job = export(valves, include_images=True)
    assert (job.state, len(lost)) == (State.FINISHED, 1), job.failure


def test_an_archive_that_a_row_names_stays_though_the_answer_of_the_database_was_lost(
    valves: Dataset, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, finish = with_images(valves, 9), ExportJob.finish

    def answer_lost(job: ExportJob, **results: Any) -> None:
        finish(job, **results)
        raise OperationalError("The connection was closed.")

    monkeypatch.setattr(ExportJob, "finish", answer_lost)
    job = export(valves, include_images=True)
    assert len(members(content(job, bucket))) == 1 + len(stored)


def test_a_store_that_deletes_nothing_is_not_asked_for_each_fragment(valves: Dataset, bucket: Bucket, way: Way) -> None:
    with_images(valves, 9)
    way.fault = fails("DELETE", having=".fragment")
    content(export(valves, include_images=True), bucket)
    assert len({asked.path for asked in way.asked if asked.method == "DELETE"}) == 1
    way.answer_well()
    ExportJob.discard_leftovers()
    assert [key for key in bucket.keys("team/exports/") if not key.endswith(".zip")] == []


def test_the_sweep_removes_what_a_worker_that_died_was_putting_together(
    valves: Dataset, ana: User, bucket: Bucket
) -> None:
    job = make_running(valves, ana)
    assert job.lease_token is not None
    dead = f"{job.pk}-{uuid.uuid4()}"
    bucket.put(f"team/exports/{uuid.uuid4()}-{uuid.uuid4()}.fragment", b"of a shard that is gone")
    bucket.begin(f"team/exports/{dead}.zip")
    bucket.begin(f"team/exports/{job.pk}-{job.lease_token}.zip")
    ExportJob.discard_leftovers()
    assert bucket.keys("team/exports/") == []
    assert bucket.unfinished() == [f"team/exports/{job.pk}-{job.lease_token}.zip"]
