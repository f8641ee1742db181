"""Annotations that cannot stay as they are stored: read one by one, and repaired or left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db.models import Case, F, When

from datasets import contents
from datasets.contents import ContentsError
from datasets.models import Annotation, DatasetType
from exports import records
from exports.part_receipt import PartReceipt
from exports.records import AnnotationRecord
from exports.sources.assets import AssetRow
from exports.sources.queries import streamed

#: JSON array, and the same typed where the format needs it.
Annotations: TypeAlias = tuple[bytes, tuple[AnnotationRecord, ...]]

_EXPECTED = {kind.value: kind.contents_type for kind in DatasetType}


@dataclass(frozen=True, slots=True)
class Repairs:
    """For a dataset of type `kind`. Boxes come in pixels, or `normalized`."""

    kind: str
    normalized: bool

    def repaired(self, asset: AssetRow, receipt: PartReceipt) -> tuple[Annotations, str]:
        """The annotations of `asset`, each opened and repaired if need be, and their labels texts, one a line.

        What cannot be read is left out; `receipt` hears of that and of every repair.
        """
        annotations, all_labels = [], []
        for row in self._rows(asset):
            try:
                annotation, labels = self._opened(asset, row, receipt)
            except ContentsError as error:
                receipt.skipped_annotation(asset.name, row[0], str(error))
                continue
            annotations.append(annotation)
            all_labels.append(labels)
        return (records.dump_annotations(annotations), tuple(annotations)), "\n".join(all_labels)

    def _rows(self, asset: AssetRow) -> Iterator[tuple[Any, ...]]:
        # A flawed annotation is repaired in pixels before anything else is done with it.
        whole = When(flawed=False, contents_normalized__isnull=False, then="contents_normalized")
        text = Case(whole, default="contents") if self.normalized else F("contents")
        rows = Annotation.objects.filter(asset=asset.pk).order_by("pk")
        columns = rows.values_list("uid", "category", text, "labels", "flawed")
        return streamed(*columns.query.get_compiler("snapshot").as_sql())

    def _opened(self, asset: AssetRow, row: tuple[Any, ...], receipt: PartReceipt) -> tuple[AnnotationRecord, str]:
        """The annotation, repaired if it is flawed, and its labels text. Raises `ContentsError`."""
        uid, category, text, labels, flawed = row
        parsed = contents.parse(text)
        if flawed:
            size = {"width": asset.width, "height": asset.height}
            parsed, flaws = contents.repair(parsed, **size)
            for flaw in flaws:
                receipt.flawed_box(asset.name, uid, flaw)
            labels = contents.dump_labels(parsed)
            parsed = contents.normalize(parsed, **size) if self.normalized else parsed
        if not isinstance(parsed, _EXPECTED[self.kind]):
            raise ContentsError(f"It is a {type(parsed).__name__} annotation in a {self.kind} dataset.")
        return AnnotationRecord(uid, category, parsed), labels
