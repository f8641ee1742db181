"""From rows to Records: the only stage that knows the database.

Everything is read in one transaction of its own, so an export is of one moment, whatever is edited meanwhile.
Chunks of assets are read with one query each, together with all that is said of them; no model instances are made.
Only annotations that need repair are read one by one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from django.db import DataError, OperationalError, ProgrammingError, connections, transaction
from django.db.models import Aggregate, Case, F, QuerySet, TextField, Value, When
from django.db.models.functions import Collate, Now
from isal import isal_zlib

from datasets import contents as contents_module
from datasets.contents import ContentsError
from datasets.models import Annotation, Asset, AssetQuerySet, Dataset, DatasetType
from exports import records, stems
from exports.assembly import assemble, asset_rows
from exports.fetching import Content, ImageUnreadable, nothing, with_contents
from exports.receipt import AssetName, PartReceipt
from exports.records import AnnotationRecord, Expected, Member, Record
from exports.spec import ExportSpec
from exports.stems import Clashes

#: Why an image is left out whose bytes are not those that were stored.
CHANGED_IMAGE = "the stored file is not the one that was uploaded"

_ASSETS_A_CHUNK = 200
_ASSETS_A_TALLY = 1000


class Pair(NamedTuple):
    """A record and its image, the stored member `images/<name>`, whose chunks may raise `ImageUnreadable`.

    `labels` has the labels text of each annotation, one a line.
    """

    record: Record
    image: Member
    asset: AssetName
    labels: str


class ViewGone(Exception):
    """The dataset cannot be seen as the other worker sees it."""


@dataclass(frozen=True, slots=True)
class View:
    """The dataset as one worker sees it, for another to see it likewise.

    PostgreSQL can share what a transaction sees (`snapshot`). Elsewhere it is the same as long as the dataset's
    `revision` is, which every change of its assets and annotations moves on.
    """

    revision: int
    snapshot: str

    @staticmethod
    def exported() -> str:
        if connections["snapshot"].vendor != "postgresql":
            return ""
        with connections["snapshot"].cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            (snapshot,) = cursor.fetchone()
        return str(snapshot)

    def adopt(self) -> None:
        """See what is shared, in the transaction that just began."""
        if self.snapshot:
            try:
                with connections["snapshot"].cursor() as cursor:
                    cursor.execute("SET TRANSACTION SNAPSHOT %s", [self.snapshot])
            except (DataError, ProgrammingError, OperationalError) as error:
                raise ViewGone("The snapshot is gone.") from error


@dataclass(frozen=True, slots=True)
class Source:
    """What one dataset holds at one moment, as far as `spec` asks for it."""

    dataset: Dataset
    spec: ExportSpec
    moment: datetime
    revision: int

    @classmethod
    @contextmanager
    def open(cls, dataset: Dataset, spec: ExportSpec, *, view: View | None = None) -> Iterator[Source]:
        """A source that sees the dataset as it is now, until the block ends; or as whoever shared `view` sees it.

        Raises `ViewGone` where that is not to be had any more.
        """
        with transaction.atomic(using="snapshot"):
            if view is not None:
                view.adopt()
            rows = Dataset.objects.using("snapshot").filter(pk=dataset.pk)
            moment, revision = rows.values_list(Now(), "revision").get()
            if view is not None and view.revision != revision:
                raise ViewGone("The dataset was changed since the export began.")
            yield cls(dataset, spec, moment, revision)

    def share_view(self) -> View:
        """What lets another worker see the dataset as it is here, while this source is open."""
        return View(self.revision, View.exported())

    # The plan

    def count_selected(self) -> int:
        """How many assets were asked for, annotated or not."""
        return self._selected().count()

    def asked_for(self) -> Iterator[tuple[int, str, bool]]:
        """(row id, public id, whether it is annotated) of every asset that was asked for, by row id, but for the
        `imageless`.

        The public id is empty where nothing is split by it.
        """
        assets = self._selected()
        if self.spec.encoding.paired:
            assets = assets.without_imageless()
        uid = Value("") if self.spec.validation_ratio is None else F("uid")
        return _plain_rows(assets.telling_annotated().order_by("pk").values_list("pk", uid, "is_annotated"))

    def imageless(self) -> Iterator[tuple[AssetName, str]]:
        """The annotated assets that make no record for want of an image, each with its annotations' labels texts,
        one a line.
        """
        if not self.spec.encoding.paired:
            return
        rows = Annotation.objects.using("snapshot").filter(asset__in=self._selected().filter(file=""))
        columns = rows.order_by("asset_id", "pk").values_list("asset__uid", "asset__filename", "labels")
        for name, found in groupby(columns.iterator(chunk_size=10_000), itemgetter(0, 1)):
            yield AssetName(*name), "\n".join(labels for _, _, labels in found)

    def names(self, ids: array[int]) -> Iterator[AssetName]:
        """What a report calls each asset of `ids`, in order."""
        return (AssetName(*row) for chunk in _chunks(ids) for row in asset_rows(chunk, ["uid", "filename"]))

    def labels(self) -> tuple[str, ...]:
        """Every label of the dataset, sorted, filter or not: a label keeps its number in every export."""
        found: set[str] = set()
        for texts in self._labels_texts():
            found.update(*contents_module.parse_many_labels(texts.split("\n")))
        return tuple(sorted(found))

    def image_sizes(self, ids: array[int]) -> array[int]:
        """The size of the image of each asset of `ids`, in bytes."""
        found = (size for chunk in _chunks(ids) for (size,) in asset_rows(chunk, ["size"]))
        return array("q", found)

    # The records

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
        clashes = self._clashes()
        for asset, record, labels, content in self._read(ids, receipt):
            name = self._paired_name(asset, clashes=asset.pk in clashes)
            _report_oddities(asset, receipt)
            yield Pair(record._replace(filename=name), _image_member(asset, name, content), asset.name, labels)

    def images(self, ids: array[int], receipt: PartReceipt) -> Iterator[tuple[Member, AssetName]]:
        """The image file of each asset of `ids` as a stored member `images/<name>`, in order.

        Pulling its chunks may raise `ImageUnreadable`; `receipt` hears of the assets that have no file.
        """
        for chunk in _chunks(ids):
            for asset, content in with_contents(self._asset_rows(chunk)):
                if not asset.file:
                    receipt.missing_image(asset.name, "no image was uploaded")
                    continue
                _report_oddities(asset, receipt)
                yield _image_member(asset, asset.member_name, content), asset.name

    def _selected(self) -> AssetQuerySet:
        return self.spec.filter.apply(Asset.objects.using("snapshot").filter(dataset=self.dataset))

    def _labels_texts(self) -> Iterator[str]:
        """The labels texts of the whole dataset, one a line, those of some assets at a time."""
        assets = Asset.objects.using("snapshot").filter(dataset=self.dataset).order_by("pk")
        rows = Annotation.objects.using("snapshot").filter(asset__dataset=self.dataset)
        last: int | None = 0
        while last is not None:
            first, ids = last, assets.filter(pk__gt=last).values_list("pk", flat=True)
            last = next(iter(ids[_ASSETS_A_TALLY - 1 : _ASSETS_A_TALLY]), None)
            some = rows.filter(asset__gt=first) if last is None else rows.filter(asset__gt=first, asset__lte=last)
            if texts := some.aggregate(texts=_Lines("labels"))["texts"]:
                yield texts

    def _asset_rows(self, chunk: list[int]) -> Iterator[_AssetRow]:
        return (_AssetRow(*row) for row in asset_rows(chunk, _ASSET_COLUMNS))

    def _annotation_rows(self, chunk: list[int]) -> Iterator[tuple[Any, ...]]:
        # A flawed annotation is repaired in pixels before anything else is done with it.
        whole = When(flawed=False, contents_normalized__isnull=False, then="contents_normalized")
        text = Case(whole, default="contents") if self.spec.normalized else F("contents")
        rows = Annotation.objects.filter(asset__in=chunk).order_by("asset_id", "pk")
        return _plain_rows(rows.values_list("asset_id", "uid", "category", text, "labels", "flawed"))

    def _clashes(self) -> Clashes:
        # The order of code points: that of SQLite, and in PostgreSQL to be asked for.
        order = "C" if connections["snapshot"].vendor == "postgresql" else "BINARY"
        assets = Asset.objects.using("snapshot").filter(dataset=self.dataset).order_by(Collate("member_key", order))
        return Clashes.among(assets.values_list("pk", "member_key").iterator(chunk_size=10_000))

    def _paired_name(self, asset: _AssetRow, *, clashes: bool) -> str:
        return stems.paired_name(asset.member_name, uid=asset.uid, mime_type=asset.mime_type, clashes=clashes)

    def _passed_records(self, ids: array[int], receipt: PartReceipt) -> Iterator[Record]:
        """The records of a format that takes the stored texts as they are, and no images: as `_opened_records`, with
        the least that can be done for an asset. Most exports are this loop.
        """
        wrote = receipt.wrote_asset
        for chunk in _chunks(ids):
            for pk, uid, name, original, width, height, said, labels in self._assembled(chunk, _RECORD_COLUMNS):
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

    def _read(self, ids: array[int], receipt: PartReceipt) -> Iterator[tuple[_AssetRow, Record, str, Content]]:
        for chunk in _chunks(ids):
            rows = (_AssetRow(*row) for row in self._assembled(chunk, _ASSET_COLUMNS))
            for asset, content in with_contents(rows) if self._takes_images else zip(rows, repeat(nothing)):
                annotations, labels = self._said(asset) or self._repaired(asset, receipt)
                if not labels:
                    receipt.skipped_asset(asset.name, "none of its annotations can be read")
                    continue
                image = self._image_inside(asset, content, receipt)
                yield asset, _record(asset, annotations, image), labels, content

    def _assembled(self, chunk: list[int], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        opening = _OPENINGS[self.dataset.type]
        return assemble(chunk, columns, normalized=self.spec.normalized, opening=opening)

    def _said(self, asset: _AssetRow) -> tuple[_Annotations, str] | None:
        """The annotations of an asset and their labels texts, if they can stay as they are."""
        if asset.annotations is None:
            return None
        try:
            parsed = records.parse_annotations(asset.annotations) if self.spec.encoding.typed else ()
        except ContentsError:
            return None
        return (asset.annotations, parsed), asset.labels

    def _repaired(self, asset: _AssetRow, receipt: PartReceipt) -> tuple[_Annotations, str]:
        """The same for one asset, each annotation opened and repaired if need be; what cannot be read is left out."""
        annotations, all_labels = [], []
        for row in self._annotation_rows([asset.pk]):
            try:
                annotation, labels = self._opened(asset, row, receipt)
            except ContentsError as error:
                receipt.skipped_annotation(asset.name, row[1], str(error))
                continue
            annotations.append(annotation)
            all_labels.append(labels)
        return (records.dump_annotations(annotations), tuple(annotations)), "\n".join(all_labels)

    def _opened(self, asset: _AssetRow, row: tuple[Any, ...], receipt: PartReceipt) -> tuple[AnnotationRecord, str]:
        """The annotation, repaired if it is flawed, and its labels text. Raises `ContentsError`."""
        _, uid, category, text, labels, flawed = row
        parsed = contents_module.parse(text)
        if flawed:
            size = {"width": asset.width, "height": asset.height}
            parsed, flaws = contents_module.repair(parsed, **size)
            for flaw in flaws:
                receipt.flawed_box(asset.name, uid, flaw)
            labels = contents_module.dump_labels(parsed)
            parsed = contents_module.normalize(parsed, **size) if self.spec.normalized else parsed
        if not isinstance(parsed, _EXPECTED[self.dataset.type]):
            raise ContentsError(f"It is a {type(parsed).__name__} annotation in a {self.dataset.type} dataset.")
        return AnnotationRecord(uid, category, parsed), labels

    @property
    def _takes_images(self) -> bool:
        """Whether a record needs its image at once."""
        return self.spec.encoding.paired or self._images_inside

    @property
    def _images_inside(self) -> bool:
        return self.spec.include_images and self.spec.encoding.images == "inside"

    def _image_inside(self, asset: _AssetRow, content: Content, receipt: PartReceipt) -> bytes | None:
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
        _report_oddities(asset, receipt)
        receipt.wrote_image()
        return image


class _Lines(Aggregate):
    """Texts put together by the database, one a line, in any order."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="group_concat(%(expressions)s, char(10))", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="string_agg(%(expressions)s, chr(10))", **context)


class _AssetRow(NamedTuple):
    pk: int
    uid: str
    filename: str
    member_name: str
    width: int
    height: int
    file: str
    size: int
    sha256: str
    crc32: int
    mime_type: str
    exif_orientation: int
    flaw: str
    annotations: bytes | None = None
    labels: str = ""

    @property
    def name(self) -> AssetName:
        return AssetName(self.uid, self.filename)


#: The row id, and what a record begins with.
_RECORD_COLUMNS = ("id", "uid", "member_name", "filename", "width", "height")
_ASSET_COLUMNS = ("id", *_AssetRow._fields[1:-2])

#: JSON array, and the same typed where the format needs it.
_Annotations: TypeAlias = tuple[bytes, tuple[AnnotationRecord, ...]]

_EXPECTED = {kind.value: kind.contents_type for kind in DatasetType}
#: What the canonical text of each type begins with.
_OPENINGS = {kind.value: f'{{"type":"{kind.contents_type.__name__}"' for kind in DatasetType}


def _record(asset: _AssetRow, annotations: _Annotations, image: bytes | None) -> Record:
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


def _plain_rows(rows: QuerySet[Any, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a `values_list` as the database's driver gives them.

    Django would convert row by row what needs no conversion: here only texts and numbers are asked for.
    """
    sql, parameters = rows.query.get_compiler("snapshot").as_sql()
    with connections["snapshot"].cursor() as cursor:
        cursor.execute(sql, parameters)
        while batch := cursor.fetchmany(1000):
            yield from batch


def _report_oddities(asset: _AssetRow, receipt: PartReceipt) -> None:
    if asset.flaw:
        receipt.odd_image(asset.name, "damaged", f"the image file is damaged: {asset.flaw}")
    if asset.exif_orientation != 1:
        reason = f"the image has EXIF orientation {asset.exif_orientation}, which is not applied to its boxes"
        receipt.odd_image(asset.name, "oriented", reason)


def _image_member(asset: _AssetRow, name: str, content: Content) -> Member:
    expected = Expected(asset.size, asset.crc32, asset.sha256)
    return Member(f"images/{name}", content(), False, expected)


def _chunks(ids: array[int]) -> Iterator[list[int]]:
    return (ids[start : start + _ASSETS_A_CHUNK].tolist() for start in range(0, len(ids), _ASSETS_A_CHUNK))
