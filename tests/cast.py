"""The people and things that tests are about. Every `make_*` has a default for all it can.

Ana owns the organization Acme; Ben is her viewer, who may look but not export; Chloé belongs to another one.
"""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from isal import isal_zlib
from PIL import Image

from datasets.contents import Contents, Freeform, GroundedPhrase, Interaction, PhraseGrounding, Vqa
from datasets.geometry import Box
from datasets.models import Annotation, Asset, Dataset, DatasetType, ImageFacts, NewAnnotation, NewAsset
from vi_portal.accounts.models import Membership, Organization, Role, User

PASSWORD = "a long enough sentence"


def make_user(username: str, *, first_name: str = "", **fields: Any) -> User:
    return User.objects.create_user(username, password=PASSWORD, first_name=first_name or username.title(), **fields)


def make_organization(name: str = "Acme") -> Organization:
    return Organization.objects.create(name=name)


def make_member(
    organization: Organization, username: str, *, role: str = Role.OWNER, viewer_may_export: bool = False
) -> User:
    user = make_user(username)
    Membership.objects.create(organization=organization, user=user, role=role, viewer_may_export=viewer_may_export)
    return user


def make_dataset(
    organization: Organization | None = None,
    *,
    name: str = "Valves",
    type: str = "phrase-grounding",  # noqa: A002 - the name of the column
) -> Dataset:
    organization = organization or Organization.objects.first() or make_organization()
    return Dataset.objects.create(organization=organization, name=name, type=type)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def jpeg(width: int = 64, height: int = 48, *, color: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, "JPEG")
    return buffer.getvalue()


def make_asset(
    dataset: Dataset,
    filename: str = "line_07.jpg",
    *,
    width: int = 1000,
    height: int = 800,
    image: bytes | None = None,
    **facts: Any,
) -> Asset:
    """An asset; with `image`, its bytes are stored as an upload would store them."""
    if image is not None:
        facts |= {
            "file": default_storage.save(f"tests/{dataset.pk}.jpg", ContentFile(image)),
            "size": len(image),
            "sha256": hashlib.sha256(image).hexdigest(),
            "crc32": isal_zlib.crc32(image),
            "mime_type": "image/jpeg",
        }
    [asset] = dataset.add_assets([NewAsset(filename, ImageFacts(width=width, height=height, **facts))])
    return asset


def grounding(
    caption: str = "A red valve left of two gauges",
    phrase: str = "red valve",
    *boxes: Box,
) -> PhraseGrounding:
    """One caption with one grounded phrase, at (100, 200, 300, 400) px unless told."""
    start = caption.index(phrase)
    first = len(caption[:start].split())
    return PhraseGrounding(
        caption=caption,
        grounded_phrases=[
            GroundedPhrase(
                phrase=phrase,
                start_token_index=first,
                end_token_index=first + len(phrase.split()) - 1,
                char_span=(start, start + len(phrase)),
                bounds=list(boxes) or [(100, 200, 300, 400)],
            )
        ],
    )


def qa(*pairs: tuple[str, str]) -> Vqa:
    pairs = pairs or (("Is the valve open?", "No"),)
    return Vqa([Interaction(order=n, question=q, answer=a) for n, (q, a) in enumerate(pairs, 1)])


def freeform(text: str = "The left gauge is dirty.") -> Freeform:
    return Freeform(text)


def default_contents(dataset: Dataset) -> Contents:
    match DatasetType(dataset.type):
        case DatasetType.PHRASE_GROUNDING:
            return grounding()
        case DatasetType.VQA:
            return qa()
        case DatasetType.FREEFORM:
            return freeform()


def make_annotation(asset: Asset, contents: Contents | None = None, **fields: Any) -> Annotation:
    contents = contents or default_contents(asset.dataset)
    [annotation] = asset.dataset.add_annotations([NewAnnotation(asset, contents, **fields)])
    return annotation


def make_annotated(dataset: Dataset, count: int, *, start: int = 0) -> list[Asset]:
    """`count` assets `image_0000.jpg`…, each with one default annotation."""
    assets = dataset.add_assets(
        [NewAsset(f"image_{n:04}.jpg", ImageFacts(width=1000, height=800)) for n in range(start, start + count)]
    )
    dataset.add_annotations([NewAnnotation(asset, default_contents(dataset)) for asset in assets])
    return assets
