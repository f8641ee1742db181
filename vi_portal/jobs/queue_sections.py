"""The sections of the Queue page: a table each, of workers, of what runs, of what waits, and of what failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vi_portal.jobs.models import Worker


@dataclass(frozen=True)
class QueuedJob:
    """A job as the page tells of it. `position` is of one that waits; `estimate` when it starts, or ends."""

    job: Any
    position: int | None = None
    estimate: str = ""


@dataclass(frozen=True)
class SeenWorker:
    """A worker that was seen lately, and what it does."""

    worker: Worker
    is_alive: bool
    jobs: list[QueuedJob]


@dataclass(frozen=True)
class Section:
    """A table of the page. `template` is that of a row; `told` stands beside the title; `hidden` rows are left out."""

    key: str
    title: str
    caption: str
    columns: tuple[str, ...]
    template: str
    rows: list[Any]
    empty: str
    told: str = ""
    hidden: int = 0


def workers(rows: list[SeenWorker], slots: int) -> Section:
    return Section(
        key="workers",
        title="Workers",
        caption="Workers seen within a day",
        columns=("Worker", "State", "Slots", "Since", "Does"),
        template="jobs/_worker_row.html",
        rows=rows,
        empty="No worker was seen within a day.",
        told="1 slot" if slots == 1 else f"{slots} slots",
    )


def running(rows: list[QueuedJob]) -> Section:
    return Section(
        key="running",
        title="Running",
        caption="Jobs that are worked on",
        columns=("Job", "Dataset", "User", "Progress", "Started", "Worker"),
        template="jobs/_running_row.html",
        rows=rows,
        empty="Nothing runs.",
        told=str(len(rows)),
    )


def waiting(rows: list[QueuedJob], count: int) -> Section:
    return Section(
        key="waiting",
        title="Waiting",
        caption="Waiting jobs, in the order of their turns",
        columns=("Position", "Job", "Dataset", "User", "Requested", "Starts"),
        template="jobs/_waiting_row.html",
        rows=rows,
        empty="Nobody waits.",
        told=f"{count:,}",
        hidden=count - len(rows),
    )


def failures(rows: list[QueuedJob]) -> Section:
    return Section(
        key="failed",
        title="Last failures",
        caption="Jobs that failed within a week, newest first",
        columns=("Job", "Dataset", "Reason", "Ended", "Look in the log for"),
        template="jobs/_failure_row.html",
        rows=rows,
        empty="Nothing failed within a week.",
    )
