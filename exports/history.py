"""The Annotation Job History as a person reads it: every job in words, and what this person may do with it.

A page of it takes the same few queries whatever the number of jobs.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from datasets.models import Dataset, ImportJob
from exports import storage
from exports.import_rows import ImportRow, lasted, standing
from exports.models import ExportJob
from exports.receipt import NO_ANNOTATIONS
from vi_portal.accounts.models import Membership
from vi_portal.jobs.models import Job, State, Worker

PAGE_SIZE = 25

#: How many kinds of warnings the row itself tells; its details have them all.
_TOLD_AT_ONCE = 2

#: How each kind of warning is told, for one and for several.
_TOLD = {
    ("annotations", "skipped"): ("1 annotation skipped", "{} annotations skipped"),
    ("boxes", "clamped"): ("1 box cut to its image", "{} boxes cut to their image"),
    ("boxes", "degenerate"): ("1 box without area left out", "{} boxes without area left out"),
    ("images", "missing"): ("1 image missing", "{} images missing"),
    ("images", "damaged"): ("1 damaged image", "{} damaged images"),
    ("images", "oriented"): (
        "1 image with an EXIF orientation, not applied",
        "{} images with an EXIF orientation, not applied",
    ),
}


def may_alter(job: ExportJob, membership: Membership) -> bool:
    """Whether this member may cancel or delete `job`: editors any, others who may export their own."""
    return membership.may_edit or (membership.may_export and job.user_id == membership.user_id)


@dataclass(frozen=True)
class HistoryRow:
    """One job, as its row shows it. `position` is its place in the queue, if it waits there."""

    job: ExportJob
    membership: Membership
    position: int | None
    now: datetime
    kind: ClassVar = "Export"

    @property
    def tone(self) -> str:
        """What color the status has: waiting, running, finished, warned, cancelled or failed."""
        if self.job.is_active:
            return "running" if self.job.state == State.RUNNING else "waiting"
        if self.job.state == State.FAILED:
            return "cancelled" if self.job.cancelled else "failed"
        return "warned" if self.warnings else "finished"

    @cached_property
    def detail(self) -> str:
        """The second line of the status, a sentence; empty where the first line says it all."""
        if told := standing(self.job, position=self.position):
            return told
        if self.warnings:
            told, more = ", ".join(self.warnings[:_TOLD_AT_ONCE]), len(self.warnings) - _TOLD_AT_ONCE
            return f"Finished with warnings: {told}" + (f", and {more} more" if more > 0 else "")
        return ""

    @cached_property
    def warnings(self) -> list[str]:
        """What went otherwise than asked, counted, one phrase a kind."""
        found: dict[str, Any] = self.job.warnings
        skipped = {why: n for why, n in found.get("skipped", {}).items() if why != NO_ANNOTATIONS}
        told = [f"{_number(count)} skipped ({why})" for why, count in skipped.items()]
        for group in ("annotations", "boxes", "images"):
            for kind, count in found.get(group, {}).items():
                one, many = _TOLD.get((group, kind), (f"1 {kind} in {group}", f"{{}} {kind} in {group}"))
                told.append(one if count == 1 else many.format(_number(count)))
        return told

    @property
    def examples(self) -> list[str]:
        """The first few warnings, each naming its asset."""
        return list(self.job.warnings.get("examples", []))

    @property
    def unannotated(self) -> int:
        """How many of the selected assets had no annotations."""
        return int(self.job.warnings.get("skipped", {}).get(NO_ANNOTATIONS, 0))

    @property
    def duration(self) -> str:
        return lasted(self.job, now=self.now)

    @property
    def expires(self) -> str:
        """When the archive goes, from now; empty where there is none."""
        if not self.job.has_archive or self.job.expires_at is None:
            return ""
        return f"in {_left(self.job.expires_at - self.now)}"

    @property
    def download_url(self) -> str:
        """The signed link to the archive, this user's own; empty where there is none to have."""
        job = self.job
        if not (job.has_archive and self.membership.may_export):
            return ""
        signature = storage.sign(job.pk, user_id=self.membership.user_id)
        return reverse("download", args=[job.pk, signature, job.archive_filename])

    @property
    def may_cancel(self) -> bool:
        return self.job.is_active and may_alter(self.job, self.membership)

    @property
    def may_delete(self) -> bool:
        return not self.job.is_active and may_alter(self.job, self.membership)

    @property
    def repeat_label(self) -> str:
        """What asking again is called; empty where it makes no sense."""
        if not self.membership.may_export:
            return ""
        if self.job.has_expired:
            return "Rebuild"
        return "Retry" if self.job.state == State.FAILED else ""


@dataclass(frozen=True)
class History:
    """One page of the history of a dataset's jobs, exports and imports."""

    rows: Sequence[HistoryRow | ImportRow]
    page: Page[dict[str, Any]]
    worker_missing: bool

    @property
    def is_active(self) -> bool:
        """Whether a job on this page is still to change, so that the page asks again."""
        return any(row.job.is_active for row in self.rows)

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
    imports = ImportJob.objects.filter(pk__in=wanted).select_related("user").in_bulk()
    positions = _positions(ExportJob, exports.values()) | _positions(ImportJob, imports.values())
    rows: list[HistoryRow | ImportRow] = []
    for pk in wanted:
        if pk in exports:
            exports[pk].dataset = dataset  # spares a query a row
            rows.append(HistoryRow(exports[pk], membership, positions.get(pk), now))
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


def _counted(rows: Iterable[HistoryRow | ImportRow]) -> str:
    """How many of `rows` are active: `2 exports and 1 import`."""
    counts = Counter(row.kind.lower() for row in rows if row.job.is_active)
    return " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(counts.items()))


def _number(count: int) -> str:
    return f"{count:,}"


def _left(span: timedelta) -> str:
    """The time left, in whole units of its largest."""
    minutes = span.total_seconds() / 60
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            count = round(minutes / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "under a minute"
