"""What a worker does when it is rung: the job whose turn it is, whichever job the bell was for.

So a bell that is lost, doubled or late changes no order, and every bell does for every job.
"""

from __future__ import annotations

import logging
import mmap
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import Error, connection, transaction

from vi_portal.jobs.line import line
from vi_portal.jobs.models import Job, Refused, kinds

log = logging.getLogger(__name__)

J = TypeVar("J", bound=Job)

#: The advisory lock that workers choose under, on PostgreSQL. Any number does that nobody else takes.
_CHOOSING = 0x7669_6A6F_6273

#: So long pieces are done at one bell.
_SECONDS_A_BELL = 10

#: One byte that all processes of a worker share: whether it is told to stop.
_stopping = mmap.mmap(-1, 1)

_doers: dict[type[Job], Callable[[Any], None]] = {}


def done_by(kind: type[J], do: Callable[[J], None]) -> None:
    """Let the doorbell know how a job of `kind` is done, once it was started."""
    _doers[kind] = do


def take_no_more() -> None:
    """Let whoever goes from piece to piece, in any process of this worker, end with the one it is at."""
    _stopping[0] = 1


def answer(worker: str) -> None:
    """Do the job whose turn it is, if there is one; then ring for the next, whose own bell may be spent.

    Pieces are short, and not each has a bell: who has done one goes on with whatever is next, unless the worker is to
    stop. From time to time a bell is waited for nevertheless: it does not come to who has lost the rest of its worker.
    """
    if (job := take_turn(worker)) is None:
        return
    until = time.monotonic() + _SECONDS_A_BELL
    while job is not None:
        _doers[type(job)](job)
        job = _next_at_once(worker) if job.is_piece and time.monotonic() < until and not _stopping[0] else None
    try:
        ring_for_next()
    except Error:
        log.warning("The next job could not be rung for; it waits for the sweep.", exc_info=True)


def _next_at_once(worker: str) -> Job | None:
    try:
        return take_turn(worker)
    except Error:
        log.warning("No other job could be taken at once; a bell is waited for.", exc_info=True)
        return None


def take_turn(worker: str) -> Job | None:
    """The job whose turn it is, now held by `worker`; None if nothing may start.

    Workers choose one after the other, so that what one takes is seen by the next.
    """
    if not any(kind._default_manager.filter(kind.announced()).exists() for kind in kinds()):
        return None
    with transaction.atomic():
        _one_at_a_time()
        found = line(announced=True)
        while (entry := found.next()) is not None:
            try:
                return entry.model.start(entry.pk, worker=worker)
            except Refused:
                log.debug("Job %s is not there to be taken any more.", entry.pk)
    return None


def ring_for_next() -> None:
    """Ring for the job whose turn it is, if any may start."""
    entry = line(announced=True).next()
    if entry is not None and (job := entry.model._default_manager.only("pk").filter(pk=entry.pk).first()):
        job.ring()


def _one_at_a_time() -> None:
    """Wait until no other worker chooses. SQLite has one writer at a time as it is."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHOOSING])
