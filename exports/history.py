"""The Annotation Job History as a person reads it: one page of rows, and what is told of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.paginator import Page

from datasets.models import Dataset, ImportJob
from exports.export_rows import ExportRow
from exports.import_rows import ImportRow
from exports.job_rows import counted
from exports.models import ExportJob
from exports.moments import Moment, moments
from vi_portal.accounts.models import Membership

#: After how many seconds a page asks again: where somebody has just asked for a job; where a job is their own; else.
PACES = {"soon": 0.3, "own": 1.0, "others": 2.0}
#: Who asked for a job looks at it so long; small ones are over by then.
_YOUNG = timedelta(seconds=5)


@dataclass(frozen=True)
class History:
    """One page of the history of a dataset's jobs, exports and imports."""

    rows: Sequence[ExportRow | ImportRow]
    moment: Moment

    @property
    def page(self) -> Page[Any]:
        return self.moment.page

    @property
    def worker_missing(self) -> bool:
        """Whether jobs wait and nobody is there to do them."""
        return self.moment.expected is not None and not self.moment.expected.slots

    @property
    def is_active(self) -> bool:
        """Whether a job on this page is still to change, so that the page asks again."""
        return any(row.job.is_active for row in self.rows)

    @property
    def pace(self) -> str:
        """How often the page asks again: see `PACES`."""
        own = [row for row in self.rows if row.job.is_active and row.job.user_id == row.membership.user_id is not None]
        if any(row.now - row.job.created_at < _YOUNG for row in own):
            return "soon"
        return "own" if own else "others"

    @property
    def pause(self) -> str:
        """How long the page waits before it asks again."""
        return f"{1000 * PACES[self.pace]:.0f}ms"

    @property
    def news(self) -> str:
        """What a screen reader is told; it changes only when the status of a job does."""
        active = counted(type(row.job) for row in self.rows if row.job.is_active)
        told = [f"{active} in progress."] if active else []
        ended = [row for row in self.rows if row.job.finished_at is not None]
        if ended:
            last = max(ended, key=lambda row: row.job.finished_at or row.now)
            told.append(f"Last {last.job.kind_name()} {last.job.status}. {last.detail}".strip())
        return " ".join(told)


def history(dataset: Dataset, membership: Membership, *, page: str | None, within: float = 0) -> History:
    """The page asked for, or the nearest there is, as this member sees it, of at most `within` seconds ago."""
    moment = moments.of_late(dataset, page, within=within)
    return History([_row(job, membership, moment) for job in moment.jobs], moment)


def _row(job: ExportJob | ImportJob, membership: Membership, moment: Moment) -> ExportRow | ImportRow:
    if isinstance(job, ExportJob):
        return ExportRow(job, membership, moment.expected, moment.now)
    return ImportRow(job, membership, moment.expected, moment.now)
