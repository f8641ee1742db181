"""The id of the request at hand."""

from __future__ import annotations

from contextvars import ContextVar

# Never reset: Django logs an error after the last middleware is done. The thread's next request sets it anew.
current: ContextVar[str] = ContextVar("request_id", default="")


def current_id() -> str:
    """The id of the request at hand; empty outside of one."""
    return current.get()
