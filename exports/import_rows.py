"""An import as a row of the job history, and the words that rows of both kinds share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from datasets.models import ImportJob
from exports.models import ExportJob
from vi_portal.accounts.models import Membership
from vi_portal.jobs.models import State


def standing(job: ExportJob | ImportJob, *, position: int | None) -> str:
    """Where a job stands, in a line; empty for one that is finished. `position` is its place in the queue."""
    if job.state == State.QUEUED:
        again = " again, after its worker was lost" if job.attempts else ""
        # A job picked up this very moment has no position any more.
        return f"Queued{again}" + (f", position {position}" if position else "")
    if job.state == State.RUNNING:
        return f"{job.phase or 'Starting'}, {job.percent}%"
    return job.failure if job.state == State.FAILED else ""


def lasted(job: ExportJob | ImportJob, *, now: datetime) -> str:
    """How long a job took, or has taken so far; empty before it started."""
    if job.state == State.RUNNING and job.started_at is not None:
        return f"{_duration(now - job.started_at)} so far"
    return _duration(job.duration) if job.duration is not None else ""


@dataclass(frozen=True)
class ImportRow:
    """One import, as its row shows it. `position` is its place in the queue, if it waits there."""

    job: ImportJob
    membership: Membership
    position: int | None
    now: datetime
    kind: ClassVar = "Import"

    @property
    def tone(self) -> str:
        """What color the status has: waiting, running, finished, warned, cancelled or failed."""
        if self.job.is_active:
            return "running" if self.job.state == State.RUNNING else "waiting"
        if self.job.state == State.FAILED:
            return "cancelled" if self.job.cancelled else "failed"
        return "warned" if self.job.problems else "finished"

    @property
    def detail(self) -> str:
        """The second line of the status, a sentence; empty where the first line says it all."""
        if told := standing(self.job, position=self.position):
            return told
        refused = self._count("annotations", "refused") + int(self.job.summary.get("lines_refused", 0))
        if refused:
            words = "1 line or annotation" if refused == 1 else f"{refused:,} lines or annotations"
            return f"Finished with warnings: {words} refused"
        return "Finished with warnings" if self.job.problems else ""

    @property
    def duration(self) -> str:
        return lasted(self.job, now=self.now)

    @property
    def written(self) -> int:
        """How many annotations were written anew or over."""
        return self._count("annotations", "created") + self._count("annotations", "updated")

    @property
    def unchanged(self) -> int:
        return self._count("annotations", "already_there")

    @property
    def may_cancel(self) -> bool:
        return self.job.is_active and self.membership.may_edit

    def _count(self, what: str, outcome: str) -> int:
        counted: dict[str, Any] = self.job.summary.get(what, {})
        return int(counted.get(outcome, 0))


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
