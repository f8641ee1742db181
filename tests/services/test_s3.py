"""The portal with its files on an S3-compatible store: what works on disk works there, and what fails is told."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore, Event, Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from datasets import images, removal
from datasets.imports import runner as import_runner
from datasets.imports import sessions
from datasets.models import Annotation, Asset, Dataset, ImportJob, NewAsset
from exports import storage
from exports.models import ExportJob
from exports.registry import FORMATS
from tests import cast
from tests.api.test_kit import client_of, key_of
from tests.conftest import signed_in
from tests.datasets.api.test_ingestion import opened, put, state
from tests.exports.jobs import make_finished, make_running
from tests.exports.reading import export
from tests.exports.test_shards import another_worker
from tests.frame.portal import environment
from tests.frame.range_checks import CHECKS, Answer, Site, verify
from tests.services import store
from tests.services.store import KEY, SECRET, Asked, Bucket, Fault, Way, running_store
from vi_portal import s3
from vi_portal.accounts.models import Organization, User
from vi_portal.jobs.models import State, Worker
from vi_portal.logs import masked
from vi_portal.s3 import patience, uploading
from vi_portal.s3.failures import StoreFailed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running_store() as port:
        yield port


@pytest.fixture(scope="module")
def outside(port: int) -> Any:
    """A client that is not the portal's."""
    return store.client_of(port)


@pytest.fixture(scope="module")
def way(port: int) -> Iterator[Way]:
    way = Way(port)
    yield way
    way.stop()


@pytest.fixture(autouse=True)
def bucket(outside: Any, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """All files are in this bucket, reached by `way`; nobody has much patience with it."""
    bucket = Bucket(f"portal-{uuid.uuid4().hex[:12]}", outside)
    options = {
        "bucket_name": bucket.name,
        "endpoint_url": way.address,
        "region_name": "us-east-1",
        "access_key": KEY,
        "secret_key": SECRET,
        "addressing_style": "path",
        "file_overwrite": False,
    }
    places = {"default": "team/media", "archives": "team/exports", "uploads": "team/uploads"}
    settings.STORAGES = settings.STORAGES | {
        name: {"BACKEND": "vi_portal.s3.store.ObjectStore", "OPTIONS": options | {"location": location}}
        for name, location in places.items()
    }
    settings.S3_SWEEP_SECONDS = 0
    monkeypatch.setattr(patience, "_hurried", {os.getpid()})
    way.asked.clear()
    way.fault = lambda asked: None
    return bucket


def with_images(dataset: Dataset, count: int = 3) -> dict[str, bytes]:
    """So many annotated assets of `dataset`, and the bytes of their images."""
    stored = {}
    for number in range(count):
        name, content = f"image_{number}.jpg", cast.jpeg(64 + number)
        facts = images.store_image(BytesIO(content), dataset=dataset, uid=f"uid{number}", filename=name)
        [asset] = dataset.add_assets([NewAsset(name, facts)])
        cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 30, 40)))
        stored[name] = content
    return stored


def noisy_png() -> bytes:
    """An image of some hundred kilobytes."""
    buffer = BytesIO()
    Image.frombytes("RGB", (400, 300), os.urandom(400 * 300 * 3)).save(buffer, "PNG")
    return buffer.getvalue()


def link(job: ExportJob, user: User) -> str:
    return reverse("download", args=[job.pk, storage.sign(job.pk, user_id=user.pk), "archive.zip"])


def fails(*methods: str, status: int = 500, having: str = "") -> Any:
    return lambda asked: Fault(status) if asked.method in methods and having in asked.path else None


# Exports


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
    for key, entry in FORMATS.items():
        monkeypatch.setitem(FORMATS, key, replace(entry, records_a_run=2))
    settings.EXPORT_SHARD_RECORDS = 4
    Worker.sign_in("one")
    Worker.sign_in("other")
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
    bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch, checksums: bool, header: str
) -> None:
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


# Downloads


@pytest.fixture
def job(acme: Organization, ana: User) -> ExportJob:
    return make_finished(cast.make_dataset(acme, name="Ventile – 血液"), ana, archive=os.urandom(300_000))


def test_head_is_answered_by_the_portal(ana: User, job: ExportJob) -> None:
    answer = signed_in(ana).head(link(job, ana))
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(job.size)
    assert answer.headers["ETag"] == f'"{job.sha256}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert "filename*=utf-8''" in answer.headers["Content-Disposition"]


def test_get_leads_to_the_store_for_a_short_while(ana: User, job: ExportJob, bucket: Bucket, settings: Any) -> None:
    answer = signed_in(ana).get(link(job, ana))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "no-store")
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["X-Amz-Expires"] == [str(settings.S3_LINK_SECONDS)]
    fetched = httpx.get(answer.headers["Location"], trust_env=False)
    assert fetched.content == bucket.read(f"team/exports/{job.archive}")
    assert fetched.headers["Content-Type"] == "application/zip"
    kind, _, name = fetched.headers["Content-Disposition"].partition("; filename*=utf-8''")
    assert (kind, unquote(name)) == ("attachment", job.archive_filename)
    assert "血液" in job.archive_filename


def test_a_part_is_fetched_from_the_store_without_asking_it_first(ana: User, job: ExportJob, way: Way) -> None:
    content = storage.open_archive(job.archive, size=job.size or 0).read()
    way.asked.clear()
    answer = signed_in(ana).get(link(job, ana), headers={"Range": "bytes=100-199"})
    assert way.asked == []
    part = httpx.get(answer.headers["Location"], headers={"Range": "bytes=100-199"}, trust_env=False)
    assert (part.status_code, part.content) == (206, content[100:200])


def test_a_condition_on_the_portal_s_own_tag_is_judged_by_the_portal(ana: User, job: ExportJob) -> None:
    content = storage.open_archive(job.archive, size=job.size or 0).read()
    browser, asked = signed_in(ana), {"Range": "bytes=299990-"}
    for condition in ("If-Match", "If-Range"):
        answer = browser.get(link(job, ana), headers=asked | {condition: f'"{job.sha256}"'})
        assert (answer.status_code, answer.getvalue()) == (206, content[-10:])
    assert browser.get(link(job, ana), headers={"If-None-Match": f'"{job.sha256}"'}).status_code == 304
    other = browser.get(link(job, ana), headers=asked | {"If-Match": '"another"'})
    fetched = httpx.get(other.headers["Location"], headers=asked | {"If-Match": '"another"'}, trust_env=False)
    assert fetched.status_code == 412


def test_the_portal_sends_archives_itself_where_browsers_cannot_reach_the_store(
    ana: User, job: ExportJob, settings: Any
) -> None:
    settings.S3_DOWNLOADS = "portal"
    content = storage.open_archive(job.archive, size=job.size or 0).read()
    assert signed_in(ana).get(link(job, ana)).getvalue() == content
    part = signed_in(ana).get(link(job, ana), headers={"Range": "bytes=-100"})
    assert (part.status_code, part.getvalue()) == (206, content[-100:])


def test_every_range_and_condition_is_answered_by_the_portal_as_from_disk(
    ana: User, job: ExportJob, settings: Any
) -> None:
    settings.S3_DOWNLOADS = "portal"
    browser, address = signed_in(ana), link(job, ana)

    def ask(method: str = "GET", **headers: str) -> Answer:
        answer = browser.generic(method, address, headers=headers)
        return Answer(answer.status_code, answer.headers, answer.getvalue())

    site = Site(ask, storage.open_archive(job.archive, size=job.size or 0).read())
    for check in CHECKS:
        verify(site, check)


def test_an_archive_that_is_gone_is_told_as_such(ana: User, job: ExportJob) -> None:
    storage.delete(job.archive)
    for method in ("head", "get"):
        answer = getattr(signed_in(ana), method)(link(job, ana))
        assert answer.status_code == 410
    assert "The archive is gone" in answer.content.decode()


def test_a_store_that_fails_is_not_taken_for_an_archive_that_is_gone(ana: User, job: ExportJob, way: Way) -> None:
    way.fault = fails("HEAD", "GET")
    answer = signed_in(ana).get(link(job, ana))
    assert answer.status_code == 503
    assert "The archive cannot be fetched now" in answer.content.decode()
    history = signed_in(ana).get(reverse("annotations", args=[job.dataset_id]))
    assert history.status_code == 200


@pytest.mark.parametrize("downloads", ["redirect", "portal"])
def test_the_vendor_s_client_downloads_an_export_and_its_images(
    valves: Dataset,
    ana: User,
    live_server: Any,
    tmp_path: Path,
    settings: Any,
    downloads: str,
    way: Way,
    monkeypatch: Any,
) -> None:
    import vi

    for name, value in {"HOME": str(tmp_path), "NO_PROXY": "localhost,127.0.0.1", "VI_ENABLE_FILE": "false"}.items():
        monkeypatch.setenv(name, value)
    settings.S3_DOWNLOADS = downloads
    stored = with_images(valves)
    stored["large.png"] = noisy_png()
    facts = images.store_image(BytesIO(stored["large.png"]), dataset=valves, uid="large", filename="large.png")
    [asset] = valves.add_assets([NewAsset("large.png", facts)])
    cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 30, 40)))
    job = export(valves, format="ViFull", normalized=True)
    client = vi.Client(secret_key=key_of(ana)[1], organization_id=str(valves.organization_id), endpoint=live_server.url)
    way.asked.clear()
    kept = client.get_dataset(str(valves.pk), str(job.pk), save_dir=tmp_path / "whole", show_progress=False)
    found = kept.save_path.joinpath("dump", "images").glob("*.[jp][pn]g")
    assert {path.name: path.read_bytes() for path in found} == stored
    assert sum("Range" in asked.headers for asked in way.asked) > 4, "it was fetched in parts"
    fetched = client.assets.download(str(valves.pk), save_dir=tmp_path / "images", show_progress=False)
    assert {path.name: path.read_bytes() for path in map(Path, fetched.file_list)} == stored


# Images


def test_images_sent_in_by_the_api_are_on_the_store_and_shown(valves: Dataset, ana: User, bucket: Bucket) -> None:
    client, content = client_of(ana), cast.jpeg()
    session = opened(client, valves, ("line_07.jpg", content))
    [slot] = session["status"]["assets"]
    assert put(slot, content).status_code == 200
    assert state(client, valves, session)["conditions"][0]["status"] == "Reached"
    asset = Asset.objects.get()
    assert bucket.read(f"team/media/{asset.file}") == content
    browser = signed_in(ana)
    shown = browser.get(reverse("image", args=[valves.pk, asset.uid]))
    assert (shown.getvalue(), shown.headers["Content-Length"]) == (content, str(len(content)))
    small = browser.get(reverse("thumbnail", args=[valves.pk, asset.uid]))
    assert small.getvalue() == bucket.read(f"team/media/{images.thumbnail_key(asset.file)}")


def test_a_thumbnail_that_is_missing_is_made(valves: Dataset, ana: User) -> None:
    with_images(valves, 1)
    asset = Asset.objects.get()
    default_storage.delete(images.thumbnail_key(asset.file))
    shown = signed_in(ana).get(reverse("thumbnail", args=[valves.pk, asset.uid]))
    assert (shown.status_code, shown.getvalue()[:2]) == (200, b"\xff\xd8")


def test_an_image_the_store_does_not_take_becomes_no_asset(
    valves: Dataset, ana: User, way: Way, bucket: Bucket
) -> None:
    client, content = client_of(ana), cast.jpeg()
    [slot] = opened(client, valves, ("line_07.jpg", content))["status"]["assets"]
    way.fault = fails("PUT")
    refused = put(slot, content)
    assert refused.status_code == 503
    assert "The file store fails (InternalError)" in refused.json()["message"]
    assert (Asset.objects.count(), bucket.keys()) == (0, [])
    way.fault = lambda asked: None
    assert put(slot, content).status_code == 200


def test_a_page_answers_though_the_store_does_not(valves: Dataset, ana: User, way: Way) -> None:
    with_images(valves, 1)
    asset, browser = Asset.objects.get(), signed_in(ana)
    way.fault = fails("GET", "HEAD")
    assert browser.get(reverse("assets", args=[valves.pk])).status_code == 200
    for name in ("image", "thumbnail"):
        assert browser.get(reverse(name, args=[valves.pk, asset.uid])).status_code == 503


def test_a_store_that_hangs_holds_up_only_so_many_pages(
    valves: Dataset, ana: User, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_images(valves, 1)
    address, browser = reverse("image", args=[valves.pk, Asset.objects.get().uid]), signed_in(ana)
    monkeypatch.setattr(patience, "_places", BoundedSemaphore(1))
    monkeypatch.setattr(patience, "_LONGEST_WAIT_FOR_A_PLACE", 0.01)
    came, go_on = Event(), Event()

    def hang(asked: Asked) -> None:
        came.set()
        go_on.wait(timeout=20)

    way.fault = hang
    first = Thread(target=lambda: default_storage.open(Asset.objects.get().file).close())
    first.start()
    assert came.wait(timeout=20)
    refused = browser.get(address)
    assert (refused.status_code, "too many wait" in refused.content.decode()) == (503, True)
    go_on.set()
    first.join(timeout=20)
    assert browser.get(address).status_code == 200


def test_a_file_of_any_size_is_read_in_any_order(bucket: Bucket, way: Way) -> None:
    content = os.urandom(3 * 2**20)
    default_storage.save("some/file.bin", ContentFile(content))
    with default_storage.open("some/file.bin") as file:
        for start in (0, 2_900_000, 100, 700_000, 650_000):
            file.seek(start)
            assert file.read(1000) == content[start : start + 1000]
    way.fault = lambda asked: Fault(cut_after=900_000) if asked.method == "GET" else None
    with default_storage.open("some/file.bin") as file:
        assert file.read() == content, "a connection that breaks is taken up where it broke"


# What fails leaves nothing


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
    job = export(valves, include_images=True)
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
    job = export(valves)
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
    job = export(valves)
    assert (job.state, "The file store does not answer" in job.failure) == (State.FAILED, True)
    assert SECRET not in caplog.text + job.failure
    assert KEY not in caplog.text + job.failure


def test_images_that_cannot_be_had_for_the_store_s_sake_fail_the_export(valves: Dataset, way: Way) -> None:
    with_images(valves)
    way.fault = fails("GET")
    job = export(valves, include_images=True)
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
    job = export(valves)
    assert job.failure == "Cancelled by Ana."
    assert (bucket.keys(), bucket.unfinished()) == ([], [])


# Annotation files


def test_annotation_files_reach_the_worker_by_the_store(
    valves: Dataset, ana: User, bucket: Bucket, settings: Any, tmp_path: Path
) -> None:
    image = {"type": "Image", "filename": cast.make_asset(valves).filename, "width": 1000, "height": 800}
    contents = {"type": "PhraseGrounding", "caption": "A valve", "groundedPhrases": []}
    file = SimpleUploadedFile("sent.jsonl", cast.as_json({"id": "a1", "asset": image, "contents": contents}))
    signed_in(ana).post(reverse("upload", args=[valves.pk]), {"files": [file]})
    job = ImportJob.objects.get()
    assert len(bucket.keys("team/uploads/")) == 1
    settings.UPLOAD_DIR = tmp_path / "another machine"
    import_runner.run(job.pk, worker="test")
    job.refresh_from_db()
    assert (job.state, Annotation.objects.count()) == (State.FINISHED, 1), job.failure or job.problems
    assert bucket.keys("team/uploads/") == []


def test_annotation_files_nobody_reads_go_from_the_store(valves: Dataset, ana: User, bucket: Bucket) -> None:
    session = sessions.open_session(valves, user=ana, policies=sessions.Policies())
    sessions.add_file(session, "a.jsonl", BytesIO(b"{}"))
    bucket.put(f"team/uploads/{uuid.uuid4()}/1", b"of no session")
    ImportJob.discard_leftovers()
    [kept] = bucket.keys("team/uploads/")
    assert str(session.pk) in kept
    sessions.give_up(session, reason="CancelledByUser")
    ImportJob.discard_leftovers()
    assert bucket.keys("team/uploads/") == []


def test_annotation_files_that_cannot_be_stored_are_told_of(valves: Dataset, ana: User, way: Way) -> None:
    way.fault = fails("PUT")
    sent = {"files": [SimpleUploadedFile("sent.jsonl", b"{}")]}
    answer = signed_in(ana).post(reverse("upload", args=[valves.pk]), sent)
    assert "It could not be stored" in answer.content.decode()
    assert not ImportJob.objects.exists()


# The sweep, and deleting


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


def test_uploads_of_images_that_nobody_finishes_are_given_up(bucket: Bucket) -> None:
    bucket.begin("team/media/large.png")  # moto dates it years back
    bucket.begin("other/media/large.png")
    ImportJob.discard_leftovers()
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


# The settings


def test_links_name_the_store_as_browsers_reach_it(ana: User, job: ExportJob, settings: Any) -> None:
    settings.STORAGES["archives"]["OPTIONS"]["public_endpoint"] = "https://files.example.org"
    settings.STORAGES = dict(settings.STORAGES)
    told = signed_in(ana).get(link(job, ana)).headers["Location"]
    assert told.startswith("https://files.example.org/")


def test_the_health_page_tells_of_the_store(client: Client, way: Way) -> None:
    assert client.get("/healthz").json()["store"] == "ok"
    way.fault = fails("HEAD", status=403)
    answer = client.get("/healthz").json()
    assert answer["status"] == "failing"
    assert "refuses the portal" in answer["store"]


def test_what_a_link_was_signed_with_is_in_no_log(ana: User, job: ExportJob) -> None:
    told = masked(f"see {signed_in(ana).get(link(job, ana)).headers['Location']}")
    assert "X-Amz-Signature=***" in told
    assert KEY not in told


def test_variables_alone_put_everything_on_the_store(valves: Dataset, bucket: Bucket, way: Way, tmp_path: Path) -> None:
    with_images(valves)
    variables = {
        "S3_BUCKET": bucket.name,
        "S3_PREFIX": "team",
        "S3_ENDPOINT": way.address,
        "S3_ADDRESSING": "path",
        "S3_ACCESS_KEY_ID": KEY,
        "S3_SECRET_ACCESS_KEY": SECRET,
        "LOG_LEVEL": "DEBUG",
    }
    arguments = ["export_dataset", "Valves", "--include-images", "--output", str(tmp_path / "valves.zip")]
    told = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(tmp_path / "var", **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout.splitlines()[-1])["images"]["written"] == 3
    assert (tmp_path / "valves.zip").read_bytes() == bucket.read(f"team/exports/{ExportJob.objects.get().archive}")
    assert SECRET not in told.stdout + told.stderr
    assert KEY not in told.stdout + told.stderr
