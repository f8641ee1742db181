"""How the portal is told of its store, and what it tells of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from datasets.models import Dataset
from exports.models import ExportJob
from tests.conftest import signed_in
from tests.frame.portal import environment
from tests.services.s3.kit import link, with_images
from tests.services.store import Bucket, Way, fails
from tests.services.swift import KEY, SECRET
from vi_portal.accounts.models import User
from vi_portal.logs import masked

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

ROOT = Path(__file__).parents[3]


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
