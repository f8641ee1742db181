"""The one door in: whoever wants an export asks here, from a page or from the shell."""

from __future__ import annotations

import logging

from django.db import transaction

from datasets.models import Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec, SpecError
from vi_portal.accounts.models import User

log = logging.getLogger(__name__)


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
        job = ExportJob.of(spec.resolved(), dataset=dataset, user=user)
        if ring:
            transaction.on_commit(job.ring)
    log.info("Export %s requested.", job.pk, extra={"job": str(job.pk), "dataset": str(dataset.pk)})
    return job


def repeat_export(job: ExportJob, *, user: User | None) -> ExportJob:
    """Ask again for what `job` was asked: same options, same seed. Raises `SpecError`."""
    return request_export(job.spec, dataset=job.dataset, user=user)
