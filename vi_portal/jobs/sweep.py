"""The sweep: what keeps jobs moving when a worker, a message or a web process was lost.

It runs in a thread of every worker. Any number of sweeps at once is safe: all they do are conditional updates.
"""

from __future__ import annotations

import logging
import os
import threading
from datetime import timedelta

from django.conf import settings
from django.db import connections
from django.db.models import Q
from django.db.models.functions import Now

from vi_portal.jobs.models import LOST_WORKER, Job, State, Worker, kinds
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

#: How many waiting jobs are rung for again at once.
_HEAD_OF_LINE = 4
#: Held during a round, and by whoever forks: the new process must not inherit a round half done, nor an open
#: connection, which SQLite forbids.
_ROUND = threading.Lock()
os.register_at_fork(before=_ROUND.acquire, after_in_parent=_ROUND.release, after_in_child=_ROUND.release)


def sweep() -> None:
    """One round over every kind of job."""
    Worker.forget_long_gone()
    for kind in kinds():
        requeue_lost(kind)
        ring_again(kind)
    for kind in kinds():
        try:
            kind.discard_leftovers()
        except StoreFailed as error:
            log.warning("Leftovers stay for now: %s", error)


def requeue_lost(kind: type[Job]) -> None:
    """Queue again what lost its worker; fail what lost too many."""
    lost = Q(state=State.RUNNING, lease_expires_at__lt=Now())
    spent = lost & Q(attempts__gte=settings.JOB_MAX_ATTEMPTS)
    told = f"The worker stopped unexpectedly {settings.JOB_MAX_ATTEMPTS} times. Its log says why."
    failed = kind.fail_all(spent, told, cause=LOST_WORKER)
    requeued = kind._default_manager.filter(lost).update(
        state=State.QUEUED, rung_at=None, phase="", lease_token=None, lease_expires_at=None
    )
    if failed or requeued:
        log.warning("Lost workers: %d jobs queued again, %d failed.", requeued, failed)


def ring_again(kind: type[Job]) -> None:
    """Ring for the head of the line where no worker answered within the grace time.

    Only for the head: jobs behind it wait their turn, and a bell for each of them would fill the broker.
    """
    grace = Now() - timedelta(seconds=settings.JOB_GRACE_SECONDS)
    unheard = Q(rung_at=None) | Q(rung_at__lt=grace)
    queued = kind._default_manager.filter(state=State.QUEUED).order_by("created_at", "pk")
    for job in queued[:_HEAD_OF_LINE]:
        fresh = Q(attempts=0, rung_at=None, created_at__gte=grace)
        rings = kind._default_manager.filter(unheard & ~fresh, pk=job.pk, state=State.QUEUED)
        if rings.update(rung_at=Now()):
            job.ring()


class Sweeper:
    """A thread that signs its worker in and sweeps, every JOB_SWEEP_SECONDS, until stopped."""

    def __init__(self, worker: str, *, slots: int = 1) -> None:
        self._worker = worker
        self._slots = slots
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while True:
                with _ROUND:
                    self._round()
                if self._over.wait(settings.JOB_SWEEP_SECONDS):
                    break
            Worker.sign_out(self._worker)
        finally:
            connections.close_all()

    def _round(self) -> None:
        try:
            Worker.sign_in(self._worker, slots=self._slots)
            sweep()
        except Exception:
            log.exception("The sweep failed; it tries again in %s s.", settings.JOB_SWEEP_SECONDS)
        finally:
            connections.close_all()
