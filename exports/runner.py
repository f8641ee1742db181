"""The story of one export: start, plan, write, check, publish, finish.

Whatever goes wrong becomes the sentence in the job's row, and no file is left behind.
"""

from __future__ import annotations

import errno
import logging
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from datasets.models import DatasetType
from exports import archive, splits, storage
from exports.archive import ArchiveWriter, Checked, DamagedArchive
from exports.media import IMAGE_UNIT, Media
from exports.models import ExportJob
from exports.receipt import FILENAME, NO_ANNOTATIONS, Receipt
from exports.records import Member, Options, Record, Split
from exports.sources import Source
from exports.splits import Part
from vi_portal.jobs.attempts import attempt
from vi_portal.jobs.lease import Lease, Watch
from vi_portal.jobs.models import Refused
from vi_portal.jobs.progress import Progress

log = logging.getLogger(__name__)

#: What the labels of an annotation count.
_COUNTED = {DatasetType.PHRASE_GROUNDING: "boxes", DatasetType.VQA: "interactions"}


class ExportFailed(Exception):
    """The export cannot be had; the message is the sentence for the job's row."""


def run(job_id: uuid.UUID, *, worker: str, progress: Progress | None = None) -> None:
    """Do the export `job_id`, if it is still to be done. Never raises for what can befall an export."""
    progress = progress or Progress()

    def work(job: ExportJob) -> None:
        with _files_aside(job) as (aside, spool), Lease(job, progress) as lease:
            _export(job, aside, spool, Watch(lease, progress))

    attempt(ExportJob, job_id, worker=worker, work=work, expected=ExportFailed, reason=_reason)


@contextmanager
def _files_aside(job: ExportJob) -> Iterator[tuple[Path, Path]]:
    """The file that is written aside and the spool folder.

    Both are gone before the row is told how it ended: on a full disk it needs the room they took.
    """
    assert job.lease_token is not None
    aside = storage.part_path(job.pk, job.lease_token)
    spool = storage.spool_path(job.pk, job.lease_token)
    try:
        yield aside, spool
    finally:
        aside.unlink(missing_ok=True)
        shutil.rmtree(spool, ignore_errors=True)


def _export(job: ExportJob, aside: Path, spool: Path, watch: Watch) -> None:
    with Source.open(job.dataset, job.spec) as source, Receipt(spool) as receipt:
        plan = _plan(source, receipt, spool, watch.progress)
        _write(plan, source, receipt, aside, watch, head=_head(job, source))
    checked = _check(aside, watch)
    watch.lease.check()
    _publish(job, aside, plan, receipt, checked, moment=source.moment)


@dataclass(frozen=True, slots=True)
class _Plan:
    selected: int
    parts: list[Part]
    image_bytes: dict[str, int]
    options: Options

    @property
    def records(self) -> int:
        return sum(len(part.ids) for part in self.parts)


def _plan(source: Source, receipt: Receipt, spool: Path, progress: Progress) -> _Plan:
    """Which assets go where. Raises `ExportFailed` when there is nothing to write."""
    progress.enter("Planning", until=2, total=1)
    spec = source.spec
    for asset in source.unannotated():
        receipt.skipped_asset(asset, NO_ANNOTATIONS, expected=True)
    for asset, texts in source.imageless():
        receipt.skipped_pair(asset, "no image was uploaded", texts)
    annotated = source.annotated()
    if spec.validation_ratio is None:
        parts = splits.whole(annotated)
    else:
        assert spec.seed is not None
        parts = splits.partition(annotated, ratio=spec.validation_ratio, seed=spec.seed)
    if not any(part.ids for part in parts):
        wanted = "annotations and an image" if spec.encoding.paired else "annotations"
        raise ExportFailed(
            f"None of the {source.count_selected()} selected assets has {wanted}, so nothing was written. "
            "Annotate some, or drop the filter."
        )
    images = {part.name: source.image_bytes(part.ids) if spec.include_images else 0 for part in parts}
    labels = source.labels() if spec.encoding.numbers else ()
    options = Options(spec.normalized, spec.include_images, labels, spool)
    return _Plan(source.count_selected(), parts, images, options)


def _write(plan: _Plan, source: Source, receipt: Receipt, aside: Path, watch: Watch, *, head: dict[str, Any]) -> None:
    """Write every member into the file `aside`, the receipt with its `head` last."""
    units = plan.records + sum(plan.image_bytes.values()) // IMAGE_UNIT
    watch.progress.enter("Writing annotations", until=80, total=units)
    writer = ArchiveWriter(aside)
    try:
        writing = _Writing(plan, source, receipt, writer, watch)
        for part in plan.parts:
            writing.write_part(part)
        writing.write_members(source.spec.encoding.companions(plan.options))
        _account(plan, source, receipt)
        counted = _COUNTED.get(DatasetType(source.dataset.type), "")
        writer.add(Member(FILENAME, receipt.chunks(head=head, counted=counted)))
        writer.close()
    finally:
        writer.discard()


@dataclass(frozen=True, slots=True)
class _Writing:
    """Takes the members of each part from source and encoder to the archive, and tells the receipt."""

    plan: _Plan
    source: Source
    receipt: Receipt
    archive: ArchiveWriter
    watch: Watch

    def write_part(self, part: Part) -> None:
        spec, told = self.source.spec, self.receipt.part(part.name)
        encoding, media = spec.encoding, Media(self.source, self.archive, self.receipt, self.watch)
        split = Split(encoding.folder(part.name), len(part.ids), self.plan.image_bytes[part.name], ())
        records = media.pair(part, split, told) if encoding.paired else self.source.records(part.ids, told)
        split = replace(split, records=self._watched(records))
        self.write_members(encoding.encode(split, self.plan.options))
        if spec.include_images and encoding.images == "beside":
            media.write_beside(part, split, told)

    def write_members(self, members: Iterable[Member]) -> None:
        for member in members:
            self.receipt.wrote_member(self.archive.add(member))

    def _watched(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            yield record
            self.watch.advance()


def _account(plan: _Plan, source: Source, receipt: Receipt) -> None:
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


def _check(aside: Path, watch: Watch) -> Checked:
    """Read the file aside back, as a whole."""
    watch.progress.enter("Checking the archive", until=99, total=aside.stat().st_size)
    return archive.check(aside, on_bytes=watch.advance)


def _publish(job: ExportJob, aside: Path, plan: _Plan, receipt: Receipt, checked: Checked, *, moment: datetime) -> None:
    """One rename makes the file visible, one update the row; if that is refused, the file goes."""
    key = storage.publish(aside)
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
            warnings=receipt.warnings(),
            expires_at=timezone.now() + timedelta(days=settings.EXPORT_RETENTION_DAYS),
        )
    except Refused:
        storage.delete(key)
        raise
    log.info(
        "Export %s finished: %d assets, %d bytes.",
        job.pk,
        receipt.assets_written,
        checked.size,
        extra={"job": str(job.pk)},
    )


def _reason(error: Exception) -> str:
    """The sentence for the row."""
    if isinstance(error, ExportFailed):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full, so the archive could not be written. Free some space, then retry."
    if isinstance(error, DamagedArchive):
        return "The archive did not read back as it was written, so it was not published. Check the disk, then retry."
    return (
        "Something unexpected went wrong; the log has the details under this export's id. "
        "Retry, or tell your administrator."
    )
