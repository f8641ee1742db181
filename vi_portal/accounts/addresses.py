"""Who is at the other end, for the count of failed sign-ins."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The address the request came from; with BEHIND_PROXY, the one the proxy in front says it came from.

    Behind a proxy all would have the proxy's, and anybody could lock out anybody else. What the proxy saw itself
    is last in X-Forwarded-For; what stands before, the sender may have written.
    """
    told = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.BEHIND_PROXY else ""
    return told.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR")
