"""The Annotation Job History as a person reads it: one page of rows, and what is told of all of them.

A page of it takes the same few queries whatever the number of jobs.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone

from datasets.models import Dataset, ImportJob
from exports.export_rows import ExportRow
from exports.import_rows import ImportRow
from exports.models import ExportJob
from vi_portal.accounts.models import Membership
from vi_portal.jobs.models import Job, State, Worker

PAGE_SIZE = 25


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
    exports = ExportJob.objects.filter(pk__in=wanted).select_related("user").in_bulk()
    imports = ImportJob.objects.filter(pk__in=wanted).select_related("user").named().in_bulk()
    positions = _positions(ExportJob, exports.values()) | _positions(ImportJob, imports.values())
    rows: list[ExportRow | ImportRow] = []
    for pk in wanted:
        if pk in exports:
            exports[pk].dataset = dataset  # spares a query a row
            rows.append(ExportRow(exports[pk], membership, positions.get(pk), now))
        elif pk in imports:
            rows.append(ImportRow(imports[pk], membership, positions.get(pk), now))
    waiting = any(row.job.is_active for row in rows)
    return History(rows, found, worker_missing=waiting and not Worker.alive().exists())


def _positions(kind: type[ExportJob] | type[ImportJob], jobs: Iterable[Job]) -> dict[uuid.UUID, int]:
    """The place in the queue of each of `jobs` that waits: how many were asked for before it, plus one. One query."""
    queued = [job.pk for job in jobs if job.state == State.QUEUED]
    if not queued:
        return {}
    ahead = kind._default_manager.filter(
        Q(created_at__lt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__lt=OuterRef("pk")),
        state=State.QUEUED,
    )
    counted = ahead.order_by().values("state").annotate(count=Count("pk")).values("count")
    waiting = kind._default_manager.filter(pk__in=queued, state=State.QUEUED)
    return {pk: (count or 0) + 1 for pk, count in waiting.values_list("pk", Subquery(counted))}


def _counted(rows: Iterable[ExportRow | ImportRow]) -> str:
    """How many of `rows` are active: `2 exports and 1 import`."""
    counts = Counter(row.kind.lower() for row in rows if row.job.is_active)
    return " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(counts.items()))
