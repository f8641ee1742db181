"""Signed links, when the secret they were signed with is replaced."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import RequestFactory

from vi_portal.accounts.models import SecretKey, User
from vi_portal.api import links
from vi_portal.api.errors import ApiError

pytestmark = pytest.mark.django_db


def test_links_outlive_the_secret_they_were_signed_with_while_it_is_a_fallback(settings: Any, ana: User) -> None:
    membership = ana.memberships.get()
    key = SecretKey.objects.make(membership=membership, name="Links", read_only=True)[0]
    settings.SECRET_KEY = "of yesterday"
    url, _ = links.signed_url(RequestFactory().get("/"), "/file", subject="file", key=key, lasting=timedelta(hours=1))
    parts = urlsplit(url)
    asked = RequestFactory().get(f"{parts.path}?{parts.query}")

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "of today", ["of yesterday"]
    assert links.opened(asked, subject="file") == key
    fresh, _ = links.signed_url(RequestFactory().get("/"), "/file", subject="file", key=key, lasting=timedelta(hours=1))

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ApiError, match="not valid"):
        links.opened(asked, subject="file")
    assert links.opened(RequestFactory().get(fresh.removeprefix("http://testserver")), subject="file") == key
