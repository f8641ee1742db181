"""What is annotated: datasets, their assets (images) and the annotations on them.

Writing goes through the mutators of `Dataset`, which keep the derived columns true: member names, rendered
contents, and the revision that caches are keyed by.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from datasets import contents as contents_module
from datasets import names
from datasets.contents import Contents, Freeform, PhraseGrounding, Vqa
from vi_portal.accounts.models import Organization, User

_BATCH = 500
#: How many names one query looks for: three for each asset of a batch.
_LOOKED_UP = 3 * _BATCH

#: What an asset's row takes over from its image.
IMAGE_COLUMNS = ("width", "height", "file", "size", "sha256", "crc32", "mime_type", "exif_orientation", "flaw")


def new_uid() -> str:
    return str(uuid.uuid4())


class DatasetType(models.TextChoices):
    PHRASE_GROUNDING = "phrase-grounding", "Phrase grounding"
    VQA = "vqa", "Visual question answering"
    FREEFORM = "freeform", "Freeform"

    @property
    def contents_type(self) -> type[Contents]:
        """The type of the contents of every annotation in such a dataset."""
        match self:
            case DatasetType.PHRASE_GROUNDING:
                return PhraseGrounding
            case DatasetType.VQA:
                return Vqa
            case DatasetType.FREEFORM:
                return Freeform


class WrongContentsType(ValueError):
    """An annotation of one type was offered to a dataset of another."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of an image file: `width` and `height` in px as a decoder sees them, EXIF not applied.

    Each is a column of `Asset`, under the same name.
    """

    width: int
    height: int
    file: str = ""
    size: int = 0
    sha256: str = ""
    crc32: int = 0
    mime_type: str = ""
    exif_orientation: int = 1
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class NewAsset:
    filename: str
    image: ImageFacts
    uid: str = field(default_factory=new_uid)


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """`contents` has its boxes in pixels."""

    asset: Asset
    contents: Contents
    uid: str = field(default_factory=new_uid)
    category: str | None = None


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def visible_to(self, user: User) -> DatasetQuerySet:
        """The datasets of the organizations `user` belongs to."""
        return self.filter(organization__memberships__user=user)


class DatasetManager(models.Manager["Dataset"]):
    """The datasets there are. One that was deleted is not among them, though its row may still be here."""

    def get_queryset(self) -> DatasetQuerySet:
        return DatasetQuerySet(self.model, using=self._db).filter(deleted_at=None)

    def visible_to(self, user: User) -> DatasetQuerySet:
        """The datasets of the organizations `user` belongs to."""
        return self.get_queryset().visible_to(user)


class Dataset(models.Model):
    """A named set of assets whose annotations are all of one type.

    A deleted dataset keeps its row, seen by `everything` alone, until nothing refers to it any more: an archive
    that was exported before stays until it expires.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=20, choices=DatasetType.choices)
    description = models.TextField(blank=True)
    revision = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[DatasetManager] = DatasetManager()
    everything = DatasetQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "name"], name="dataset_name_once", condition=Q(deleted_at=None)
            ),
            models.CheckConstraint(condition=Q(type__in=DatasetType.values), name="dataset_type_known"),
            models.CheckConstraint(condition=~Q(name=""), name="dataset_named"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("dataset", args=[self.pk])

    # Mutators

    def add_assets(self, new_assets: Sequence[NewAsset]) -> list[Asset]:
        """Store `new_assets`, in order, each under a member name of its own in any archive of this dataset."""
        with transaction.atomic():
            rows = [
                Asset(
                    dataset=self,
                    uid=new.uid,
                    filename=new.filename,
                    member_name=name,
                    member_key=names.collision_key(name),
                    **asdict(new.image),
                )
                for new, name in zip(new_assets, self._free_names(new_assets), strict=True)
            ]
            stored = Asset.objects.bulk_create(rows, batch_size=_BATCH)
            self.touch()
        return stored

    def add_annotations(self, new_annotations: Iterable[NewAnnotation]) -> list[Annotation]:
        """Store `new_annotations`, in order. Raises `WrongContentsType` or `contents.ContentsError`."""
        rows = [self._annotation_row(new) for new in new_annotations]
        with transaction.atomic():
            stored = Annotation.objects.bulk_create(rows, batch_size=_BATCH)
            self.touch()
        return stored

    def replace_image(self, asset: Asset, image: ImageFacts, *, keep_annotations: bool) -> None:
        """Give `asset` another image. Its annotations go, or stay with their boxes at the same pixels."""
        resized = (asset.width, asset.height) != (image.width, image.height)
        asset.take_image(image)
        with transaction.atomic():
            asset.save()
            if not keep_annotations:
                asset.annotations.all().delete()
            elif resized:
                for annotation in asset.annotations.iterator(_BATCH):
                    annotation.render(annotation.parsed, width=image.width, height=image.height)
                    annotation.save()
            self.touch()

    def rename_asset(self, asset: Asset, filename: str) -> None:
        """Call `asset` by another name, in archives as well."""
        with transaction.atomic():
            Dataset.objects.select_for_update().get(pk=self.pk)
            name = names.member_name(filename)
            others = self.assets.exclude(pk=asset.pk)
            if others.filter(member_key=names.collision_key(name)).exists():
                name = names.distinguished(name, mark=asset.uid.replace("-", "")[:8])
            asset.filename, asset.member_name, asset.member_key = filename, name, names.collision_key(name)
            asset.save()
            self.touch()

    def rewrite_annotation(self, annotation: Annotation, contents: Contents) -> None:
        """Let `annotation` say something else. Raises `WrongContentsType` or `contents.ContentsError`."""
        self._check_type(contents)
        annotation.render(contents, width=annotation.asset.width, height=annotation.asset.height)
        with transaction.atomic():
            annotation.save()
            self.touch()

    def touch(self) -> None:
        """Tell caches that assets or annotations changed."""
        Dataset.objects.filter(pk=self.pk).update(revision=F("revision") + 1, updated_at=timezone.now())
        self.refresh_from_db(fields=["revision", "updated_at"])

    def _free_names(self, new_assets: Sequence[NewAsset]) -> Iterator[str]:
        """A member name for each of `new_assets` that no other asset of the dataset has."""
        wanted = [
            {names.collision_key(name): name for name in names.candidates(new.filename, uid=new.uid)}
            for new in new_assets
        ]
        taken: set[str] = set()
        for batch in _batches(sorted(set().union(*wanted))):
            taken.update(self.assets.filter(member_key__in=batch).values_list("member_key", flat=True))
        for candidates in wanted:
            key = next((key for key in candidates if key not in taken), list(candidates)[-1])
            taken.add(key)
            yield candidates[key]

    def _check_type(self, contents: Contents) -> None:
        expected = DatasetType(self.type).contents_type
        if not isinstance(contents, expected):
            raise WrongContentsType(
                f"This is a {type(contents).__name__} annotation; "
                f"the dataset “{self.name}” holds {expected.__name__} annotations."
            )

    def _annotation_row(self, new: NewAnnotation) -> Annotation:
        self._check_type(new.contents)
        row = Annotation(asset=new.asset, uid=new.uid, category=new.category)
        row.render(new.contents, width=new.asset.width, height=new.asset.height)
        return row


class AssetQuerySet(models.QuerySet["Asset"]):
    def annotated(self) -> AssetQuerySet:
        return self.filter(_has_annotations())

    def unannotated(self) -> AssetQuerySet:
        return self.filter(~_has_annotations())


class Asset(models.Model):
    """One image of a dataset.

    `filename` is what the user calls it, any text at all. `member_name` is what archives call it: safe, and
    unique in the dataset without regard to case. `flaw` says why the image cannot be decoded, if so. `file`
    is the storage key of the uploaded bytes, empty when they are not here.
    """

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="assets", db_index=False)
    uid = models.CharField(max_length=64, default=new_uid, editable=False)
    filename = models.CharField(max_length=1024)
    member_name = models.CharField(max_length=255, editable=False)
    member_key = models.CharField(max_length=255, editable=False)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    file = models.CharField(max_length=255, blank=True, editable=False)
    size = models.PositiveBigIntegerField(default=0, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)
    crc32 = models.PositiveBigIntegerField(default=0, editable=False)
    mime_type = models.CharField(max_length=100, blank=True, editable=False)
    exif_orientation = models.PositiveSmallIntegerField(default=1, editable=False)
    flaw = models.CharField(max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AssetQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["dataset", "id"], name="asset_stream"),
            models.Index(fields=["dataset", "filename"], name="asset_by_filename"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "uid"], name="asset_uid_once"),
            models.UniqueConstraint(fields=["dataset", "member_key"], name="asset_member_once"),
            models.CheckConstraint(condition=~Q(filename=""), name="asset_named"),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="asset_has_area"),
        ]

    def __str__(self) -> str:
        return self.filename

    def get_absolute_url(self) -> str:
        return reverse("asset", args=[self.dataset_id, self.uid])

    def take_image(self, image: ImageFacts) -> None:
        """Set the columns that tell of the image; the row is not saved."""
        for column in IMAGE_COLUMNS:
            setattr(self, column, getattr(image, column))

    def open_image(self) -> Any:
        """The uploaded bytes as a binary file. Raises `OSError` when they are not here."""
        if not self.file:
            raise FileNotFoundError(f"No image was uploaded for {self.filename}.")
        return default_storage.open(self.file)


class IsJson(models.Func):
    """Whether a text column holds JSON: SQLite answers no, PostgreSQL refuses the row."""

    output_field = models.BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="JSON_VALID(%(expressions)s)", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "((%(expressions)s)::json IS NOT NULL)"
        return super().as_sql(compiler, connection, template=template, **context)


class Annotation(models.Model):
    """What somebody said about one asset.

    `contents` is the canonical JSON with boxes in pixels, as they came. The other texts are derived from it by
    `render`: `contents_normalized` (null where it would be the same), `labels` (what it is about, counted), and
    `flawed`, set when an export must repair a box before it can write this annotation.
    """

    asset = models.ForeignKey(Asset, models.CASCADE, related_name="annotations", db_index=False)
    uid = models.CharField(max_length=255, default=new_uid, editable=False)
    category = models.CharField(max_length=255, null=True, blank=True)
    contents = models.TextField(editable=False)
    contents_normalized = models.TextField(null=True, editable=False)
    labels = models.TextField(editable=False)
    flawed = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["asset", "id"], name="annotation_stream")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["asset", "uid"], name="annotation_uid_once"),
            models.CheckConstraint(condition=IsJson(F("contents")), name="annotation_contents_json"),
        ]

    def __str__(self) -> str:
        return self.uid

    @property
    def parsed(self) -> Contents:
        """The typed contents, boxes in pixels."""
        return contents_module.parse(self.contents)

    def render(self, contents: Contents, *, width: int, height: int) -> None:
        """Set the stored texts from `contents`; the row is not saved."""
        rendered = contents_module.render(contents, width=width, height=height)
        self.contents = rendered.pixels
        self.contents_normalized = rendered.normalized
        self.labels = rendered.labels
        self.flawed = rendered.flawed


def _has_annotations() -> Exists:
    return Exists(Annotation.objects.filter(asset=OuterRef("pk")))


def _batches(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _LOOKED_UP] for start in range(0, len(values), _LOOKED_UP))


# Models that live beside their stories
import datasets.imports.models  # noqa: E402
import datasets.uploads.models  # noqa: E402, F401
