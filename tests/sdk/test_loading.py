"""A dataset downloaded by the vendor's client, loaded by the vendor's loader."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exports.vi_loader import paired, vi_loader
from tests.sdk.conftest import Place


@pytest.mark.parametrize(
    ("name", "ratio"), [("Workshop scenes", None), ("BCCD", 0.8), ("BCCD questions", 0.5)], ids=str
)
def test_what_the_client_downloads_the_loader_pairs_and_draws(
    place: Place, tmp_path: Path, name: str, ratio: float | None
) -> None:
    from vi.api.resources.datasets.types import DatasetExportFormat, DatasetExportOptions, DatasetExportSettings

    client, dataset = place.client(), place.datasets[name]
    wanted = DatasetExportSettings(
        format=DatasetExportFormat.VI_FULL, options=DatasetExportOptions(normalized=True, split_ratio=ratio)
    )
    client.get_dataset(dataset_id=dataset, export_settings=wanted, save_dir=tmp_path, show_progress=False)
    home = tmp_path / "home"
    home.mkdir()
    with vi_loader(home) as load:
        splits = load(tmp_path / dataset, None)
    assert set(splits) == ({"dump"} if ratio is None else {"training", "validation"})
    assert all(paired(split) for split in splits.values())
