"""The worker's side: the task that a message names, and what a process that does jobs makes ready beforehand."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Any

from celery import shared_task, signals
from django.conf import settings

from exports import runner, shards
from exports.formats import vi_tfrecord
from exports.models import ExportJob, ExportShard

log = logging.getLogger(__name__)


@shared_task(bind=True, name=ExportJob.task_name)
def run_export(self: Any, job_id: str) -> None:
    runner.run(uuid.UUID(job_id), worker=self.request.hostname or "")


@shared_task(bind=True, name=ExportShard.task_name)
def run_shard(self: Any, shard_id: str) -> None:
    shards.run(uuid.UUID(shard_id), worker=self.request.hostname or "")


@signals.worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Load TensorFlow in the background, so that the first TFRecord export does not wait for it.

    Only ever in a process that does jobs: nothing may fork after TensorFlow has run.
    """
    if settings.TENSORFLOW_WARM_UP:
        threading.Thread(target=_load_tensorflow, name="tensorflow-warm-up", daemon=True).start()


def _load_tensorflow() -> None:
    try:
        vi_tfrecord.load_tensorflow()
    except Exception:
        log.exception("TensorFlow cannot be loaded; exports as TFRecord will fail.")
