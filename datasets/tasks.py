"""The task behind the queue: a message carries a job's id, the runner does the rest."""

from __future__ import annotations

import uuid
from typing import Any

from celery import shared_task

from datasets.imports import runner
from datasets.models import ImportJob


@shared_task(bind=True, name=ImportJob.task_name)
def run_import(self: Any, job_id: str) -> None:
    runner.run(uuid.UUID(job_id), worker=self.request.hostname or "")
