"""The story of one import job: start, rehearse if a policy asks for it, write, finish.

A session that a policy may reject is rehearsed first: everything is done and taken back, batch by batch, so that a
rejected session has written nothing and no other writer had to wait for it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress

from datasets.imports import kept_files, policies, sessions
from datasets.imports.account import Count, Journal, Problem, Summary, quoted
from datasets.imports.annotation_import import AnnotationImport
from datasets.imports.arrivals import Arrivals
from datasets.imports.files import FoundFile, other_documents
from datasets.imports.policies import Rehearsal, Rejected
from datasets.imports.standing import PROBLEMS_KEPT, Standing
from datasets.models import Dataset, ImportJob
from vi_portal.jobs.attempts import attempt, is_full_disk, started
from vi_portal.jobs.lease import Lease
from vi_portal.jobs.progress import Progress
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

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
    progress, standing = Progress(lambda _: lease.check()), Standing(job)
    lease = Lease(job, progress)
    with lease:
        files = _files(job)
        if len(files) != job.files:
            raise Rejected("The files of this import are no longer here. Send them again.")
        if not standing.has_begun:
            standing.begin(_left_out(job, files, progress))
        files = [file for place, file in enumerate(files) if place not in standing.left_out]
        summary = _write(job, files, progress, standing)
        lease.check()
    results = standing.told(summary) | {"files_read": len(files), "files_left_out": job.files - len(files)}
    job.finish(summary=results, problems=job.problems)
    with suppress(StoreFailed):  # then the sweep removes them
        kept_files.remove(job.session)
    log.info("Import %s finished: %s.", job.pk, Count(**results["annotations"]), extra={"job": str(job.pk)})


def _files(job: ImportJob) -> list[FoundFile]:
    try:
        return sessions.files_of(job.session)
    except FileNotFoundError:
        return []


def _left_out(job: ImportJob, files: Sequence[FoundFile], progress: Progress) -> dict[int, str]:
    """A sentence for each of `files` that is not to be read, by its place. Raises `Rejected`."""
    places = {file: place for place, file in enumerate(files)}
    left_out = {
        places[file]: f"{quoted(file.name)} goes with an export and holds no annotations."
        for file in other_documents(files)
    }
    if not policies.is_lenient(job.session):
        candidates = [file for file, place in places.items() if place not in left_out]
        for file, sentence in policies.judge(job.session, _rehearsed(job, candidates, progress)):
            left_out[places[file]] = sentence
    return left_out


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


def _write(job: ImportJob, files: Sequence[FoundFile], progress: Progress, standing: Standing) -> Summary:
    def report(problem: Problem) -> None:
        if len(job.problems) < PROBLEMS_KEPT:
            job.problems.append(str(problem))

    journal = Journal(report)
    progress.enter("Writing annotations", until=99, total=_size(files))
    AnnotationImport(job.dataset, journal, Arrivals(), progress, committing=standing.tell).take(files)
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
