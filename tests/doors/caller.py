"""Who calls at the doors: a program with a key, and with the links that were signed for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.test import Client, RequestFactory

from tests.api.calling import key_of
from tests.doors.operations import Operation
from vi_portal.accounts.models import User
from vi_portal.api import links

SUBJECTS = {"images/{slot_id}": "upload of image", "annotations/{file_id}": "upload of annotations"}


class Caller:
    """A program with a key of `user`, which knows the signed links that the key was given to `place`."""

    def __init__(self, user: User, *, read_only: bool = False) -> None:
        self.key, self.text = key_of(user, read_only=read_only)
        self.client = Client(headers={"Authorization": f"Bearer {self.text}"})

    def calls(
        self, operation: Operation, ids: Mapping[str, str], *, signed_for: Mapping[str, str] | None = None
    ) -> Any:
        """The answer; a link is signed for the slot of `ids`, or that of `signed_for`."""
        if not operation.is_link:
            return operation.call(self.client, ids)
        return operation.call(Client(), ids, query=self.credential(operation, signed_for or ids))

    def credential(self, operation: Operation, ids: Mapping[str, str]) -> str:
        [parameter] = operation.parameters
        url, _ = links.signed_url(
            RequestFactory().get("/"),
            "/",
            subject=f"{SUBJECTS[parameter]} {ids[parameter]}",
            key=self.key,
            lasting=timedelta(hours=1),
        )
        return url.partition("?")[2]
