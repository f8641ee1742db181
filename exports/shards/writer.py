"""A worker writes a shard: its runs, into a fragment that the holder of the export takes in."""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress

from django.conf import settings
from django.db import OperationalError

from exports import storage
from exports.fragments import FragmentWriter
from exports.models import ExportShard
from exports.planning import options_of
from exports.reasons import sentence
from exports.receipt import Receipt
from exports.records import Options
from exports.shards import packing
from exports.sources import SnapshotGone, Source
from exports.writing import Writing
from vi_portal.jobs.attempts import attempt, started
from vi_portal.jobs.lease import Lease, LeaseLost, Watch
from vi_portal.jobs.models import Refused
from vi_portal.jobs.progress import Progress
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

_LEFT = "Shard %s is left to the holder of its export. %s"


def run(shard_id: uuid.UUID, *, worker: str) -> None:
    """Write the shard `shard_id`, if it is still to be written. Never raises for what can befall it."""
    open_to_all = ExportShard.objects.filter(ExportShard.waiting(), pk=shard_id).exists()
    if open_to_all and (shard := started(ExportShard, shard_id, worker=worker)):
        do(shard)


def do(shard: ExportShard) -> None:
    """Write `shard`, which was just started. Never raises for what can befall it.

    What went wrong may be this worker's own fault: its disk is full, it lost the store. So it says nothing of the
    export; the holder tries, and if it fares no better, the export ends with what befell the holder.
    """

    def work(shard: ExportShard) -> None:
        spec, progress = shard.export.spec, Progress()
        try:
            snapshot = packing.snapshot_of(shard)
            with Source.open(shard.dataset, spec, snapshot=snapshot) as source, Lease(shard, progress) as lease:
                write_fragment(shard, source, options_of(source), Watch(lease, progress))
        except (LeaseLost, Refused, OperationalError):
            raise
        except Exception as error:
            if isinstance(error, StoreFailed) and not error.lasting and shard.attempts < settings.JOB_MAX_ATTEMPTS:
                raise
            level, told = _noted(error)
            log.log(level, _LEFT, shard.pk, told, exc_info=level == logging.ERROR)
            shard.leave_to_the_holder()

    attempt(shard, work=work, expected=StoreFailed, reason=sentence)


def _noted(error: Exception) -> tuple[int, str]:
    """How the log tells of what keeps this worker from writing a shard: a level, and why."""
    match error:
        case SnapshotGone():
            return logging.INFO, str(error)
        case StoreFailed():
            return logging.WARNING, error.what
        case _:
            return logging.ERROR, str(error)


def write_fragment(shard: ExportShard, source: Source, options: Options, watch: Watch) -> None:
    """Write the runs of `shard` into a fragment, and finish the shard with it."""
    assert shard.lease_token is not None
    with storage.files_aside(shard.pk, shard.lease_token) as (aside, spool), Receipt(spool) as receipt:
        plan = packing.plan_of(shard, options)
        writer = FragmentWriter(aside, headed=storage.joining_store() is not None)
        try:
            writing = Writing(plan, source, receipt, writer, watch)
            for run in plan.runs:
                writing.write_run(run)
            writer.close(receipt)
        finally:
            writer.discard()
        watch.advance(0)
        key = storage.keep_fragment(aside, sent=lambda size: watch.advance(0))
        try:
            shard.finish(fragment=key)
        except Refused:
            discard(key)
            raise


def discard(key: str) -> None:
    """Delete the fragment under `key`, which nobody wants any more."""
    with suppress(StoreFailed):  # then the sweep removes it
        storage.delete(key)
