"""The Celery application. A worker's main process also sweeps; the process that does its jobs warms TensorFlow up."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

from celery import Celery, signals
from django.conf import settings

from vi_portal import broker

if TYPE_CHECKING:
    from vi_portal.jobs.sweep import Sweeper

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vi_portal.settings")

log = logging.getLogger(__name__)

# It warns of root because a pickled message can run anything; ours are JSON.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

broker.register()
app = Celery("vi_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_sweepers: list[Sweeper] = []


@signals.setup_logging.connect
def keep_the_logs_of_django(**_: Any) -> None:
    """Its being here is all: Celery leaves the logging to Django's LOGGING, which is set up by then."""


@signals.worker_ready.connect
def start_sweeping(sender: Any, **_: Any) -> None:
    """The worker, `sender`, takes messages from now on."""
    from vi_portal.jobs.sweep import Sweeper

    sweeper = Sweeper(sender.hostname)
    sweeper.start()
    _sweepers.append(sweeper)


@signals.worker_shutdown.connect
def stop_sweeping(**_: Any) -> None:
    """The worker has finished what it had; this signs it out."""
    while _sweepers:
        _sweepers.pop().stop()


@signals.worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Load TensorFlow beforehand, in the background, so that the first TFRecord export does not wait for it.

    Only ever in a process that does jobs: nothing may fork after TensorFlow has run.
    """
    if settings.TENSORFLOW_WARM_UP:
        threading.Thread(target=_load_tensorflow, name="tensorflow-warm-up", daemon=True).start()


def _load_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        importlib.import_module("tensorflow")
    except Exception:
        log.exception("TensorFlow cannot be loaded; exports as TFRecord will fail.")
