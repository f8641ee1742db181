"""What the pages of a dataset show, as tests ask for it."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.content.decode())


def names_on(response: Any) -> list[str]:
    return [tile.asset.filename for tile in response.context["tiles"]]


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)
