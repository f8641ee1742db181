"""The sweep: what keeps jobs moving when a worker, a message or a web process was lost.

Any number of sweeps at once is safe: all they do are conditional updates.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from vi_portal.jobs.models import LOST_WORKER, Job, State, Worker, kinds
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

#: How many waiting jobs are rung for again at once.
_HEAD_OF_LINE = 4

_also: list[Callable[[], None]] = []


def also(discard: Callable[[], None]) -> None:
    """Let every round `discard` what is left over beside the jobs. It may raise `StoreFailed`."""
    _also.append(discard)


def sweep() -> None:
    """One round over every kind of job, and what else leaves something behind."""
    for step in steps():
        step()


def steps() -> list[Callable[[], None]]:
    """What a round consists of, each without the others: the last may take a while, where there is much to discard."""
    discards = [*(kind.discard_leftovers for kind in kinds()), *_also]
    return [Worker.forget_long_gone, _move_on, *(partial(_discard, discard) for discard in discards)]


def _move_on() -> None:
    for kind in kinds():
        requeue_lost(kind)
    for kind in kinds():
        if not ring_again(kind):
            return


def _discard(discard: Callable[[], None]) -> None:
    try:
        discard()
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


def ring_again(kind: type[Job]) -> bool:
    """Ring for the head of the line where no worker answered within the grace time. False where the broker is away.

    Only for the head: jobs behind it wait their turn, and a bell for each of them would fill the broker.
    """
    grace = Now() - timedelta(seconds=settings.JOB_GRACE_SECONDS)
    unheard = Q(rung_at=None) | Q(rung_at__lt=grace)
    queued = kind._default_manager.filter(state=State.QUEUED).order_by("created_at", "pk")
    for job in queued[:_HEAD_OF_LINE]:
        fresh = Q(attempts=0, rung_at=None, created_at__gte=grace)
        rings = kind._default_manager.filter(unheard & ~fresh, pk=job.pk, state=State.QUEUED)
        if rings.update(rung_at=Now()) and not job.ring():
            return False
    return True


def release_jobs(worker: str, *, attempt_counts: bool) -> None:
    """Give back what `worker`, which is gone, still holds, so that the next sweep queues it again.

    With `attempt_counts` False the job has as many attempts left as before.
    """
    changes = {} if attempt_counts else {"attempts": Greatest(F("attempts") - 1, 0)}
    for kind in kinds():
        held = kind._default_manager.filter(state=State.RUNNING, worker=worker)
        held.update(lease_expires_at=Now(), **changes)
    Worker.sign_out(worker)
