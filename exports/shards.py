"""One export on many workers: its runs are dealt out as shards, and whoever is free writes one.

The worker that holds the export deals the shards, writes those that nobody else takes, and assembles what comes, in
order. So it needs nobody: others only make it quicker. All see the dataset as it does; who cannot leaves the shard
to it. A shard is a job of its own: when its worker is lost, that shard alone is done again.
"""

from __future__ import annotations

import logging
import shutil
import uuid
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import models, transaction

from exports import fragments, storage
from exports.archive import ArchiveWriter
from exports.fragments import FragmentWriter
from exports.joined_archive import JoinedArchive
from exports.media import IMAGE_UNIT
from exports.models import ExportJob, ExportShard
from exports.planning import ExportFailed, Plan
from exports.reasons import sentence
from exports.receipt import Receipt
from exports.records import Options
from exports.runs import RunPlan
from exports.sources import Source, View, ViewGone
from exports.splits import Part
from exports.writing import Writing
from vi_portal.jobs.attempts import attempt, started
from vi_portal.jobs.lease import Lease, LeaseLost, Watch
from vi_portal.jobs.models import Refused, State, Worker
from vi_portal.jobs.progress import Progress
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

#: How often the holder of the export looks whether a shard has come in.
_LOOK_SECONDS = 0.02
#: So many bytes of images are a shard's worth: they pass over the disk of who writes it.
BYTES_A_SHARD = 512 * 1024 * 1024
#: What is left is dealt into at least so many, where runs are short enough.
_SHARDS_LEFT = 4


# The holder of the export


def is_large(plan: Plan) -> bool:
    """Whether there is more than one shard's worth."""
    return plan.records > settings.EXPORT_SHARD_RECORDS or plan.image_bytes > BYTES_A_SHARD


def deal(plan: Plan) -> list[list[RunPlan]]:
    """The runs in the order of the archive, in groups of about EXPORT_SHARD_RECORDS records, smaller towards the end,
    so that no worker is at a large one when the others have finished.

    No group has more than BYTES_A_SHARD of images, unless a single run has. Images beside the records are groups of
    their own: on one disk, the holder writes them, for nobody does it quicker.
    """
    dealt: list[list[RunPlan]] = []
    for _, alike in groupby(plan.runs, key=lambda run: run.images):
        runs = list(alike)
        left = sum(map(len, runs))
        group: list[RunPlan] = []
        for run in runs:
            if group and _is_too_much([*group, run], left):
                dealt.append(group)
                left -= sum(map(len, group))
                group = []
            group.append(run)
        dealt.append(group)
    return dealt


def _is_too_much(group: list[RunPlan], left: int) -> bool:
    """Whether `group` is more than a shard's worth, `left` records being left for it and those that follow."""
    records, image_bytes = sum(map(len, group)), sum(run.image_bytes for run in group)
    return records > min(settings.EXPORT_SHARD_RECORDS, left // _SHARDS_LEFT) or image_bytes > BYTES_A_SHARD


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

    def ask(self, groups: list[list[RunPlan]]) -> Iterator[uuid.UUID]:
        """Make the shards, and ring for whoever is free; their ids, in order. Raises `Refused` where another holds the
        export by now: its shards are not touched."""
        job, source, progress = self._job, self._writing.source, self._watch.progress
        assert job.lease_token is not None
        view = source.share_view()
        vocabulary = zlib.compress(msgspec.json.encode(self._writing.plan.options.labels))
        keys = sorted(uuid.uuid4() for _ in groups)  # those of one moment are taken in the order of their keys
        rows = [
            ExportShard(
                pk=key,
                export=job,
                dataset_id=job.dataset_id,
                export_token=job.lease_token,
                number=number,
                runs=[self._packed(run) for run in group],
                ids=zlib.compress(b"".join(self._ids(run).tobytes() for run in group), level=1),
                vocabulary=vocabulary if number == 0 else b"",
                revision=view.revision,
                snapshot=view.snapshot,
            )
            for number, (key, group) in enumerate(zip(keys, groups, strict=True))
        ]
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
        _discard(fragment)

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
                with Lease(shard, Progress()) as lease:
                    part = Watch(watch.lease, watch.progress, lease)
                    _write_fragment(shard, self._writing.source, self._writing.plan.options, part)
                self._written.add(pk)
            except (LeaseLost, Refused):
                watch.lease.check()  # it was the shard's that was lost: somebody else has it
            return True
        return False

    def _shards(self) -> models.QuerySet[ExportShard]:
        """Those of this attempt: whoever holds the export after us has others."""
        assert self._job.lease_token is not None
        return self._job.shards.filter(export_token=self._job.lease_token)

    def _packed(self, run: RunPlan) -> dict[str, Any]:
        plan = self._writing.plan
        steps = run.image_bytes // IMAGE_UNIT + (0 if run.images else len(run))
        packed = {"part": plan.parts[run.part].name, "number": run.number, "of": run.of, "records": len(run)}
        return packed | {"images": run.images, "steps": steps}

    def _ids(self, run: RunPlan) -> array[int]:
        return self._writing.plan.parts[run.part].ids[run.start : run.stop]


# Any other worker


def run(shard_id: uuid.UUID, *, worker: str) -> None:
    """Write the shard `shard_id`, if it is still to be written. Never raises for what can befall it."""
    open_to_all = ExportShard.objects.filter(ExportShard.waiting(), pk=shard_id).exists()
    if open_to_all and (shard := started(ExportShard, shard_id, worker=worker)):
        do(shard)


def do(shard: ExportShard) -> None:
    """Write `shard`, which was just started. Never raises for what can befall it."""

    def work(shard: ExportShard) -> None:
        spec, progress = shard.export.spec, Progress()
        try:
            with Source.open(shard.dataset, spec, view=View(shard.revision, shard.snapshot)) as source:
                options = Options(spec.normalized, spec.include_images, _vocabulary(shard))
                with Lease(shard, progress) as lease:
                    _write_fragment(shard, source, options, Watch(lease, progress))
        except ViewGone:
            log.info("Shard %s is left to the holder of its export.", shard.pk, extra={"job": str(shard.export_id)})
            shard.leave_to_the_holder()
        except StoreFailed as error:
            # The store may fail this worker alone. If it fails the holder too, the export ends with what that was told.
            if not error.lasting and shard.attempts < settings.JOB_MAX_ATTEMPTS:
                raise
            log.warning("Shard %s is left to the holder of its export. %s", shard.pk, error.what)
            shard.leave_to_the_holder()

    attempt(shard, work=work, expected=ExportFailed, reason=sentence)


# Both


def _write_fragment(shard: ExportShard, source: Source, options: Options, watch: Watch) -> None:
    """Write the runs of `shard` into a fragment, and finish the shard with it."""
    with _files_aside(shard) as (aside, spool), Receipt(spool) as receipt:
        plan = _unpacked(shard, options)
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
            _discard(key)
            raise


def _discard(key: str) -> None:
    with suppress(StoreFailed):  # then the sweep removes it
        storage.delete(key)


@contextmanager
def _files_aside(shard: ExportShard) -> Iterator[tuple[Path, Path]]:
    assert shard.lease_token is not None
    aside = storage.part_path(shard.pk, shard.lease_token)
    spool = storage.spool_path(shard.pk, shard.lease_token)
    try:
        yield aside, spool
    finally:
        aside.unlink(missing_ok=True)
        shutil.rmtree(spool, ignore_errors=True)


def _unpacked(shard: ExportShard, options: Options) -> Plan:
    """The plan of the shard: a part for each of its runs, with the ids of that run alone."""
    ids, start = array("q", zlib.decompress(shard.ids)), 0
    parts, runs = [], []
    for place, packed in enumerate(shard.runs):
        stop = start + packed["records"]
        parts.append(Part(packed["part"], ids[start:stop]))
        runs.append(RunPlan(place, packed["number"], packed["of"], 0, packed["records"], packed["images"]))
        start = stop
    return Plan(len(ids), parts, runs, 0, options)


def _vocabulary(shard: ExportShard) -> tuple[str, ...]:
    """Every label of the export, which its first shard carries."""
    packed = ExportShard.objects.values_list("vocabulary", flat=True).get(export=shard.export_id, number=0)
    return msgspec.json.decode(zlib.decompress(packed), type=tuple[str, ...])
