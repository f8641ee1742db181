"""How long the store is waited for: a worker can wait, a person before a page cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from vi_portal.s3.failures import StoreFailed

#: So many of the web server's threads may wait for a store to begin an answer. A healthy one takes a moment for each;
#: one that hangs would else take all threads, and with them the pages.
PLACES = 24
_LONGEST_WAIT_FOR_A_PLACE = 1.0

_places = BoundedSemaphore(PLACES)
_hurried: set[int] = set()


def be_quick() -> None:
    """Have this program, but not those it starts, wait little for the store: somebody waits for it in turn."""
    _hurried.add(os.getpid())


def is_quick() -> bool:
    return os.getpid() in _hurried


@contextmanager
def in_line() -> Iterator[None]:
    """Wait with the others for the store to begin an answer. In a program in a hurry, raises `StoreFailed` where too
    many wait."""
    if not is_quick():
        yield
        return
    if not _places.acquire(timeout=_LONGEST_WAIT_FOR_A_PLACE):
        raise StoreFailed("The file store is slow, and too many wait for it. Try again in a moment.")
    try:
        yield
    finally:
        _places.release()
