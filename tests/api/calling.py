"""Calls of the API: a key, a client that sends it, and the one shape of what is refused."""

from __future__ import annotations

from typing import Any

from django.test import Client

from vi_portal.accounts.models import Membership, SecretKey, User


def key_of(user: User, *, read_only: bool = False) -> tuple[SecretKey, str]:
    membership = Membership.objects.get(user=user)
    return SecretKey.objects.make(membership=membership, name="Notebook", read_only=read_only)


def client_of(user: User, *, read_only: bool = False, organization: object = None) -> Client:
    """A program that calls with a key of `user`."""
    _, text = key_of(user, read_only=read_only)
    named = {} if organization is None else {"Organization-Id": str(organization)}
    return Client(headers={"Authorization": f"Bearer {text}", **named})


def message(response: Any) -> str:
    """The one text of an error; fails for any other shape."""
    [(name, text)] = response.json().items()
    assert name == "message"
    assert text.endswith(".")
    return str(text)
