"""What the tests of imports share: writing lines and images into a folder, importing it, and what is there then."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets.imports.account import Problem, Summary
from datasets.imports.importer import import_into
from datasets.models import Annotation, Dataset
from tests import cast


def line(filename: str = "line_07.jpg", **changes: Any) -> dict[str, Any]:
    """One annotation of one asset: the caption of `cast.grounding`, boxes in pixels of 1000 x 800."""
    contents = {
        "type": "PhraseGrounding",
        "caption": "A red valve left of two gauges",
        "groundedPhrases": [
            {"phrase": "red valve", "startTokenIndex": 1, "endTokenIndex": 2, "bounds": [[100, 200, 300, 400]]}
        ],
    }
    asset = {"type": "Image", "filename": filename, "width": 1000, "height": 800}
    return {"id": "a1", "asset": asset, "contents": contents} | changes


def exported(filename: str = "line_07.jpg", **changes: Any) -> dict[str, Any]:
    """One asset as our own export writes it, with one annotation."""
    one = line()
    return {
        "asset_id": "asset-7",
        "filename": filename,
        "width": 1000,
        "height": 800,
        "annotations": [{"id": "a1", "category": None, "contents": one["contents"]}],
    } | changes


def vqa_line(filename: str = "line_07.jpg", **changes: Any) -> dict[str, Any]:
    interactions = [{"order": 1, "question": "Is the valve open?", "answer": "No"}]
    return line(filename) | {"contents": {"type": "Vqa", "interactions": interactions}} | changes


def write_lines(path: Path, lines: Iterable[Any]) -> Path:
    """A JSONL file; a line that is bytes already is written as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines))
    return path


def write_image(path: Path, *, color: str = "teal", width: int = 64, height: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cast.jpeg(width, height, color=color))
    return path


def imported(dataset: Dataset, images: Path | None = None, annotations: Path | None = None) -> Outcome:
    problems: list[Problem] = []
    summary = import_into(dataset, images=images, annotations=annotations, report=problems.append)
    for count in (summary.images, summary.assets, summary.annotations):
        assert count.read == count.written + count.skipped
    assert summary.problems == len(problems)
    return Outcome(summary, problems)


def imported_lines(dataset: Dataset, folder: Path, *lines: Any) -> Outcome:
    return imported(dataset, annotations=write_lines(folder / "annotations.jsonl", lines))


def rows(dataset: Dataset) -> list[tuple[str, str, str]]:
    annotations = Annotation.objects.filter(asset__dataset=dataset).order_by("pk")
    return [(row.asset.filename, row.uid, row.contents) for row in annotations.select_related("asset")]


def filenames(dataset: Dataset) -> list[str]:
    return [asset.filename for asset in dataset.assets.order_by("pk")]


class Outcome:
    """The summary of an import, and its problems as the lines a person reads."""

    def __init__(self, summary: Summary, problems: list[Problem]) -> None:
        self.summary = summary
        self.problems = [str(problem) for problem in problems]
