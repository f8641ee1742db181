"""Lists in pages. A page token is opaque to the client; it holds where the last item stood, so nothing is skipped
or told twice when items come and go between two pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet, Subquery
from pydantic import Field

from vi_portal.api.errors import ApiError

DEFAULT_SIZE = 10
MAX_SIZE = 1000

#: The query parameter `s`.
PageSize: TypeAlias = Annotated[int, Field(ge=1)]

M = TypeVar("M", bound=Model)
T = TypeVar("T", int, str)


def page_of(
    rows: QuerySet[M],
    *,
    order: Sequence[str],
    size: int,
    token: str,
    descending: bool = False,
    fixed: bool = False,
) -> tuple[list[M], str | None]:
    """At most `size` of `rows` by the columns `order` (the last one unique), and the token of the next page, if any.

    `fixed` says that the columns of a row never change; they are then compared as the database has them, which
    SQLite needs where it wrote a time itself, in fewer digits than it is asked for.

    Raises `ApiError` for a token that was not made by this list.
    """
    found: list[M]
    try:
        if token:
            values = _decoded(token, len(order))
            rows = rows.filter(_beyond(order, _anchored(rows, order, values) if fixed else values, descending))
        found = list(rows.order_by(*(f"-{column}" if descending else column for column in order))[: size + 1])
    except (ValidationError, ValueError, TypeError, OverflowError) as error:
        raise _unknown() from error
    if len(found) <= size:
        return found, None
    return found[:size], encode_token(*(getattr(found[size - 1], column) for column in order))


def encode_token(*values: Any) -> str:
    """The token of what comes after the item at `values`."""
    plain = [
        each.isoformat() if isinstance(each, datetime) else str(each) if isinstance(each, UUID) else each
        for each in values
    ]
    return base64.urlsafe_b64encode(msgspec.json.encode(plain)).decode().rstrip("=")


def decode_token(token: str, *like: T) -> tuple[T, ...]:
    """What `encode_token` put into `token`, of the types of `like`. Raises `ApiError`."""
    values = _decoded(token, len(like))
    if not all(type(value) is type(example) for value, example in zip(values, like, strict=True)):
        raise _unknown()
    return tuple(values)


def _anchored(rows: QuerySet[M], order: Sequence[str], values: list[Any]) -> list[Any]:
    """`values`, as the row they were taken from has them, if it is still there."""
    row = rows.filter(**{order[-1]: values[-1]})
    return [Subquery(row.values(column)[:1]) for column in order] if row.exists() else values


def _beyond(order: Sequence[str], values: Sequence[Any], descending: bool) -> Q:
    """What comes after `values`, column by column."""
    direction = "lt" if descending else "gt"
    beyond, equal = Q(pk__in=[]), Q()
    for column, value in zip(order, values, strict=True):
        beyond |= equal & Q(**{f"{column}__{direction}": value})
        equal &= Q(**{column: value})
    return beyond


def _decoded(token: str, length: int) -> list[Any]:
    try:
        values = msgspec.json.decode(
            base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True), type=list[str | int]
        )
    except (binascii.Error, ValueError) as error:
        raise _unknown() from error
    beyond_64_bits = any(isinstance(each, int) and abs(each) >= 2**63 for each in values)
    if len(values) != length or beyond_64_bits or any("\x00" in each for each in values if isinstance(each, str)):
        raise _unknown()
    return values


def _unknown() -> ApiError:
    return ApiError(400, "This page token (p) was not given out by this list. Start again without one.")
