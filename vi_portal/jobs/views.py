"""The Queue page, for who runs the portal: the workers, what runs, what waits and in which order, what failed."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from vi_portal.accounts.requests import SignedInRequest
from vi_portal.jobs.forecast import Forecast, about, forecast
from vi_portal.jobs.models import Job, State, Worker, kinds

#: So many waiting jobs and failures are shown.
_SHOWN = 50
_FAILURES = 20


@dataclass(frozen=True)
class QueuedJob:
    """A job as the page tells of it. `position` is of one that waits; `estimate` when it starts, or ends."""

    job: Any
    position: int | None = None
    estimate: str = ""

    @property
    def kind(self) -> str:
        return str(self.job._meta.verbose_name).removesuffix(" job").capitalize()


@dataclass(frozen=True)
class SeenWorker:
    """A worker that was seen lately, and what it does."""

    worker: Worker
    is_alive: bool
    jobs: list[QueuedJob]


@dataclass(frozen=True)
class Section:
    """A table of the page. `template` is that of a row; `told` stands beside the title; `hidden` rows are left out."""

    key: str
    title: str
    caption: str
    columns: tuple[str, ...]
    template: str
    rows: list[Any]
    empty: str
    told: str = ""
    hidden: int = 0


@require_safe
def queue(request: SignedInRequest) -> HttpResponse:
    """The page, or for htmx what changes on it."""
    if not request.user.is_staff:
        raise Http404
    template = "jobs/_queue.html" if request.htmx else "jobs/queue.html"
    return render(request, template, _context(forecast(), now=timezone.now()))


def _context(expected: Forecast, *, now: datetime) -> dict[str, Any]:
    running = [QueuedJob(job, estimate=_left(expected, job.pk)) for job in _jobs(state=State.RUNNING)]
    waiting = {job.pk: job for job in _jobs(pk__in=[each.entry.pk for each in expected.waiting[:_SHOWN]])}
    alive = set(Worker.alive().values_list("pk", flat=True))
    doing: dict[str, list[QueuedJob]] = defaultdict(list)
    for each in running:
        doing[each.job.worker].append(each)
    failed = sorted(_failed(since=now - timedelta(days=7)), key=lambda job: job.finished_at, reverse=True)
    workers = [
        SeenWorker(worker, worker.pk in alive, doing.get(worker.pk, []))
        for worker in Worker.objects.order_by("started_at", "pk")
    ]
    queued = [
        QueuedJob(waiting[each.entry.pk], each.position, about(each.starts_in) if each.starts_in else "")
        for each in expected.waiting[:_SHOWN]
        if each.entry.pk in waiting
    ]
    return {
        "slots": expected.slots,
        "is_busy": bool(running or queued),
        "sections": [
            _workers(workers, expected.slots),
            _running(running),
            _waiting(queued, len(expected.waiting)),
            _failures([QueuedJob(job) for job in failed[:_FAILURES]]),
        ],
    }


def _workers(rows: list[SeenWorker], slots: int) -> Section:
    return Section(
        key="workers",
        title="Workers",
        caption="Workers seen within a day",
        columns=("Worker", "State", "Slots", "Since", "Does"),
        template="jobs/_worker_row.html",
        rows=rows,
        empty="No worker was seen within a day.",
        told="1 slot" if slots == 1 else f"{slots} slots",
    )


def _running(rows: list[QueuedJob]) -> Section:
    return Section(
        key="running",
        title="Running",
        caption="Jobs that are worked on",
        columns=("Job", "Dataset", "User", "Progress", "Started", "Worker"),
        template="jobs/_running_row.html",
        rows=rows,
        empty="Nothing runs.",
        told=str(len(rows)),
    )


def _waiting(rows: list[QueuedJob], count: int) -> Section:
    return Section(
        key="waiting",
        title="Waiting",
        caption="Waiting jobs, in the order of their turns",
        columns=("Position", "Job", "Dataset", "User", "Requested", "Starts"),
        template="jobs/_waiting_row.html",
        rows=rows,
        empty="Nobody waits.",
        told=f"{count:,}",
        hidden=count - len(rows),
    )


def _failures(rows: list[QueuedJob]) -> Section:
    return Section(
        key="failed",
        title="Last failures",
        caption="Jobs that failed within a week, newest first",
        columns=("Job", "Dataset", "Reason", "Ended", "Look in the log for"),
        template="jobs/_failure_row.html",
        rows=rows,
        empty="Nothing failed within a week.",
    )


def _left(expected: Forecast, pk: uuid.UUID) -> str:
    left = expected.left.get(pk)
    return about(left) if left else ""


def _jobs(**wanted: Any) -> list[Job]:
    """The jobs of any kind that are `wanted`, with their dataset, oldest first."""
    found: list[Job] = []
    for kind in kinds():
        rows: Any = kind._default_manager.filter(**wanted)
        found += _with_dataset(rows.order_by("created_at", "pk"))
    return sorted(found, key=lambda job: (job.started_at or job.created_at, job.pk))


def _failed(*, since: datetime) -> list[Any]:
    """The last failures of every kind. What a person cancelled did not fail."""
    found: list[Any] = []
    for kind in kinds():
        rows: Any = kind._default_manager.filter(state=State.FAILED, cancelled=False, finished_at__gte=since)
        found += _with_dataset(rows.order_by("-finished_at")[:_FAILURES])
    return found


def _with_dataset(rows: Any) -> Any:
    return rows.select_related("dataset__organization").defer(*_bulky(rows.model))


def _bulky(kind: type[Job]) -> list[str]:
    """The columns that this page has no use for and that may be long."""
    return [field.name for field in kind._meta.fields if field.get_internal_type() in ("BinaryField", "JSONField")]
