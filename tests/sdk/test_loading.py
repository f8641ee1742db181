"""A dataset downloaded by the vendor's client, loaded by the vendor's loader: its counts, its pairs, its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vi.api.resources.datasets.assets.consts import IMAGE_EXTENSION_TO_MIME_TYPE_MAP
from vi.api.resources.datasets.types import DatasetExportFormat, DatasetExportOptions, DatasetExportSettings

from datasets.image_types import TYPES
from tests.exports.vi_loader import Loader, paired, vi_loader
from tests.sdk.conftest import Place
from tests.sdk.files import image, write_records


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    with vi_loader(tmp_path_factory.mktemp("home")) as loader:
        yield loader


def downloaded(place: Place, dataset: str, folder: Path, ratio: float | None) -> Path:
    wanted = DatasetExportSettings(
        format=DatasetExportFormat.VI_FULL, options=DatasetExportOptions(normalized=True, split_ratio=ratio)
    )
    found = place.client().get_dataset(dataset, export_settings=wanted, save_dir=folder, show_progress=False)
    return Path(found.save_dir)


def test_the_client_and_we_take_the_same_files_for_images() -> None:
    assert TYPES == IMAGE_EXTENSION_TO_MIME_TYPE_MAP


@pytest.mark.parametrize(
    ("name", "ratio"), [("Workshop scenes", 0.8), ("BCCD", None), ("BCCD", 0.8), ("BCCD questions", 0.5)], ids=str
)
def test_what_the_client_downloads_the_loader_pairs_and_draws(
    place: Place, tmp_path: Path, load: Loader, name: str, ratio: float | None
) -> None:
    splits = load(downloaded(place, place.datasets[name], tmp_path, ratio), None)
    assert set(splits) == ({"dump"} if ratio is None else {"training", "validation"})
    assert all(paired(split) for split in splits.values())


def test_free_texts_and_images_of_any_kind_and_name_load_too(place: Place, tmp_path: Path, load: Loader) -> None:
    kinds = {"a.PNG": "PNG", "a.png": "PNG", "same.jpg": "JPEG", "same.webp": "WEBP", "noext": "PNG", "été.gif": "GIF"}
    client = place.client()
    dataset = client.datasets.create("Notes", dataset_type="freeform").dataset_id
    client.assets.upload(
        dataset, assets_bytes=[(name, image(number, format=kind)) for number, (name, kind) in enumerate(kinds.items())]
    )
    notes = [{"asset": {"filename": name}, "contents": {"type": "Freeform", "text": f"Note {name}."}} for name in kinds]
    client.annotations.upload(dataset, write_records(tmp_path / "notes.jsonl", notes))
    splits = load(downloaded(place, dataset, tmp_path, 0.5), None)
    told = {line["contents"]["caption"] for split in splits.values() for line in paired(split).values()}
    assert told == {f"Note {name}." for name in kinds}
    assert {name: split["assets"] for name, split in splits.items()} == {"training": 3, "validation": 3}


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_split_that_leaves_a_part_empty_loads(place: Place, tmp_path: Path, load: Loader, ratio: float) -> None:
    splits = load(downloaded(place, place.datasets["BCCD"], tmp_path, ratio), None)
    assert {name: split["assets"] for name, split in splits.items()} == {
        "training": 12 * ratio,
        "validation": 12 * (1 - ratio),
    }
