"""Putting data in with the vendor's client, and taking the same out again."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from vi.client.errors import (
    ViAuthenticationError,
    ViConflictError,
    ViNotFoundError,
    ViOperationError,
    ViValidationError,
)

from tests.sdk.conftest import Place
from tests.sdk.files import image, record, write_images, write_records

IMAGES = 60


@pytest.fixture
def dataset(place: Place) -> str:
    """A new, empty phrase grounding dataset."""
    made = place.client().datasets.create(name=f"New {uuid.uuid4().hex[:8]}", dataset_type="phrase-grounding")
    return str(made.dataset_id)


def downloaded_lines(place: Place, dataset: str, folder: Path) -> list[dict[str, Any]]:
    place.client().annotations.download(dataset_id=dataset, save_dir=str(folder))
    lines = [line for file in sorted(folder.rglob("*.jsonl")) for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_images_and_annotations_come_back_as_they_were(place: Place, dataset: str, tmp_path: Path) -> None:
    client = place.client()
    written = write_images(tmp_path / "in", IMAGES)
    result = client.assets.upload(dataset, str(tmp_path / "in"), wait_until_done=True)
    assert (result.total_succeeded, result.total_failed) == (IMAGES, 0)
    records = [record(name, number) for number, name in enumerate(written)]
    imported = client.annotations.upload(dataset, str(write_records(tmp_path / "a.jsonl", records)))
    assert imported.session.status.annotations.status_count == {"Created": IMAGES}

    client.assets.download(dataset, save_dir=str(tmp_path / "out"))
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").rglob("*.png")} == written
    lines = downloaded_lines(place, dataset, tmp_path / "annotations")
    assert {line["filename"]: line["annotations"][0]["contents"]["caption"] for line in lines} == {
        each["asset"]["filename"]: each["contents"]["caption"] for each in records
    }
    assert client.datasets.get(dataset).statistic.annotation_total == IMAGES


def test_sending_the_same_again_changes_nothing_and_loses_nothing(place: Place, dataset: str, tmp_path: Path) -> None:
    client = place.client()
    written = write_images(tmp_path / "in", 3)
    lines = write_records(tmp_path / "a.jsonl", [record(name, n) for n, name in enumerate(written)])
    for _ in range(2):
        assert client.assets.upload(dataset, str(tmp_path / "in")).total_succeeded == 3
        result = client.annotations.upload(dataset, str(lines))
    assert result.annotations_by_status == {"Unchanged": 3}
    assert result.is_complete
    found = client.datasets.get(dataset).statistic
    assert (found.asset_total, found.annotation_total) == (3, 3)


@pytest.mark.parametrize(("option", "annotations"), [("RemoveLinkedResource", 0), ("KeepLinkedResource", 2)])
def test_another_image_of_the_same_name_takes_its_place(
    place: Place, dataset: str, tmp_path: Path, option: str, annotations: int
) -> None:
    client = place.client()
    (tmp_path / "a.png").write_bytes(image(1))
    client.assets.upload(dataset, str(tmp_path / "a.png"))
    client.annotations.upload(dataset, str(write_records(tmp_path / "a.jsonl", [record("a.png", 1)])))
    (tmp_path / "a.png").write_bytes(image(2, size=(128, 96)))
    client.assets.upload(dataset, str(tmp_path / "a.png"), on_asset_overwritten=option)
    [asset] = client.assets.list(dataset).items
    assert (asset.metadata.width, asset.metadata.height) == (128, 96)
    parts = client.annotations.list(dataset, asset.asset_id).items
    assert len(parts) == annotations
    if parts:  # the box is still at the same pixels
        assert parts[1].spec.contents.bound[0] == pytest.approx((0.125, 0.125))


def test_what_is_no_image_is_refused_by_name_and_the_rest_is_taken(place: Place, dataset: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_images(folder, 2)
    (folder / "text.png").write_bytes(b"\x89PNG\r\n\x1a\nI am no image.")
    (folder / "cut.png").write_bytes(image(3, size=(640, 480))[:400])
    (folder / "lie.jpg").write_bytes(image(4))
    result = place.client().assets.upload(dataset, str(folder))
    assert (result.total_succeeded, result.total_failed) == (2, 3)
    assert result.failed_files == {"text.png": "EBADMIME", "cut.png": "ECORRUPT", "lie.jpg": "EBADMIME"}
    assert place.client().assets.count(dataset) == 2


def test_a_bad_line_keeps_all_files_out_and_says_which(
    place: Place, dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = place.client()
    write_images(tmp_path / "in", 2)
    client.assets.upload(dataset, str(tmp_path / "in"))
    (tmp_path / "lines").mkdir()
    write_records(tmp_path / "lines" / "good.jsonl", [record("image_0000.png", 0)])
    (tmp_path / "lines" / "worse.jsonl").write_text(json.dumps(record("image_0001.png", 1)) + "\n{broken\n")
    with pytest.raises(ViOperationError) as refused:
        client.annotations.upload(dataset, str(tmp_path / "lines"))
    assert "worse.jsonl:2" in str(refused.value)
    assert client.datasets.get(dataset).statistic.annotation_total == 0


def test_annotations_that_would_be_replaced_are_protected(place: Place, dataset: str, tmp_path: Path) -> None:
    client = place.client()
    write_images(tmp_path / "in", 1)
    client.assets.upload(dataset, str(tmp_path / "in"))
    lines = tmp_path / "a.jsonl"
    client.annotations.upload(dataset, str(write_records(lines, [record("image_0000.png", 0, id="x")])))
    with pytest.raises(ViOperationError, match="would replace"):
        client.annotations.upload(dataset, str(write_records(lines, [record("image_0000.png", 1, id="x")])))
    [line] = downloaded_lines(place, dataset, tmp_path / "out")
    assert line["annotations"][0]["contents"]["caption"] == "A red valve 0"


def test_a_file_of_any_name_is_read_for_what_it_is(place: Place, dataset: str, tmp_path: Path) -> None:
    client = place.client()
    write_images(tmp_path / "in", 2)
    client.assets.upload(dataset, str(tmp_path / "in"))
    document = tmp_path / "annotations.txt"
    document.write_text(json.dumps([record("image_0000.png", 0), record("image_0001.png", 1)], indent=2))
    assert client.annotations.upload(dataset, str(document)).total_annotations == 2


def test_datasets_are_made_changed_and_deleted(place: Place) -> None:
    client, name = place.client(), f"Gauges {uuid.uuid4().hex[:8]}"
    made = client.datasets.create(name=name, dataset_type="vqa", description="Dials")
    assert (made.name, made.type.value, made.description) == (name, "vqa", "Dials")
    with pytest.raises(ViConflictError, match="already"):
        client.datasets.create(name=name)
    changed = client.datasets.update(made.dataset_id, spec={"name": f"{name}!"}, metadata={"by": "ana"})
    assert changed.name == f"{name}!"
    deleted = client.datasets.delete(made.dataset_id)
    assert deleted.dataset_id.endswith(made.dataset_id)
    with pytest.raises(ViNotFoundError):
        client.datasets.get(made.dataset_id)


def test_assets_are_renamed_and_deleted_one_by_one_or_many(place: Place, dataset: str, tmp_path: Path) -> None:
    client = place.client()
    write_images(tmp_path / "in", 5)
    client.assets.upload(dataset, str(tmp_path / "in"))
    first, second, third, *_ = client.assets.list(dataset).items
    client.assets.rename(dataset, "first.png", asset_id=first.asset_id)
    client.assets.rename(dataset, "second.png", filename=second.filename)
    assert client.assets.get(dataset, first.asset_id).filename == "first.png"
    assert client.assets.get(dataset, second.asset_id).filename == "second.png"
    client.assets.delete(dataset, first.asset_id)
    with pytest.raises(ViNotFoundError):
        client.assets.get(dataset, first.asset_id)
    client.datasets.bulk_delete_assets(dataset, filter_criteria={"filename": ["second.png", third.filename]})
    assert client.assets.count(dataset) == 2
    with pytest.raises(ViValidationError, match="Nothing was deleted"):
        client.datasets.bulk_delete_assets(dataset, filter_criteria={"colour": "red"})


def test_annotations_are_changed_and_deleted(place: Place, dataset: str, tmp_path: Path) -> None:
    client = place.client()
    write_images(tmp_path / "in", 1)
    client.assets.upload(dataset, str(tmp_path / "in"))
    client.annotations.upload(dataset, str(write_records(tmp_path / "a.jsonl", [record("image_0000.png", 0)])))
    [asset] = client.assets.list(dataset).items
    caption, box = client.annotations.list(dataset, asset.asset_id).items
    body = {"kind": "Annotation", "spec": {"contents": {"kind": "Caption", "contents": "One red valve"}}}
    changed = client.annotations.replace(dataset, asset.asset_id, caption.annotation_id, body)
    assert changed.spec.contents.contents == "One red valve"
    moved = client.annotations.update(
        dataset, asset.asset_id, box.annotation_id, {"spec": {"contents": {"bound": [[0, 0], [0.5, 0.5]]}}}
    )
    assert [tuple(corner) for corner in moved.spec.contents.bound] == [(0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)]
    client.annotations.delete(dataset, asset.asset_id, box.annotation_id)
    assert len(client.annotations.list(dataset, asset.asset_id).items) == 1
    client.annotations.delete(dataset, asset.asset_id, caption.annotation_id)
    assert client.annotations.list(dataset, asset.asset_id).items == []


@pytest.mark.parametrize("who", ["ana_reads", "ben"])
def test_who_may_only_read_changes_nothing(place: Place, dataset: str, tmp_path: Path, who: str) -> None:
    client = place.client(who)
    (tmp_path / "a.png").write_bytes(image(1))
    with pytest.raises(ViAuthenticationError):
        client.datasets.create(name="Mine")
    with pytest.raises(ViAuthenticationError):
        client.datasets.delete(dataset)
    with pytest.raises(ViAuthenticationError):
        client.assets.upload(dataset, str(tmp_path / "a.png"))
    with pytest.raises(ViAuthenticationError):
        client.annotations.upload(dataset, str(write_records(tmp_path / "a.jsonl", [record("a.png", 1)])))
    assert place.client().assets.count(dataset) == 0
