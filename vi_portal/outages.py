"""The answer while the database is away: a calm page, and 503, which says that it passes.

Everything stands on the database, so its loss is no error of the page that was asked for. It is in the log in one
line, without the trace that tells of an error nobody foresaw.
"""

from __future__ import annotations

import logging
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as unforeseen

log = logging.getLogger(__name__)

#: After so many seconds it is worth asking again.
RETRY_AFTER_SECONDS = 5
#: What SQLite says of a wrong question; that is an error of ours.
_WRONG_QUESTION = "SQLITE_ERROR"


def is_outage(error: BaseException | None) -> bool:
    """Whether `error` means that the database cannot be asked now, whatever the question was."""
    if isinstance(error, OperationalError):
        return getattr(error.__cause__, "sqlite_errorname", "") != _WRONG_QUESTION
    return isinstance(error, InterfaceError)


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for a view that raised: 503 while the database is away, else 500."""
    error = sys.exc_info()[1]
    if not is_outage(error):
        return unforeseen(request)
    return told(request, error, HttpResponse(render_to_string("503.html"), status=503))


def told(request: HttpRequest, error: BaseException | None, response: HttpResponse) -> HttpResponse:
    """`response`, the answer 503 to `request`, with what goes along; it is logged here, and nowhere else."""
    path = request.path.encode("unicode_escape").decode()
    log.error("%s could not be answered; the database fails: %s", path, " ".join(str(error).split()))
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response["Cache-Control"] = "no-store"
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
