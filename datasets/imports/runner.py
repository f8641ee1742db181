"""The story of one import job: start, rehearse if a policy asks for it, write, finish.

A session that a policy may reject is rehearsed first: everything is done and taken back, batch by batch, so that a
rejected session has written nothing and no other writer had to wait for it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from datasets.imports import kept_files, policies, sessions
from datasets.imports.account import Journal, Problem, Summary, quoted
from datasets.imports.annotation_import import AnnotationImport
from datasets.imports.arrivals import Arrivals
from datasets.imports.files import FoundFile, other_documents
from datasets.imports.policies import Rehearsal, Rejected
from datasets.imports.standing import Standing
from datasets.models import Dataset, ImportJob
from vi_portal.jobs.attempts import attempt, is_full_disk, started
from vi_portal.jobs.lease import Lease
from vi_portal.jobs.progress import Progress
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

#: How many problems the row tells by name; it counts all of them.
PROBLEMS_KEPT = 50
_REHEARSED_UNTIL = 45


def run(job_id: uuid.UUID, *, worker: str) -> None:
    """Do the import `job_id`, if it is still to be done. Never raises for what can befall an import."""
    if job := started(ImportJob, job_id, worker=worker):
        do(job)


def do(job: ImportJob) -> None:
    """Do the import `job`, which was just started. Never raises for what can befall an import."""
    attempt(job, work=_unless_deleted, expected=Rejected, reason=_reason)


def _unless_deleted(job: ImportJob) -> None:
    """The import, which ends when its dataset is deleted."""
    try:
        _import(job)
    except Dataset.DoesNotExist as error:
        raise Rejected("The dataset was deleted, so the import ended.") from error


def _import(job: ImportJob) -> None:
    def step(_: Progress) -> None:
        standing.note()
        lease.check()

    progress, standing = Progress(step), Standing(job)
    lease = Lease(job, progress)
    problems: list[str] = []
    with standing:
        with lease:
            files = _files(job)
            if len(files) != job.files:
                raise Rejected("The files of this import are no longer here. Send them again.")
            others = other_documents(files)
            files = [file for file in files if file not in others]
            left_out = [f"{quoted(file.name)} goes with an export and holds no annotations." for file in others]
            if not policies.is_lenient(job.session):
                verdict = policies.judge(job.session, _rehearsed(job, files, progress))
                files, left_out = verdict.accepted, left_out + verdict.left_out
            problems.extend(left_out)
            summary = _write(job, files, progress, problems, standing)
            lease.check()
        results = asdict(summary) | {"files_read": len(files), "files_left_out": len(left_out)}
        job.finish(summary=results, problems=problems[:PROBLEMS_KEPT])
    with suppress(StoreFailed):  # then the sweep removes them
        kept_files.remove(job.session)
    log.info("Import %s finished: %s.", job.pk, summary.annotations, extra={"job": str(job.pk)})


def _files(job: ImportJob) -> list[FoundFile]:
    try:
        return sessions.files_of(job.session)
    except FileNotFoundError:
        return []


def _rehearsed(job: ImportJob, files: Sequence[FoundFile], progress: Progress) -> list[Rehearsal]:
    progress.enter("Checking annotations", until=_REHEARSED_UNTIL, total=_size(files))
    found = []
    for file in files:
        first = _First()
        journal = Journal(first)
        AnnotationImport(job.dataset, journal, Arrivals(), progress, rehearsing=True).take([file])
        found.append(Rehearsal(file, journal.summary, first.problem))
    return found


class _First:
    """Remembers the first problem it is told."""

    def __init__(self) -> None:
        self.problem: Problem | None = None

    def __call__(self, problem: Problem) -> None:
        self.problem = self.problem or problem


def _write(
    job: ImportJob, files: Sequence[FoundFile], progress: Progress, problems: list[str], standing: Standing
) -> Summary:
    def report(problem: Problem) -> None:
        if len(problems) < PROBLEMS_KEPT:
            problems.append(str(problem))

    journal = Journal(report)
    standing.follow(journal.summary)
    progress.enter("Writing annotations", until=99, total=_size(files))
    AnnotationImport(job.dataset, journal, Arrivals(), progress).take(files)
    return journal.summary


def _size(files: Sequence[FoundFile]) -> int:
    return sum(file.path.stat().st_size for file in files)


def _reason(error: Exception) -> str:
    """The sentence for the row."""
    if isinstance(error, Rejected | StoreFailed):
        return str(error)
    if is_full_disk(error):
        return "The disk is full, so not everything was imported. Free some space, then import the files again."
    return (
        "Something unexpected went wrong. What was written stays; import the files again, or tell your administrator."
    )
