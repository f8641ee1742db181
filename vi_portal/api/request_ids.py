"""The id of the request at hand, on every line of the log that it causes."""

from __future__ import annotations

import logging
from contextvars import ContextVar

# Never reset: Django logs an error after the last middleware is done. The thread's next request sets it anew.
current: ContextVar[str] = ContextVar("request_id", default="")


def current_id() -> str:
    """The id of the request at hand; empty outside of one."""
    return current.get()


class RequestIdFilter(logging.Filter):
    """Puts `request_id` on every record; empty outside a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current.get()
        return True


class TextFormatter(logging.Formatter):
    """A line of text, with the id of the request in brackets at its end where there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        line = super().formatMessage(record)
        request_id = getattr(record, "request_id", "")
        return f"{line} [{request_id}]" if request_id else line
