"""One image arrives: it is decoded to its end, and becomes an asset or takes the place of the image of one.

Another image of the same name replaces the one there. The same bytes under the same name are no news: nothing
changes, and no annotation is lost, however the sender wished replaced images to be treated.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import IO, Any, Literal, TypeAlias

from django.db import transaction

from datasets import images
from datasets.decoding import KNOWN_TYPES, ImageRefused, ImageTooLarge
from datasets.image_types import TYPES
from datasets.models import Asset, Code, Dataset, ImageFacts, NewAsset, new_uid

Outcome: TypeAlias = Literal["created", "replaced", "already_there"]

#: Other names that senders have for a type.
_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/jfif": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/x-bmp": "image/bmp",
    "image/jpx": "image/jp2",
    "image/jpm": "image/jp2",
    "image/j2k": "image/jp2",
    "image/x-jp2": "image/jp2",
    "image/tif": "image/tiff",
}


class Refused(Exception):
    """The image is not taken: a code for programs, a sentence for people."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def take_image(
    dataset: Dataset,
    file: IO[bytes],
    *,
    filename: str,
    declared: str = "",
    keep_linked: bool = True,
    custom_metadata: dict[str, Any] | None = None,
) -> tuple[Asset, Outcome]:
    """Store the image in the seekable `file` as the asset `filename`; `declared` is the type its sender gives it.

    `keep_linked` keeps the annotations of an asset whose image is replaced. `custom_metadata`, if not None, takes the
    place of what was kept with the asset. Raises `Refused`, and
    `Dataset.DoesNotExist` when the dataset was deleted meanwhile; then nothing is stored.
    """
    try:
        facts = images.store_image(file, dataset=dataset, uid=new_uid(), filename=filename)
    except ImageRefused as error:
        code = Code.BAD_SIZE if isinstance(error, ImageTooLarge) else Code.BAD_TYPE
        raise Refused(code, str(error)) from error
    try:
        _check(facts, filename, declared)
        with transaction.atomic():
            asset, outcome, replaced = _settle(dataset, facts, filename, keep_linked=keep_linked)
            if custom_metadata is not None and asset.custom_metadata != custom_metadata:
                dataset.keep_metadata(asset, custom_metadata)
    except BaseException:
        images.discard_image(facts.file)
        raise
    if outcome == "already_there":
        images.discard_image(facts.file)
    if replaced:
        images.discard_image(replaced)
    return asset, outcome


def _check(facts: ImageFacts, filename: str, declared: str) -> None:
    if facts.flaw:
        raise Refused(Code.CORRUPT, f"“{filename}” is damaged. {facts.flaw}")
    declared = declared.partition(";")[0].strip().lower()
    by_name = TYPES.get(PurePosixPath(filename).suffix.lower())
    for given in (by_name, _ALIASES.get(declared, declared)):
        if given in KNOWN_TYPES and given != facts.mime_type:
            raise Refused(
                Code.BAD_TYPE,
                f"“{filename}” says it is {given}, but its bytes are {facts.mime_type}. Give it its right name.",
            )
    if declared and declared != "application/octet-stream" and not declared.startswith("image/"):
        raise Refused(Code.BAD_TYPE, f"“{filename}” was announced as {declared}, but it is an image.")


def _settle(dataset: Dataset, facts: ImageFacts, filename: str, *, keep_linked: bool) -> tuple[Asset, Outcome, str]:
    """The rows, and the file that nobody names any more."""
    with dataset.in_turn():  # so that one name does not become two assets
        called = list(dataset.assets.filter(filename=filename).order_by("pk"))
        for asset in called:
            if asset.file and asset.sha256 == facts.sha256:
                return asset, "already_there", ""
        if not called:
            [asset] = dataset.add_assets([NewAsset(filename, facts)])
            return asset, "created", ""
        waiting = next((asset for asset in called if not asset.file), None)
        if waiting is not None:
            _check_size(waiting, facts)
            dataset.replace_image(waiting, facts, keep_annotations=True)
            return waiting, "created", ""
        [asset, *_] = called
        before = asset.file
        dataset.replace_image(asset, facts, keep_annotations=keep_linked)
        return asset, "replaced", before


def _check_size(waiting: Asset, facts: ImageFacts) -> None:
    if (waiting.width, waiting.height) != (facts.width, facts.height):
        raise Refused(
            Code.UNKNOWN,
            f"“{waiting.filename}” is {facts.width} x {facts.height} px, but its annotations were made for "
            f"{waiting.width} x {waiting.height} px. Send the image they were made on.",
        )
