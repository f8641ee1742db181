"""Counts that only grow: what became of jobs, how long they waited and took, what was fetched.

They are rows of the database, so that they are those of all web servers and workers together and outlive them; and
they are not counted from the jobs, because the rows of jobs are deleted.
"""

from __future__ import annotations

import bisect
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import DatabaseError, models, transaction
from django.db.models import F

from vi_portal.jobs.states import State

log = logging.getLogger(__name__)

#: What is counted: jobs that ended, seconds that finished ones waited and took, bytes they made, causes of failures.
ENDED, WAITING, LASTING, BYTES, FAILURES = "ended", "waiting", "lasting", "bytes", "failures"
#: The upper ends of the buckets of durations, in seconds; the last bucket has none.
BUCKETS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class Tally(models.Model):
    """One count: of what, for which labels (`export,finished`), and which bucket where it is one of durations."""

    name = models.CharField(max_length=40)
    labels = models.CharField(max_length=80, blank=True)
    bucket = models.CharField(max_length=10, blank=True)
    value = models.FloatField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "labels", "bucket"], name="tally_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.labels} {self.bucket}".strip()

    @classmethod
    def add(cls, amount: float, name: str, *labels: str, bucket: str = "") -> None:
        """Let the count grow by `amount`. Within a transaction it is counted only if that is committed."""
        key = {"name": name, "labels": ",".join(labels), "bucket": bucket}
        for _ in range(2):
            if cls.objects.filter(**key).update(value=F("value") + amount):
                return
            Tally.objects.bulk_create([Tally(**key)], ignore_conflicts=True)

    @classmethod
    def add_duration(cls, lasting: timedelta, name: str, *labels: str) -> None:
        """Count `lasting` in its bucket, and in the sum of all."""
        seconds = max(lasting.total_seconds(), 0.0)
        cls.add(1, name, *labels, bucket=_bucket(seconds))
        cls.add(seconds, name, *labels, bucket="sum")

    @classmethod
    def counted(cls, name: str) -> Iterator[tuple[list[str], float]]:
        """The labels and values of the counts of that name."""
        for labels, value in cls.objects.filter(name=name).order_by("labels").values_list("labels", "value"):
            yield labels.split(","), value

    @classmethod
    def durations(cls, name: str) -> Iterator[tuple[list[str], list[tuple[str, float]], float]]:
        """For each labels the counts up to each bucket's end, the last `+Inf`, and the sum in seconds."""
        found: dict[str, dict[str, float]] = {}
        rows = cls.objects.filter(name=name).order_by("labels", "bucket")
        for labels, bucket, value in rows.values_list("labels", "bucket", "value"):
            found.setdefault(labels, {})[bucket] = value
        for labels, counts in found.items():
            ends = [*map(str, BUCKETS), "+Inf"]
            yield (
                labels.split(","),
                list(_added_up((end, counts.get(end, 0.0)) for end in ends)),
                counts.get("sum", 0.0),
            )


def count_finished(
    kind: str, *, size: int, created: datetime, started: datetime, finished: datetime, attempts: int
) -> None:
    """Count a job of `kind` that finished, in its last of `attempts`, and the `size` in bytes of what it made."""
    Tally.add(1, ENDED, kind, State.FINISHED)
    Tally.add(size, BYTES, kind)
    Tally.add_duration(finished - started, LASTING, kind)
    if attempts == 1:  # the start of the first attempt is known
        Tally.add_duration(started - created, WAITING, kind)


def count_failed(kind: str, cause: str, *, jobs: int = 1) -> None:
    """Count so many `jobs` of `kind` that failed for that `cause`."""
    if jobs:
        Tally.add(jobs, ENDED, kind, State.FAILED)
        Tally.add(jobs, FAILURES, kind, cause)


def count_once(name: str, *labels: str) -> None:
    """Count one more where nothing must fail for it."""
    try:
        with transaction.atomic():
            Tally.add(1, name, *labels)
    except DatabaseError:
        log.warning("One %s was not counted.", name, exc_info=True)


def _bucket(seconds: float) -> str:
    place = bisect.bisect_left(BUCKETS, seconds)
    return str(BUCKETS[place]) if place < len(BUCKETS) else "+Inf"


def _added_up(buckets: Iterable[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for end, count in buckets:
        total += count
        yield end, total
