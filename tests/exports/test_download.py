"""Fetching an archive: for whom a link is good, for how long, and what it answers otherwise."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset
from datasets.removal import purge_deleted, remove_dataset
from exports import storage
from exports.models import ExportJob
from tests import cast
from tests.conftest import signed_in
from tests.exports.jobs import make_failed, make_finished, make_running
from vi_portal.accounts.models import Membership, Organization, User

CONTENT = b"PK" + bytes(range(256)) * 40


@pytest.fixture
def job(valves: Dataset, ana: User) -> ExportJob:
    return make_finished(valves, ana, archive=CONTENT)


def link(job: ExportJob, user: User, *, filename: str = "") -> str:
    signature = storage.sign(job.pk, user_id=user.pk)
    return reverse("download", args=[job.pk, signature, filename or job.archive_filename])


def assert_a_page(response: Any, status: int, words: str) -> None:
    """An HTML page, which no browser takes for the archive, with a way on."""
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert "Content-Disposition" not in response.headers
    assert words in response.content.decode()


def test_the_history_links_to_the_archive(as_ana: Client, valves: Dataset, job: ExportJob) -> None:
    page = as_ana.get(reverse("annotations", args=[valves.pk])).content.decode()
    [url] = re.findall(rf'href="(/exports/{job.pk}/download/[^"]+)"', page)
    response = as_ana.get(url)
    assert (response.status_code, response.getvalue()) == (200, CONTENT)
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["X-Checksum-SHA256"] == job.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert response.headers["Content-Disposition"] == f'attachment; filename="{job.archive_filename}"'


def test_parts_of_the_archive(as_ana: Client, ana: User, job: ExportJob) -> None:
    response = as_ana.get(link(job, ana), headers={"Range": "bytes=100-199", "If-Match": f'"{job.sha256}"'})
    assert (response.status_code, response.getvalue()) == (206, CONTENT[100:200])
    head = as_ana.head(link(job, ana))
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(CONTENT)))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Ventile – 血液", "Ventile__血液-ViJsonl"),
        ("..", "ViJsonl"),
        ("a/b\\c", "abc-ViJsonl"),
        ('quo"te', "quote-ViJsonl"),
        ("<script>", "script-ViJsonl"),
    ],
)
def test_any_dataset_name_makes_a_file_name(
    as_ana: Client, ana: User, acme: Organization, name: str, stem: str
) -> None:
    job = make_finished(cast.make_dataset(acme, name=name), ana, archive=CONTENT)
    response = as_ana.get(link(job, ana))
    assert response.getvalue() == CONTENT
    [offered] = re.findall(r"""filename(?:\*=utf-8''|=")([^"]+)""", response.headers["Content-Disposition"])
    assert re.fullmatch(rf"{stem}-\d{{8}}-\d{{4}}\.zip", unquote(offered))


def test_the_file_name_in_the_link_does_not_matter(as_ana: Client, ana: User, job: ExportJob) -> None:
    response = as_ana.get(link(job, ana, filename="other.html"))
    assert response.headers["Content-Disposition"] == f'attachment; filename="{job.archive_filename}"'


# For whom


def test_a_link_is_useless_to_others(as_ben: Client, ben: User, ana: User, job: ExportJob) -> None:
    Membership.objects.filter(user=ben).update(viewer_may_export=True)
    assert_a_page(as_ben.get(link(job, ana)), 403, "This link is not valid")
    assert as_ben.get(link(job, ben)).getvalue() == CONTENT


def test_a_viewer_may_not_download_unless_allowed(as_ben: Client, ben: User, job: ExportJob) -> None:
    assert_a_page(as_ben.get(link(job, ben)), 403, "You may not download exports")


def test_another_organization_s_archive_does_not_exist(as_chloe: Client, chloe: User, job: ExportJob) -> None:
    assert as_chloe.get(link(job, chloe)).status_code == 404


def test_who_lost_the_right_has_lost_the_link(as_ana: Client, ana: User, job: ExportJob) -> None:
    url = link(job, ana)
    Membership.objects.filter(user=ana).update(role="viewer")
    assert_a_page(as_ana.get(url), 403, "You may not download exports")
    Membership.objects.filter(user=ana).delete()
    assert as_ana.get(url).status_code == 404


def test_a_link_without_a_session_leads_to_the_sign_in(client: Client, ana: User, job: ExportJob) -> None:
    response = client.get(link(job, ana), headers={"Accept": "text/html,*/*"})
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("sign-in"))
    assert "/download/" in response.headers["Location"]


def test_a_program_without_a_session_saves_no_sign_in_page_as_the_archive(
    client: Client, ana: User, job: ExportJob
) -> None:
    response = client.get(link(job, ana), headers={"Accept": "*/*", "Range": "bytes=5-"})
    assert response.status_code == 403
    assert response.headers["Content-Type"].startswith("text/plain")


# For how long


def test_a_link_that_was_changed(as_ana: Client, ana: User, job: ExportJob, valves: Dataset) -> None:
    signature = storage.sign(job.pk, user_id=ana.pk)
    stamp, mac = signature.split(":")
    other = make_finished(valves, ana)
    for wrong in (f"{stamp}x:{mac}", f"{stamp}:{mac[:-1]}", "junk", ":", storage.sign(other.pk, user_id=ana.pk)):
        response = as_ana.get(reverse("download", args=[job.pk, wrong, "export.zip"]))
        assert_a_page(response, 403, "This link is not valid")


def test_a_link_past_its_time(as_ana: Client, ana: User, job: ExportJob, valves: Dataset, settings: Any) -> None:
    settings.DOWNLOAD_LINK_HOURS = -1
    response = as_ana.get(link(job, ana))
    assert_a_page(response, 410, "This link has expired")
    assert f'href="{reverse("annotations", args=[valves.pk])}#job-history"' in response.content.decode()


@pytest.mark.parametrize("method", ["get", "head"])
def test_an_expired_export(as_ana: Client, ana: User, job: ExportJob, method: str) -> None:
    ExportJob.objects.filter(pk=job.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    response = getattr(as_ana, method)(link(job, ana))
    assert response.status_code == 410
    if method == "get":
        assert_a_page(response, 410, "Rebuild it")


@pytest.mark.parametrize("mishap", ["deleted", "cut short", "unreadable"])
def test_an_archive_that_is_gone_before_its_time(
    as_ana: Client, ana: User, job: ExportJob, valves: Dataset, mishap: str
) -> None:
    cast.make_annotated(valves, 1)
    storage.delete(job.archive)
    path = Path(settings.ARCHIVE_DIR) / job.archive
    if mishap == "cut short":
        path.write_bytes(CONTENT[:100])
    if mishap == "unreadable":
        path.mkdir()
    response = as_ana.get(link(job, ana))
    assert_a_page(response, 410, "The archive is gone")
    rebuild = reverse("repeat-export", args=[job.pk])
    assert f'<form method="post" action="{rebuild}">' in response.content.decode()
    as_ana.post(rebuild)
    assert ExportJob.objects.exclude(pk=job.pk).get().options == job.options


def test_the_way_out_of_a_wrong_link_is_not_to_rebuild(as_ana: Client, job: ExportJob) -> None:
    page = as_ana.get(reverse("download", args=[job.pk, "junk", "export.zip"])).content.decode()
    assert reverse("repeat-export", args=[job.pk]) not in page


def test_a_link_outlives_its_dataset(as_ana: Client, ana: User, job: ExportJob, valves: Dataset) -> None:
    remove_dataset(valves, by="Ana")
    purge_deleted()
    ExportJob.discard_leftovers()
    assert as_ana.get(link(job, ana)).getvalue() == CONTENT


@pytest.mark.parametrize("mishap", ["altered", "past its time", "archive gone"])
def test_no_way_on_leads_to_a_deleted_dataset(
    as_ana: Client, ana: User, job: ExportJob, valves: Dataset, settings: Any, mishap: str
) -> None:
    """Neither its job history nor a rebuilding of it is offered."""
    url = link(job, ana)
    remove_dataset(valves, by="Ana")
    if mishap == "altered":
        url = url.replace(storage.sign(job.pk, user_id=ana.pk), "junk")
    if mishap == "past its time":
        settings.DOWNLOAD_LINK_HOURS = -1
    if mishap == "archive gone":
        storage.delete(job.archive)
    response = as_ana.get(url)
    assert_a_page(response, 403 if mishap == "altered" else 410, "was deleted")
    page = response.content.decode()
    assert str(valves.pk) not in page
    assert str(job.pk) not in page


def test_no_archive_without_a_finished_job(as_ana: Client, ana: User, valves: Dataset) -> None:
    for job in (make_failed(valves, ana), make_running(valves, ana)):
        assert as_ana.get(link(job, ana)).status_code == 404


def test_a_download_changes_nothing_and_is_not_posted_to(ana: User, job: ExportJob) -> None:
    assert signed_in(ana).post(link(job, ana)).status_code == 405
