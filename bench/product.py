"""The portal's own exports, as a worker does them."""

from __future__ import annotations

import gc
import os
import signal
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connections

from bench.floor import scratch
from bench.measure import Outcome
from datasets.models import Dataset, LabelVocabulary
from exports import planning, runner
from exports.archive import ArchiveWriter
from exports.dispatch import request_export
from exports.models import ExportJob, ExportShard
from exports.receipt import Receipt
from exports.shards import writer
from exports.sources import Source
from exports.spec import ExportSpec
from exports.writing import Writing
from vi_portal.jobs.models import State, Worker


def whole_job(dataset: Dataset, spec: ExportSpec) -> Outcome:
    """Everything between the request and the published archive: rows, lease, progress, receipt, verification."""
    job = request_export(spec, dataset=dataset, user=None, ring=False)
    runner.run(job.pk, worker="bench")
    job = ExportJob.objects.get(pk=job.pk)
    if job.state != State.FINISHED:
        raise RuntimeError(job.failure or f"The export is {job.state}.")
    assert job.finished_at is not None
    seconds = (job.finished_at - job.created_at).total_seconds()
    return {"assets": job.assets_written, "annotations": job.annotations_written, "size": job.size, "seconds": seconds}


def first_job(dataset: Dataset, spec: ExportSpec) -> Outcome:
    """The same where the dataset was just changed: nobody knows its labels."""
    LabelVocabulary.objects.filter(dataset=dataset).delete()
    return whole_job(dataset, spec)


def find_labels(dataset: Dataset) -> None:
    """Let all exports find the labels of `dataset` known, until it is changed."""
    with Source.open(dataset, ExportSpec(format="ViTfrecord")) as source:
        source.labels(keep=True)


def shared_job(dataset: Dataset, spec: ExportSpec, *, workers: int) -> Outcome:
    """The same, shared by so many workers, each a process of its own."""
    names = [f"bench-{number}" for number in range(workers)]
    connections.close_all()
    others = [_fork(partial(_write_shards, name)) for name in names[1:]]
    for name in names:
        Worker.sign_in(name)
    try:
        return whole_job(dataset, spec)
    finally:
        for pid in others:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        Worker.objects.all().delete()


def two_jobs(dataset: Dataset, spec: ExportSpec) -> Outcome:
    """The same job at once in two workers that share nothing; what one of them wrote."""
    connections.close_all()
    other = _fork(partial(whole_job, dataset, spec))
    outcome = whole_job(dataset, spec)
    if os.waitpid(other, 0)[1]:
        raise RuntimeError("The other export failed.")
    return outcome


def _fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if not pid:
        status = 1
        try:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            gc.freeze()
            work()
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def _write_shards(name: str) -> None:
    """What a worker does that hears of every shard, until it is killed."""
    while True:
        waiting = ExportShard.objects.filter(ExportShard.waiting()).order_by("number")
        for pk in list(waiting.values_list("pk", flat=True)):
            writer.run(pk, worker=name)
        time.sleep(0.02)


class _Unwatched:
    """No lease, no progress."""

    def advance(self, steps: int = 1) -> None:
        pass


def encoding_alone(dataset: Dataset, spec: ExportSpec) -> Outcome:
    """Rows to a zip: no job row, no progress, nothing read back. The receipt counts, for the source tells it."""
    path = scratch("alone.zip")
    with Source.open(dataset, spec) as source, Receipt(path.parent) as receipt:
        plan = planning.plan(source, receipt)
        archive = ArchiveWriter(path)
        writing = Writing(plan, source, receipt, archive, _Unwatched())
        for run in plan.runs:
            writing.write_run(run)
        archive.close()
        return {"assets": receipt.assets_written, "size": path.stat().st_size}


def discard_archives() -> None:
    """Delete what whole jobs have published."""
    ExportJob.objects.all().delete()
    for path in Path(settings.ARCHIVE_DIR).glob("*.zip"):
        path.unlink()
