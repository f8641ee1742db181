"""The worker that holds an export deals its shards, writes those that nobody else takes, and takes all of them in."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from django.conf import settings
from django.db import models, transaction

from exports import fragments, storage
from exports.archive import ArchiveWriter
from exports.joined_archive import JoinedArchive
from exports.models import ExportJob, ExportShard
from exports.planning import ExportFailed
from exports.runs import RunPlan
from exports.shards import packing, writer
from exports.writing import Writing
from vi_portal.jobs.lease import Lease, LeaseLost, Watch
from vi_portal.jobs.models import Refused, State, Worker
from vi_portal.jobs.progress import Progress
from vi_portal.jobs.sweep import requeue_lost
from vi_portal.s3.failures import StoreFailed

#: How often the holder of the export looks whether a shard has come in.
_LOOK_SECONDS = 0.02


@contextmanager
def written_with_others(job: ExportJob, writing: Writing, watch: Watch, groups: list[list[RunPlan]]) -> Iterator[None]:
    """Bring all `groups` of runs into the archive of `writing`. Raises `ExportFailed` when a shard cannot be had.

    An archive that the store puts together must be complete when the block ends: then the fragments go.
    """
    held = _Held(job, writing, watch)
    alone = not isinstance(writing.sink, JoinedArchive)
    shards = held.ask([group for group in groups if not (alone and group[0].images)])
    try:
        for group in groups:
            if alone and group[0].images:
                for run in group:
                    writing.write_run(run)
            else:
                held.take_in(next(shards))
        yield
    finally:
        held.dismiss()


class _Held:
    """The shards of one attempt at an export, as its holder sees them."""

    def __init__(self, job: ExportJob, writing: Writing, watch: Watch) -> None:
        self._job, self._writing, self._watch = job, writing, watch
        self._written: set[uuid.UUID] = set()
        self._looked_at = time.monotonic()

    def ask(self, groups: list[list[RunPlan]]) -> Iterator[uuid.UUID]:
        """Make the shards, and ring for whoever is free; their ids, in order. Raises `Refused` where another holds the
        export by now: its shards are not touched."""
        job, source, progress = self._job, self._writing.source, self._watch.progress
        rows = packing.rows(job, self._writing.plan, groups, source.share_snapshot())
        with transaction.atomic():
            job.beat(phase=progress.phase, percent=int(progress.percent))  # nobody takes the job meanwhile
            self._job.shards.all().delete()  # of an earlier attempt; its files are swept up
            ExportShard.objects.bulk_create(rows, batch_size=50)
        ExportShard.ring_for(rows, bells=Worker.slots_beside(job.worker))
        return iter([row.pk for row in rows])

    def take_in(self, pk: uuid.UUID) -> None:
        """Wait for the shard `pk`, writing others meanwhile, and move its fragment into the archive."""
        while (shard := ExportShard.objects.defer("ids").get(pk=pk)).state != State.FINISHED:
            if shard.state == State.FAILED:
                raise ExportFailed(shard.failure)
            if not self._write_one():
                self._watch.wait(_LOOK_SECONDS)
                self._look_for_lost()
        self._assemble(shard.fragment)
        if pk not in self._written:
            self._watch.advance(sum(run["steps"] for run in shard.runs))

    def _assemble(self, fragment: str) -> None:
        archive, receipt = self._writing.sink, self._writing.receipt
        with storage.open_fragment(fragment) as file:
            if isinstance(archive, JoinedArchive):
                archive.join(fragment, fragments.read_note(file), receipt)
                return
            assert isinstance(archive, ArchiveWriter)
            fragments.assemble(file, archive, receipt)
        writer.discard(fragment)

    def dismiss(self) -> None:
        """Let go of the shards of this attempt. Who still writes one loses its lease; files without a row are swept
        up."""
        kept = [key for key in self._shards().values_list("fragment", flat=True) if key]
        self._shards().delete()
        # Up to the first failure: a store that hangs is waited for long, each time, and the sweep removes the rest.
        with suppress(StoreFailed):
            for key in kept:
                storage.delete(key)

    def _write_one(self) -> bool:
        """Write the first shard that nobody has, if there is one."""
        watch = self._watch
        for pk in self._shards().filter(state=State.QUEUED).order_by("number").values_list("pk", flat=True):
            try:
                shard = ExportShard.start(pk, worker=self._job.worker)
            except Refused:
                continue
            try:
                progress = Progress()
                with Lease(shard, progress) as lease:
                    both = replace(watch, part=Watch(lease, progress))
                    writer.write_fragment(shard, self._writing.source, self._writing.plan.options, both)
                self._written.add(pk)
            except (LeaseLost, Refused):
                watch.lease.check()  # it was the shard's that was lost: somebody else has it
            return True
        return False

    def _look_for_lost(self) -> None:
        """Shards whose worker is lost are to be written by another: there may be nobody else who sweeps."""
        if time.monotonic() - self._looked_at > settings.JOB_SWEEP_SECONDS:
            requeue_lost(ExportShard)
            self._looked_at = time.monotonic()

    def _shards(self) -> models.QuerySet[ExportShard]:
        """Those of this attempt: whoever holds the export after us has others."""
        assert self._job.lease_token is not None
        return self._job.shards.filter(export_token=self._job.lease_token)
