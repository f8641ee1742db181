"""A row of the job history: what it tells of any job, an export or an import."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

from vi_portal.accounts.models import Membership
from vi_portal.jobs.models import Job, State

J = TypeVar("J", bound=Job)


@dataclass(frozen=True)
class JobRow(ABC, Generic[J]):
    """One job, as its row shows it. `position` is its place in the queue, if it waits there."""

    job: J
    membership: Membership
    position: int | None
    now: datetime
    #: What kind of job it is, and who asked for one of which no user is known.
    kind: ClassVar[str]
    nobody: ClassVar[str]

    @property
    @abstractmethod
    def verdict(self) -> str:
        """What is to be said of a job that finished otherwise than asked; empty where all went well."""

    @property
    @abstractmethod
    def has_written(self) -> bool:
        """Whether it is known how much was written."""

    @property
    @abstractmethod
    def may_cancel(self) -> bool:
        """Whether this member may stop the job now."""

    @property
    def aftermath(self) -> str:
        """What a job that failed left behind, in a sentence; empty where there is nothing to say."""
        return ""

    @property
    def is_settling(self) -> bool:
        """Whether a job that is over may still have something to tell."""
        return False

    @property
    def tone(self) -> str:
        """What color the status has: waiting, running, finished, warned, cancelled or failed."""
        if self.job.is_active:
            return "running" if self.job.state == State.RUNNING else "waiting"
        if self.job.state == State.FAILED:
            return "cancelled" if self.job.cancelled else "failed"
        return "warned" if self.verdict else "finished"

    @cached_property
    def detail(self) -> str:
        """The second line of the status, a sentence; empty where the first line says it all."""
        job = self.job
        if job.state == State.QUEUED:
            again = " again, after its worker was lost" if job.attempts else ""
            # A job picked up this very moment has no position any more.
            return f"Queued{again}" + (f", position {self.position}" if self.position else "")
        if job.state == State.RUNNING:
            return f"{job.phase or 'Starting'}, {job.percent}%"
        return f"{job.failure} {self.aftermath}".strip() if job.state == State.FAILED else self.verdict

    @property
    def duration(self) -> str:
        """How long the job took, or has taken so far; empty before it started."""
        if self.job.state == State.RUNNING and self.job.started_at is not None:
            return f"{_lasting(self.now - self.job.started_at)} so far"
        return _lasting(self.job.duration) if self.job.duration is not None else ""


def _lasting(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
