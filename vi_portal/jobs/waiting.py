"""Waiting with a client for a job to end, so that it need not come back in ten seconds.

A waiting client holds one of the web server's threads. Only EXPORT_WAITERS may wait at a time, so that pages are
always answered; whoever comes beyond that is told the present state at once.
"""

from __future__ import annotations

import time
from threading import BoundedSemaphore

from django.conf import settings

from vi_portal.jobs.models import Job

_FIRST_PAUSE, _LAST_PAUSE = 0.03, 0.25

_places = BoundedSemaphore(max(settings.EXPORT_WAITERS, 1))


def wait_for_end(job: Job, *, seconds: float) -> bool:
    """Wait until `job` is over, for at most `seconds`; `job` has its fresh row then. True if that was in vain.

    Returns at once where it is over, or too many wait already. Raises `DoesNotExist` where it was deleted.
    """
    if not job.is_active or not settings.EXPORT_WAITERS or not _places.acquire(blocking=False):
        return False
    try:
        deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while job.is_active and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 1.5, _LAST_PAUSE)
            job.refresh_from_db(fields=["state"])
    finally:
        _places.release()
    job.refresh_from_db()
    return job.is_active
