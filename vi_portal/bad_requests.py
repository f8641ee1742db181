"""The page for a request that cannot be read: it says why where that is known, and what to do."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer 400, as a page."""
    many = settings.DATA_UPLOAD_MAX_NUMBER_FILES if isinstance(exception, TooManyFilesSent) else None
    return HttpResponse(render_to_string("400.html", {"most_files": many}), status=400)
