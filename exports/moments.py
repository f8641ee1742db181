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
#: So many seconds after somebody asked for a page it counts as looked at; longer than it takes to find it.
_LOOKED_AT = 60
#: More than people look at, if they look at pages that are there.
_MOST_KEPT = 100


@dataclass(frozen=True)
class Moment:
    """What there was at `now`. `expected` is of the whole line, where a job on the page is active.

    `found_from` is when it was begun to be found, by the monotonic clock: what was done before is in it.
    """

    found_from: float
    now: datetime
    page: Page[Any]
    jobs: Sequence[ExportJob | ImportJob]
    expected: Forecast | None
    has_annotations: bool


def this_moment(dataset: Dataset, page: str | int | None) -> Moment:
    """As it is now. The same few queries whatever the number of jobs."""
    found_from = time.monotonic()
    kinds: tuple[type[ExportJob], type[ImportJob]] = (ExportJob, ImportJob)
    keys = [kind._default_manager.filter(dataset=dataset).values("pk", "created_at") for kind in kinds]
    found = Paginator(keys[0].union(keys[1]).order_by("-created_at", "-pk"), PAGE_SIZE).get_page(page)
    wanted, now = [row["pk"] for row in found.object_list], timezone.now()
    exports = ExportJob.objects.in_bulk(wanted)
    imports = ImportJob.objects.named().in_bulk(wanted) if len(exports) < len(wanted) else {}
    for job in exports.values():
        job.dataset = dataset  # spares a query a row
    jobs = [exports.get(pk) or imports[pk] for pk in wanted if pk in exports or pk in imports]
    return Moment(found_from, now, found, jobs, _forecast(jobs), dataset.assets.all().annotated().exists())


def _forecast(jobs: Iterable[Job]) -> Forecast | None:
    running = {job.pk for job in jobs if job.state == State.RUNNING}
    waiting = {job.pk for job in jobs if job.state == State.QUEUED}
    return lookout.forecast(running=running, waiting=waiting) if running or waiting else None


def _number(page: str | None) -> str:
    """What tells this page from others; all that is no number is the first."""
    return str(int(page)) if page and page.isascii() and page.isdigit() and len(page) < 10 else ""


@dataclass
class _Kept:
    asked_at: float
    moment: Moment | None = None
    finding: threading.Lock = field(default_factory=threading.Lock)

    def is_of(self, oldest: float) -> bool:
        """Whether the moment is of that time or later."""
        return self.moment is not None and self.moment.found_from >= oldest


class Moments:
    """The last moment of each page of jobs that somebody looks at.

    This process shows nobody a page older than it has shown it to anybody: each moment of it is found after the last,
    whoever asks, and takes its place.
    """

    def __init__(self, *, seconds: float) -> None:
        #: After so long a new one is found, by one of those who ask.
        self.seconds = seconds
        self._kept: dict[tuple[uuid.UUID, str], _Kept] = {}
        self._lock = threading.Lock()

    def of_late(self, dataset: Dataset, page: str | None, *, within: float) -> Moment:
        """Of at most `within` seconds ago; 0 for now. While somebody finds a new one, others take the last if it will
        do."""
        now, page = time.monotonic(), _number(page)
        kept = self._asked_for((dataset.pk, page), now)
        if not kept.finding.acquire(blocking=not kept.is_of(now - within)):
            assert kept.moment is not None
            return kept.moment
        try:
            if kept.moment is None or not kept.is_of(now - min(within, self.seconds)):
                kept.moment = this_moment(dataset, page)
            return kept.moment
        finally:
            kept.finding.release()

    def _asked_for(self, key: tuple[uuid.UUID, str], now: float) -> _Kept:
        """What is kept of this page. Of pages that nobody has asked for in a while, nothing is; nor of more than
        _MOST_KEPT."""
        with self._lock:
            if key not in self._kept:
                latest = sorted(self._kept.items(), key=lambda item: item[1].asked_at)[-_MOST_KEPT:]
                self._kept = {each: kept for each, kept in latest if now - kept.asked_at < _LOOKED_AT}
            kept = self._kept.setdefault(key, _Kept(now))
            kept.asked_at = now
            return kept


#: What the pages are shown.
moments = Moments(seconds=0.5)
