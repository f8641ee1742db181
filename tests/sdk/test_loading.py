"""A dataset downloaded by the vendor's client, loaded by the vendor's loader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.vi_loader import Loader, paired, vi_loader
from tests.sdk.conftest import Place


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    with vi_loader(tmp_path_factory.mktemp("home")) as loader:
        yield loader


@pytest.mark.parametrize(
    ("name", "ratio"), [("Workshop scenes", None), ("BCCD", 0.8), ("BCCD questions", 0.5)], ids=str
)
def test_what_the_client_downloads_the_loader_pairs_and_draws(
    place: Place, load: Loader, tmp_path: Path, name: str, ratio: float | None
) -> None:
    from vi.api.resources.datasets.types import DatasetExportFormat, DatasetExportOptions, DatasetExportSettings

    client, dataset = place.client(), place.datasets[name]
    wanted = DatasetExportSettings(
        format=DatasetExportFormat.VI_FULL, options=DatasetExportOptions(normalized=True, split_ratio=ratio)
    )
    client.get_dataset(dataset_id=dataset, export_settings=wanted, save_dir=tmp_path, show_progress=False)
    splits = load(tmp_path / dataset, None)
    assert set(splits) == ({"dump"} if ratio is None else {"training", "validation"})
    assert all(paired(split) for split in splits.values())
