"""The Annotation Job History as a person reads it: one page of rows, and what is told of all of them.

A page of it takes the same few queries whatever the number of jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.utils import timezone

from datasets.models import Dataset, ImportJob
from exports.export_rows import ExportRow
from exports.import_rows import ImportRow
from exports.models import ExportJob
from vi_portal.accounts.models import Membership
from vi_portal.jobs.forecast import Forecast, lookout
from vi_portal.jobs.models import Job, State

PAGE_SIZE = 25
#: Who asked for a job looks at it so long; small ones are over by then.
_YOUNG = timedelta(seconds=5)


@dataclass(frozen=True)
class History:
    """One page of the history of a dataset's jobs, exports and imports."""

    rows: Sequence[ExportRow | ImportRow]
    page: Page[Any]
    worker_missing: bool

    @property
    def is_active(self) -> bool:
        """Whether a job on this page is still to change, so that the page asks again."""
        return any(row.job.is_active or row.is_settling for row in self.rows)

    @property
    def pause(self) -> str:
        """How long the page waits before it asks again: shortest for who has just asked for a job."""
        own = [row for row in self.rows if row.job.is_active and row.job.user_id == row.membership.user_id is not None]
        if any(row.now - row.job.created_at < _YOUNG for row in own):
            return "300ms"
        return "1s" if own else "2s"

    @property
    def pages(self) -> Iterable[str | int]:
        return self.page.paginator.get_elided_page_range(self.page.number)

    @property
    def news(self) -> str:
        """What a screen reader is told; it changes only when the status of a job does."""
        active = sum(row.job.is_active for row in self.rows)
        told = [f"{_counted(self.rows)} in progress."] if active else []
        ended = [row for row in self.rows if row.job.finished_at is not None]
        if ended:
            last = max(ended, key=lambda row: row.job.finished_at or row.now)
            told.append(f"Last {last.kind.lower()} {last.job.status}. {last.detail}".strip())
        return " ".join(told)


def history(dataset: Dataset, membership: Membership, *, page: str | int | None) -> History:
    """The page asked for, or the nearest there is, as this member sees it."""
    kinds: tuple[type[ExportJob], type[ImportJob]] = (ExportJob, ImportJob)
    keys = [kind._default_manager.filter(dataset=dataset).values("pk", "created_at") for kind in kinds]
    found = Paginator(keys[0].union(keys[1]).order_by("-created_at", "-pk"), PAGE_SIZE).get_page(page)
    wanted, now = [row["pk"] for row in found.object_list], timezone.now()
    exports = ExportJob.objects.in_bulk(wanted)
    imports = ImportJob.objects.named().in_bulk(wanted) if len(exports) < len(wanted) else {}
    expected = _forecast((*exports.values(), *imports.values()))
    rows: list[ExportRow | ImportRow] = []
    for pk in wanted:
        if pk in exports:
            exports[pk].dataset = dataset  # spares a query a row
            rows.append(ExportRow(exports[pk], membership, expected, now))
        elif pk in imports:
            rows.append(ImportRow(imports[pk], membership, expected, now))
    return History(rows, found, worker_missing=expected is not None and not expected.slots)


def _forecast(jobs: Iterable[Job]) -> Forecast | None:
    """Of the line that the active ones of `jobs` are in, where there are any."""
    running = {job.pk for job in jobs if job.state == State.RUNNING}
    waiting = {job.pk for job in jobs if job.state == State.QUEUED}
    return lookout.forecast(running=running, waiting=waiting) if running or waiting else None


def _counted(rows: Iterable[ExportRow | ImportRow]) -> str:
    """How many of `rows` are active: `2 exports and 1 import`."""
    counts = Counter(row.kind.lower() for row in rows if row.job.is_active)
    return " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(counts.items()))
