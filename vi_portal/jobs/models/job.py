"""What every background job shares: the state machine, and the lease.

The row is the truth and the queue only a doorbell. Each verb is one conditional UPDATE that must change exactly
one row, or it is `Refused`; nobody reads a row, decides, and saves it. Times that decide anything are the
database's own, so the clocks of web and workers may differ.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from vi_portal.accounts.models import User
from vi_portal.api.request_ids import current_id
from vi_portal.jobs.states import ACTIVE, CANCELLED, UNEXPECTED, Refused, State
from vi_portal.jobs.tallies import count_failed, count_finished

log = logging.getLogger(__name__)

#: So long a broker that confirms messages is waited for.
_CONFIRM_SECONDS = 5


class Job(models.Model):
    """A piece of work that outlives the request that asked for it. Every kind of job has a `dataset`.

    `lease_token` is the fencing token of the worker that holds the job: who cannot show it may neither renew,
    finish nor fail it. A job that is to be tried again has the reason in `failure`, and in `lease_expires_at` when
    that may be. `percent` never falls, not even over a second attempt. `workload` is how much there seemed to
    be to do when the job was requested, in units of its kind, 0 where nobody knows; from `large_from` on it is large.
    """

    #: The name of the task that is rung for this kind of job; a message to it carries the job's id alone.
    task_name: ClassVar[str]
    #: The workload from which on a job counts as large: about ten seconds' worth.
    large_from: ClassVar[int]
    #: Whether it is a share of another job, which only makes that one quicker.
    is_piece: ClassVar[bool] = False
    #: Where to look up whose job it is.
    owner: ClassVar[str] = "user_id"
    #: The column by which jobs of this kind differ in speed, if there is one.
    flavor: ClassVar[str] = ""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    requested_by = models.CharField(max_length=310, blank=True, help_text="The user's name, kept when the user goes.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    created_at = models.DateTimeField(db_default=Now())
    rung_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=255, blank=True)
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    phase = models.CharField(max_length=100, blank=True)
    percent = models.PositiveSmallIntegerField(default=0)
    failure = models.TextField(blank=True)
    cancelled = models.BooleanField(default=False)
    workload = models.PositiveBigIntegerField(default=0)
    large = models.BooleanField(default=False)
    request_id = models.CharField(max_length=64, blank=True, default=current_id)

    class Meta:
        abstract = True
        indexes: ClassVar = [
            models.Index(fields=["state", "created_at"], name="%(class)s_active", condition=Q(state__in=ACTIVE)),
            models.Index(fields=["started_at"], name="%(class)s_started"),
            models.Index(fields=["finished_at"], name="%(class)s_done", condition=Q(state=State.FINISHED)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="%(class)s_state_known"),
            models.CheckConstraint(condition=Q(percent__lte=100), name="%(class)s_percent_bounded"),
            models.CheckConstraint(
                condition=Q(percent__lt=100) | Q(state=State.FINISHED), name="%(class)s_100_means_finished"
            ),
        ]

    # Properties

    @property
    def status(self) -> str:
        """What a person is told: In Progress, Finished or Failed."""
        return {State.FINISHED: "Finished", State.FAILED: "Failed"}.get(State(self.state), "In Progress")

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def duration(self) -> timedelta | None:
        """From the start of the last attempt to the end; None while there is no end, or was no start."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at

    @property
    def log_id(self) -> uuid.UUID:
        """What the lines of the log about this job have: its id, or that of the job it is a piece of."""
        return self.pk

    # Verbs

    def ring(self) -> bool:
        """Tell the workers that this job waits. A bell that fails to ring is rung again by the sweep."""
        return self.ring_for([self], bells=1)

    @classmethod
    def ring_for(cls, jobs: Sequence[Self], *, bells: int) -> bool:
        """The same for all of `jobs` of this kind, with so many bells: as many workers as hear one look for more.

        False where the broker does not take one: then the others are not tried, for each would be waited for as long.
        """
        cls._default_manager.filter(pk__in=[job.pk for job in jobs]).update(rung_at=Now())
        for job in jobs[:bells]:
            try:
                current_app.send_task(cls.task_name, args=[str(job.pk)], confirm_timeout=_CONFIRM_SECONDS)
            except Exception:
                log.warning("The broker did not take job %s; it waits for the sweep.", job.pk, exc_info=True)
                return False
        return True

    @classmethod
    def start(cls, pk: uuid.UUID, *, worker: str) -> Self:
        """Take the lease of a queued job, or of a running one whose lease ran out but not for the last time; return
        its fresh row.

        Raises `Refused` when it is somebody else's, done, gone, or was lost too often, which the sweep will tell.
        """
        token = uuid.uuid4()
        lost = Q(state=State.RUNNING, lease_expires_at__lt=Now(), attempts__lt=settings.JOB_MAX_ATTEMPTS)
        startable = (Q(state=State.QUEUED) & cls._due()) | lost
        cls._move(
            Q(pk=pk) & startable,
            state=State.RUNNING,
            attempts=F("attempts") + 1,
            worker=worker,
            started_at=Now(),
            failure="",
            lease_token=token,
            lease_expires_at=_lease_end(),
        )
        # With its user, who may be deleted while it runs.
        return cls._default_manager.select_related("user").get(pk=pk, lease_token=token)

    def beat(self, *, phase: str, percent: int) -> None:
        """Renew the lease and show how far the work is. Raises `Refused` when the lease is no longer ours."""
        self._move(
            self._held, lease_expires_at=_lease_end(), phase=phase, percent=Greatest(F("percent"), min(percent, 99))
        )

    def finish(self, **results: Any) -> None:
        """Done, with `results` for the row's own columns. Raises `Refused`."""
        with transaction.atomic():
            self._move(
                self._held,
                state=State.FINISHED,
                finished_at=Now(),
                phase="",
                percent=100,
                lease_token=None,
                lease_expires_at=None,
                **results,
            )
            self._count_finished(results.get("size") or 0)

    def fail(self, reason: str, *, cause: str = UNEXPECTED) -> None:
        """Over, for a reason told in one sentence; `cause` is of which kind that is. Raises `Refused`."""
        with transaction.atomic():
            self._move(self._held, **_failed(reason))
            self._count_failed(cause)

    @classmethod
    def fail_all(cls, jobs: Q, reason: str, *, cause: str) -> int:
        """The same for every job of this kind that is in `jobs`, whoever holds it; return how many that were."""
        with transaction.atomic():
            failed = cls._default_manager.filter(jobs).update(**_failed(reason))
            cls._count_failed(cause, jobs=failed)
        return failed

    def release(self) -> None:
        """Give the job back unfinished, for another attempt. Raises `Refused`."""
        self._move(self._held, lease_expires_at=Now())

    def put_back(self, reason: str) -> None:
        """Queue the job again for another attempt after a pause, with the `reason` told meanwhile. Raises `Refused`."""
        pause = timedelta(seconds=settings.JOB_PAUSE_SECONDS * self.attempts)
        self._move(
            self._held,
            state=State.QUEUED,
            rung_at=Now(),  # the sweep rings when that is as good as forgotten
            phase="",
            failure=reason,
            lease_token=None,
            lease_expires_at=Now() + pause,
        )

    def cancel(self, *, by: str) -> None:
        """Stop a queued or running job; its worker notices at its next beat. Raises `Refused` when it is over."""
        with transaction.atomic():
            self._move(Q(pk=self.pk, state__in=ACTIVE), cancelled=True, **_failed(f"Cancelled by {by}."))
            self._count_failed(CANCELLED)

    def _count_finished(self, size: int) -> None:
        if not self.is_piece:
            moments = {"created": F("created_at"), "started": F("started_at"), "finished": F("finished_at")}
            row: Any = type(self)._default_manager.values("attempts", **moments).get(pk=self.pk)
            count_finished(self.kind_name(), size=size, **row)

    @classmethod
    def _count_failed(cls, cause: str, *, jobs: int = 1) -> None:
        if not cls.is_piece:
            count_failed(cls.kind_name(), cause, jobs=jobs)

    @classmethod
    def kind_name(cls) -> str:
        """What one job of this kind is called: `export`, `import`, `export shard`."""
        return str(cls._meta.verbose_name).removesuffix(" job")

    @property
    def _held(self) -> Q:
        return Q(pk=self.pk, state=State.RUNNING, lease_token=self.lease_token)

    @classmethod
    def _move(cls, condition: Q, **changes: Any) -> None:
        if cls._default_manager.filter(condition).update(**changes) != 1:
            raise Refused(f"{cls.__name__} is not where this step needs it: {condition}")

    # What is asked of each kind of job

    @classmethod
    def waiting(cls) -> Q:
        """The jobs that a worker may take."""
        return Q(state=State.QUEUED)

    @classmethod
    def announced(cls) -> Q:
        """Those of them that were rung for, or should have been by now: a fresh one may be its maker's to start."""
        grace = Now() - timedelta(seconds=settings.JOB_GRACE_SECONDS)
        rung_for = Q(rung_at__isnull=False) | Q(attempts__gt=0) | Q(created_at__lt=grace)
        return cls.waiting() & cls._due() & rung_for

    @classmethod
    def _due(cls) -> Q:
        """The queued jobs that are not in a pause."""
        return Q(lease_expires_at=None) | Q(lease_expires_at__lte=Now())

    @classmethod
    def kept(cls) -> Q:
        """The jobs whose dataset must keep its row though it was deleted: those that hold something of worth."""
        return Q(state__in=ACTIVE)

    @classmethod
    def discard_leftovers(cls) -> None:
        """Remove what dead workers and expired jobs left behind. A kind of job that leaves files overrides it."""


def kinds() -> list[type[Job]]:
    """Every kind of job there is."""
    return [model for model in apps.get_models() if issubclass(model, Job)]


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)


def _failed(reason: str) -> dict[str, Any]:
    return {
        "state": State.FAILED,
        "finished_at": Now(),
        "phase": "",
        "failure": reason,
        "lease_token": None,
        "lease_expires_at": None,
    }
