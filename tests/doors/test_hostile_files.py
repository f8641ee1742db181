"""Files that are not what they say, by the page and by the API: nothing in them runs, and nothing leaves its folder."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from datasets.imports import runner
from datasets.models import Dataset, ImportJob
from tests import cast
from tests.api.calling import client_of, message
from tests.datasets.api.calling import path, sent
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

SCRIPT = b"<script>alert(document.domain)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + SCRIPT + b"</svg>"
HTML = b"<!doctype html><html><body>" + SCRIPT + b"</body></html>"
SESSIONS = "/assetSources/managed/datature/default/assetIngestionSessions"


def uploaded(client: Client, dataset: Dataset, name: str, content: bytes, content_type: str = "image/png") -> Any:
    """The outcome of one file sent by the page."""
    files = {"files": SimpleUploadedFile(name, content, content_type)}
    answer = client.post(reverse("upload", args=[dataset.pk]), files, headers={"Accept": "application/json"})
    [outcome] = answer.json()["outcomes"]
    return outcome


def stored() -> list[Path]:
    """Every file below the folder that the test has for all folders."""
    return [each for each in Path(settings.MEDIA_ROOT).parent.rglob("*") if each.is_file()]


@pytest.mark.parametrize("content", [SVG, HTML, b"GIF89a" + HTML, b"\x89PNG\r\n\x1a\n" + HTML, b"%PDF-1.4", b"MZ"])
@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.html", "a.jpg"])
def test_what_is_no_image_becomes_no_asset(as_ana: Client, valves: Dataset, name: str, content: bytes) -> None:
    assert uploaded(as_ana, valves, name, content)["tone"] == "bad"
    assert not valves.assets.exists()
    assert stored() == []


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.js", "a.jpg\n.html", "a"])
def test_an_image_with_a_page_in_it_is_an_image_to_the_browser(as_ana: Client, valves: Dataset, name: str) -> None:
    """A JPEG may go on with anything after its end, and be called anything."""
    content = cast.jpeg() + HTML
    assert uploaded(as_ana, valves, name, content, "text/html")["tone"] == "good"
    asset = valves.assets.get()
    answer = as_ana.get(reverse("image", args=[valves.pk, asset.uid]))
    assert b"".join(answer) == content
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_programs_get_the_same_image_as_nothing_that_runs(ana: User, as_ana: Client, valves: Dataset) -> None:
    uploaded(as_ana, valves, "a.html", cast.jpeg() + HTML)
    asset = valves.assets.get()
    told = client_of(ana).get(path(valves, f"/assets/{asset.uid}?contents=y")).json()
    answer = Client().get(told["contents"]["asset"]["url"].removeprefix("http://testserver"))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "name",
    ["../../../evil.png", "/etc/evil.png", "..\\..\\evil.png", "C:\\evil.png", "....//evil.png"],
)
def test_a_name_leads_out_of_no_folder(ana: User, valves: Dataset, name: str) -> None:
    """Not where the image lies, not where a download puts it, and not in an archive."""
    client, buffer = client_of(ana), io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    content = buffer.getvalue()
    spec = {"assets": [{"filename": name, "mime": "image/png", "size": len(content)}]}
    [slot] = sent(client, "POST", path(valves, SESSIONS), {"spec": spec}).json()["status"]["assets"]
    Client().put(slot["upload"]["url"].removeprefix("http://testserver"), content, content_type="image/png")
    asset = valves.assets.get()
    below = Path(settings.MEDIA_ROOT) / str(valves.organization_id) / str(valves.pk)
    assert [each.parent for each in stored() if "thumbnails" not in each.parts] == [below]
    assert not {"/", "\\", ":"} & set(asset.member_name)
    url = client.get(path(valves, f"/assets/{asset.uid}?contents=y")).json()["contents"]["asset"]["url"]
    assert ".." not in url


def bombs() -> dict[str, bytes]:
    """What is small here and huge once unpacked: nothing unpacks it."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", bytes(50_000_000))
    return {
        "zip": zipped.getvalue(),
        "gzip": gzip.compress(bytes(50_000_000)),
        "depth": b"[" * 200_000 + b"]" * 200_000,
        "depth of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "one line": b'{"filename": "' + b"x" * 5_000_000 + b'"}',
        "entities": b'<!DOCTYPE a [<!ENTITY b "bbb">]><a>&b;</a>',
        "no text": bytes(range(256)) * 100,
        "surrogates": json.dumps({"filename": "a.jpg", "contents": {"text": "\ud800"}}).encode(),
        "NUL": json.dumps({"filename": "\x00", "contents": {"text": "\x00"}}).encode(),
    }


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_annotations_that_are_none_end_in_a_sentence(as_ana: Client, name: str) -> None:
    valves = cast.make_dataset(type="freeform")
    cast.make_asset(valves, "a.jpg")
    for what, content in bombs().items():
        assert uploaded(as_ana, valves, name, content)["tone"] == "good", what
        job = ImportJob.objects.latest("created_at")
        runner.run(job.pk, worker="test")
        job.refresh_from_db()
        assert job.state in (State.FAILED, State.FINISHED), what
        assert job.failure or job.problems, what
        assert "Traceback" not in job.failure
        assert len(str(job.problems)) < 20_000, what
    assert valves.assets.count() == 1
    assert not valves.assets.get().annotations.exists()


def test_a_size_that_is_only_declared_takes_no_place(ana: User, valves: Dataset) -> None:
    client, most = client_of(ana), settings.UPLOAD_MAX_MB * 2**20
    for size in (most + 1, 2**30 * 1000, 2**63 - 1):
        spec = {"assets": [{"filename": "big.jpg", "mime": "image/jpeg", "size": size}]}
        [slot] = sent(client, "POST", path(valves, SESSIONS), {"spec": spec}).json()["status"]["assets"]
        url = slot["upload"]["url"].removeprefix("http://testserver")
        answer = Client().put(url, b"x", content_type="image/jpeg", headers={"Content-Length": str(size)})
        assert answer.status_code == 413
        assert "MiB" in message(answer)
        answer = Client().put(url, b"x", content_type="image/jpeg")
        assert answer.status_code == 400
        assert f"{size}" in message(answer)
    assert stored() == []
