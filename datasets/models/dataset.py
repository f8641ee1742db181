"""A dataset, and how it is written to.

Writing goes through the mutators of `Dataset`, which keep the derived columns true: member names, rendered
contents, and the revision that caches are keyed by.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from datasets import names
from datasets.contents import Contents, Freeform, PhraseGrounding, Vqa
from datasets.models.annotation import RENDERED_COLUMNS, Annotation
from datasets.models.asset import Asset, ImageFacts
from datasets.models.uids import new_uid
from vi_portal.accounts.models import Organization, User

_BATCH = 500
#: How many names one query looks for: three for each asset of a batch.
_LOOKED_UP = 3 * _BATCH


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
    """A named set of assets whose annotations are all of one type. `attributes` are texts that programs keep with it.

    A deleted dataset keeps its row, seen by `everything` alone, until nothing refers to it any more: an archive
    that was exported before stays until it expires.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=20, choices=DatasetType.choices)
    description = models.TextField(blank=True)
    attributes = models.JSONField(default=dict, blank=True, editable=False)
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

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """A transaction that no other writer to this dataset is in meanwhile; what is read in it stays true to its end.

        Raises `DoesNotExist` where the dataset was deleted.
        """
        with transaction.atomic():
            Dataset.objects.select_for_update().get(pk=self.pk)
            yield

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
        """Call `asset` by another name, in archives as well. Raises `DoesNotExist` where it was deleted."""
        with self.in_turn():
            asset.refresh_from_db()  # it may have another image by now
            wanted = _wanted_names(filename, asset.uid)
            others = self.assets.exclude(pk=asset.pk).filter(member_key__in=wanted)
            key = _first_free(wanted, set(others.values_list("member_key", flat=True)))
            asset.filename, asset.member_name, asset.member_key = filename, wanted[key], key
            asset.save()
            self.touch()

    def keep_metadata(self, asset: Asset, custom_metadata: dict[str, Any]) -> None:
        """Let programs find `custom_metadata` with `asset`, in place of what was there."""
        asset.custom_metadata = custom_metadata
        with transaction.atomic():
            asset.save(update_fields=["custom_metadata", "updated_at"])
            self.touch()

    def rewrite_annotation(self, annotation: Annotation, contents: Contents) -> None:
        """Let `annotation`, which was read `in_turn`, say something else.

        Raises `WrongContentsType` or `contents.ContentsError`.
        """
        self._check_type(contents)
        annotation.render(contents, width=annotation.asset.width, height=annotation.asset.height)
        with transaction.atomic():
            annotation.save(update_fields=(*RENDERED_COLUMNS, "updated_at"))
            self.touch()

    def touch(self) -> None:
        """Tell caches that assets or annotations changed."""
        Dataset.objects.filter(pk=self.pk).update(revision=F("revision") + 1, updated_at=timezone.now())
        self.refresh_from_db(fields=["revision", "updated_at"])

    def _free_names(self, new_assets: Sequence[NewAsset]) -> Iterator[str]:
        """A member name for each of `new_assets` that no other asset of the dataset has."""
        wanted = [_wanted_names(new.filename, new.uid) for new in new_assets]
        taken: set[str] = set()
        for batch in _batches(sorted(set().union(*wanted))):
            taken.update(self.assets.filter(member_key__in=batch).values_list("member_key", flat=True))
        for candidates in wanted:
            key = _first_free(candidates, taken)
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


def _wanted_names(filename: str, uid: str) -> dict[str, str]:
    """The member names for an asset, each by its key, in the order they are to be tried."""
    return {names.collision_key(name): name for name in names.candidates(filename, uid=uid)}


def _first_free(wanted: dict[str, str], taken: set[str]) -> str:
    """The key of the first of `wanted` that is not `taken`; else of the last, which nobody else has."""
    return next((key for key in wanted if key not in taken), list(wanted)[-1])


def _batches(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _LOOKED_UP] for start in range(0, len(values), _LOOKED_UP))
