"""A store with a bucket of its own for each test, and the way to it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from exports.models import ExportJob
from tests import cast
from tests.exports.jobs import make_finished
from tests.exports.sharing import small_runs
from tests.services import store
from tests.services.store import Bucket, Store, Way, running_store
from tests.services.swift import KEY, SECRET
from vi_portal.accounts.models import Organization, User
from vi_portal.s3 import cutting, patience


@pytest.fixture(scope="package")
def server() -> Iterator[Store]:
    with running_store() as server:
        yield server


@pytest.fixture(scope="package")
def outside(server: Store) -> Any:
    """A client that is not the portal's."""
    return store.client_of(server.port)


@pytest.fixture(scope="package")
def way(server: Store) -> Iterator[Way]:
    way = Way(server.port)
    yield way
    way.stop()


@pytest.fixture(autouse=True)
def bucket(server: Store, outside: Any, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Bucket:
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
        "checksums": not server.is_real,
    }
    places = {"default": "team/media", "archives": "team/exports", "uploads": "team/uploads"}
    settings.STORAGES = settings.STORAGES | {
        name: {"BACKEND": "vi_portal.s3.store.ObjectStore", "OPTIONS": options | {"location": location}}
        for name, location in places.items()
    }
    settings.S3_SWEEP_SECONDS = 0
    settings.JOB_PAUSE_SECONDS = 0
    monkeypatch.setattr(patience, "_hurried", {os.getpid()})
    way.asked.clear()
    way.fault = lambda asked: None
    return bucket


@pytest.fixture
def job(acme: Organization, ana: User) -> ExportJob:
    return make_finished(cast.make_dataset(acme, name="Ventile – 血液"), ana, archive=os.urandom(300_000))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Runs of two records, shards of four, and parts that a store of the tests takes."""
    small_runs(monkeypatch, settings)
    monkeypatch.setattr(cutting, "SMALLEST_PART", 1000)
