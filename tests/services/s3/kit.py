"""What the stories of a store have in common: images in it, links to archives, and faults."""

from __future__ import annotations

import os
from io import BytesIO
from typing import Any

from django.urls import reverse
from PIL import Image

from datasets import images
from datasets.models import Dataset, NewAsset
from exports import runner, storage
from exports.models import ExportJob
from tests import cast
from tests.exports.reading import export
from vi_portal.accounts.models import User


def with_images(dataset: Dataset, count: int = 3) -> dict[str, bytes]:
    """So many annotated assets of `dataset`, and the bytes of their images."""
    stored = {}
    for number in range(count):
        name, content = f"image_{number}.jpg", cast.jpeg(64 + number)
        facts = images.store_image(BytesIO(content), dataset=dataset, uid=f"uid{number}", filename=name)
        [asset] = dataset.add_assets([NewAsset(name, facts)])
        cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 30, 40)))
        stored[name] = content
    return stored


def noisy_png(width: int = 400, height: int = 300) -> bytes:
    """An image of some hundred kilobytes, or three bytes a pixel."""
    buffer = BytesIO()
    Image.frombytes("RGB", (width, height), os.urandom(width * height * 3)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def link(job: ExportJob, user: User) -> str:
    return reverse("download", args=[job.pk, storage.sign(job.pk, user_id=user.pk), "archive.zip"])


def export_to_the_end(dataset: Dataset, **options: Any) -> ExportJob:
    """An export with all the attempts it has."""
    job = export(dataset, **options)
    while job.is_active:
        runner.run(job.pk, worker="test")
        job.refresh_from_db()
    return job
