"""The task behind the queue: a message is a bell, and the worker does the job whose turn it is."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from datasets import leftovers
from datasets.imports import runner
from datasets.models import ImportJob
from vi_portal.jobs import doorbell, sweep

doorbell.done_by(ImportJob, runner.do)
sweep.also(leftovers.discard)


@shared_task(bind=True, name=ImportJob.task_name)
def run_import(self: Any, job_id: str) -> None:
    doorbell.answer(self.request.hostname or "")
