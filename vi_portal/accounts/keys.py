"""The text of a secret key: how it is made, recognized, and stored."""

from __future__ import annotations

import hashlib
import re
import secrets

from django.views.decorators.debug import sensitive_variables

PREFIX = "dtvi_"

_FORM = re.compile(r"dtvi_[A-Za-z0-9_-]{98}", re.ASCII)


def new_key() -> str:
    """`dtvi_` and 98 random URL-safe characters (584 bits)."""
    return PREFIX + secrets.token_urlsafe(73)


@sensitive_variables()
def is_key(text: str) -> bool:
    """Whether `text` has the form of a key."""
    return _FORM.fullmatch(text) is not None


@sensitive_variables()
def digest(text: str) -> str:
    """What is stored in place of the key `text`: its SHA-256, in hex. The key is random, so it needs no salt."""
    return hashlib.sha256(text.encode()).hexdigest()
