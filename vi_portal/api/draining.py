"""The body of a request that is refused: read and dropped, so that its sender gets to read the refusal.

A server that answers and closes while a client still sends resets the connection, and the answer is lost with it.
"""

from __future__ import annotations

from django.http import HttpRequest, UnreadablePostError

#: In bytes; whoever sends more than that finds the connection closed.
MOST = 16 * 1024 * 1024
_PIECE = 256 * 1024


def drain(request: HttpRequest) -> None:
    """Read what is left of the body of `request`, unless there is more than `MOST` of it."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length) > MOST:
        return
    try:
        while request.read(_PIECE):
            pass
    except UnreadablePostError:
        return
