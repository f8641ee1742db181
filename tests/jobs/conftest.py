"""Bells that nobody hears, and jobs that are done at once."""

from __future__ import annotations

import pytest
from celery import current_app

import datasets.tasks  # noqa: F401 - tells the doorbell who does what
import exports.tasks  # noqa: F401 - likewise
from datasets.models import ImportJob
from exports.models import ExportJob, ExportShard
from vi_portal.jobs import doorbell
from vi_portal.jobs.models import Job


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids that were rung for; nobody hears it."""
    sent: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **more: sent.append(args[0]))
    return sent


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were done, in order, whatever they are."""
    jobs: list[Job] = []

    def do(job: Job) -> None:
        jobs.append(job)
        job.finish()

    for kind in (ExportJob, ImportJob, ExportShard):
        monkeypatch.setitem(doorbell._doers, kind, do)
    return jobs
