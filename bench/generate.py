"""Datasets to measure with: seeded, and as large and as varied as real ones, in the portal's own tables.

About 10 annotations an asset, 2.2 grounded phrases and 470 bytes each; one asset in twenty has no annotations.
"""

from __future__ import annotations

import hashlib
import io
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from isal import isal_zlib
from PIL import Image

from datasets import contents as contents_module
from datasets.contents import Contents, GroundedPhrase, Interaction, PhraseGrounding, Vqa
from datasets.models import Asset, Dataset, ImageFacts, NewAsset
from vi_portal.accounts.models import Organization

_SIZES = ((1920, 1080), (1280, 720), (1000, 800), (4032, 3024))
_BATCH = 5_000

_QUALITIES = ("red", "blue", "rusty", "shiny", "cracked", "open", "closed", "small", "large", "worn", "dirty", "bent")
_THINGS = ("valve", "gauge", "pipe", "bolt", "lever", "flange", "motor", "belt", "pump", "tank", "sensor", "cable")
_MARKS = tuple(f"{letter}{number}" for letter in "ABCD" for number in range(1, 10))
_PLACES = (
    "beside the main line",
    "under the walkway",
    "next to the control box",
    "at the end of the row",
    "in front of the wall",
    "behind the grating",
)


#: A row of the table of annotations, without its id.
_Row = tuple[int, str, str | None, str, str | None, str, bool, datetime, datetime]


class _Make(Protocol):
    """Makes up the contents of an annotation."""

    def __call__(self, rng: random.Random, *, width: int, height: int) -> Contents: ...


def make_dataset(name: str, *, kind: str, assets: int, images: Sequence[bytes] | None = None) -> Dataset:
    """A dataset of `assets` assets, made once: one that is there already is taken as it is."""
    organization, _ = Organization.objects.get_or_create(name="Bench")
    found = Dataset.objects.filter(organization=organization, name=name).first()
    if found is not None:
        return found
    rng = random.Random(f"{kind} {assets}")
    with transaction.atomic():
        dataset = Dataset.objects.create(organization=organization, name=name, type=kind)
        for start in range(0, assets, _BATCH):
            numbers = range(start, min(start + _BATCH, assets))
            dataset.add_assets([_asset(number, rng, images) for number in numbers])
        make: _Make = {"phrase-grounding": _grounding, "vqa": _questions}[kind]
        rows = _annotation_rows(dataset, make, rng)
        while batch := list(islice(rows, _BATCH)):
            _insert(batch)
        dataset.touch()
    return dataset


def make_images(count: int) -> list[bytes]:
    """JPEG files of 150 to 300 kB, all different; only a few of them were worth encoding."""
    rng = random.Random(count)
    drawn = []
    for _ in range(min(count, 16)):
        noise = Image.effect_noise((1280, 960), rng.uniform(14, 26)).convert("L")
        picture = Image.merge("RGB", [noise, noise.rotate(90, expand=False), noise.rotate(180)])
        encoded = io.BytesIO()
        picture.resize((1280, 960)).save(encoded, "JPEG", quality=62)
        drawn.append(encoded.getvalue())
    # What follows the end marker is no part of the picture, but makes the file another one.
    return [drawn[number % len(drawn)] + rng.randbytes(64) for number in range(count)]


def _asset(number: int, rng: random.Random, images: Sequence[bytes] | None) -> NewAsset:
    width, height = rng.choice(_SIZES)
    uid = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    name = f"line_{number:06}.jpg"
    if images is None:
        return NewAsset(name, ImageFacts(width, height), uid)
    image = images[number]
    key = f"bench/{name}"
    path = Path(settings.MEDIA_ROOT, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image)
    facts = ImageFacts(
        1280, 960, key, len(image), hashlib.sha256(image).hexdigest(), isal_zlib.crc32(image), "image/jpeg"
    )
    return NewAsset(name, facts, uid)


def _annotation_rows(dataset: Dataset, make: _Make, rng: random.Random) -> Iterator[_Row]:
    now = timezone.now()
    for asset in Asset.objects.filter(dataset=dataset).order_by("pk").only("pk", "width", "height").iterator():
        if rng.random() < 0.05:
            continue
        for _ in range(rng.randint(6, 15)):
            uid = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            size = {"width": asset.width, "height": asset.height}
            texts = contents_module.render(make(rng, **size), **size)
            category = rng.choice((None, None, "inspection", "defect"))
            rendered = (texts.pixels, texts.normalized, texts.labels, texts.flawed)
            yield (asset.pk, uid, category, *rendered, now, now)


def _insert(rows: list[_Row]) -> None:
    columns = "asset_id, uid, category, contents, contents_normalized, labels, flawed, created_at, updated_at"
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO datasets_annotation ({columns}) VALUES ({', '.join(['%s'] * 9)})",
            rows,
        )


def _grounding(rng: random.Random, *, width: int, height: int) -> Contents:
    caption, phrases = "", []
    for position in range(rng.choice((1, 2, 2, 2, 3, 3))):
        caption += ("A ", ", and the ", " with a ")[position]
        words = _words(rng)
        first, start = len(caption.split()), len(caption)
        caption += words
        left, top = rng.uniform(0, width * 0.8), rng.uniform(0, height * 0.8)
        right, bottom = left + rng.uniform(8, width * 0.19), top + rng.uniform(8, height * 0.19)
        phrases.append(
            GroundedPhrase(
                phrase=words,
                start_token_index=first,
                end_token_index=first + words.count(" "),
                char_span=(start, start + len(words)),
                bounds=[(round(left, 1), round(top, 1), round(right, 1), round(bottom, 1))],
            )
        )
    return PhraseGrounding(f"{caption} {rng.choice(_PLACES)}", phrases)


def _words(rng: random.Random) -> str:
    mark = f" {rng.choice(_MARKS)}" if rng.random() < 0.3 else ""
    return f"{rng.choice(_QUALITIES)} {rng.choice(_THINGS)}{mark}"


def _questions(rng: random.Random, *, width: int, height: int) -> Contents:
    asked = []
    for order in range(1, rng.choice((2, 4, 5)) + 1):
        what = _words(rng)
        question = rng.choice((f"Is there a {what} {rng.choice(_PLACES)}?", f"How many {what}s can be seen?"))
        answer = rng.choice(("Yes", "No", str(rng.randint(0, 9)), f"The {what} {rng.choice(_PLACES)}"))
        asked.append(Interaction(order, question, answer))
    return Vqa(asked)
