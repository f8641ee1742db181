"""Jobs of every kind, with their dataset, but without what a list has no use for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vi_portal.jobs.models import Job, State, kinds


def with_datasets(**wanted: Any) -> list[Job]:
    """The jobs of any kind that are `wanted`, with their dataset, oldest first."""
    found: list[Job] = []
    for kind in kinds():
        rows: Any = kind._default_manager.filter(**wanted)
        found += _with_dataset(rows.order_by("created_at", "pk"))
    return sorted(found, key=lambda job: (job.started_at or job.created_at, job.pk))


def failed(*, since: datetime, most: int) -> list[Any]:
    """The last failures of any kind, newest first. What a person cancelled did not fail."""
    found: list[Any] = []
    for kind in kinds():
        rows: Any = kind._default_manager.filter(state=State.FAILED, cancelled=False, finished_at__gte=since)
        found += _with_dataset(rows.order_by("-finished_at")[:most])
    return sorted(found, key=lambda job: job.finished_at, reverse=True)[:most]


def _with_dataset(rows: Any) -> Any:
    return rows.select_related("dataset__organization").defer(*_bulky(rows.model))


def _bulky(kind: type[Job]) -> list[str]:
    """The columns that may be long, and that no list has a use for."""
    return [field.name for field in kind._meta.fields if field.get_internal_type() in ("BinaryField", "JSONField")]
