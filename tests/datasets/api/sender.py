"""Annotation files on their way in: a client that sends them to an import session, as the vendor's does."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import google_crc32c
from django.test import Client

from datasets.imports import runner
from datasets.models import Dataset, ImportJob
from tests.datasets.api.calling import path, sent
from tests.datasets.imports.importing import line

SESSIONS = "/annotationImportSessions"


def lines(*records: Any) -> bytes:
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in records)


def announced(content: bytes) -> dict[str, Any]:
    crc = google_crc32c.value(content).to_bytes(4, "big")
    return {"sizeBytes": len(content), "crc32c": base64.b64encode(crc).decode(), "kind": "Unknown"}


class Sender:
    """A client that sends files to a session of `dataset`, as the vendor's does."""

    def __init__(self, client: Client, dataset: Dataset, **policies: str) -> None:
        self.client, self.dataset = client, dataset
        body = {"spec": {"failurePolicies": policies, "source": "UploadedIndividualFiles"}}
        response = sent(client, "POST", path(dataset, SESSIONS), body)
        assert response.status_code == 201, response.content
        self.id = response.json()["annotationImportSessionId"]

    def at(self, below: str = "") -> str:
        return path(self.dataset, f"{SESSIONS}/{self.id}{below}")

    def announce(self, **files: bytes) -> Any:
        body = {"files": {name.replace("_jsonl", ".jsonl"): announced(content) for name, content in files.items()}}
        return sent(self.client, "POST", self.at("/files"), body)

    def put(self, upload: dict[str, Any], content: bytes) -> Any:
        url = urlsplit(upload["url"])
        return Client().put(f"{url.path}?{url.query}", content, content_type="application/octet-stream")

    def tell(self, status: str = "Reached", **more: str) -> Any:
        body = {"status": {"conditions": [{"condition": "FilesInserted", "status": status} | more]}}
        return sent(self.client, "PATCH", self.at("/status"), body)

    def send(self, **files: bytes) -> ImportJob:
        slots = self.announce(**files).json()["files"]
        for (name, upload), content in zip(slots.items(), files.values(), strict=True):
            assert self.put(upload, content).json() == {"name": name, "sizeBytes": len(content)}
        assert self.tell().status_code == 200
        job = ImportJob.objects.get(session=self.id)
        runner.run(job.pk, worker="test")
        job.refresh_from_db()
        return job

    def status(self) -> dict[str, Any]:
        return dict(self.client.get(self.at()).json()["status"])


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {each["condition"]: each["status"] for each in status["conditions"]}


def captions(dataset: Dataset) -> list[str]:
    found = [annotation.parsed for asset in dataset.assets.all() for annotation in asset.annotations.all()]
    return sorted(each.caption for each in found)  # type: ignore[union-attr]


def said(caption: str, filename: str = "line_07.jpg", **changes: Any) -> dict[str, Any]:
    record = line(filename, **changes)
    record["contents"] = {"type": "PhraseGrounding", "caption": caption, "groundedPhrases": []}
    return record


BAD, GOOD = lines(said("Bad"), b"{broken"), lines(said("Good", id="a2"))
