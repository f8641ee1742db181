"""The tables of background jobs: what each kind of job is made from, and the workers. The counts are in `tallies`."""

from vi_portal.jobs.models.job import Job, kinds
from vi_portal.jobs.models.worker import Worker
from vi_portal.jobs.states import (
    ACTIVE,
    CANCELLED,
    DISK_FULL,
    LOST_WORKER,
    REFUSED,
    STORE_FAILED,
    UNEXPECTED,
    Refused,
    State,
)

__all__ = [
    "ACTIVE",
    "CANCELLED",
    "DISK_FULL",
    "LOST_WORKER",
    "REFUSED",
    "STORE_FAILED",
    "UNEXPECTED",
    "Job",
    "Refused",
    "State",
    "Worker",
    "kinds",
]
