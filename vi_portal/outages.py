"""The answer while the database is away, or stays locked: a calm page, and 503, which says that it passes.

Everything stands on the database, so its loss is no error of the page that was asked for. Nor is it when SQLite, which
has one writer at a time, was kept busy by another for as long as the settings have one wait. It is in the log in one
line, without the trace that tells of an error nobody foresaw.
"""

from __future__ import annotations

import logging
import sqlite3
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as unforeseen

log = logging.getLogger(__name__)

#: After so many seconds it is worth asking again.
RETRY_AFTER_SECONDS = 5
#: The lower byte of a code of SQLite's says of which kind an error is.
_KIND = 0xFF
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_outage(error: BaseException | None) -> bool:
    """Whether `error` means that the database cannot be asked now, whatever the question was."""
    if isinstance(error, OperationalError):
        return _sqlite_kind(error) != sqlite3.SQLITE_ERROR  # which is a wrong question, and so an error of ours
    return isinstance(error, InterfaceError)


def sentence(error: BaseException | None) -> str:
    """What a person is told of an outage."""
    if _sqlite_kind(error) in _LOCKED:
        return "The portal is busy: something large is being written, so this was not done."
    return "The portal cannot reach its database just now."


def _sqlite_kind(error: BaseException | None) -> int | None:
    cause = error.__cause__ if error else None
    return cause.sqlite_errorcode & _KIND if isinstance(cause, sqlite3.Error) else None


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for a view that raised: 503 while the database is away, else 500."""
    error = sys.exc_info()[1]
    if not is_outage(error):
        return unforeseen(request)
    return told(request, error, HttpResponse(render_to_string("503.html", {"sentence": sentence(error)}), status=503))


def told(request: HttpRequest, error: BaseException | None, response: HttpResponse) -> HttpResponse:
    """`response`, the answer 503 to `request`, with what goes along; it is logged here, and nowhere else."""
    path = request.path.encode("unicode_escape").decode()
    log.error("%s could not be answered; the database fails: %s", path, " ".join(str(error).split()))
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response["Cache-Control"] = "no-store"
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django looks for it
    return response
