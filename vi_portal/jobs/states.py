"""Where a job can stand, why it can fail, and how a step is refused that does not start from there."""

from __future__ import annotations

from django.db import models

#: Why jobs fail.
CANCELLED = "cancelled"
LOST_WORKER = "lost worker"
REFUSED = "refused"
DISK_FULL = "disk full"
STORE_FAILED = "store failed"
UNEXPECTED = "unexpected"


class Refused(Exception):
    """The job was not in the state this step needs: somebody else moved it first."""


class State(models.TextChoices):
    """Where a job stands. A person sees only three words for it: see `Job.status`."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


ACTIVE = (State.QUEUED, State.RUNNING)
