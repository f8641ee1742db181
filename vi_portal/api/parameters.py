"""The parameters of a query: one that a list does not know is refused, so that nobody takes the list for filtered."""

from __future__ import annotations

from django.http import HttpRequest

from vi_portal.api.errors import ApiError


def check_parameters(request: HttpRequest, *known: str) -> None:
    """Raise `ApiError` 400 where the address of `request` has a parameter other than `known`."""
    unknown = sorted(set(request.GET) - set(known))
    if unknown:
        raise ApiError(400, f"The parameter “{unknown[0][:100]}” is not known here. Use {', '.join(sorted(known))}.")
