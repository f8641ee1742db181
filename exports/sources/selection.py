"""Which assets an export is of, and what its plan must know of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from django.db.models import F, Value

from datasets.models import Annotation, Asset, AssetQuerySet, Dataset
from exports.findings import AssetName
from exports.sources.queries import asset_rows, in_chunks, plain_rows
from exports.spec import ExportSpec


@dataclass(frozen=True, slots=True)
class Selection:
    """The assets of `dataset` that `spec` asks for."""

    dataset: Dataset
    spec: ExportSpec

    def count(self) -> int:
        """How many assets were asked for, annotated or not."""
        return self._assets().count()

    def asked_for(self) -> Iterator[list[tuple[int, str, bool]]]:
        """(row id, public id, whether it is annotated) of every asset that was asked for, by row id, some at a time;
        but for the `imageless`.

        The public id is empty where nothing is split by it.
        """
        assets = self._assets()
        if self.spec.encoding.paired:
            assets = assets.without_imageless()
        uid = Value("") if self.spec.validation_ratio is None else F("uid")
        return plain_rows(assets.telling_annotated().order_by("pk").values_list("pk", uid, "is_annotated"))

    def imageless(self) -> Iterator[tuple[AssetName, str]]:
        """The annotated assets that make no record for want of an image, each with its annotations' labels texts,
        one a line.
        """
        if not self.spec.encoding.paired:
            return
        rows = Annotation.objects.using("snapshot").filter(asset__in=self._assets().filter(file=""))
        columns = rows.order_by("asset_id", "pk").values_list("asset__uid", "asset__filename", "labels")
        for name, found in groupby(columns.iterator(chunk_size=10_000), itemgetter(0, 1)):
            yield AssetName(*name), "\n".join(labels for _, _, labels in found)

    def names(self, ids: array[int]) -> Iterator[AssetName]:
        """What a report calls each asset of `ids`, in order."""
        return (AssetName(*row) for chunk in in_chunks(ids) for row in asset_rows(chunk, ["uid", "filename"]))

    def image_sizes(self, ids: array[int]) -> array[int]:
        """The size of the image of each asset of `ids`, in bytes."""
        found = (size for chunk in in_chunks(ids) for (size,) in asset_rows(chunk, ["size"]))
        return array("q", found)

    def _assets(self) -> AssetQuerySet:
        return self.spec.filter.apply(Asset.objects.using("snapshot").filter(dataset=self.dataset))
