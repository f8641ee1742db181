"""The answer where the database stays locked: 503, and when to ask again.

SQLite has one writer at a time. Whoever comes meanwhile waits, which is rarely noticed; who has waited for as long as
the settings say is told so, calmly: nothing is broken.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.views.defaults import server_error

log = logging.getLogger(__name__)

_RETRY_SECONDS = 5
#: The lower byte of an error code of SQLite says of which kind it is.
_KIND = 0xFF
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class LockedDatabaseMiddleware:
    """Answers for a view that could not write."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not _is_locked(error):
            return None
        log.warning("The database stayed locked, so %s %s was not done.", request.method, request.path)
        return _busy()


def crashed(request: HttpRequest) -> HttpResponseBase:
    """The answer to what no view foresaw; a lock may have befallen what comes before or after the view."""
    return _busy() if _is_locked(sys.exc_info()[1]) else server_error(request)


def _busy() -> HttpResponse:
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(_RETRY_SECONDS)})


def _is_locked(error: BaseException | None) -> bool:
    cause = error.__cause__ if isinstance(error, OperationalError) else None
    return isinstance(cause, sqlite3.OperationalError) and (cause.sqlite_errorcode & _KIND) in _LOCKED
