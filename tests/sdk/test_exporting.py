"""Exporting and downloading with the vendor's client, and what it makes of odd wishes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from vi.api.resources.consts import RESOURCE_WAITER_POLL_INTERVAL_SECONDS
from vi.api.resources.datasets.types import DatasetExportFormat, DatasetExportSettings
from vi.client.errors import ViAuthenticationError, ViValidationError

from tests.sdk.conftest import Place

BCCD = "BCCD"


def noting_sleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long the client slept each time from now on, in seconds."""
    slept: list[float] = []
    sleep = time.sleep

    def sleep_and_note(seconds: float) -> None:
        slept.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", sleep_and_note)
    return slept


def test_annotations_are_downloaded_at_once(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = place.client()
    client.annotations.download(dataset_id=place.datasets[BCCD], save_dir=tmp_path / "warm", show_progress=False)
    slept = noting_sleep(monkeypatch)
    result = client.annotations.download(dataset_id=place.datasets[BCCD], save_dir=tmp_path / "an", show_progress=False)
    assert RESOURCE_WAITER_POLL_INTERVAL_SECONDS not in slept, "the client waited for its second poll"
    assert str(place.datasets[BCCD]) in result.summary()
    [file] = (tmp_path / "an").rglob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 364
    assert not list((tmp_path / "an").rglob("*.jpg"))


def test_a_dataset_is_downloaded_with_its_images(place: Place, tmp_path: Path) -> None:
    client, dataset = place.client(), place.datasets["Workshop scenes"]
    client.get_dataset(dataset_id=dataset, save_dir=tmp_path, show_progress=False)
    images = {path.stem for path in (tmp_path / dataset / "dump" / "images").iterdir() if path.is_file()}
    lines = {path.stem for path in (tmp_path / dataset / "dump" / "annotations").glob("*.jsonl")}
    assert images == lines
    assert len(images) > 10


def test_settings_may_be_a_dictionary_for_a_dataset_as_well(place: Place, tmp_path: Path) -> None:
    client, dataset = place.client(), place.datasets["Gauge questions"]
    wanted = {"format": DatasetExportFormat.VI_FULL, "options": {"split_ratio": 0.8}}
    result = client.get_dataset(dataset, export_settings=wanted, save_dir=tmp_path)
    assert set(result.splits) == {"training", "validation"}
    assert result.annotation_count["training"] > result.annotation_count["validation"] > 0
    result.info()


def test_annotations_are_downloaded_as_tfrecord_and_over_what_was_there(place: Place, tmp_path: Path) -> None:
    client, dataset = place.client(), place.datasets["BCCD questions"]
    wanted = DatasetExportSettings(format=DatasetExportFormat.VI_TFRECORD)
    client.annotations.download(dataset, save_dir=tmp_path)
    kept = client.annotations.download(dataset, export_settings=wanted, save_dir=tmp_path)
    assert not list(tmp_path.rglob("*.tfrecord")), "the client keeps what is there"
    client.annotations.download(dataset, export_settings=wanted, save_dir=tmp_path, overwrite=True)
    assert list(kept.save_path.rglob("*.tfrecord"))


def test_a_full_export_is_no_download_of_annotations(place: Place, tmp_path: Path) -> None:
    wanted = DatasetExportSettings(format=DatasetExportFormat.VI_FULL)
    with pytest.raises(ViValidationError, match="ViFull"):
        place.client().annotations.download(place.datasets[BCCD], export_settings=wanted, save_dir=tmp_path)


@pytest.mark.parametrize(
    ("wanted", "format_told", "share"),
    [
        ({"format": "ViJsonl", "options": {"normalized": True, "splitRatio": None}}, "ViJsonl", None),
        ({"format": "VI_JSONL", "options": {"split_ratio": 0.8}}, "ViJsonl", 0.8),
        ({"format": "vi-tfrecord", "options": {"normalized": False, "splitRatio": "0.25"}}, "ViTfrecord", 0.25),
        ({"format": "ViFull", "options": {"splitRatio": 1}}, "ViFull", 1.0),
        ({}, "ViFull", None),
    ],
)
def test_settings_are_taken_in_any_spelling_and_echoed_in_one(
    place: Place, wanted: dict[str, Any], format_told: str, share: float | None
) -> None:
    export = place.client().datasets.create_export(place.datasets[BCCD], wanted)
    assert export.spec.format.value == format_told
    assert export.spec.options.split_ratio == share
    assert export.spec.options.normalized is wanted.get("options", {}).get("normalized", True)


def test_a_split_ratio_is_the_share_for_training(place: Place, tmp_path: Path) -> None:
    client, dataset = place.client(), place.datasets[BCCD]
    export = client.datasets.create_export(dataset, {"format": "ViJsonl", "options": {"splitRatio": 0.8}})
    client.annotations.download(
        dataset_id=dataset, dataset_export_id=export.dataset_export_id, save_dir=tmp_path, show_progress=False
    )
    lines = {path.parent.name: len(path.read_text().splitlines()) for path in tmp_path.rglob("*.jsonl")}
    assert lines == {"train": 291, "validation": 73}


@pytest.mark.parametrize("ratio", [1.2, -0.1, "a half", True, [0.5]])
def test_a_ratio_that_is_none_is_refused_with_a_sentence(place: Place, ratio: object) -> None:
    with pytest.raises(ViValidationError, match="is not a split ratio"):
        place.client().datasets.create_export(
            place.datasets[BCCD], {"format": "ViJsonl", "options": {"splitRatio": ratio}}
        )


def test_a_format_that_is_none_is_refused_with_a_sentence(place: Place) -> None:
    with pytest.raises(ViValidationError, match="is not a format"):
        place.client().datasets.create_export(place.datasets[BCCD], {"format": "Pickle"})


def test_exports_are_listed_page_by_page_newest_first(place: Place) -> None:
    client, dataset = place.client(), place.datasets["BCCD questions"]
    made = [client.datasets.create_export(dataset, {"format": "ViJsonl"}).dataset_export_id for _ in range(3)]
    pages = client.datasets.list_exports(dataset, page_size=2)
    told = [export.dataset_export_id for page in pages for export in page.items]
    assert told[:3] == made[::-1]
    assert client.datasets.get_export(dataset, made[0]).dataset_export_id == made[0]


def test_a_read_only_key_exports_and_a_viewers_key_does_not(place: Place) -> None:
    dataset = place.datasets[BCCD]
    assert place.client(key=place.keys["ana_reads"]).datasets.create_export(dataset, {"format": "ViJsonl"})
    with pytest.raises(ViAuthenticationError, match="may not export"):
        place.client("ben").datasets.create_export(dataset, {"format": "ViJsonl"})


def test_a_download_needs_no_key_until_the_key_is_revoked(place: Place) -> None:
    told = place.portal.manage("shell", "--verbosity", "0", "--command", _NEW_KEY).splitlines()[-1]
    client = place.client(key=told)
    url = client.datasets.create_export(place.datasets[BCCD], {"format": "ViJsonl"}).status.download_url.url
    whole = httpx.get(url, trust_env=False)
    assert whole.status_code == 200
    assert httpx.head(url, trust_env=False).headers["Content-Length"] == str(len(whole.content))
    part = httpx.get(url, headers={"Range": "bytes=10-19"}, trust_env=False)
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    place.portal.manage("shell", "--verbosity", "0", "--command", _REVOKE_IT)
    refused = httpx.get(url, trust_env=False)
    assert refused.status_code == 403
    assert "no longer valid" in refused.json()["message"]
    with pytest.raises(ViAuthenticationError):
        client.datasets.get(place.datasets[BCCD])


def test_no_key_is_in_the_log(place: Place) -> None:
    log = (place.portal.folder / "serve.log").read_text()
    assert "dtvi_" not in log
    assert "credential=" not in log


_NEW_KEY = """
from vi_portal.accounts.models import Membership, SecretKey
print(SecretKey.objects.make(membership=Membership.objects.get(user__username="ana"), name="Short", read_only=False)[1])
"""
_REVOKE_IT = """
from vi_portal.accounts.models import SecretKey
SecretKey.objects.get(name="Short").revoke()
"""
