"""How the API's clients are told where an export stands. Newest first; one row a state.

A client shows nothing of a failed condition but its name, so that is where the reason goes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from exports.models import ExportJob
from vi_portal.api.schemas import Condition, milliseconds
from vi_portal.jobs.models import State

WAITING, REACHED, FAILED = "Waiting", "Reached", "FailedReach"

_MAX_NAME = 200

#: For every state: the name, the status, and since when. Strings are literal, functions ask the job.
_TABLE: dict[State, tuple[tuple[str | Callable[[ExportJob], str], str, Callable[[ExportJob], datetime | None]], ...]]
_TABLE = {
    State.QUEUED: (
        ("Finished", WAITING, lambda job: job.created_at),
        ("Started", WAITING, lambda job: job.created_at),
    ),
    State.RUNNING: (
        ("Finished", WAITING, lambda job: job.started_at),
        ("Started", REACHED, lambda job: job.started_at),
    ),
    State.FINISHED: (
        ("Finished", REACHED, lambda job: job.finished_at),
        ("Started", REACHED, lambda job: job.started_at),
    ),
    State.FAILED: (
        (lambda job: failure_name(job), FAILED, lambda job: job.finished_at),
        ("Started", REACHED, lambda job: job.started_at or job.created_at),
    ),
}
_EXPIRED = "Expired: the archive was deleted, make a new export"


def conditions(job: ExportJob) -> list[Condition]:
    """The conditions of `job`."""
    told = [
        Condition(
            condition=name if isinstance(name, str) else name(job),
            status=status,
            last_transition_time=milliseconds(reached(job)),
        )
        for name, status, reached in _TABLE[State(job.state)]
    ]
    if job.has_expired:
        since = milliseconds(job.expires_at or job.finished_at)
        told[0] = Condition(condition=_EXPIRED, status=FAILED, last_transition_time=since)
    return told


def failure_name(job: ExportJob) -> str:
    """`Failed: …`, or who cancelled it, on one line."""
    reason = " ".join(job.failure.split()).rstrip(".") or "no reason is known"
    return (reason if job.cancelled else f"Failed: {reason}")[:_MAX_NAME]
