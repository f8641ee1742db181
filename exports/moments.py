"""A page of a dataset's jobs at one moment: found once for all who ask in the same moment, whoever they are."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.utils import timezone

from datasets.models import Dataset, ImportJob
from exports.models import ExportJob
from vi_portal.jobs.forecast import Forecast, lookout
from vi_portal.jobs.models import Job, State

PAGE_SIZE = 25


@dataclass(frozen=True)
class Moment:
    """What there was at `now`. `expected` is of the whole line, where a job on the page is active."""

    now: datetime
    page: Page[Any]
    jobs: Sequence[ExportJob | ImportJob]
    expected: Forecast | None
    has_annotations: bool


def this_moment(dataset: Dataset, page: str | int | None) -> Moment:
    """As it is now. The same few queries whatever the number of jobs."""
    kinds: tuple[type[ExportJob], type[ImportJob]] = (ExportJob, ImportJob)
    keys = [kind._default_manager.filter(dataset=dataset).values("pk", "created_at") for kind in kinds]
    found = Paginator(keys[0].union(keys[1]).order_by("-created_at", "-pk"), PAGE_SIZE).get_page(page)
    wanted, now = [row["pk"] for row in found.object_list], timezone.now()
    exports = ExportJob.objects.in_bulk(wanted)
    imports = ImportJob.objects.named().in_bulk(wanted) if len(exports) < len(wanted) else {}
    for job in exports.values():
        job.dataset = dataset  # spares a query a row
    jobs = [exports.get(pk) or imports[pk] for pk in wanted if pk in exports or pk in imports]
    return Moment(now, found, jobs, _forecast(jobs), dataset.assets.all().annotated().exists())


def _forecast(jobs: Iterable[Job]) -> Forecast | None:
    running = {job.pk for job in jobs if job.state == State.RUNNING}
    waiting = {job.pk for job in jobs if job.state == State.QUEUED}
    return lookout.forecast(running=running, waiting=waiting) if running or waiting else None


@dataclass
class _Kept:
    made_at: float = 0.0
    moment: Moment | None = None
    finding: threading.Lock = field(default_factory=threading.Lock)


class Moments:
    """The last moment of each page of jobs that somebody looks at.

    Whoever asks says how old it may be: less than has passed since they asked before, so that nobody is shown what
    is older than what they have.
    """

    def __init__(self, *, seconds: float) -> None:
        #: A new one is found after so long, by one of those who ask.
        self.seconds = seconds
        self._kept: dict[tuple[uuid.UUID, str], _Kept] = {}
        self._lock = threading.Lock()

    def of_late(self, dataset: Dataset, page: str | None, *, within: float) -> Moment:
        """Of at most `within` seconds ago. While somebody finds a new one, others take the last if it will do."""
        with self._lock:
            kept = self._kept.setdefault((dataset.pk, page or ""), _Kept())
        if not kept.finding.acquire(blocking=kept.moment is None or _age(kept) > within):
            assert kept.moment is not None
            return kept.moment
        try:
            if kept.moment is None or _age(kept) > min(within, self.seconds):
                made_at = time.monotonic()
                kept.moment, kept.made_at = this_moment(dataset, page), made_at
                self._forget()
            return kept.moment
        finally:
            kept.finding.release()

    def _forget(self) -> None:
        """Let go of what nobody looks at any more."""
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if kept.finding.locked() or _age(kept) < 5}


def _age(kept: _Kept) -> float:
    return time.monotonic() - kept.made_at


#: What the pages that ask again and again are shown.
moments = Moments(seconds=0.5)
