"""An asset: one image of a dataset, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.files.storage import default_storage
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from datasets.models.annotation import Annotation
from datasets.models.uids import new_uid

#: What an asset's row takes over from its image.
IMAGE_COLUMNS = ("width", "height", "file", "size", "sha256", "crc32", "mime_type", "exif_orientation", "flaw")


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


class AssetQuerySet(models.QuerySet["Asset"]):
    def annotated(self) -> AssetQuerySet:
        return self.filter(_has_annotations())

    def unannotated(self) -> AssetQuerySet:
        return self.filter(~_has_annotations())

    def without_imageless(self) -> AssetQuerySet:
        """Those that are either without annotations or with an image."""
        return self.exclude(_has_annotations(), file="")

    def telling_annotated(self) -> AssetQuerySet:
        """All of them, each with `is_annotated`."""
        return self.annotate(is_annotated=_has_annotations())


class Asset(models.Model):
    """One image of a dataset.

    `filename` is what the user calls it, any text at all. `member_name` is what archives call it: safe, and
    unique in the dataset without regard to case. `flaw` says why the image cannot be decoded, if so. `file`
    is the storage key of the uploaded bytes, empty when they are not here. `custom_metadata` is what programs keep
    with it, texts, numbers and truth values by key; None is like none.
    """

    dataset = models.ForeignKey("Dataset", models.CASCADE, related_name="assets", db_index=False)
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
    # With a default, a large table would be copied when the column is added.
    custom_metadata = models.JSONField(null=True, blank=True, editable=False)
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


def _has_annotations() -> Exists:
    return Exists(Annotation.objects.filter(asset=OuterRef("pk")))
