"""What nobody owns goes from the store, and what is deleted."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from datasets import leftovers, removal
from datasets.models import Dataset
from exports.models import ExportJob
from tests.exports.jobs import make_finished, make_running
from tests.services.s3.kit import with_images
from tests.services.store import Bucket, Store, Way, fails
from vi_portal import s3
from vi_portal.accounts.models import User
from vi_portal.s3 import store as s3_store
from vi_portal.s3.failures import StoreFailed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def test_the_sweep_removes_what_no_job_owns(valves: Dataset, ana: User, bucket: Bucket) -> None:
    finished, running = make_finished(valves, ana), make_running(valves, ana)
    assert running.lease_token is not None
    kept = [f"team/exports/{finished.archive}", f"team/exports/{running.pk}-{running.lease_token}.zip"]
    bucket.put(kept[1], b"PK")
    bucket.put(f"team/exports/{running.pk}-{uuid.uuid4()}.zip", b"of an attempt before")
    bucket.put(f"team/exports/{uuid.uuid4()}-{uuid.uuid4()}.zip", b"of no job")
    bucket.put("team/exports/read-me.txt", b"of somebody else")
    bucket.begin(f"team/exports/{finished.pk}-{uuid.uuid4()}.zip")
    bucket.begin(kept[1])
    ExportJob.discard_leftovers()
    assert bucket.keys() == sorted([*kept, "team/exports/read-me.txt"])
    assert bucket.unfinished() == [kept[1]]


def test_uploads_of_images_that_nobody_finishes_are_given_up(
    bucket: Bucket, server: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server.is_real:  # the imitation dates them years back
        monkeypatch.setattr(s3_store, "_STALE", -timedelta(minutes=1))
    bucket.begin("team/media/large.png")
    bucket.begin("other/media/large.png")
    leftovers.discard()
    assert bucket.unfinished() == ["other/media/large.png"]


def test_deleting_an_export_succeeds_though_the_store_fails(valves: Dataset, ana: User, way: Way) -> None:
    job = make_finished(valves, ana)
    way.fault = fails("DELETE")
    job.discard()
    assert not ExportJob.objects.exists()


def test_the_store_is_not_searched_at_every_sweep(settings: Any, way: Way) -> None:
    settings.S3_SWEEP_SECONDS = 3600
    s3._searched.clear()
    ExportJob.discard_leftovers()
    asked = len(way.asked)
    assert asked
    ExportJob.discard_leftovers()
    assert len(way.asked) == asked


def test_an_expired_archive_goes_from_the_store(valves: Dataset, ana: User, bucket: Bucket) -> None:
    job = make_finished(valves, ana)
    ExportJob.objects.filter(pk=job.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    ExportJob.discard_leftovers()
    assert bucket.keys() == []


def test_a_deleted_dataset_goes_from_the_store_even_if_that_fails_at_first(
    valves: Dataset, bucket: Bucket, way: Way
) -> None:
    with_images(valves)
    assert len(bucket.keys()) == 6
    removal.remove_dataset(valves, by="Ana")
    way.fault = fails("DELETE")
    with pytest.raises(StoreFailed):
        removal.purge_deleted()
    assert Dataset.everything.filter(pk=valves.pk).exists(), "its row goes last"
    way.fault = lambda asked: None
    removal.purge_deleted()
    assert (bucket.keys(), Dataset.everything.count()) == ([], 0)
