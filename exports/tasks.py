"""The worker's side: what a bell leads to, and what a process that does jobs makes ready beforehand."""

from __future__ import annotations

import gc
import logging
import threading
from typing import Any

from celery import shared_task, signals
from django.conf import settings

from exports import runner
from exports.formats import vi_tfrecord
from exports.models import ExportJob, ExportShard
from exports.shards import writer
from vi_portal.jobs import doorbell

log = logging.getLogger(__name__)

doorbell.done_by(ExportJob, runner.do)
doorbell.done_by(ExportShard, writer.do)


@shared_task(bind=True, name=ExportJob.task_name)
def run_export(self: Any, job_id: str) -> None:
    doorbell.answer(self.request.hostname or "")


@shared_task(bind=True, name=ExportShard.task_name)
def run_shard(self: Any, shard_id: str) -> None:
    doorbell.answer(self.request.hostname or "")


@signals.worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Load TensorFlow in the background, so that the first TFRecord export does not wait for it.

    Only ever in a process that does jobs: nothing may fork after TensorFlow has run.
    """
    gc.freeze()  # what is there stays: to walk it again and again would also copy what is shared with other processes
    if settings.TENSORFLOW_WARM_UP:
        threading.Thread(target=_load_tensorflow, name="tensorflow-warm-up", daemon=True).start()


def _load_tensorflow() -> None:
    try:
        vi_tfrecord.load_tensorflow()
    except Exception:
        log.exception("TensorFlow cannot be loaded; exports as TFRecord will fail.")
