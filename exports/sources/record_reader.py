"""Assets to Records, some at a time, with all that is said of them, and their images."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple

from django.db import connections
from django.db.models.functions import Collate
from isal import isal_zlib

from datasets.contents import ContentsError
from datasets.models import Asset, Dataset, DatasetType
from exports import records, stems
from exports.fetching import CHANGED_IMAGE, Content, ImageUnreadable, nothing, with_contents
from exports.findings import AssetName
from exports.part_receipt import PartReceipt
from exports.records import Member, Record
from exports.sources.assembly import assemble
from exports.sources.assets import ASSET_COLUMNS, RECORD_COLUMNS, AssetRow
from exports.sources.queries import asset_rows, in_chunks
from exports.sources.repairs import Annotations, Repairs
from exports.spec import ExportSpec
from exports.stems import Clashes

#: What the canonical text of each type begins with.
_OPENINGS = {kind.value: f'{{"type":"{kind.contents_type.__name__}"' for kind in DatasetType}


class Pair(NamedTuple):
    """A record and its image, the stored member `images/<name>`, whose chunks may raise `ImageUnreadable`.

    `labels` has the labels text of each annotation, one a line.
    """

    record: Record
    image: Member
    asset: AssetName
    labels: str


@dataclass(frozen=True)
class RecordReader:
    """Reads the assets of `dataset` as `spec` asks for them."""

    dataset: Dataset
    spec: ExportSpec

    def records(self, ids: array[int], receipt: PartReceipt) -> Iterator[Record]:
        """A Record for each asset of `ids` that has a readable annotation, in order.

        Boxes come in the unit the spec asks for, repaired where they need it; `receipt` hears of every repair
        and of everything left out.
        """
        if self.spec.encoding.typed or self._takes_images:
            yield from self._opened_records(ids, receipt)
        else:
            yield from self._passed_records(ids, receipt)

    def pairs(self, ids: array[int], receipt: PartReceipt) -> Iterator[Pair]:
        """What `records` gives, each with its image, under a name whose stem is the asset's alone.

        Only the caller knows whether the image can be had: `receipt` does not hear that an asset was written.
        """
        for asset, record, labels, content in self._read(ids, receipt):
            name = self._paired_name(asset, clashes=asset.pk in self._clashes)
            asset.report_oddities(receipt)
            yield Pair(record._replace(filename=name), asset.image_member(name, content), asset.name, labels)

    def images(self, ids: array[int], receipt: PartReceipt) -> Iterator[tuple[Member, AssetName]]:
        """The image file of each asset of `ids` as a stored member `images/<name>`, in order.

        Pulling its chunks may raise `ImageUnreadable`; `receipt` hears of the assets that have no file.
        """
        for chunk in in_chunks(ids):
            for asset, content in with_contents(AssetRow(*row) for row in asset_rows(chunk, ASSET_COLUMNS)):
                if not asset.file:
                    receipt.missing_image(asset.name, "no image was uploaded")
                    continue
                asset.report_oddities(receipt)
                yield asset.image_member(asset.member_name, content), asset.name

    @cached_property
    def _clashes(self) -> Clashes:
        """Found once, in a pass over all names of the dataset."""
        # The order of code points: that of SQLite, and in PostgreSQL to be asked for.
        order = "C" if connections["snapshot"].vendor == "postgresql" else "BINARY"
        assets = Asset.objects.using("snapshot").filter(dataset=self.dataset).order_by(Collate("member_key", order))
        return Clashes.among(assets.values_list("pk", "member_key").iterator(chunk_size=10_000))

    def _paired_name(self, asset: AssetRow, *, clashes: bool) -> str:
        return stems.paired_name(asset.member_name, uid=asset.uid, mime_type=asset.mime_type, clashes=clashes)

    def _passed_records(self, ids: array[int], receipt: PartReceipt) -> Iterator[Record]:
        """The records of a format that takes the stored texts as they are, and no images: as `_opened_records`, with
        the least that can be done for an asset. Most exports are this loop.
        """
        wrote = receipt.wrote_asset
        for chunk in in_chunks(ids):
            for pk, uid, name, original, width, height, said, labels in self._assembled(chunk, RECORD_COLUMNS):
                if said is None:
                    yield from self._opened_records(array("q", [pk]), receipt)
                    continue
                if name != original:
                    receipt.renamed(AssetName(uid, original), name)
                wrote(labels)
                yield Record(uid, name, original, width, height, said)

    def _opened_records(self, ids: array[int], receipt: PartReceipt) -> Iterator[Record]:
        """The records of any format."""
        for asset, record, labels, _ in self._read(ids, receipt):
            if record.filename != record.original_filename:
                receipt.renamed(asset.name, record.filename)
            receipt.wrote_asset(labels)
            yield record

    def _read(self, ids: array[int], receipt: PartReceipt) -> Iterator[tuple[AssetRow, Record, str, Content]]:
        repairs = Repairs(self.dataset.type, self.spec.normalized)
        for chunk in in_chunks(ids):
            rows = (AssetRow(*row) for row in self._assembled(chunk, ASSET_COLUMNS))
            for asset, content in with_contents(rows) if self._takes_images else zip(rows, repeat(nothing)):
                annotations, labels = self._said(asset) or repairs.repaired(asset, receipt)
                if not labels:
                    receipt.skipped_asset(asset.name, "none of its annotations can be read")
                    continue
                image = self._image_inside(asset, content, receipt)
                yield asset, _record(asset, annotations, image), labels, content

    def _assembled(self, chunk: list[int], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        opening = _OPENINGS[self.dataset.type]
        return assemble(chunk, columns, normalized=self.spec.normalized, opening=opening)

    def _said(self, asset: AssetRow) -> tuple[Annotations, str] | None:
        """The annotations of an asset and their labels texts, if they can stay as they are."""
        if asset.annotations is None:
            return None
        try:
            parsed = records.parse_annotations(asset.annotations) if self.spec.encoding.typed else ()
        except ContentsError:
            return None
        return (asset.annotations, parsed), asset.labels

    @property
    def _takes_images(self) -> bool:
        """Whether a record needs its image at once."""
        return self.spec.encoding.paired or self._images_inside

    @property
    def _images_inside(self) -> bool:
        return self.spec.include_images and self.spec.encoding.images == "inside"

    def _image_inside(self, asset: AssetRow, content: Content, receipt: PartReceipt) -> bytes | None:
        if not self._images_inside:
            return None
        if not asset.file:
            receipt.missing_image(asset.name, "no image was uploaded")
            return None
        try:
            image = b"".join(map(bytes, content()))
        except ImageUnreadable as error:
            receipt.missing_image(asset.name, str(error))
            return None
        if (len(image), isal_zlib.crc32(image)) != (asset.size, asset.crc32):
            receipt.missing_image(asset.name, CHANGED_IMAGE)
            return None
        asset.report_oddities(receipt)
        receipt.wrote_image()
        return image


def _record(asset: AssetRow, annotations: Annotations, image: bytes | None) -> Record:
    return Record(
        asset.uid,
        asset.member_name,
        asset.filename,
        asset.width,
        asset.height,
        *annotations,
        asset.mime_type,
        image,
    )
