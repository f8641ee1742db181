"""Addresses that carry their own credential, for clients that send no key with them: downloads, images, uploads.

A credential is good for one subject until its time, and only while the key it was made by is.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from urllib.parse import urlencode

from django.core.signing import Signer
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from vi_portal.accounts.models import SecretKey
from vi_portal.api.errors import ApiError

PARAMETER = "credential"

#: What the API's document says of an address that takes a file and opens to a signed link alone.
TAKES_A_FILE = {
    "parameters": [
        {
            "in": "query",
            "name": PARAMETER,
            "required": True,
            "schema": {"type": "string"},
            "description": "Stands in the address that was given out for this upload.",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}

_FORM = re.compile(r"([0-9]{1,18})\.([0-9]{1,15})\.([A-Za-z0-9_-]{43})", re.ASCII)


def signed_url(request: HttpRequest, path: str, *, subject: str, key: SecretKey, lasting: timedelta) -> tuple[str, int]:
    """The absolute address of `path` with a credential for `subject`, and when it expires, in ms since the epoch."""
    expires = int((time.time() + lasting.total_seconds()) * 1000)
    credential = f"{key.pk}.{expires}.{_signatures(subject, key.pk, expires)[0]}"
    return f"{request.build_absolute_uri(path)}?{urlencode({PARAMETER: credential})}", expires


def opened(request: HttpRequest, *, subject: str) -> SecretKey:
    """The key by which the address of `request` was signed for `subject`.

    Raises `ApiError`: 403 for a credential that is not valid or whose key was revoked, 410 for one that has expired.
    """
    match = _FORM.fullmatch(request.GET.get(PARAMETER, ""))
    if match is None:
        raise ApiError(403, "This link is not complete. Ask the API for it again.")
    number, expires = int(match[1]), int(match[2])
    if not any(constant_time_compare(match[3], each) for each in _signatures(subject, number, expires)):
        raise ApiError(403, "This link is not valid: it was changed, or made for something else.")
    if expires < time.time() * 1000:
        raise ApiError(410, "This link has expired. Ask the API for a fresh one.")
    key = SecretKey.objects.usable().filter(pk=number).first()
    if key is None:
        raise ApiError(403, "The secret key this link was made by is no longer valid.")
    return key


def _signatures(subject: str, key: int, expires: int) -> list[str]:
    """By the secret of today, and by those that were in use before."""
    signer = Signer(salt="vi-portal.api.links")
    value = f"{subject}|{key}|{expires}"
    return [signer.signature(value, secret) for secret in (signer.key, *signer.fallback_keys)]
