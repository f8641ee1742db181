"""Images on their way in: a session of the API opened for them, sent to its slots, and asked how it stands."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import google_crc32c
from django.test import Client

from datasets.models import Dataset
from datasets.uploads.bodies import signed
from tests.datasets.api.calling import path, sent

SESSIONS = "/assetSources/managed/datature/default/assetIngestionSessions"


def crc(content: bytes) -> int:
    return signed(google_crc32c.value(content))


def opened(client: Client, dataset: Dataset, *files: tuple[str, bytes], **spec: Any) -> dict[str, Any]:
    """A session for `files`, as the client opens one."""
    assets = [
        {"filename": name, "mime": "image/jpeg", "size": len(content), "crc32c": crc(content), "kind": "Image"}
        for name, content in files
    ]
    body = {"spec": {"kind": "Upload", "failureMode": "FailAfterOne", "assets": assets} | spec}
    response = sent(client, "POST", path(dataset, SESSIONS), body)
    assert response.status_code == 201, response.content
    return dict(response.json())


def put(slot: dict[str, Any], content: bytes, **headers: Any) -> Any:
    """Send `content` to `slot` as the client does: no key, no cookie."""
    url = urlsplit(slot["upload"]["url"])
    return Client().put(f"{url.path}?{url.query}", content, content_type="image/jpeg", **headers)


def state(client: Client, dataset: Dataset, session: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(path(dataset, f"{SESSIONS}/{session['assetIngestionSessionId']}")).json()["status"])
