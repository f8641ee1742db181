"""The Celery application. A worker's main process also sweeps."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

from vi_portal import broker

if TYPE_CHECKING:
    from vi_portal.jobs.sweeper import Sweeper

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vi_portal.settings")

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
    from vi_portal.jobs.sweeper import Sweeper
    from vi_portal.s3.patience import be_quick

    be_quick()  # a sweep that waits for a store is late for the jobs
    sweeper = Sweeper(sender.hostname, slots=sender.controller.concurrency or 1)
    sweeper.start()
    _sweepers.append(sweeper)


@signals.worker_shutting_down.connect
def take_no_more(**_: Any) -> None:
    """The worker was told to stop: no messages come any more, and what it has is finished."""
    from vi_portal.jobs import doorbell

    doorbell.take_no_more()


@signals.worker_shutdown.connect
def stop_sweeping(**_: Any) -> None:
    """The worker has finished what it had; this signs it out."""
    while _sweepers:
        _sweepers.pop().stop()
