"""What was exported can be imported: the same ids, names, images and contents come out of the archive."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from datasets.models import Annotation, Dataset
from tests import cast
from tests.datasets.imports.importing import imported, write_image
from tests.exports.reading import archive_path, export

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

NAMES = ("a.jpg", "A.jpg", "../evil.jpg", "evil.jpg", "CON.jpg", "工場_12.jpg", "🔧 bench.jpg", "e\u0301te\u0301.jpg")


@pytest.fixture
def valves(tmp_path: Path) -> Dataset:
    """Eight images with names of all kinds, two of them with the same one, each annotated."""
    dataset = cast.make_dataset(cast.make_organization())
    for number, name in enumerate([*NAMES, "a.jpg"]):
        write_image(tmp_path / f"{number}" / "x.jpg", color=f"rgb({number},0,0)", width=1000, height=800)
        content = (tmp_path / f"{number}" / "x.jpg").read_bytes()
        asset = cast.make_asset(dataset, name, image=content)
        cast.make_annotation(asset, category="leak" if number % 2 else None)
        box = (number / 3, 1 / 7, 999.5 - number, 800)
        cast.make_annotation(asset, cast.grounding("two valves, two valves", "valves", box), uid=f"n{number}")
    return dataset


def state(dataset: Dataset) -> list[tuple[Any, ...]]:
    rows = Annotation.objects.filter(asset__dataset=dataset).select_related("asset").order_by("asset__uid", "uid")
    return [(row.asset.uid, row.asset.filename, row.asset.sha256, row.uid, row.category, row.contents) for row in rows]


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("ratio", [None, "0.5"])
def test_with_images(valves: Dataset, tmp_path: Path, normalized: bool, ratio: str | None) -> None:
    folder = tmp_path / "unpacked"
    job = export(valves, normalized=normalized, include_images=True, ratio=ratio)
    with zipfile.ZipFile(archive_path(job)) as archive:
        archive.extractall(folder)
    copy = cast.make_dataset(name="Copy")
    outcome = imported(copy, folder, folder)
    assert outcome.problems == []
    assert state(copy) == state(valves)
    again = imported(copy, folder, folder)
    assert (again.summary.assets.written, again.summary.annotations.written) == (0, 0)
    assert imported(valves, None, folder).summary.annotations.already_there == 18


@pytest.mark.parametrize("seed", range(4))
def test_without_images(valves: Dataset, tmp_path: Path, seed: int) -> None:
    with zipfile.ZipFile(archive_path(export(valves, ratio="0.5", seed=seed))) as archive:
        archive.extractall(tmp_path / "unpacked")
    copy = cast.make_dataset(name="Copy")
    imported(copy, None, tmp_path / "unpacked")
    assert [row[:2] + row[3:] for row in state(copy)] == [row[:2] + row[3:] for row in state(valves)]
