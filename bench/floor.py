"""What there is to compare with: the least that any export must do, and the way one would write it first.

The floors read the portal's own tables with the bare sqlite3 module, on the path the export's queries take.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings

from bench.measure import Outcome
from datasets.models import Dataset


def fetch_only(dataset: Dataset) -> Outcome:
    """Read every row and throw it away."""
    assets, annotations = _cursors(dataset)
    return {"assets": sum(1 for _ in assets), "annotations": sum(1 for _ in annotations)}


def anchor(dataset: Dataset) -> Outcome:
    """Two ordered cursors merged, `orjson.loads` an annotation, `orjson.dumps` an asset; no zip, nothing deflated."""
    assets, annotations = _cursors(dataset)
    owned = groupby(annotations, itemgetter(0))
    owner, rows = next(owned, (None, iter(())))
    written = 0
    path = scratch("anchor.jsonl")
    with path.open("wb") as file:
        for pk, uid, filename, width, height in assets:
            if pk != owner:
                continue
            line = {"asset_id": uid, "filename": filename, "width": width, "height": height}
            line["annotations"] = [{"id": row[1], "category": row[2], "contents": orjson.loads(row[3])} for row in rows]
            file.write(orjson.dumps(line) + b"\n")
            written += 1
            owner, rows = next(owned, (None, iter(())))
    return {"assets": written, "size": _size_of(path)}


def obvious(dataset: Dataset) -> Outcome:
    """Model instances with `prefetch_related`, the json module, one text in a deflated zip."""
    lines = []
    for asset in dataset.assets.prefetch_related("annotations").order_by("pk"):
        annotations = [
            {"id": one.uid, "category": one.category, "contents": json.loads(one.contents)}
            for one in asset.annotations.all()
        ]
        if annotations:
            line = {"asset_id": asset.uid, "filename": asset.filename, "width": asset.width, "height": asset.height}
            lines.append(json.dumps(line | {"annotations": annotations}))
    path = scratch("obvious.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations.jsonl", "\n".join(lines))
    return {"assets": len(lines), "size": _size_of(path)}


def cat(dataset: Dataset) -> Outcome:
    """The images of the annotated assets, by `cat` into one file."""
    path = scratch("cat")
    images = _image_paths(dataset)
    with path.open("wb") as file:
        subprocess.run(["cat", *map(str, images)], stdout=file, check=True)
    return {"assets": len(images), "size": _size_of(path)}


def zipfile_stored(dataset: Dataset) -> Outcome:
    """The same images by the zipfile module, stored."""
    path = scratch("stored.zip")
    images = _image_paths(dataset)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for image in images:
            archive.write(image, f"images/{image.name}")
    return {"assets": len(images), "size": _size_of(path)}


def nothing(dataset: Dataset) -> Outcome:
    """A fork that ends at once: its memory is what all others start from."""
    return {}


def scratch(name: str) -> Path:
    """A file for what is only measured and then thrown away."""
    folder = Path(settings.DATA_DIR, "scratch")
    folder.mkdir(exist_ok=True)
    return folder / name


def discard_scratch() -> None:
    shutil.rmtree(Path(settings.DATA_DIR, "scratch"), ignore_errors=True)


def _cursors(dataset: Dataset) -> tuple[Iterator[Any], Iterator[Any]]:
    database, key = _database(), dataset.pk.hex
    span = database.execute("SELECT min(id), max(id) FROM datasets_asset WHERE dataset_id = ?", [key]).fetchone()
    assets = database.execute(
        "SELECT id, uid, filename, width, height FROM datasets_asset WHERE dataset_id = ? ORDER BY id", [key]
    )
    # A dataset is generated in one go, so its assets are all of this span.
    annotations = database.execute(
        "SELECT asset_id, uid, category, contents FROM datasets_annotation "
        "WHERE asset_id BETWEEN ? AND ? ORDER BY asset_id, id",
        span,
    )
    return assets, annotations


def _image_paths(dataset: Dataset) -> list[Path]:
    keys = _database().execute(
        "SELECT file FROM datasets_asset asset WHERE dataset_id = ? "
        "AND EXISTS (SELECT 1 FROM datasets_annotation WHERE asset_id = asset.id) ORDER BY id",
        [dataset.pk.hex],
    )
    return [Path(settings.MEDIA_ROOT, key) for (key,) in keys]


def _database() -> sqlite3.Connection:
    database = sqlite3.connect(settings.DATABASES["default"]["NAME"])
    database.execute("PRAGMA cache_size=-8000")
    return database


def _size_of(path: Path) -> int:
    return path.stat().st_size
