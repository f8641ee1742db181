"""The portal's own exports, as a worker does them."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from bench.floor import scratch
from bench.measure import Outcome
from datasets.models import Dataset
from exports import planning, runner
from exports.archive import ArchiveWriter
from exports.dispatch import request_export
from exports.models import ExportJob
from exports.receipt import Receipt
from exports.sources import Source
from exports.spec import ExportSpec
from exports.writing import Writing
from vi_portal.jobs.models import State


def whole_job(dataset: Dataset, spec: ExportSpec) -> Outcome:
    """Everything between the request and the published archive: rows, lease, progress, receipt, verification."""
    job = request_export(spec, dataset=dataset, user=None, ring=False)
    runner.run(job.pk, worker="bench")
    job = ExportJob.objects.get(pk=job.pk)
    if job.state != State.FINISHED:
        raise RuntimeError(job.failure or f"The export is {job.state}.")
    return {"assets": job.assets_written, "annotations": job.annotations_written, "size": job.size}


class _Unwatched:
    """No lease, no progress."""

    def advance(self, steps: int = 1) -> None:
        pass


def encoding_alone(dataset: Dataset, spec: ExportSpec) -> Outcome:
    """Rows to a zip: no job row, no progress, nothing read back. The receipt counts, for the source tells it."""
    path = scratch("alone.zip")
    spool = Path(settings.SPOOL_DIR)
    spool.mkdir(parents=True, exist_ok=True)
    with Source.open(dataset, spec) as source, Receipt(path.parent) as receipt:
        plan = planning.plan(source, receipt, spool=spool)
        writer = ArchiveWriter(path)
        writing = Writing(plan, source, receipt, writer, _Unwatched())  # type: ignore[arg-type]
        for run in plan.runs:
            writing.write_run(run)
        writer.close()
        return {"assets": receipt.assets_written, "size": path.stat().st_size}


def discard_archives() -> None:
    """Delete what whole jobs have published."""
    ExportJob.objects.all().delete()
    for path in Path(settings.ARCHIVE_DIR).glob("*.zip"):
        path.unlink()
