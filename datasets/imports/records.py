"""What a line says once it is read, whatever shape it had. No Django."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from datasets.contents import Contents, PhraseGrounding
from datasets.imports import boxes, fields
from datasets.imports.account import quoted
from datasets.imports.fields import JsonObject, Unreadable

#: What may become the uid of an asset, and part of a storage key.
UID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_MAX_UID = 255
_MAX_ASSET_ID = 64
_MAX_FILENAME = 1024
_MAX_SIDE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class AssetReference:
    """How a line names its asset; empty or None where it does not say.

    `exported` is set for lines of our own export: there `filename` is the name the image has in the archive, and
    `original_filename` what the user calls it.
    """

    asset_id: str = ""
    filename: str = ""
    original_filename: str = ""
    width: int | None = None
    height: int | None = None
    exported: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        return (self.width, self.height) if self.width and self.height else None

    def __str__(self) -> str:
        return quoted(self.filename or self.asset_id)


@dataclass(frozen=True, slots=True)
class RecordAnnotation:
    """One annotation, its boxes as they came. `doubts` are sentences for the person who sent it."""

    uid: str
    category: str | None
    contents: Contents
    doubts: tuple[str, ...] = ()


Reading: TypeAlias = RecordAnnotation | Unreadable


@dataclass(frozen=True, slots=True)
class Record:
    """One line: an asset and annotations on it, in order; one that cannot be used is there as its `Unreadable`."""

    asset: AssetReference
    annotations: list[Reading] = field(default_factory=list)

    @property
    def in_fractions(self) -> bool:
        """Whether the boxes are fractions of the image; otherwise they are pixels."""
        return boxes.are_fractions(
            box
            for annotation in self.annotations
            if isinstance(annotation, RecordAnnotation) and isinstance(annotation.contents, PhraseGrounding)
            for phrase in annotation.contents.grounded_phrases
            for box in phrase.bounds
        )


def read_reference(values: JsonObject, *, asset_id: str = "", whole_asset: bool = False) -> AssetReference:
    """The reference whose fields are in `values`; `whole_asset` for a line in the shape of our export.

    Raises `Unreadable`.
    """
    asset_id = fields.name(values, "asset_id", "assetId", limit=_MAX_ASSET_ID) or asset_id
    reference = AssetReference(
        asset_id=asset_id,
        filename=fields.name(values, "filename", limit=_MAX_FILENAME),
        original_filename=fields.name(values, "original_filename", limit=_MAX_FILENAME),
        width=_side(values, "width"),
        height=_side(values, "height"),
        exported=whole_asset and UID.fullmatch(asset_id) is not None,
    )
    if not reference.filename and not reference.asset_id:
        raise Unreadable("The line does not say which asset it is about: “filename” is missing.")
    return reference


def read_uid(values: JsonObject) -> str:
    """The annotation's own id, which may be a whole number; empty where it has none."""
    value = values.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(fields.whole(values, "id"))
    return fields.name(values, "id", limit=_MAX_UID)


def read_category(values: JsonObject) -> str | None:
    return fields.name(values, "category", limit=_MAX_UID) or None


def _side(values: JsonObject, key: str) -> int | None:
    side = fields.whole(values, key)
    if side is not None and not 0 < side <= _MAX_SIDE:
        raise Unreadable(f"“{key}” must be at least 1 px, not {side}.")
    return side
