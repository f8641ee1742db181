"""What an export would come to, told before it is asked for: counts, an estimated size, and the first record.

Only counted, never written: it answers in a moment on any dataset. What was found is kept for as long as the
dataset stays as it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import cast

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Q, Sum
from django.db.models.functions import Length

from datasets.filters import AssetFilter
from datasets.models import Annotation, AssetQuerySet, Dataset
from exports.part_receipt import PartReceipt
from exports.receipt import Receipt
from exports.records import Options, Record
from exports.sources import Source
from exports.spec import ExportSpec
from exports.splits import validation_size

#: How many assets stand for all when the size of the annotations is estimated.
SAMPLE = 200
#: What deflate leaves of annotation text, roughly.
DEFLATED = Decimal("0.25")
#: Of each asset: its identifiers and sizes, around the annotations, in characters.
_AROUND = 160
MAX_TEXT = 6000


@dataclass(frozen=True, slots=True)
class Counts:
    """The assets of a selection: all, and those that have annotations, with their images' bytes.

    `imageless` of the annotated have no image here. `text_size` is about how many characters the record of one
    asset takes.
    """

    selected: int
    annotated: int
    imageless: int
    image_bytes: int
    text_size: int


@dataclass(frozen=True, slots=True)
class FirstRecord:
    """The record of the first annotated asset, as the format lays it out for a person."""

    filename: str
    text: str
    shortened: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What `spec` would bring, as the dialog shows it. `train` and `validation` are None without a split.

    `imageless` assets make no record for want of an image, in a format that needs one.
    """

    counts: Counts
    records: int
    imageless: int
    train: int | None
    validation: int | None
    estimated_size: int
    first: FirstRecord | None

    @property
    def unannotated(self) -> int:
        return self.counts.selected - self.counts.annotated


def preview(spec: ExportSpec, *, dataset: Dataset) -> Preview:
    """Count what `spec` selects of `dataset`, and show its first record."""
    counts = count(spec.filter, dataset=dataset)
    imageless = counts.imageless if spec.encoding.paired else 0
    records = counts.annotated - imageless
    train = validation = None
    if spec.validation_ratio is not None:
        validation = validation_size(records, spec.validation_ratio)
        train = records - validation
    size = int(records * counts.text_size * DEFLATED)
    return Preview(
        counts=counts,
        records=records,
        imageless=imageless,
        train=train,
        validation=validation,
        estimated_size=size + (counts.image_bytes if spec.include_images else 0),
        first=_first_record(spec, dataset) if records else None,
    )


def count(selection: AssetFilter, *, dataset: Dataset) -> Counts:
    """The assets of `dataset` that pass `selection`."""
    key = _key("assets", dataset, selection)
    return cast(Counts, cache.get_or_set(key, lambda: _count(selection.apply(dataset.assets.all()))))


def _first_record(spec: ExportSpec, dataset: Dataset) -> FirstRecord | None:
    # The split does not change what a record looks like.
    key = _key("first", dataset, replace(spec, validation_ratio=None, seed=None))
    return cast(FirstRecord | None, cache.get_or_set(key, lambda: _read_first_record(spec, dataset)))


def _key(what: str, dataset: Dataset, asked: object) -> str:
    """Another one with every revision of the dataset."""
    digest = sha256(repr(asked).encode("utf-8", "surrogatepass")).hexdigest()
    return f"export-preview:{what}:{dataset.pk}:{dataset.revision}:{digest}"


def _count(assets: AssetQuerySet) -> Counts:
    found = assets.telling_annotated().aggregate(
        selected=Count("pk"),
        annotated=Count("pk", filter=Q(is_annotated=True)),
        imageless=Count("pk", filter=Q(is_annotated=True, file="")),
        image_bytes=Sum("size", filter=Q(is_annotated=True), default=0),
    )
    sample = list(assets.annotated().order_by("pk").values_list("pk", flat=True)[:SAMPLE])
    texts = Annotation.objects.filter(asset__in=sample).aggregate(size=Sum(Length("contents"), default=0))
    return Counts(**found, text_size=texts["size"] // max(len(sample), 1) + _AROUND)


def _read_first_record(spec: ExportSpec, dataset: Dataset) -> FirstRecord | None:
    """None where there is no readable one among the first few."""
    first = spec.filter.apply(dataset.assets.all()).annotated()
    if spec.encoding.paired:
        first = first.exclude(file="")
    ids = array("q", first.order_by("pk").values_list("pk", flat=True)[:3])
    spool = Path(settings.SPOOL_DIR)
    with Source.open(dataset, spec) as source, Receipt(spool) as receipt:
        record = next(_records(source, ids, receipt.part("")), None)
        labels = source.labels()
    if record is None:
        return None
    text = spec.encoding.preview(record, Options(spec.normalized, spec.include_images, labels))
    return FirstRecord(record.original_filename, text[:MAX_TEXT], shortened=len(text) > MAX_TEXT)


def _records(source: Source, ids: array[int], told: PartReceipt) -> Iterator[Record]:
    if source.spec.encoding.paired:
        return (pair.record for pair in source.reader.pairs(ids, told))
    return source.reader.records(ids, told)
