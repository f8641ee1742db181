"""The task behind the queue: a message carries a job's id, the runner does the rest."""

from __future__ import annotations

import uuid
from typing import Any

from celery import shared_task

from exports import runner
from exports.models import ExportJob


@shared_task(bind=True, name=ExportJob.task_name)
def run_export(self: Any, job_id: str) -> None:
    runner.run(uuid.UUID(job_id), worker=self.request.hostname or "")
