"""Deleting: what goes with a dataset, an asset or an annotation, and in which order.

Rows go before files: a file that no row names is rubbish, a row that names a missing file is a lie. Nothing here
asks who may; the doors do.
"""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from datasets.images import discard_images
from datasets.models import Annotation, Asset, Dataset, LabelVocabulary
from vi_portal.giving_way import GivingWay
from vi_portal.jobs.models import ACTIVE, Job, Refused, kinds
from vi_portal.s3 import store_of

log = logging.getLogger(__name__)

_BATCH = 500
#: So long one round of the sweep removes assets of deleted datasets, so that it has time for the rest.
_PURGING_SECONDS = 4.0
#: And how many of these datasets.
_LOOKED_AT = 20


def remove_dataset(dataset: Dataset, *, by: str) -> bool:
    """Delete `dataset`: from now on nobody sees it, and its name is free. Its jobs stop. The sweep removes its rows
    and files; archives exported before stay until they expire. False when somebody else deleted it first."""
    removed = Dataset.objects.filter(pk=dataset.pk).update(deleted_at=timezone.now())
    if not removed:
        return False
    for kind in kinds():
        for job in _jobs_of(kind, dataset).filter(state__in=ACTIVE):
            try:
                job.cancel(by=by)
            except Refused:
                continue  # it ended by itself meanwhile
    return True


def remove_assets(dataset: Dataset, assets: QuerySet[Asset]) -> int:
    """Delete those of `assets`, all of `dataset`, with their annotations, images and thumbnails; return how many."""
    removed, giving_way = 0, GivingWay()
    while keys := list(assets.order_by("pk").values_list("pk", "file")[:_BATCH]):
        with transaction.atomic():
            dataset.touch()  # first: whoever writes to the dataset now waits for its row, as we do
            _delete_rows([pk for pk, _ in keys])
        discard_images(file for _, file in keys if file)
        removed += len(keys)
        giving_way.between()
    return removed


def remove_annotation(annotation: Annotation) -> None:
    """Delete `annotation`; its asset stays."""
    dataset = annotation.asset.dataset
    with transaction.atomic():
        dataset.touch()
        Annotation.objects.filter(pk=annotation.pk).delete()


def purge_deleted() -> None:
    """Remove what deleted datasets left: assets for a few seconds, and the row of each when nothing refers to it."""
    until, giving_way = time.monotonic() + _PURGING_SECONDS, GivingWay()
    deleted = Dataset.everything.exclude(deleted_at=None).order_by("deleted_at")
    full = Exists(Asset.objects.filter(dataset=OuterRef("pk")))
    for dataset in deleted.filter(full)[:_LOOKED_AT]:
        assets = dataset.assets.order_by("pk").values_list("pk", "file")
        while time.monotonic() < until and (keys := list(assets[:_BATCH])):
            with transaction.atomic():
                _delete_rows([pk for pk, _ in keys])
            discard_images(file for _, file in keys if file)
            giving_way.between()
        if time.monotonic() >= until:
            return
    LabelVocabulary.objects.filter(dataset__in=deleted).delete()
    for dataset in deleted.exclude(full).exclude(_needed())[:_LOOKED_AT]:
        if _remove_files(dataset):
            Dataset.everything.filter(pk=dataset.pk).delete()


def _delete_rows(keys: list[int]) -> None:
    Annotation.objects.filter(asset__in=keys).delete()
    Asset.objects.filter(pk__in=keys).delete()


def _remove_files(dataset: Dataset) -> bool:
    """Remove what is still below the folders of the dataset, whose rows are gone: images that a program was killed over
    before it had written their rows, and what a store failed to remove. Raises `StoreFailed`; False where something on
    disk stays for now."""
    if (store := store_of("default")) is not None:
        for name in _folders(dataset):
            store.delete_all(found.name for found in store.listing(f"{name}/"))
        return True
    folders = [Path(default_storage.path(name)) for name in _folders(dataset)]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    left = [str(folder) for folder in folders if folder.exists()]
    if left:
        log.warning("Not everything of a deleted dataset could be removed, so its row stays: %s", ", ".join(left))
    return not left


def _folders(dataset: Dataset) -> tuple[str, str]:
    """Where the images are, and the thumbnails, as a storage knows them: of this dataset alone."""
    below = f"{dataset.organization_id}/{dataset.pk}"
    return below, f"thumbnails/{below}"


def _needed() -> Q:
    """Datasets with a job that other parts still keep; a job that keeps nothing goes with its dataset."""
    needed = Q(pk__in=[])
    for kind in kinds():
        needed |= Q(pk__in=kind._default_manager.filter(kind.kept()).values_list(F("dataset"), flat=True))
    return needed


def _jobs_of(kind: type[Job], dataset: Dataset) -> QuerySet[Job]:
    return kind._default_manager.filter(Q(dataset=dataset))
