"""Archives on a store, fetched: who answers what, and where the portal shows the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from datasets import images
from datasets.models import Dataset, NewAsset
from exports import storage
from exports.models import ExportJob
from tests import cast
from tests.api.calling import client_of, key_of
from tests.conftest import signed_in
from tests.datasets.api.calling import path
from tests.exports.reading import export
from tests.frame.range_checks import CHECKS, Answer, Site, verify
from tests.services.s3.kit import link, noisy_png, with_images
from tests.services.store import Bucket, Way
from vi_portal.accounts.models import User
from vi_portal.s3 import store as s3_store

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


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


AWAY: list[Any] = [
    pytest.param(lambda way: way.answer_500("HEAD", "GET"), id="500"),
    pytest.param(lambda way: way.hang_up(), id="hangs up"),
    pytest.param(lambda way: way.answer_slowly(1), id="slow"),
]


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The web server has a second's patience with the store."""
    monkeypatch.setitem(s3_store._HURRIED, "read_timeout", 0.2)
    s3_store._client.cache_clear()
    yield
    s3_store._client.cache_clear()


@pytest.mark.parametrize("downloads", ["redirect", "portal"])
@pytest.mark.parametrize("away", AWAY)
def test_a_store_that_is_away_is_not_taken_for_an_archive_that_is_gone(
    ana: User, job: ExportJob, way: Way, hurry: None, settings: Any, away: Any, downloads: str
) -> None:
    settings.S3_DOWNLOADS = downloads
    away(way)
    page = signed_in(ana).get(link(job, ana))
    assert page.status_code == 503
    assert "The archive cannot be fetched now" in page.content.decode()
    history = signed_in(ana).get(reverse("annotations", args=[job.dataset_id]))
    assert history.status_code == 200
    told = client_of(ana).get(path(job.dataset, f"/datasetExports/{job.pk}")).json()["status"]["downloadUrl"]["url"]
    for method in ("get", "head"):
        answer = getattr(Client(), method)(told)
        assert answer.status_code == 503
    assert re.match(r"The file store (fails|does not answer) ", Client().get(told).json()["message"])
    way.answer_well()
    assert Client().head(told).status_code == 200


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
