"""The one door in: whoever wants an export asks here, from a page or from the shell."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import Sum

from datasets.models import Annotation, Dataset
from datasets.statistics import counts_of
from exports.models import ExportJob
from exports.spec import ExportSpec, SpecError
from vi_portal.accounts.models import User

log = logging.getLogger(__name__)

#: So many bytes of images take about as long as one annotation: to be copied, and read back.
_BYTES_AN_ANNOTATION = 4_000


def request_export(spec: ExportSpec, *, dataset: Dataset, user: User | None, ring: bool = True) -> ExportJob:
    """Queue an export of `dataset` and return its job at once; the work is done elsewhere.

    `ring=False` leaves the job to a caller that runs it itself. Raises `SpecError` with the reason when it can be
    known beforehand that nothing would come of it.
    """
    spec.check(dataset)
    assets = dataset.assets.all()
    if not assets.annotated().exists():
        raise SpecError(
            "filter",
            f"“{dataset.name}” has no annotations yet, so there is nothing to export. Annotate or import some first.",
        )
    if spec.filter and not spec.filter.apply(assets.annotated()).exists():
        raise SpecError(
            "filter",
            f"The filter ({spec.filter.in_words()}) leaves no annotated asset to export. Drop or change the filter.",
        )
    if spec.encoding.paired and not spec.filter.apply(assets.annotated()).exclude(file="").exists():
        raise SpecError(
            "format",
            f"None of the annotated assets has an image here, and {spec.encoding.label} writes no record without one. "
            "Upload the images, or choose another format.",
        )
    with transaction.atomic():
        job = ExportJob.of(spec.resolved(), dataset=dataset, user=user, workload=workload(spec, dataset))
        if ring:
            transaction.on_commit(job.ring)
    log.info("Export %s requested.", job.pk, extra={"job": str(job.pk), "dataset": str(dataset.pk)})
    return job


def workload(spec: ExportSpec, dataset: Dataset) -> int:
    """How much work `spec` seems to be now, in annotations; the bytes of images are counted as what they cost."""
    chosen = spec.filter.apply(dataset.assets.all().annotated()) if spec.filter else dataset.assets.all()
    if spec.filter:
        annotations = Annotation.objects.filter(asset__in=chosen).count()
    else:
        annotations = counts_of([dataset])[dataset.pk].annotations
    with_images = spec.include_images or spec.encoding.paired
    size = chosen.aggregate(size=Sum("size"))["size"] if with_images else 0
    return annotations + (size or 0) // _BYTES_AN_ANNOTATION


def repeat_export(job: ExportJob, *, user: User | None) -> ExportJob:
    """Ask again for what `job` was asked: same options, same seed. Raises `SpecError`."""
    return request_export(job.spec, dataset=job.dataset, user=user)
