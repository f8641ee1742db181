"""A row of the job history: what it tells of any job, an export or an import."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import ClassVar, Generic, TypeVar

from django.utils.dateformat import format as date_format

from vi_portal.accounts.models import Membership
from vi_portal.jobs.forecast import Forecast, Outlook, about
from vi_portal.jobs.models import Job, State

J = TypeVar("J", bound=Job)

#: What of a job changes without being seen.
_UNSEEN = ("_state", "rung_at", "lease_token", "lease_expires_at")


@dataclass(frozen=True)
class JobRow(ABC, Generic[J]):
    """One job, as its row shows it. `forecast` is of the whole line, where a job on the page is active."""

    job: J
    membership: Membership
    forecast: Forecast | None
    now: datetime
    #: Who asked for a job of which no user is known, and how the row is drawn.
    nobody: ClassVar[str]
    template: ClassVar[str]

    @property
    def called(self) -> str:
        """What the job is called where its row is not seen: by its kind, and when it was asked for, in UTC."""
        return f"the {self.job.kind_name()} of {date_format(self.job.created_at, 'j M, H:i:s')}"

    @property
    def told(self) -> tuple[object, ...]:
        """Everything the row is drawn from: rows that tell the same look the same."""
        columns = {name: value for name, value in vars(self.job).items() if name not in _UNSEEN}
        return self.template, columns, self.detail, self.tone, self.duration, self.may_cancel

    @property
    def personal(self) -> Mapping[str, str]:
        """What this member alone is shown in the row, by the mark that the drawn row has in its place."""
        return {}

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
            again = f"{job.failure or 'Its worker was lost.'} It starts again. " if job.attempts else ""
            return again + self._waiting
        if job.state == State.RUNNING:
            left = self.forecast.left.get(job.pk) if self.forecast else None
            estimate = about(left) if left else ""
            return f"{job.phase or 'Starting'}, {job.percent}%" + (f", {estimate} left" if estimate else "")
        return f"{job.failure} {self.aftermath}".strip() if job.state == State.FAILED else self.verdict

    @property
    def _waiting(self) -> str:
        """Its place in the line, why it waits, and how long it still will where that can be known."""
        outlook = self.forecast.outlook(self.job.pk) if self.forecast else None
        if self.forecast is None or outlook is None:  # it was picked up this very moment
            return "Waiting for a worker"
        place = f"Position {outlook.position}. "
        if not self.forecast.slots:
            return f"{place}No worker is running"
        estimate = about(outlook.starts_in) if outlook.starts_in else ""
        return place + self._reason(outlook, self.forecast) + (f", {estimate}" if estimate else "")

    def _reason(self, outlook: Outlook, forecast: Forecast) -> str:
        if outlook.held_back:
            large_at_once = forecast.large_at_once
            several = (
                f"{large_at_once} large jobs run at a time" if large_at_once > 1 else "one large job runs at a time"
            )
            return f"Waiting: {several}, so that small ones need not wait long"
        before = forecast.ahead(outlook)
        if not before:
            return "Waiting for a worker"
        count, ahead = len(before), counted(entry.model for entry in before)
        if self.job.user_id and {entry.person.user for entry in before} == {self.job.user_id}:
            mine = self.job.user_id == self.membership.user_id
            whose = "your" if mine else f"{self.job.requested_by}’s"
            other = ahead.removeprefix("1 ") if count == 1 else ahead
            others = f"other {other}" if count == 1 else f"other jobs ({other})"
            return f"Waiting: {whose} {others} {'runs' if count == 1 else 'run'} first"
        return f"Waiting for a worker: {ahead} {'is' if count == 1 else 'are'} ahead"

    @property
    def duration(self) -> str:
        """How long the job took, or has taken so far; empty before it started."""
        if self.job.state == State.RUNNING and self.job.started_at is not None:
            return f"{_lasting(self.now - self.job.started_at)} so far"
        return _lasting(self.job.duration) if self.job.duration is not None else ""


def counted(kinds: Iterable[type[Job]]) -> str:
    """How many jobs that is, of these kinds: `2 exports and 1 import`."""
    counts = sorted((kind.kind_name(), count) for kind, count in Counter(kinds).items())
    return " and ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts)


def _lasting(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
