"""The story of one export: start, plan, write, check, publish, finish.

Whatever goes wrong becomes the sentence in the job's row, and no file is left behind.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models.functions import Now

from datasets.models import DatasetType
from exports import drafts, job_files, planning, splits, storage
from exports.drafts import Draft
from exports.joined_archive import JoinedArchive
from exports.models import ExportJob
from exports.planning import ExportFailed, Plan
from exports.reading_back import Checked
from exports.reasons import sentence
from exports.receipt import FILENAME, Receipt
from exports.records import Member
from exports.shards import dealing, holder
from exports.sources import Source
from exports.writing import Writing
from vi_portal.jobs.attempts import attempt, started
from vi_portal.jobs.lease import Lease, Watch
from vi_portal.jobs.models import Refused, Worker
from vi_portal.jobs.progress import Progress
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

#: What the labels of an annotation count.
_COUNTED = {DatasetType.PHRASE_GROUNDING: "boxes", DatasetType.VQA: "interactions"}


def run(job_id: uuid.UUID, *, worker: str, progress: Progress | None = None) -> None:
    """Do the export `job_id`, if it is still to be done. Never raises for what can befall an export."""
    if job := started(ExportJob, job_id, worker=worker):
        do(job, progress)


def do(job: ExportJob, progress: Progress | None = None) -> None:
    """Do the export `job`, which was just started. Never raises for what can befall an export."""
    progress = progress or Progress()

    def work(job: ExportJob) -> None:
        assert job.lease_token is not None
        with storage.files_aside(job.pk, job.lease_token) as (aside, spool), Lease(job, progress) as lease:
            _export(job, aside, spool, Watch(lease, progress))

    attempt(job, work=work, expected=ExportFailed, reason=sentence)


def _export(job: ExportJob, aside: Path, spool: Path, watch: Watch) -> None:
    with ExitStack() as stack:
        with Source.open(job.dataset, job.spec) as source, Receipt(spool) as receipt:
            watch.progress.enter("Planning", until=2, total=1)
            plan = planning.plan(source, receipt)
            draft = stack.enter_context(_draft(job, plan, aside, spool))
            _write(job, plan, source, receipt, draft, watch)
        checked = _check(draft, watch)
        watch.lease.check()
        watch.progress.enter("Storing the archive", until=99, total=checked.size)
        key = draft.publish(watch.advance)
        _finish(job, key, plan, receipt, checked, moment=source.moment)


def _draft(job: ExportJob, plan: Plan, aside: Path, spool: Path) -> AbstractContextManager[Draft]:
    """Where the archive comes into being: on disk, or a large one that a store can put together, there."""
    store = storage.joining_store()
    if store is None or not dealing.is_large(plan):
        return drafts.written_aside(aside)
    assert job.lease_token is not None
    return drafts.put_together(store, job_files.name(job.pk, job.lease_token, "zip"), spool=spool)


def _write(job: ExportJob, plan: Plan, source: Source, receipt: Receipt, draft: Draft, watch: Watch) -> None:
    """Write every member, the receipt last."""
    watch.progress.enter("Writing annotations", until=80, total=plan.steps)
    writing = Writing(plan, source, receipt, draft.writer, watch)
    with _runs_written(job, writing, watch):
        writing.write_members(source.spec.encoding.companions(plan.options))
        _account(plan, source, receipt)
        counted = _COUNTED.get(DatasetType(source.dataset.type), "")
        draft.writer.add(Member(FILENAME, receipt.chunks(head=_head(job, source), counted=counted)))
        draft.writer.close()


@contextmanager
def _runs_written(job: ExportJob, writing: Writing, watch: Watch) -> Iterator[None]:
    """Write every run, alone or with others, whose fragments stay until the block ends."""
    joined = isinstance(writing.sink, JoinedArchive)
    if joined or (dealing.is_large(writing.plan) and Worker.slots_beside(job.worker)):
        with holder.written_with_others(job, writing, watch, dealing.deal(writing.plan)):
            yield
        return
    for run in writing.plan.runs:
        writing.write_run(run)
    yield


def _account(plan: Plan, source: Source, receipt: Receipt) -> None:
    """Asked = written + skipped, or there is no export."""
    if receipt.assets_written + receipt.assets_skipped != plan.selected:
        raise AssertionError(
            f"{plan.selected} assets were asked for, {receipt.assets_written} written "
            f"and {receipt.assets_skipped} skipped."
        )
    if not receipt.assets_written:
        what = "annotations and their images" if source.spec.encoding.paired else "annotations"
        raise ExportFailed(f"None of the {what} could be read, so nothing was written. The log names each.")


def _head(job: ExportJob, source: Source) -> dict[str, Any]:
    dataset = source.dataset
    return {
        "export": str(job.pk),
        "dataset": {"id": str(dataset.pk), "name": dataset.name, "type": dataset.type},
        "snapshot_at": source.moment.isoformat(),
        "requested_by": job.requested_by or "the command line",
        "options": source.spec.as_dict(),
    }


def _check(draft: Draft, watch: Watch) -> Checked:
    """Read it back, as a whole."""
    watch.progress.enter("Checking the archive", until=95, total=draft.size)
    return draft.check(watch.advance)


def _finish(job: ExportJob, key: str, plan: Plan, receipt: Receipt, checked: Checked, *, moment: datetime) -> None:
    """The archive is there; one update makes the row say so. If that is refused, the archive goes."""
    counts = {part.name: part.assets for part in receipt.parts}
    try:
        job.finish(
            archive=key,
            size=checked.size,
            sha256=checked.sha256,
            snapshot_at=moment,
            assets_selected=plan.selected,
            assets_written=receipt.assets_written,
            annotations_written=receipt.annotations_written,
            train_count=counts.get(splits.TRAIN),
            validation_count=counts.get(splits.VALIDATION),
            warnings=receipt.findings.summary(),
            expires_at=Now() + timedelta(days=settings.EXPORT_RETENTION_DAYS),
        )
    except Refused:
        with suppress(StoreFailed):  # then the sweep removes it
            storage.delete(key)
        raise
    log.info(
        "Export %s finished: %d assets, %d bytes.",
        job.pk,
        receipt.assets_written,
        checked.size,
        extra={"job": str(job.pk)},
    )
