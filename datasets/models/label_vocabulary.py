"""The labels of a dataset, kept for as long as it stays as it is."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec
from django.db import models, transaction

from datasets.models.dataset import Dataset

#: Of so many revisions of a dataset, for those who still read an earlier one.
_KEPT = 4


class LabelVocabulary(models.Model):
    """Every label that `dataset` had at `revision`: to find them again, each annotation would have to be read."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+", db_index=False)
    revision = models.PositiveBigIntegerField()
    packed = models.BinaryField()

    class Meta:
        verbose_name_plural = "label vocabularies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "revision"], name="label_vocabulary_once"),
        ]

    def __str__(self) -> str:
        return f"Labels of {self.dataset} at revision {self.revision}"

    @classmethod
    def known(cls, dataset: Dataset, revision: int) -> tuple[str, ...] | None:
        """What was kept for `dataset` at this `revision`, if it still is."""
        rows = cls.objects.filter(dataset=dataset, revision=revision)
        packed = rows.values_list("packed", flat=True).first()
        return None if packed is None else msgspec.json.decode(zlib.decompress(packed), type=tuple[str, ...])

    @classmethod
    def keep(cls, dataset: Dataset, revision: int, labels: Sequence[str], *, besides: Iterable[int] = ()) -> None:
        """Keep `labels`, and let go of what was kept of much earlier revisions, but for those of `besides`."""
        packed = zlib.compress(msgspec.json.encode(labels), level=1)
        row = LabelVocabulary(dataset=dataset, revision=revision, packed=packed)
        rows = LabelVocabulary.objects.filter(dataset=dataset)
        with transaction.atomic():
            # Somebody else may have found them as well.
            rows.bulk_create([row], ignore_conflicts=True)
            late = list(rows.order_by("-revision").values_list("revision", flat=True)[:_KEPT])
            rows.exclude(revision__in=[*late, *besides]).delete()
