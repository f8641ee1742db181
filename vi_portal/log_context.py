"""On whose behalf: the ids of the request, the user and the job on every line of the log that they cause.

Whoever writes the line need not know of them, libraries neither. A job's row carries the id of the request that
asked for it, so the lines of web and worker can be put together.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from vi_portal.api import request_ids


@dataclass(frozen=True, slots=True)
class _Job:
    id: str
    user: int | None


# Never reset, like the request's id: the last lines about a request come when the last middleware is done.
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_job: ContextVar[_Job | None] = ContextVar("job", default=None)


def begin_request(request: HttpRequest, *, request_id: str) -> None:
    """What this thread logs from now on is about `request`."""
    request_ids.current.set(request_id)
    _request.set(request)


@contextmanager
def working_on(job_id: str, *, user: int | None, request_id: str) -> Iterator[None]:
    """What is logged within is about the job of that id, which the request of that id asked for."""
    before = _job.set(_Job(job_id, user))
    asked = request_ids.current.set(request_id)
    try:
        yield
    finally:
        _job.reset(before)
        request_ids.current.reset(asked)


class ContextFilter(logging.Filter):
    """Puts `request_id` on every record, and `job` and `user` where there is one and the line does not say."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_ids.current_id()
        job = _job.get()
        known = {"job": job.id, "user": job.user} if job else {"user": _user_of(_request.get())}
        for name, value in known.items():
            if value is not None and not hasattr(record, name):
                setattr(record, name, value)
        return True


def _user_of(request: Any) -> int | None:
    """Who asks, as far as that was looked up already: a line of the log is no reason for a query."""
    user = getattr(request, "_cached_user", None)
    key = getattr(request, "auth", None)
    if user is None and key is not None and "membership" in key._state.fields_cache:
        return int(key.membership.user_id)
    return getattr(user, "pk", None)


class TextFormatter(logging.Formatter):
    """A line of text, with the ids of the request and of the job in brackets at its end where there are any."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        line = super().formatMessage(record)
        if request_id := getattr(record, "request_id", ""):
            line = f"{line} [{request_id}]"
        job = getattr(record, "job", "")
        return f"{line} [job {job}]" if job and str(job) not in line else line
