"""Exports by the API: what may be asked and how it is told, the conditions, the waiting, and the way to the archive."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urljoin

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from datasets.models import Dataset
from datasets.removal import purge_deleted, remove_dataset
from exports import api, runner
from exports.conditions import conditions
from exports.models import ExportJob
from exports.schemas import parse_export
from exports.spec import ExportSpec, SpecError
from tests import cast
from tests.api.calling import client_of, key_of, message
from tests.datasets.api.calling import path
from vi_portal.accounts.models import Membership, Organization, Role, User
from vi_portal.jobs import waiting
from vi_portal.jobs.models import State
from vi_portal.jobs.progress import Progress

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def finished(dataset: Dataset, user: User, **fields: Any) -> ExportJob:
    """An export of `dataset` that a worker has done."""
    job = ExportJob.of(ExportSpec(**fields).resolved(), dataset=dataset, user=user)
    runner.run(job.pk, worker="test", progress=Progress(lambda progress: None))
    job.refresh_from_db()
    assert job.state == State.FINISHED
    return job


def link_to(client: Client, job: ExportJob) -> str:
    """The way to the archive, as a client is given it."""
    told = client.get(path(job.dataset, f"/datasetExports/{job.pk}")).json()["status"]["downloadUrl"]
    return str(told["url"]).removeprefix("http://testserver")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, ExportSpec(format="ViFull", normalized=True)),
        ({"spec": {"format": "ViJsonl"}}, ExportSpec(format="ViJsonl", normalized=True)),
        ({"spec": {"format": "VI_TFRECORD", "options": {"normalized": False}}}, ExportSpec(format="ViTfrecord")),
        ({"spec": {"format": "DatasetExportFormat.VI_FULL"}}, ExportSpec(format="ViFull", normalized=True)),
        (
            {"spec": {"format": "ViJsonl", "options": {"splitRatio": 0.8, "seed": 7}}},
            ExportSpec(format="ViJsonl", normalized=True, validation_ratio=Decimal("0.2"), seed=7),
        ),
        (
            {"spec": {"format": "ViJsonl", "options": {"split_ratio": "0.6", "include_images": True}}},
            ExportSpec(format="ViJsonl", normalized=True, validation_ratio=Decimal("0.4"), include_images=True),
        ),
        (
            {"spec": {"format": "ViJsonl", "options": {"splitRatio": 1e-7}}},
            ExportSpec(format="ViJsonl", normalized=True, validation_ratio=Decimal("0.9999999")),
        ),
    ],
)
def test_wishes_in_any_spelling(body: dict[str, Any], wanted: ExportSpec) -> None:
    assert parse_export(json.dumps(body).encode()) == wanted


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("[]", "must be an object"),
        ("{", "not JSON"),
        ('{"spec": 1}', "must be an object"),
        ('{"spec": {"format": 5}}', "must be a text"),
        ('{"spec": {"options": {"splitRatio": NaN}}}', "not a split ratio"),
        ('{"spec": {"options": {"splitRatio": 1e400}}}', "not a split ratio"),
        ('{"spec": {"options": {"splitRatio": 1.2}}}', "“1.2” is not a split ratio"),
        ('{"spec": {"options": {"splitRatio": true}}}', "not a split ratio"),
        ('{"spec": {"options": {"splitRatio": {}}}}', "not a split ratio"),
        ('{"spec": {"options": {"normalized": "yes"}}}', "true or false"),
        ('{"spec": {"options": {"seed": 1.5}}}', "not a seed"),
    ],
)
def test_what_makes_no_sense_is_refused(body: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        parse_export(body.encode())


def test_a_refusal_reaches_the_client(ana: User, valves: Dataset) -> None:
    client = client_of(ana)
    empty = client.post(path(valves, "/datasetExports"), "{}", content_type="application/json")
    assert empty.status_code == 400
    assert "no annotations yet" in message(empty)
    odd = client.post(
        path(valves, "/datasetExports"), '{"spec": {"format": "\\ud800"}}', content_type="application/json"
    )
    assert odd.status_code == 400
    assert "is not a format" in message(odd)


@pytest.mark.parametrize(
    ("state", "fields", "told"),
    [
        (State.QUEUED, {}, [("Finished", "Waiting"), ("Started", "Waiting")]),
        (State.RUNNING, {}, [("Finished", "Waiting"), ("Started", "Reached")]),
        (
            State.FINISHED,
            {"archive": "a.zip", "expires_at": timezone.now() + timedelta(days=1)},
            [("Finished", "Reached"), ("Started", "Reached")],
        ),
        (
            State.FINISHED,
            {"archive": ""},
            [("Expired: the archive was deleted, make a new export", "FailedReach"), ("Started", "Reached")],
        ),
        (
            State.FAILED,
            {"failure": "The disk is full.\nFree some space."},
            [("Failed: The disk is full. Free some space", "FailedReach"), ("Started", "Reached")],
        ),
        (
            State.FAILED,
            {"failure": "Cancelled by Ana.", "cancelled": True},
            [("Cancelled by Ana", "FailedReach"), ("Started", "Reached")],
        ),
    ],
)
def test_conditions(state: State, fields: dict[str, Any], told: list[tuple[str, str]]) -> None:
    now = timezone.now()
    job = ExportJob(state=state, created_at=now, started_at=now, finished_at=now, **fields)
    assert [(each.condition, each.status) for each in conditions(job)] == told
    assert all(each.last_transition_time > 0 for each in conditions(job))


def test_an_export_is_told_in_canonical_form(ana: User, valves: Dataset) -> None:
    cast.make_annotated(valves, 5)
    job = finished(valves, ana, format="ViJsonl", normalized=True, validation_ratio=Decimal("0.2"))
    told = client_of(ana).get(path(valves, f"/datasetExports/{job.pk}")).json()
    assert told["spec"] == {"format": "ViJsonl", "options": {"normalized": True, "splitRatio": 0.8}}
    assert told["datasetId"] == f"{valves.organization_id}_{valves.pk}"
    [listed] = client_of(ana).get(path(valves, "/datasetExports")).json()["items"]
    assert listed["datasetExportId"] == told["datasetExportId"] == str(job.pk)


def test_the_archive_is_fetched_with_no_key_in_ranges(ana: User, valves: Dataset) -> None:
    cast.make_annotated(valves, 3)
    job = finished(valves, ana)
    link = link_to(client_of(ana), job)
    archive = b"".join(Client().get(link))
    assert len(archive) == job.size
    head = Client().head(link)
    assert (head.status_code, head["Content-Length"]) == (200, str(job.size))
    part = Client().get(link, headers={"Range": "bytes=5-24"})
    assert part.status_code == 206
    assert b"".join(part) == archive[5:25]
    assert Client().get(link, headers={"Range": f"bytes={job.size}-"}).status_code == 416


def test_a_link_ends_with_its_key_its_right_its_time_and_its_archive(
    ana: User, valves: Dataset, acme: Organization, settings: Settings
) -> None:
    cast.make_annotated(valves, 1)
    job = finished(valves, ana)
    dora = cast.make_member(acme, "dora", role=Role.VIEWER, viewer_may_export=True)
    key, text = key_of(dora)
    link = link_to(Client(headers={"Authorization": f"Bearer {text}"}), job)
    assert Client().get(link).status_code == 200
    assert Client().get(link[:-1] + ("A" if link[-1] != "A" else "B")).status_code == 403
    assert Client().get(link.partition("?")[0]).status_code == 403
    assert Client().get(link.replace(str(job.pk), str(uuid.uuid4()))).status_code == 403
    Membership.objects.filter(user=dora).update(viewer_may_export=False)
    assert "may not download" in message(Client().get(link))
    Membership.objects.filter(user=dora).update(viewer_may_export=True)
    key.revoke()
    assert "no longer valid" in message(Client().get(link))
    settings.DOWNLOAD_LINK_HOURS = -1
    expired = Client().get(link_to(client_of(ana), job))
    assert (expired.status_code, message(expired)) == (410, "This link has expired. Ask the API for a fresh one.")
    settings.DOWNLOAD_LINK_HOURS = 1
    link = link_to(client_of(ana), job)
    ExportJob.objects.update(archive="")
    assert Client().get(link).status_code == 410


@pytest.mark.parametrize("altered", ["subject", "key", "expiry", "signature", "more", "less", "twice"])
def test_a_link_altered_in_any_part_opens_nothing(ana: User, valves: Dataset, altered: str) -> None:
    cast.make_annotated(valves, 1)
    job, other = finished(valves, ana), finished(valves, ana)
    other_key, _ = key_of(ana)
    link = link_to(client_of(ana), job)
    before, _, credential = link.partition("?credential=")
    key, expires, signature = credential.split(".")
    wrong = {
        "subject": f"{before.replace(str(job.pk), str(other.pk))}?credential={credential}",
        "key": f"{before}?credential={other_key.pk}.{expires}.{signature}",
        "expiry": f"{before}?credential={key}.{int(expires) + 1}.{signature}",
        "signature": f"{before}?credential={key}.{expires}.{signature.swapcase()}",
        "more": f"{link}A",
        "less": link[:-1],
        "twice": f"{link}&credential={key}.{int(expires) + 1}.{signature}",
    }[altered]
    assert Client().get(link).status_code == 200
    for method in ("get", "head"):
        assert getattr(Client(), method)(wrong).status_code == 403
    assert message(Client().get(wrong)).startswith("This link is not ")


def test_a_link_outlives_its_dataset(ana: User, valves: Dataset) -> None:
    """The dataset is gone at once, its archives are there until they expire."""
    cast.make_annotated(valves, 1)
    job = finished(valves, ana)
    client = client_of(ana)
    link = link_to(client, job)
    whole = b"".join(Client().get(link))
    remove_dataset(valves, by="Ana")
    purge_deleted()
    ExportJob.discard_leftovers()
    assert client.get(path(valves, f"/datasetExports/{job.pk}")).status_code == 404
    assert b"".join(Client().get(link)) == whole
    assert Client().get(link, headers={"Range": "bytes=0-0"}).status_code == 206
    ExportJob.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    gone = Client().get(link)
    assert (gone.status_code, "was deleted" in message(gone)) == (410, True)


def test_who_may_not_export_is_offered_no_link(ana: User, ben: User, valves: Dataset) -> None:
    cast.make_annotated(valves, 1)
    job = finished(valves, ana)
    assert "downloadUrl" not in client_of(ben).get(path(valves, f"/datasetExports/{job.pk}")).json()["status"]
    refused = client_of(ben).post(path(valves, "/datasetExports"), "{}", content_type="application/json")
    assert (refused.status_code, "may not export" in message(refused)) == (403, True)


def test_another_organizations_exports_do_not_exist(ana: User, chloe: User, valves: Dataset) -> None:
    cast.make_annotated(valves, 1)
    job = finished(valves, ana)
    for address in (path(valves, "/datasetExports"), path(valves, f"/datasetExports/{job.pk}")):
        assert client_of(chloe).get(address).status_code == 404
    own = cast.make_dataset(Organization.objects.get(name="Borealis"))
    assert client_of(chloe).get(path(own, f"/datasetExports/{job.pk}")).status_code == 404


def test_nginx_is_told_where_the_archive_is(ana: User, valves: Dataset, settings: Settings) -> None:
    cast.make_annotated(valves, 1)
    job = finished(valves, ana)
    settings.X_ACCEL_REDIRECT = "/archives/"
    response = Client().get(link_to(client_of(ana), job))
    assert response["X-Accel-Redirect"] == f"/archives/{job.archive}"
    assert response.content == b""
    assert (Path(settings.ARCHIVE_DIR) / job.archive).is_file()


def test_an_answer_waits_until_the_export_is_over(ana: User, valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 1)
    job = ExportJob.of(ExportSpec().resolved(), dataset=valves, user=ana)
    client, answers = client_of(ana), []
    asking = Thread(target=lambda: answers.append(client.get(path(valves, f"/datasetExports/{job.pk}")).json()))
    asking.start()
    runner.run(job.pk, worker="test", progress=Progress(lambda progress: None))
    asking.join(timeout=10)
    [told] = answers
    assert told["status"]["conditions"][0]["status"] == "Reached"
    assert "downloadUrl" in told["status"]


def test_who_was_held_back_in_vain_is_sent_here_again_ten_times(
    ana: User, valves: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "AT_STATUS", 0.01)
    job = ExportJob.of(ExportSpec().resolved(), dataset=valves, user=ana)
    client = client_of(ana)
    answers = [client.get(path(valves, f"/datasetExports/{job.pk}"))]
    while answers[-1].status_code == 307:
        answers.append(client.get(urljoin(path(valves, f"/datasetExports/{job.pk}"), answers[-1]["Location"])))
    assert [answer.status_code for answer in answers] == [*[307] * 10, 200]
    assert {answer.json()["status"]["conditions"][0]["status"] for answer in answers} == {"Waiting"}


def test_who_comes_when_too_many_wait_is_answered_at_once(ana: User, valves: Dataset) -> None:
    job = ExportJob.of(ExportSpec().resolved(), dataset=valves, user=ana)
    taken = 0
    try:
        while waiting._places.acquire(blocking=False):
            taken += 1
        told = client_of(ana).get(path(valves, f"/datasetExports/{job.pk}"))
    finally:
        for _ in range(taken):
            waiting._places.release()
    assert taken == 16
    assert told.status_code == 200, "who was kept waiting is sent to the same address again"
    assert told.json()["status"]["conditions"][0]["status"] == "Waiting"
