"""What is signed is good for nothing else: only with a real store, for an imitation believes any signature."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import httpx
import pytest
from botocore import auth
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from datasets.models import Dataset
from exports.models import ExportJob
from tests import cast
from tests.conftest import signed_in
from tests.exports.reading import export
from tests.services.s3.kit import link
from tests.services.store import Bucket, Store
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture(autouse=True)
def real(server: Store) -> None:
    if not server.is_real:
        pytest.skip("An imitation checks no signatures; `make test-services` has a store that does.")


def fetched(address: str, **headers: str) -> httpx.Response:
    return httpx.get(address, headers=headers, trust_env=False)


def test_a_link_gives_the_archive_it_was_made_for_whole_and_in_ranges(
    ana: User, job: ExportJob, bucket: Bucket
) -> None:
    address, content = (
        signed_in(ana).get(link(job, ana)).headers["Location"],
        bucket.read(f"team/exports/{job.archive}"),
    )
    assert fetched(address).content == content
    part = fetched(address, Range="bytes=100-199")
    assert (part.status_code, part.content) == (206, content[100:200])
    assert fetched(address, Range="bytes=-1").content == content[-1:]


def test_a_link_gives_nothing_else(ana: User, job: ExportJob, bucket: Bucket) -> None:
    other = f"team/exports/{job.archive}".replace(str(job.pk), "another")
    bucket.put(other, b"of somebody else")
    address = signed_in(ana).get(link(job, ana)).headers["Location"]
    for changed in (
        address.replace(str(job.pk), "another"),
        address.replace("application%2Fzip", "text%2Fhtml"),
        address.replace("X-Amz-Expires=", "X-Amz-Expires=9"),
        address.partition("?")[0],
    ):
        assert changed != address
        assert fetched(changed).status_code in (400, 401, 403)
    assert httpx.delete(address, trust_env=False).status_code == 403
    assert httpx.put(address, content=b"other", trust_env=False).status_code == 403


def test_a_link_ends(ana: User, job: ExportJob, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.S3_LINK_SECONDS = 60
    then = auth.get_current_datetime() - timedelta(minutes=2)
    with monkeypatch.context() as patched:
        patched.setattr(auth, "get_current_datetime", lambda: then)
        ended = signed_in(ana).get(link(job, ana)).headers["Location"]
    assert fetched(ended).status_code == 403


def test_a_wrong_secret_is_told_to_the_administrator(valves: Dataset, settings: Any, client: Client) -> None:
    cast.make_annotated(valves, 1)
    default_storage.save("some.bin", ContentFile(os.urandom(10)))
    for options in settings.STORAGES.values():
        if "OPTIONS" in options:
            options["OPTIONS"]["secret_key"] = "another secret key"
    settings.STORAGES = dict(settings.STORAGES)
    job = export(valves)
    assert (job.state, "The file store refuses the portal" in job.failure) == (State.FAILED, True)
    assert "refuses the portal" in client.get("/healthz").json()["store"]
