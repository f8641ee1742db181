"""What programs keep with an asset or a dataset: pairs of a key and a value, within bounds. Beyond them it is refused
in words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from vi_portal.api.errors import ApiError

Value: TypeAlias = str | bool | int | float

MAX_KEYS = 100
MAX_KEY = 100
#: Of all of it as JSON.
MAX_BYTES = 16 * 1024
_KINDS = {dict: "an object", list: "a list", type(None): "null"}


def checked_metadata(given: Mapping[str, Any], *, what: str) -> dict[str, Value]:
    """`given`, flat and small enough to be kept; `what` names it in the refusal. Raises `ApiError` 400."""
    if len(given) > MAX_KEYS:
        raise ApiError(400, f"{what} has {len(given):,} keys. At most {MAX_KEYS} are kept.")
    for key, value in given.items():
        if not 0 < len(key) <= MAX_KEY:
            raise ApiError(400, f"{what} has a key of {len(key):,} characters. A key must have 1 to {MAX_KEY}.")
        if type(value) in _KINDS:
            raise ApiError(
                400, f"{what}: “{key}” is {_KINDS[type(value)]}. Send a text, a number, true or false; nothing nested."
            )
        if isinstance(value, int | float) and not (math.isfinite(value) and abs(value) < 2**63):
            raise ApiError(400, f"{what}: “{key}” is a number too large to be kept.")
    size = len(json.dumps(dict(given), ensure_ascii=False).encode())
    if size > MAX_BYTES:
        raise ApiError(400, f"{what} has {size:,} bytes as JSON. At most {MAX_BYTES:,} are kept.")
    return dict(given)


def merged(kept: Mapping[str, str], given: Mapping[str, str | None], *, what: str) -> dict[str, str]:
    """`kept` with `given` written over it, key by key; null takes a key away (RFC 7396). Raises `ApiError` 400."""
    told = {key: value for key, value in {**kept, **given}.items() if value is not None}
    checked_metadata(told, what=what)
    return told
