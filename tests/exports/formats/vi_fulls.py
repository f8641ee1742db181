"""ViFull exports, and datasets whose assets have images to go into them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from datasets.contents import Contents
from datasets.models import Asset, Dataset
from exports.models import ExportJob
from tests import cast
from tests.exports.reading import export, members

Load = Callable[[ExportJob], dict[str, Any]]


def full(dataset: Dataset, **options: Any) -> ExportJob:
    return export(dataset, format="ViFull", normalized=options.pop("normalized", True), **options)


def make_pictured(dataset: Dataset, filename: str, *contents: Contents, width: int = 64) -> Asset:
    """An annotated asset with an image, `width` x 48 px."""
    asset = cast.make_asset(dataset, filename, width=width, height=48, image=cast.jpeg(width, 48))
    if not contents and dataset.type == "phrase-grounding":
        contents = (cast.grounding("A red valve", "red valve", (5, 5, 30, 30)),)
    for each in contents or (cast.default_contents(dataset),):
        cast.make_annotation(asset, each)
    return asset


def only_line(job: ExportJob) -> dict[str, Any]:
    [text] = [content for name, content in members(job).items() if name.endswith(".jsonl")]
    loaded: dict[str, Any] = json.loads(text)
    return loaded
