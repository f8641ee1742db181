"""The logs: no line lets its reader in."""

from __future__ import annotations

import io
import logging
from logging.config import DictConfigurator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from exports import storage
from tests import cast
from tests.exports.jobs import make_finished


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the handler that all lines go to writes, in each of the formats there are."""
    configured = DictConfigurator(settings.LOGGING)
    bare: dict[str, Any] = {"formatter": None, "filters": []}
    handler = configured.configure_handler(dict(settings.LOGGING["handlers"]["stderr"]) | bare)
    handler.setFormatter(configured.configure_formatter(dict(settings.LOGGING["formatters"][request.param])))
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    return stream


@pytest.mark.django_db
def test_the_signature_of_a_download_link_is_not_logged(client: Client, written: io.StringIO) -> None:
    ana = cast.make_member(cast.make_organization(), "ana")
    job = make_finished(cast.make_dataset(), ana)
    signature = storage.sign(job.pk, user_id=ana.pk)
    url = reverse("download", args=[job.pk, signature, "export.zip"])

    assert client.get(url).status_code == 403  # which Django logs, with the path
    logging.getLogger("exports").warning("The way was %s", url)

    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    assert all(f"/exports/{job.pk}/download/***/export.zip" in line for line in lines)
    assert signature not in written.getvalue()
