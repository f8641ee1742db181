"""The version of a resource, and changes that are made only to the version the client knows (RFC 9110, 13.1)."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest

from vi_portal.api.errors import ApiError


def etag_of(*parts: object) -> str:
    """A short text that changes when any of `parts` does."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=10).hexdigest()


def check_match(request: HttpRequest, etag: str) -> None:
    """Raise `ApiError` 412 where `If-Match` names another version than `etag`."""
    given = request.headers.get("If-Match")
    if given is None or given.strip() == "*":
        return
    if etag not in (each.strip().strip('"') for each in given.split(",")):
        raise ApiError(412, "It was changed meanwhile. Fetch it again, then repeat the change.")
