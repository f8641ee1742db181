"""Exports with the images and the archive on a store: nothing differs but the place."""

from __future__ import annotations

import hashlib
import os
import uuid
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from datasets.models import Asset, Dataset
from exports import storage
from tests.exports.reading import export
from tests.exports.sharing import another_worker, sign_in, small_runs
from tests.services.s3.kit import with_images
from tests.services.store import Bucket, Store, Way
from vi_portal.jobs.models import State
from vi_portal.s3 import uploading

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.mark.parametrize("format_key", ["ViJsonl", "ViFull"])
def test_an_export_with_images_is_on_the_store_and_nothing_is_left_on_disk(
    valves: Dataset, bucket: Bucket, settings: Any, format_key: str
) -> None:
    stored = with_images(valves, 30)
    job = export(valves, format=format_key, include_images=True)
    assert (job.state, job.assets_written, job.warnings) == (State.FINISHED, 30, {}), job.failure
    assert bucket.keys("team/exports/") == [f"team/exports/{job.archive}"]
    content = bucket.read(f"team/exports/{job.archive}")
    assert (len(content), hashlib.sha256(content).hexdigest()) == (job.size, job.sha256)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        found = {Path(name).name: archive.read(name) for name in archive.namelist() if name.endswith(".jpg")}
        assert found == stored
    assert not [path for folder in (settings.ARCHIVE_DIR, settings.SPOOL_DIR) for path in Path(folder).rglob("*")]


def test_an_export_is_the_same_wherever_the_images_are(
    valves: Dataset, bucket: Bucket, settings: Any, tmp_path: Path
) -> None:
    with_images(valves, 5)
    from_store = export(valves, include_images=True, seed=7)
    remote = bucket.read(f"team/exports/{from_store.archive}")
    for key in bucket.keys("team/media/"):
        path = tmp_path / "media" / key.removeprefix("team/media/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.read(key))
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": settings.STORAGES["staticfiles"],
    }
    from_disk = (tmp_path / "exports" / export(valves, include_images=True, seed=7).archive).read_bytes()
    members = [
        {name: archive.read(name) for name in archive.namelist() if name != "export.json"}
        for archive in (zipfile.ZipFile(BytesIO(content)) for content in (remote, from_disk))
    ]
    assert members[0] == members[1]


def test_an_export_shared_by_workers_is_the_one_of_a_single_worker(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_images(valves, 12)
    alone = export(valves, include_images=True, seed=7)
    small_runs(monkeypatch, settings)
    sign_in("one", "other")
    with another_worker():
        shared = export(valves, include_images=True, seed=7)
    assert shared.state == State.FINISHED, shared.failure
    assert sum(asked.method == "PUT" and asked.path.endswith(".fragment") for asked in way.asked) > 1
    contents = [
        {name: archive.read(name) for name in archive.namelist() if name != "export.json"}
        for archive in (zipfile.ZipFile(BytesIO(bucket.read(f"team/exports/{job.archive}"))) for job in (alone, shared))
    ]
    assert contents[0] == contents[1]
    assert sorted(bucket.keys("team/exports/")) == sorted(f"team/exports/{job.archive}" for job in (alone, shared))


def test_an_image_that_is_gone_or_another_is_named_and_the_rest_goes_on(valves: Dataset, bucket: Bucket) -> None:
    with_images(valves)
    first, second = Asset.objects.order_by("pk")[:2]
    default_storage.delete(first.file)
    bucket.put(f"team/media/{second.file}", b"other bytes")
    job = export(valves, include_images=True)
    assert (job.state, job.assets_written) == (State.FINISHED, 3)
    assert job.warnings["images"] == {"missing": 2}


@pytest.mark.parametrize(("checksums", "header"), [(True, "x-amz-checksum-crc32"), (False, "Content-MD5")])
def test_a_large_archive_goes_in_parts_that_are_compared_and_keeps_the_progress_moving(
    bucket: Bucket,
    server: Store,
    way: Way,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    checksums: bool,
    header: str,
) -> None:
    if checksums and server.is_real:
        pytest.skip("This store knows no CRC-32.")
    monkeypatch.setattr(uploading, "PART_SIZE", 100_000)
    settings.STORAGES["archives"]["OPTIONS"]["checksums"] = checksums
    settings.STORAGES = dict(settings.STORAGES)
    content, told = os.urandom(350_000), list[int]()
    part = storage.part_path(uuid.uuid4(), uuid.uuid4())
    part.write_bytes(content)
    key = storage.publish(part, sent=told.append)
    assert bucket.read(f"team/exports/{key}") == content
    assert told == [100_000, 100_000, 100_000, 50_000]
    parts = [asked for asked in way.asked if "partNumber" in asked.path]
    assert len(parts) == 4
    assert all(header in asked.headers for asked in parts)
    with storage.open_archive(key, size=len(content)) as archive:
        assert archive.read() == content


def test_a_small_export_with_images_is_whole_where_several_workers_are_there(valves: Dataset, bucket: Bucket) -> None:
    stored = with_images(valves, 3)
    alone = export(valves, include_images=True)
    sign_in("one", "other")
    with another_worker():
        shared = export(valves, include_images=True)
    assert shared.state == State.FINISHED, shared.failure
    found = []
    for job in (alone, shared):
        with zipfile.ZipFile(BytesIO(bucket.read(f"team/exports/{job.archive}"))) as archive:
            found.append({name: archive.read(name) for name in archive.namelist() if name != "export.json"})
    assert found[0] == found[1]
    assert len(found[0]) == len(stored) + 1
