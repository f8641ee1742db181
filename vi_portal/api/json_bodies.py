"""Bodies of requests, read as JSON: what is no JSON, or can be kept in no database, goes no further."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from vi_portal.api.errors import ApiError
from vi_portal.api.texts import can_be_kept

#: Far more than any body needs, and far less than what exhausts whoever follows it down.
MAX_DEPTH = 64


class JsonBodies(Parser):
    """Reads the body of every endpoint, whatever its Content-Type says."""

    def parse_body(self, request: HttpRequest) -> Any:
        return parse_json(request.body)


def parse_json(body: bytes) -> Any:
    """The value in `body` (RFC 8259). Raises `ApiError` 400, also for a text that has NUL or half of a surrogate pair
    in it, and for what is nested more than `MAX_DEPTH` levels deep."""
    try:
        value = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is not JSON.") from error
    level = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return value
        level = [below for each in level for below in _below(each)]
    raise ApiError(400, f"The body is nested more than {MAX_DEPTH} levels deep.")


def _below(value: Any) -> list[Any]:
    """What is in `value`, if that may be."""
    if isinstance(value, str):
        if not can_be_kept(value):
            raise ApiError(400, "The body has characters that cannot be kept: NUL, or half of a surrogate pair.")
        return []
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number.")
