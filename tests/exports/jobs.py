"""Export jobs in every state, as the history may have to show them. Nothing is run."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from datasets.models import Dataset
from exports import storage
from exports.models import ExportJob
from exports.spec import ExportSpec
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

ARCHIVE = b"PK\5\6" + bytes(18)


def make_job(
    dataset: Dataset, user: User | None = None, *, spec: ExportSpec | None = None, **columns: Any
) -> ExportJob:
    """A queued job, but for `columns`."""
    job = ExportJob.of((spec or ExportSpec()).resolved(), dataset=dataset, user=user)
    ExportJob.objects.filter(pk=job.pk).update(**columns)
    return ExportJob.objects.get(pk=job.pk)


def make_running(dataset: Dataset, user: User | None = None, **columns: Any) -> ExportJob:
    """At 43%, its lease good for an hour."""
    now = timezone.now()
    running: dict[str, Any] = {
        "state": State.RUNNING,
        "started_at": now - timedelta(seconds=12),
        "attempts": 1,
        "phase": "Writing annotations",
        "percent": 43,
        "lease_token": uuid.uuid4(),
        "lease_expires_at": now + timedelta(hours=1),
    }
    return make_job(dataset, user, **(running | columns))


def make_failed(dataset: Dataset, user: User | None = None, **columns: Any) -> ExportJob:
    now = timezone.now()
    failed: dict[str, Any] = {
        "state": State.FAILED,
        "started_at": now - timedelta(minutes=1),
        "finished_at": now,
        "failure": "The disk is full, so the archive could not be written. Free some space, then retry.",
    }
    return make_job(dataset, user, **(failed | columns))


def make_finished(
    dataset: Dataset, user: User | None = None, *, archive: bytes | None = ARCHIVE, **columns: Any
) -> ExportJob:
    """Finished a minute ago, with `archive` in the storage; None for one that has expired."""
    now = timezone.now()
    finished: dict[str, Any] = {
        "state": State.FINISHED,
        "percent": 100,
        "started_at": now - timedelta(minutes=1),
        "finished_at": now,
        "assets_selected": 10,
        "assets_written": 10,
        "annotations_written": 30,
        "size": 22,
        "sha256": "0" * 64,
        "expires_at": now + timedelta(days=7),
    }
    job = make_job(dataset, user, **(finished | columns))
    if archive is None:
        ExportJob.objects.filter(pk=job.pk).update(expires_at=now - timedelta(hours=1))
    else:
        part = storage.part_path(job.pk, uuid.uuid4())
        part.write_bytes(archive)
        facts = {"size": len(archive), "sha256": hashlib.sha256(archive).hexdigest()}
        ExportJob.objects.filter(pk=job.pk).update(archive=storage.publish(part), **facts)
    return ExportJob.objects.get(pk=job.pk)
