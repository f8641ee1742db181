"""Holding a job while it is worked on: a thread renews the lease and carries the progress to the row."""

from __future__ import annotations

import logging
import threading
import time
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from django.conf import settings
from django.db import connections

from vi_portal.jobs.models import Job, Refused
from vi_portal.jobs.progress import Progress

log = logging.getLogger(__name__)

#: At most this often the row is written, and so this soon a cancelled job stops.
BEAT_SECONDS = 0.5
#: A worker that made no progress for this long is taken for stuck, and loses its lease.
STALL_SECONDS = 900


class LeaseLost(Exception):
    """The job is no longer ours: cancelled, or given to another worker. Whatever we made of it must go."""


class Lease:
    """For as long as the `with` block runs, the job is held.

    The working thread calls `check` often; it raises `LeaseLost` as soon as the row was taken away, or could not
    be renewed for a whole lease. An error of the work becomes `LeaseLost` where the job is not ours any more: whoever
    took it may have removed what the work stood on.
    """

    def __init__(self, job: Job, progress: Progress) -> None:
        self._job = job
        self._progress = progress
        self._lost = threading.Event()
        self._over = threading.Event()
        self._renewed_at = time.monotonic()
        # What it logs is about the same job.
        told = partial(copy_context().run, self._keep)
        self._thread = threading.Thread(target=told, name=f"lease-{job.pk}", daemon=True)

    def check(self) -> None:
        expired = time.monotonic() - self._renewed_at > settings.JOB_LEASE_SECONDS
        if expired or self._lost.is_set():
            raise LeaseLost(f"Job {self._job.pk} is no longer ours.")

    def wait(self, seconds: float) -> None:
        """Do nothing for so long. Raises `LeaseLost` as soon as the job is no longer ours."""
        self._lost.wait(seconds)
        self.check()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if isinstance(error, Exception) and not isinstance(error, LeaseLost | Refused) and self._is_gone():
            raise LeaseLost(f"Job {self._job.pk} is no longer ours, and what it stood on may be gone.") from error

    def _is_gone(self) -> bool:
        """Ask the row itself; if it cannot be asked, nothing says that it is gone."""
        try:
            self._job.beat(phase=self._progress.phase, percent=int(self._progress.percent))
        except Refused:
            return True
        except Exception:
            log.warning("Job %s: the lease could not be renewed.", self._job.pk, exc_info=True)
        return False

    def _keep(self) -> None:
        told: tuple[str, int] | None = None
        quiet_limit = settings.JOB_LEASE_SECONDS / 4
        try:
            while not self._over.wait(min(BEAT_SECONDS, quiet_limit)):
                if time.monotonic() - self._progress.moved_at > STALL_SECONDS:
                    log.error("Job %s made no progress for %d s; its lease ends.", self._job.pk, STALL_SECONDS)
                    self._lost.set()
                    return
                news = (self._progress.phase, int(self._progress.percent))
                quiet = time.monotonic() - self._renewed_at
                if news != told or quiet >= min(quiet_limit, 2.0):
                    self._beat(*news)
                    told = news
        except Refused:
            self._lost.set()
        finally:
            connections.close_all()

    def _beat(self, phase: str, percent: int) -> None:
        before = time.monotonic()
        try:
            self._job.beat(phase=phase, percent=percent)
        except Refused:
            raise
        except Exception:
            log.warning("Job %s: the lease could not be renewed; trying again.", self._job.pk, exc_info=True)
        else:
            self._renewed_at = before


class Told(Protocol):
    """What hears that the work goes on."""

    def advance(self, steps: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Watch:
    """What every step of the work is told to: the progress moves on, and `LeaseLost` is raised once the job is not
    ours."""

    lease: Lease
    progress: Progress
    #: The same for a part of the work, where that is held on its own.
    part: Watch | None = None

    def advance(self, steps: int = 1) -> None:
        self.lease.check()
        if self.part is not None:
            self.part.advance(steps)
        self.progress.advance(steps)

    def wait(self, seconds: float) -> None:
        """For what others do, which is no standstill; see `Lease.wait`."""
        self.lease.wait(seconds)
        self.advance(0)
