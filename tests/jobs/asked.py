"""Jobs that were asked for some time ago and rung for, and the one whose turn it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from datasets.models import Dataset, ImportJob, ImportSession
from exports.models import ExportJob
from tests.exports.jobs import make_job
from vi_portal.accounts.models import User
from vi_portal.jobs import doorbell
from vi_portal.jobs.models import Job


def asked(dataset: Dataset, user: User | None = None, *, ago: float = 0, **columns: Any) -> ExportJob:
    """An export that was requested so many seconds ago, and rung for."""
    now = timezone.now()
    return make_job(dataset, user, created_at=now - timedelta(seconds=ago), rung_at=now, **columns)


def asked_import(dataset: Dataset, user: User | None = None, *, ago: float = 0) -> ImportJob:
    now = timezone.now()
    session = ImportSession.objects.create(dataset=dataset, user=user, upload_before=now)
    created = now - timedelta(seconds=ago)
    return ImportJob.objects.create(dataset=dataset, user=user, session=session, created_at=created, rung_at=now)


def taken() -> Job | None:
    return doorbell.take_turn("w1")
