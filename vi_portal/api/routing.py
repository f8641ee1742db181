"""The one router of the API. Every app adds its endpoints to it, so one path may have methods from several modules."""

from __future__ import annotations

from typing import Any

from ninja import Router

from vi_portal.api.auth import SecretKeyAuth
from vi_portal.api.schemas import Message

router = Router(auth=SecretKeyAuth(), by_alias=True)

#: The answers any endpoint may give when it refuses, for the OpenAPI document.
_REFUSALS = (400, 401, 404, 405, 413, 500)


def answers(*, refusals: tuple[int, ...] = (), **good: Any) -> dict[Any, Any]:
    """The `response` of an endpoint: `answers(_200=DatasetOut, refusals=(403, 409))`; the usual refusals are added."""
    documented: dict[Any, Any] = {int(status.removeprefix("_")): schema for status, schema in good.items()}
    return documented | dict.fromkeys((*_REFUSALS, *refusals), Message)
