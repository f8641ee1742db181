"""The Queue page, for who runs the portal: what goes into its sections."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from vi_portal.accounts.requests import SignedInRequest
from vi_portal.jobs import listing, queue_sections
from vi_portal.jobs.forecast import Forecast, about, forecast
from vi_portal.jobs.models import State, Worker
from vi_portal.jobs.queue_sections import QueuedJob, SeenWorker

#: So many waiting jobs and failures are shown.
_SHOWN = 50
_FAILURES = 20


@require_safe
def queue(request: SignedInRequest) -> HttpResponse:
    """The page, or for htmx what changes on it."""
    if not request.user.is_staff:
        raise Http404
    template = "jobs/_queue.html" if request.htmx else "jobs/queue.html"
    return render(request, template, _context(forecast(), now=timezone.now()))


def _context(expected: Forecast, *, now: datetime) -> dict[str, Any]:
    running = [QueuedJob(job, estimate=_left(expected, job.pk)) for job in listing.with_datasets(state=State.RUNNING)]
    queued = _queued(expected)
    failed = listing.failed(since=now - timedelta(days=7), most=_FAILURES)
    return {
        "slots": expected.slots,
        "is_busy": bool(running or queued),
        "sections": [
            queue_sections.workers(_workers(running), expected.slots),
            queue_sections.running(running),
            queue_sections.waiting(queued, len(expected.waiting)),
            queue_sections.failures([QueuedJob(job) for job in failed]),
        ],
    }


def _workers(running: list[QueuedJob]) -> list[SeenWorker]:
    alive = set(Worker.alive().values_list("pk", flat=True))
    doing: dict[str, list[QueuedJob]] = defaultdict(list)
    for each in running:
        doing[each.job.worker].append(each)
    return [
        SeenWorker(worker, worker.pk in alive, doing.get(worker.pk, []))
        for worker in Worker.objects.order_by("started_at", "pk")
    ]


def _queued(expected: Forecast) -> list[QueuedJob]:
    """The next jobs of the line, but for those that were deleted since it was forecast."""
    shown = expected.waiting[:_SHOWN]
    jobs = {job.pk: job for job in listing.with_datasets(pk__in=[each.entry.pk for each in shown])}
    return [
        QueuedJob(jobs[each.entry.pk], each.position, about(each.starts_in) if each.starts_in else "")
        for each in shown
        if each.entry.pk in jobs
    ]


def _left(expected: Forecast, pk: uuid.UUID) -> str:
    left = expected.left.get(pk)
    return about(left) if left else ""
