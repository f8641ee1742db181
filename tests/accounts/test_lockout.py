"""Failed sign-ins are counted by person and by where they come from, with a proxy in front as without."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from vi_portal.accounts.models import User

pytestmark = pytest.mark.django_db


def status_after_failures(username: str, *, seen_by_the_proxy: str) -> int:
    """What somebody else is answered after so many wrong passwords from 203.0.113.66."""
    client = Client()
    for _ in range(10):
        client.post(
            reverse("sign-in"),
            {"username": username, "password": "a guess"},
            headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.66"},
        )
    answer = client.post(
        reverse("sign-in"),
        {"username": username, "password": "another guess"},
        headers={"X-Forwarded-For": seen_by_the_proxy},
    )
    return answer.status_code


def test_nobody_locks_out_a_colleague_behind_the_same_proxy(settings: Any, ana: User) -> None:
    settings.BEHIND_PROXY, settings.AXES_ENABLED = True, True
    assert status_after_failures(ana.username, seen_by_the_proxy="203.0.113.7") == 200


def test_what_the_sender_claims_of_its_address_opens_no_way_around(settings: Any, ana: User) -> None:
    settings.BEHIND_PROXY, settings.AXES_ENABLED = True, True
    assert status_after_failures(ana.username, seen_by_the_proxy="198.51.100.9, 203.0.113.66") == 429


def test_without_a_proxy_the_header_is_believed_of_nobody(settings: Any, ana: User) -> None:
    settings.BEHIND_PROXY, settings.AXES_ENABLED = False, True
    assert status_after_failures(ana.username, seen_by_the_proxy="203.0.113.7") == 429
