"""What Prometheus is told at `/metrics`: jobs, the queue, workers, exported bytes, downloads, and how fast pages are.

All but the last is counted in the database, so any web process tells it for all. How long requests take is known to
the process that answered; several on one machine share it where PROMETHEUS_MULTIPROC_DIR names a folder. No label
has the name of a dataset, a user or an organization.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Histogram, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from vi_portal.jobs.models import State, Worker, kinds
from vi_portal.jobs.tallies import BYTES, ENDED, FAILURES, LASTING, WAITING, Tally, count_once

DOWNLOADS = "downloads"

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via")

_own = CollectorRegistry()
_REQUESTS = Histogram(
    "vi_portal_request_seconds",
    "Time until an answer began, by view.",
    ["view", "method", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0, 30.0),
    registry=_own,
)


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics as text, for who shows METRICS_TOKEN; where that is not set, for this machine alone."""
    if settings.METRICS_TOKEN:
        shown = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(shown, f"Bearer {settings.METRICS_TOKEN}".encode()):
            told = "Send the METRICS_TOKEN of the portal as “Authorization: Bearer …”.\n"
            return _refusal(401, told, {"WWW-Authenticate": "Bearer"})
    elif not _is_local(request):
        return _refusal(403, "The metrics are for this machine alone. Set METRICS_TOKEN to read them from elsewhere.\n")
    several = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(several)  # type: ignore[no-untyped-call]  # its package has no types
    else:
        several.register(_own)
    several.register(_Counted())
    return HttpResponse(generate_latest(several), content_type="text/plain; version=0.0.4; charset=utf-8")


class RequestTimes:
    """Times every answer. Outermost, so that it sees what a user waits for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        response = self._get_response(request)
        found = request.resolver_match
        view = (found.view_name or "unnamed") if found else "none"
        method = request.method if request.method in _METHODS else "other"
        _REQUESTS.labels(view, method, f"{response.status_code // 100}xx").observe(time.monotonic() - began)
        return response


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def count_download(request: HttpRequest, response: HttpResponseBase) -> None:
    """Count `response` where an archive begins with it: of many parts, the first."""
    first = request.headers.get("Range", "bytes=0-").startswith("bytes=0-")
    if request.method == "GET" and first and response.status_code in (200, 206, 302):
        count_once(DOWNLOADS)


def _is_local(request: HttpRequest) -> bool:
    """Whether the request comes from this machine, and not through a proxy on it."""
    if settings.BEHIND_PROXY or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _refusal(status: int, told: str, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(told, status=status, content_type="text/plain; charset=utf-8", headers=headers)


class _Counted(Collector):
    """What the database knows."""

    def collect(self) -> Iterator[Metric]:
        yield from self._jobs()
        workers = list(Worker.alive().values_list("slots", flat=True))
        yield GaugeMetricFamily("vi_portal_workers", "Workers alive.", value=len(workers))
        yield GaugeMetricFamily("vi_portal_worker_slots", "Jobs that can be done at once.", value=sum(workers))
        yield from self._counters()
        for name, what in ((WAITING, "queue_wait"), (LASTING, "job_duration")):
            told = "waited before their start" if name == WAITING else "took"
            family = HistogramMetricFamily(f"vi_portal_{what}_seconds", f"What finished jobs {told}.", labels=["kind"])
            for labels, buckets, total in Tally.durations(name):
                family.add_metric(labels, buckets, total)
            yield family

    def _jobs(self) -> Iterator[Metric]:
        present = GaugeMetricFamily("vi_portal_jobs", "Jobs there are, by kind and state.", labels=["kind", "state"])
        oldest = GaugeMetricFamily("vi_portal_queue_oldest_seconds", "How long the oldest waits.", labels=["kind"])
        for kind in kinds():
            rows: Any = kind._default_manager.order_by()
            counts = dict(rows.values_list("state").annotate(count=Count("pk")))
            for state in State:
                present.add_metric([kind.kind_name(), state], counts.get(state, 0))
            first = rows.filter(state=State.QUEUED).aggregate(first=Min("created_at"))["first"]
            waits = (timezone.now() - first).total_seconds() if first else 0
            oldest.add_metric([kind.kind_name()], max(waits, 0))
        yield present
        yield oldest

    def _counters(self) -> Iterator[Metric]:
        for name, metric, told, labels in (
            (ENDED, "jobs_ended", "Jobs that ended.", ["kind", "state"]),
            (FAILURES, "job_failures", "Jobs that failed, by cause.", ["kind", "cause"]),
            (BYTES, "job_bytes", "Bytes of what finished jobs wrote or read.", ["kind"]),
            (DOWNLOADS, "downloads", "Archives whose download began.", []),
        ):
            family = CounterMetricFamily(f"vi_portal_{metric}", told, labels=labels)
            for values, count in Tally.counted(name):
                family.add_metric(values if labels else [], count)
            yield family
